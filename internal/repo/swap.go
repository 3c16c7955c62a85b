package repo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/repodata"
)

const (
	workDir  = ".repodata" // where createrepo_c works too, so that it and we keep out of each other's way
	lockName = ".lock"
)

// workspace is the directory beside repodata in which the next one is made. Its existence locks the repository.
type workspace struct {
	root string // of the repository, ends in a slash
	dir  string // where to write, ends in a slash
	lock *os.File
}

// openWorkspace locks the repository at root. What a killed run of ours left behind is removed; a lock of createrepo_c
// stays until force takes it.
func openWorkspace(root string, force bool) (*workspace, error) {
	w := &workspace{root: root, dir: root + workDir + "/"}
	err := os.Mkdir(w.dir, 0o775)
	if errors.Is(err, fs.ErrExist) {
		if !force && !abandoned(w.dir) {
			return nil, fmt.Errorf("temporary repodata directory %s already exists (another createrepo process is running?)", w.dir)
		}
		if err = os.RemoveAll(w.dir); err == nil {
			err = os.Mkdir(w.dir, 0o775)
		}
	}
	if err != nil {
		return nil, err
	}
	if w.lock, err = os.OpenFile(w.dir+lockName, os.O_CREATE|os.O_RDWR, 0o666); err != nil {
		return nil, err
	}
	if err := unix.Flock(int(w.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		w.lock.Close()
		return nil, fmt.Errorf("lock %s: %w", w.dir, err)
	}
	return w, nil
}

// abandoned reports a workspace of ours whose process is gone.
func abandoned(dir string) bool {
	f, err := os.OpenFile(dir+lockName, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// discard removes the workspace. After publish there is none left to remove.
func (w *workspace) discard() error {
	if w.lock == nil {
		return nil
	}
	err := errors.Join(os.RemoveAll(w.dir), w.lock.Close())
	w.lock = nil
	return err
}

// publish makes the workspace the repodata of the repository, in one step where there was one before.
func (w *workspace) publish() error {
	if err := os.Remove(w.dir + lockName); err != nil {
		return err
	}
	if err := atomicfile.SyncDir(w.dir); err != nil {
		return err
	}
	from, to := strings.TrimSuffix(w.dir, "/"), w.root+RepodataDir
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	switch {
	case err == nil:
		// The old repodata now bears the workspace's name and goes with it.
	case errors.Is(err, unix.ENOENT):
		err = os.Rename(from, to)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		err = w.replace(from, to)
	}
	if err != nil {
		return fmt.Errorf("move repodata into place: %w", err)
	}
	return errors.Join(atomicfile.SyncDir(w.root), w.discard())
}

// replace is for file systems that cannot exchange two names.
func (w *workspace) replace(from, to string) error {
	old := w.root + "repodata.old"
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if err := os.Rename(to, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return errors.Join(err, os.Rename(old, to))
	}
	return os.RemoveAll(old)
}

// Retention says which files of the old repodata are kept beside the new ones.
type Retention struct {
	// Keep is what --retain-old-md asks: 0 keeps only files that the old repomd.xml does not name, any other number
	// keeps everything. With Classic it is the number of older copies of each package file that stay.
	Keep    int
	Classic bool
	// MaxAge, when ByAge is set, keeps the files that are not older; below 0 it keeps all.
	ByAge  bool
	MaxAge time.Duration
}

// set reports whether anything was asked for.
func (r *Retention) set() bool { return r.Keep != 0 || r.ByAge }

// retain carries files of the old repodata over into the workspace.
func (w *workspace) retain(r Retention, now time.Time) error {
	old := w.root + RepodataDir
	entries, err := os.ReadDir(old)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	drop, err := r.dropped(old, entries, now)
	if err != nil {
		return err
	}
	for _, e := range entries {
		to := filepath.Join(w.dir, e.Name())
		if e.Name() == "repomd.xml" || slices.Contains(drop, e.Name()) {
			continue
		}
		if _, err := os.Lstat(to); err == nil {
			continue // a new file has the name
		}
		if err := carry(filepath.Join(old, e.Name()), to, e); err != nil {
			return err
		}
	}
	return nil
}

// dropped names the files that go.
func (r *Retention) dropped(dir string, entries []fs.DirEntry, now time.Time) ([]string, error) {
	switch {
	case r.ByAge:
		return r.tooOld(entries, now), nil
	case r.Keep < -1:
		return nil, fmt.Errorf("number of retained old metadata must be at least -1, not %d", r.Keep)
	case r.Keep == -1, r.Keep > 0 && !r.Classic:
		return nil, nil
	case r.Classic:
		return classicDrop(entries, r.Keep), nil
	}
	f, err := os.Open(filepath.Join(dir, "repomd.xml"))
	if err != nil {
		return nil, nil // nothing tells what belongs to the old metadata
	}
	defer f.Close()
	md, err := repodata.ReadRepomd(f)
	if err != nil {
		return nil, nil
	}
	var names []string
	for i := range md.Records {
		if md.Records[i].LocationBase == "" {
			names = append(names, filepath.Base(md.Records[i].LocationHref))
		}
	}
	return names, nil
}

func (r *Retention) tooOld(entries []fs.DirEntry, now time.Time) (names []string) {
	if r.MaxAge < 0 {
		return nil
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > r.MaxAge {
			names = append(names, e.Name())
		}
	}
	return names
}

// classicDrop keeps the latest copies of each package file, which it tells by name as the first createrepo did.
func classicDrop(entries []fs.DirEntry, keep int) (names []string) {
	for _, kind := range []string{
		"primary.xml", "primary.sqlite", "filelists.xml", "filelists.sqlite", "other.xml", "other.sqlite",
	} {
		var files []fs.FileInfo
		for _, e := range entries {
			if stem := strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())); strings.HasSuffix(stem, kind) {
				if info, err := e.Info(); err == nil {
					files = append(files, info)
				}
			}
		}
		slices.SortStableFunc(files, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
		for _, f := range files[min(keep, len(files)):] {
			names = append(names, f.Name())
		}
	}
	return names
}

// carry links or copies a file, or copies a directory.
func carry(from, to string, e fs.DirEntry) error {
	if e.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	if e.Type().IsRegular() && os.Link(from, to) == nil {
		return nil
	}
	return copyFile(from, to)
}

// copyFile copies content, mode and time.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}
