package repo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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
		err = w.takeOver(fresh, force)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close(), os.RemoveAll(fresh))
	}
	return w, w.sweep()
}

// takeOver puts fresh in the place of a workspace that is abandoned, or of any with force.
func (w *workspace) takeOver(fresh string, force bool) error {
	old := abandoned(w.dir)
	if old != nil {
		defer old.Close()
	} else if !force {
		return fmt.Errorf("temporary repodata directory %s already exists (another createrepo process is running?)", w.dir)
	}
	if err := w.remove(); err != nil {
		return err
	}
	return renameNew(fresh, w.root+workDir)
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

// abandoned gives the lock of a workspace of ours whose process is gone, or nil. Only who holds it may take the workspace away: of
// two that find one, the slower would take away what the faster has put in its place.
func abandoned(dir string) *os.File {
	f, err := os.OpenFile(dir+lockName, os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && isAt(f, dir+lockName) {
		return f
	}
	f.Close()
	return nil
}

// isAt reports whether f is still what path names.
func isAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}

// sweep removes what runs left that were killed before they had the workspace, or after they gave it up.
func (w *workspace) sweep() error {
	left, err := filepath.Glob(globEscape(w.root+workDir) + "-*")
	if err != nil {
		return err
	}
	for _, dir := range left {
		err = errors.Join(err, sweepDir(dir, ours.MatchString(dir[len(w.root+workDir):])))
	}
	if err := os.Remove(w.root + RepodataDir + "/" + lockName); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
		return err
	}
	return err
}

// ours matches what remove appends to the name of a workspace. newLockedDir's names end alike, but others' may too.
var ours = regexp.MustCompile(`^-[0-9]+-gone-[0-9]+$`)

// sweepDir removes a directory that a run has left: one that was given up, one with a lock of which nobody holds it, or an empty one.
// Others are somebody's.
func sweepDir(dir string, givenUp bool) error {
	if givenUp {
		return os.RemoveAll(dir)
	}
	if lock := abandoned(dir + "/"); lock != nil {
		return errors.Join(os.RemoveAll(dir), lock.Close())
	}
	_ = unix.Rmdir(dir)
	return nil
}

// globEscape makes filepath.Glob take path as it is.
func globEscape(path string) string {
	return strings.NewReplacer("\\", "\\\\", "*", "\\*", "?", "\\?", "[", "\\[").Replace(path)
}

// discard removes the workspace, unless it is published or another run has taken it by force.
func (w *workspace) discard() error {
	if w.lock == nil {
		return nil
	}
	var err error
	if w.owned() {
		err = w.remove()
	}
	err = errors.Join(err, w.lock.Close())
	w.lock = nil
	return err
}

// owned reports whether the directory is still the one that was opened.
func (w *workspace) owned() bool { return isAt(w.lock, w.dir+lockName) }

// writeRepomd writes repomd.xml, which is the last file.
func (w *workspace) writeRepomd(md *repodata.Repomd) error {
	if err := md.Check(); err != nil {
		return err
	}
	return atomicfile.Write(w.dir+"repomd.xml", md.Append(nil), 0o666)
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
	if !w.owned() {
		return fmt.Errorf("another run has taken %s", w.dir)
	}
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
	exchanged := err == nil
	switch {
	case errors.Is(err, unix.ENOENT):
		err = os.Rename(from, to)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		err = w.replace(from, to)
	}
	if err != nil {
		return fmt.Errorf("move repodata into place: %w", err)
	}
	err = errors.Join(os.Remove(to+"/"+lockName), atomicfile.SyncDir(w.root))
	if exchanged {
		err = errors.Join(err, w.remove()) // else the name is free, and what has it now is another run's
	}
	err = errors.Join(err, w.lock.Close())
	w.lock = nil
	return err
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
		if e.Name() == "repomd.xml" || e.Name() == lockName || strings.HasPrefix(e.Name(), modifyPrefix) || slices.Contains(drop, e.Name()) {
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

// carry links or copies a file, or copies a directory. What is neither is no metadata.
func carry(from, to string, e fs.DirEntry) error {
	switch {
	case e.IsDir():
		return os.CopyFS(to, os.DirFS(from))
	case e.Type()&os.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case !e.Type().IsRegular() || os.Link(from, to) == nil:
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
