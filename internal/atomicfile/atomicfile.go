// Package atomicfile writes files that are whole or not there: a temporary file in the same
// directory, then fsync, then rename, then fsync of the directory.
package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Write puts data at path, in place of what stands there.
func Write(path string, data []byte, mode fs.FileMode) error {
	return WriteFrom(path, mode, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteFrom puts what write writes at path. When write fails, nothing is left behind and what stood there stays.
// An existing file keeps its permission bits; a new one gets mode, less the umask.
func WriteFrom(path string, mode fs.FileMode, write func(io.Writer) error) error {
	if err := replace(path, mode, write, (*os.File).Sync); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// WriteUnsynced is Write for many files: they outlive the program's sudden end, but not the machine's before SyncTree.
func WriteUnsynced(path string, data []byte, mode fs.FileMode) error {
	return WriteFromUnsynced(path, mode, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteFromUnsynced is WriteFrom in the same way.
func WriteFromUnsynced(path string, mode fs.FileMode, write func(io.Writer) error) error {
	return replace(path, mode, write, func(*os.File) error { return nil })
}

// SyncTree makes all durable that was written to the file system that holds dir.
func SyncTree(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return &fs.PathError{Op: "syncfs", Path: dir, Err: err}
	}
	return nil
}

// maxBase leaves room for what makes a temporary name of a name, of which file systems take 255 bytes.
const maxBase = 240

func replace(path string, mode fs.FileMode, write func(io.Writer) error, sync func(*os.File) error) (err error) {
	dir, base := filepath.Split(path)
	base = base[:min(len(base), maxBase)]
	f, err := create(filepath.Join(dir, "."+base), mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			f.Close()
		}
	}()
	if old, statErr := os.Stat(path); statErr == nil && old.Mode().IsRegular() {
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			return err
		}
	}
	if err := write(f); err != nil {
		return err
	}
	if err := sync(f); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return f.Close() // not before: with the lock gone, another writer would take the file over
}

// create makes a new file beside its goal, under the umask as os.CreateTemp does not. Whoever writes to one holds a lock on it, so
// that one which a crash left behind is known and taken over.
func create(prefix string, mode fs.FileMode) (*os.File, error) {
	for i := 0; ; i++ {
		f, err := os.OpenFile(prefix+suffix(i), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, mode)
		if err != nil {
			return nil, err
		}
		if claim(f) {
			return f, f.Truncate(0)
		}
		f.Close()
		if i == 9999 {
			return nil, &fs.PathError{Op: "create", Path: prefix, Err: fs.ErrExist}
		}
	}
}

// claim locks f, and says whether f still is what its name stands for: another writer may just have renamed it.
func claim(f *os.File) bool {
	if errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) {
		return false
	}
	named, err := os.Lstat(f.Name())
	if err != nil {
		return false
	}
	opened, err := f.Stat()
	return err == nil && os.SameFile(named, opened)
}

func suffix(i int) string {
	const digits = "0123456789"
	return ".tmp" + string([]byte{digits[i/1000%10], digits[i/100%10], digits[i/10%10], digits[i%10]})
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
