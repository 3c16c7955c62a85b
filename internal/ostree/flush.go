package ostree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Flush moves what is staged to its place, and no object before what it names, so that a tree that is there is whole wherever a crash comes. When it returns, a reference to it may be published. What other goroutines
// stage meanwhile waits for the next Flush.
func (w *Writer) Flush() error {
	w.flush.Lock()
	defer w.flush.Unlock()
	w.mu.Lock()
	objects := make([]Object, 0, len(w.staged))
	for o := range w.staged {
		objects = append(objects, o)
	}
	slices.SortFunc(objects, func(a, b Object) int { return w.staged[a] - w.staged[b] })
	w.mu.Unlock()
	if err := w.syncStaged(objects); err != nil {
		return err
	}
	dirs := map[string]bool{}
	for _, o := range objects {
		to := w.repo.path("objects", o.path())
		dir := filepath.Dir(to)
		err := os.Rename(w.stagedPath(o), to)
		if errors.Is(err, fs.ErrNotExist) && os.MkdirAll(dir, 0o777) == nil {
			dirs[filepath.Dir(dir)] = true
			err = os.Rename(w.stagedPath(o), to)
		}
		if err != nil {
			return err
		}
		dirs[dir] = true
		w.mu.Lock()
		delete(w.staged, o)
		w.mu.Unlock()
	}
	return w.repo.syncDirs(dirs)
}

func (w *Writer) syncStaged(objects []Object) error {
	if w.repo.noSync || len(objects) == 0 {
		return nil
	}
	if len(objects) > fewObjects {
		return syncFS(w.dir)
	}
	for _, o := range objects {
		f, err := os.Open(w.stagedPath(o))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repo) syncDirs(dirs map[string]bool) error {
	if r.noSync || len(dirs) == 0 {
		return nil
	}
	if len(dirs) > fewObjects {
		return syncFS(r.dir)
	}
	for dir := range dirs {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// syncFS synchronises the file system that holds dir.
func syncFS(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Syncfs(int(d.Fd())), d.Close()); err != nil {
		return fmt.Errorf("synchronise %s: %w", strings.TrimSuffix(dir, "/"), err)
	}
	return nil
}
