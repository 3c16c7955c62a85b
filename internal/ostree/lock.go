package ostree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Locks are open file description locks on the file .lock, as libostree takes them: shared while objects are written
// or relied upon, exclusive while objects are removed. The file .lock-order is ours alone. Its first byte is a turnstile: who
// wants the exclusive lock holds it, so that a stream of shared locks does not keep it waiting for ever. Its
// second byte is held while a reference is compared and replaced.
const (
	lockFile  = ".lock"
	orderFile = ".lock-order"
)

const (
	orderTurnstile = 0
	orderRefs      = 1
)

// LockShared waits until nobody removes objects and keeps it so until release is called. On a file system that cannot be written to
// there is nothing to wait for.
func (r *Repo) LockShared(ctx context.Context) (release func(), err error) {
	turn, err := r.lockRange(ctx, orderFile, unix.F_RDLCK, orderTurnstile, 1)
	if err != nil {
		return nil, err
	}
	defer turn()
	return r.lockRange(ctx, lockFile, unix.F_RDLCK, 0, 0)
}

// breather is how long the turnstile is left to others after an exclusive lock.
const breather = 250 * time.Millisecond

// LockExclusive waits until nobody else has a lock. Taken again and again, it lets those pass between who wait meanwhile.
func (r *Repo) LockExclusive(ctx context.Context) (release func(), err error) {
	if info, err := os.Stat(r.path(orderFile)); err == nil {
		if wait := breather - time.Since(info.ModTime()); wait > 0 && wait <= breather {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(wait):
			}
		}
	}
	turn, err := r.lockRange(ctx, orderFile, unix.F_WRLCK, orderTurnstile, 1)
	if err != nil {
		return nil, err
	}
	lock, err := r.lockRange(ctx, lockFile, unix.F_WRLCK, 0, 0)
	if err != nil {
		turn()
		return nil, err
	}
	return func() {
		now := time.Now()
		os.Chtimes(r.path(orderFile), now, now) // when it cannot be written, others wait longer
		lock()
		turn()
	}, nil
}

// LockRefs waits until nobody else moves a reference and keeps it so until release is called.
func (r *Repo) LockRefs(ctx context.Context) (release func(), err error) {
	return r.lockRange(ctx, orderFile, unix.F_WRLCK, orderRefs, 1)
}

func (r *Repo) lockRange(ctx context.Context, name string, kind int16, start, length int64) (func(), error) {
	f, err := os.OpenFile(r.path(name), os.O_RDWR|os.O_CREATE, 0o660)
	if err != nil && kind == unix.F_RDLCK && (errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS)) {
		if f, err = os.Open(r.path(name)); errors.Is(err, fs.ErrNotExist) {
			return func() {}, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lock repository: %w", err)
	}
	if err := waitLock(ctx, f, kind, start, length); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock repository: %s: %w", r.path(name), err)
	}
	return sync.OnceFunc(func() { f.Close() }), nil
}

// waitLock polls: a wait in the kernel could not be cancelled.
func waitLock(ctx context.Context, f *os.File, kind int16, start, length int64) error {
	pause := time.Millisecond
	for {
		lock := unix.Flock_t{Type: kind, Start: start, Len: length}
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// Contended tells whether somebody waits for the exclusive lock, or has it.
func (r *Repo) Contended() bool {
	f, err := os.Open(r.path(orderFile))
	if err != nil {
		return false
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_RDLCK, Start: orderTurnstile, Len: 1}
	return errors.Is(unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock), unix.EAGAIN)
}
