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
	root string   // of the repository, ends in a slash
	dir  string   // where to write, ends in a slash
	lock *os.File // a file in dir; nil once the workspace is gone
}

// openWorkspace locks the repository at root. What a killed run of ours left behind is removed; a lock of createrepo_c
// stays until force takes it.
func openWorkspace(root string, force bool) (*workspace, error) {
	fresh, lock, err := newLockedDir(root)
	if err != nil {
		return nil, err
	}
	w := &workspace{root: root, dir: root + workDir + "/", lock: lock}
	err = renameNew(fresh, root+workDir)
	if errors.Is(err, fs.ErrExist) {
		if !force && !abandoned(w.dir) {
			err = fmt.Errorf("temporary repodata directory %s already exists (another createrepo process is running?)", w.dir)
		} else if err = w.remove(); err == nil {
			err = renameNew(fresh, root+workDir)
		}
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close(), os.RemoveAll(fresh))
	}
	return w, w.sweep()
}

// newLockedDir makes a directory that holds a locked file, so that a workspace has its lock from the first moment.
func newLockedDir(root string) (dir string, lock *os.File, err error) {
	for i := 0; ; i++ {
		dir = fmt.Sprintf("%s%s-%d-%d", root, workDir, os.Getpid(), i)
		err = os.Mkdir(dir, 0o775)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) || i > 1000 {
			return "", nil, err
		}
	}
	if lock, err = lockIn(dir); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, lock, nil
}

// lockIn makes the lock file of a directory, locked.
func lockIn(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// renameNew renames a directory to a name that nothing may have yet.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// This file system cannot promise it; a directory with something in it is not replaced in any case.
		if _, statErr := os.Lstat(to); statErr == nil {
			return fs.ErrExist
		}
		return os.Rename(from, to)
	}
	return err
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

// sweep removes what runs left that were killed before they had the workspace, or after they gave it up.
func (w *workspace) sweep() error {
	left, err := filepath.Glob(globEscape(w.root+workDir) + "-*")
	if err != nil {
		return err
	}
	for _, dir := range left {
		if _, statErr := os.Lstat(dir + "/" + lockName); statErr != nil || abandoned(dir+"/") {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}
	if err := os.Remove(w.root + RepodataDir + "/" + lockName); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
		return err
	}
	return err
}

// globEscape makes filepath.Glob take path as it is.
func globEscape(path string) string {
	return strings.NewReplacer("\\", "\\\\", "*", "\\*", "?", "\\?", "[", "\\[").Replace(path)
}

// discard removes the workspace. After publish there is none left to remove.
func (w *workspace) discard() error {
	if w.lock == nil {
		return nil
	}
	err := errors.Join(w.remove(), w.lock.Close())
	w.lock = nil
	return err
}

// remove removes what has the workspace's name. It takes the name away first: a directory that is half removed, and has
// no lock any more, would look like one of createrepo_c.
func (w *workspace) remove() error {
	for i := 0; ; i++ {
		gone := fmt.Sprintf("%s%s-%d-gone-%d", w.root, workDir, os.Getpid(), i)
		err := renameNew(w.root+workDir, gone)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case errors.Is(err, fs.ErrExist) && i < 1000:
			continue
		case err != nil:
			return err
		}
		return os.RemoveAll(gone)
	}
}

// publish makes the workspace the repodata of the repository, in one step where there was one before.
func (w *workspace) publish() error {
	if err := atomicfile.SyncDir(w.dir); err != nil {
		return err
	}
	from, to := strings.TrimSuffix(w.dir, "/"), w.root+RepodataDir
	// The old repodata will bear the workspace's name. It gets a lock as well, so that a later run can tell that it may
	// be removed when this one is killed before it does so.
	old, err := lockIn(to)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if old != nil {
		defer old.Close()
	}
	err = unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	switch {
	case errors.Is(err, unix.ENOENT):
		err = os.Rename(from, to)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		err = w.replace(from, to)
	}
	if err != nil {
		return fmt.Errorf("move repodata into place: %w", err)
	}
	return errors.Join(os.Remove(to+"/"+lockName), atomicfile.SyncDir(w.root), w.discard())
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
		if e.Name() == "repomd.xml" || e.Name() == lockName || slices.Contains(drop, e.Name()) {
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
