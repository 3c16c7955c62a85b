package ostree

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// Check reads an object and verifies it.
func (r Reader) Check(obj Object) error {
	switch obj.Type {
	case TypeFile:
		f, err := r.OpenFile(obj.Checksum)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(io.Discard, f)
		return err
	case TypeDirTree:
		_, err := r.ReadTree(obj.Checksum)
		return err
	case TypeDirMeta:
		_, err := r.ReadMeta(obj.Checksum)
		return err
	}
	_, err := r.ReadCommit(obj.Checksum)
	return err
}

// DamagedError says that an object is not what its name says.
type DamagedError struct {
	Object Object
	Err    error
}

// Error gives the reason, which names the object.
func (e *DamagedError) Error() string { return e.Err.Error() }

// Unwrap gives the reason.
func (e *DamagedError) Unwrap() error { return e.Err }

// RemoveDamaged removes objects that are still damaged, so that they can be written again. It waits for the exclusive lock.
func (r *Repo) RemoveDamaged(ctx context.Context, objects []Object) error {
	release, err := r.LockExclusive(ctx)
	if err != nil {
		return err
	}
	defer release()
	for _, o := range objects {
		if !r.Has(o) || r.Check(o) == nil {
			continue
		}
		if err := r.removeObjects(ctx, o.Type, []Checksum{o.Checksum}); err != nil {
			return err
		}
	}
	return nil
}

// Fsck verifies every object that is there, and that everything is there that a reference reaches. Each fault goes to
// fault, one at a time, a damaged object as a DamagedError; the error returned says why the check itself could not go on. It gives the number of objects read.
func (r *Repo) Fsck(ctx context.Context, fault func(error)) (objects int, err error) {
	release, err := r.LockShared(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	damaged, objects, err := r.checkAll(ctx, fault)
	if err != nil {
		return objects, err
	}
	roots, err := r.roots()
	if err != nil {
		return objects, err
	}
	seen := Lacking{NewMarks(), func(o Object) bool { return damaged.Has(o) || r.Has(o) }, func(o Object) {
		fault(fmt.Errorf("object %s: %w", o, ErrNotFound))
	}}
	for name, commit := range roots {
		if err := r.Walk(ctx, commit, seen); err != nil {
			if ctx.Err() != nil {
				return objects, ctx.Err()
			}
			// What is damaged has been named; here it is said what it breaks.
			fault(fmt.Errorf("reference %s: %w", name, err))
		}
	}
	return objects, ctx.Err()
}

// Lacking is Marks for a walk that is to tell of what is not there.
type Lacking struct {
	*Marks
	There func(Object) bool
	Tell  func(Object)
}

// Add adds an object.
func (l Lacking) Add(o Object) bool {
	fresh := l.Marks.Add(o)
	if fresh && !l.There(o) {
		l.Tell(o)
	}
	return fresh
}

func (r *Repo) checkAll(ctx context.Context, fault func(error)) (damaged *Set, objects int, err error) {
	damaged = NewSet()
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		todo = make(chan Object, 64)
	)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for o := range todo {
				if err := r.Check(o); err != nil {
					mu.Lock()
					damaged.Add(o)
					fault(&DamagedError{o, err})
					mu.Unlock()
				}
			}
		})
	}
	defer wg.Wait() // after close: deferred calls run from the last to the first
	defer close(todo)
	for o, err := range r.Objects() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return damaged, objects, err
		}
		objects++
		todo <- o
	}
	return damaged, objects, nil
}
