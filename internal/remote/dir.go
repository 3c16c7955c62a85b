package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
)

// dirPlace is a directory, of this machine or a shared file system. It may be a repository that others work on at the same time: it takes
// part in the locks that internal/ostree documents.
type dirPlace struct{ root string }

func openDir(root string) *dirPlace { return &dirPlace{root} }

func (d *dirPlace) String() string { return d.root }

func (d *dirPlace) path(name string) (string, error) {
	return filepath.Join(d.root, filepath.FromSlash(name)), clean(name)
}

func (d *dirPlace) Open(_ context.Context, name string) (io.ReadCloser, error) {
	path, err := d.path(name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a named pipe would keep it waiting
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, f.Close(), fmt.Errorf("%s: not a regular file", path))
	}
	return f, nil
}

func (d *dirPlace) Has(_ context.Context, name string) (bool, error) {
	path, err := d.path(name)
	if err != nil {
		return false, err
	}
	_, err = os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (d *dirPlace) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := filepath.WalkDir(filepath.Join(d.root, filepath.FromSlash(prefix)), func(path string, e fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			case !e.Type().IsRegular() || e.Name()[0] == '.':
				return nil
			}
			name, err := filepath.Rel(d.root, path)
			if err == nil && !yield(filepath.ToSlash(name), nil) {
				return fs.SkipAll
			}
			return err
		})
		if err != nil {
			yield("", err)
		}
	}
}

func (d *dirPlace) Put(ctx context.Context, name string, size int64, content io.ReadSeeker) error {
	path, err := d.path(name)
	if err != nil {
		return err
	}
	return d.replace(path, func(w io.Writer) error {
		n, err := io.Copy(w, content)
		if err == nil && n != size {
			err = fmt.Errorf("%s: %d bytes where there were to be %d", name, n, size)
		}
		return errors.Join(err, ctx.Err())
	})
}

// replace gives a file new content at once. It is made in tmp: elsewhere what a crash leaves would stay for ever, or be taken for a reference.
func (d *dirPlace) replace(path string, write func(io.Writer) error) error {
	tmp := filepath.Join(d.root, "tmp")
	for _, dir := range []string{tmp, filepath.Dir(path)} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(tmp, "put-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f), f.Sync(), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// The bytes of .lock-order that internal/ostree locks, see there.
const orderRefs = 1

func (d *dirPlace) Swap(ctx context.Context, name string, old, content []byte) error {
	path, err := d.path(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.root, 0o777); err != nil {
		return err
	}
	release, err := d.lock(ctx, ".lock-order", unix.F_WRLCK, orderRefs, 1)
	if err != nil {
		return err
	}
	defer release()
	now, err := Read(ctx, d, name)
	if err != nil {
		return err
	}
	if !same(now, old) {
		return fmt.Errorf("%s: %w", path, ErrMoved)
	}
	return d.replace(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

func (d *dirPlace) Hold(ctx context.Context) (func(), error) {
	// ostree wants these even where there are neither loose objects nor live references.
	for _, name := range []string{"objects", "extensions", "refs/heads", "refs/mirrors", "refs/remotes", "state", "tmp"} {
		if err := os.MkdirAll(filepath.Join(d.root, name), 0o777); err != nil {
			return nil, err
		}
	}
	return d.lock(ctx, ".lock", unix.F_RDLCK, 0, 0)
}

func (d *dirPlace) lock(ctx context.Context, name string, kind int16, start, length int64) (func(), error) {
	f, err := os.OpenFile(filepath.Join(d.root, name), os.O_RDWR|os.O_CREATE, 0o660)
	if err != nil {
		return nil, err
	}
	for {
		lock := unix.Flock_t{Type: kind, Start: start, Len: length}
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
