package content

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/remote"
)

// Foreign is another store that packages are taken from. Nothing that it says is believed before it was verified.
type Foreign struct {
	name    string
	objects ostree.Reader
	store   *Store       // a store of this machine
	place   remote.Place // else
	release func()
}

// OpenForeign opens a store by its directory, or a copy of one wherever remote.Open reads. ctx is that of all requests.
func OpenForeign(ctx context.Context, where string, o remote.Options) (*Foreign, error) {
	if _, err := os.Stat(filepath.Join(where, "config")); err == nil && !strings.Contains(where, "://") {
		s, err := Open(where, Options{NoIndex: true})
		if err != nil {
			return nil, err
		}
		release, err := s.Lock(ctx)
		if err != nil {
			return nil, err
		}
		return &Foreign{name: where, objects: s.objects, store: s, release: release}, nil
	}
	place, err := remote.Open(where, o)
	if err != nil {
		return nil, err
	}
	return foreignPlace(ctx, place), nil
}

func foreignPlace(ctx context.Context, place remote.Place) *Foreign {
	return &Foreign{name: place.String(), objects: ostree.Reader{Source: placeSource{ctx, place}}, place: place, release: func() {}}
}

// Close ends the use of the other store.
func (f *Foreign) Close() error {
	f.release()
	if f.store != nil {
		return f.store.Close()
	}
	return nil
}

// String names the other store to people.
func (f *Foreign) String() string { return f.name }

// Collections gives the names of the collections there. A web server cannot be asked for them.
func (f *Foreign) Collections(ctx context.Context) ([]string, error) {
	if f.store != nil {
		return f.store.Collections()
	}
	const refs = "refs/heads/" + collectionRefs
	var names []string
	for file, err := range f.place.List(ctx, refs) {
		if errors.Is(err, remote.ErrReadOnly) {
			return nil, fmt.Errorf("%s: a web server does not tell what there is: name the collections", f)
		}
		if err != nil {
			return nil, err
		}
		name, err := ostree.UnescapeRef(strings.TrimPrefix(file, refs))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// ref reads a reference with the bytes of its file; nil when there is none.
func (f *Foreign) ref(ctx context.Context, collection string) (ostree.Checksum, []byte, error) {
	name, err := collectionRef(collection)
	if err != nil {
		return ostree.Checksum{}, nil, err
	}
	if f.store != nil {
		sum, err := f.store.ref(name)
		if errors.Is(err, ErrNotFound) {
			return sum, nil, nil
		}
		return sum, []byte(sum.String()), err
	}
	file, err := ostree.RefPath(name)
	if err != nil {
		return ostree.Checksum{}, nil, err
	}
	raw, err := remote.Read(ctx, f.place, file)
	if err != nil || raw == nil {
		return ostree.Checksum{}, nil, err
	}
	sum, err := ostree.ParseRef(raw)
	if err != nil {
		err = fmt.Errorf("%s/%s: %w", f, file, err)
	}
	return sum, raw, err
}

// placeSource reads objects of a place, verified.
type placeSource struct {
	ctx   context.Context
	place remote.Place
}

func (p placeSource) open(o ostree.Object) (io.ReadCloser, error) {
	in, err := p.place.Open(p.ctx, ostree.ObjectPath(o))
	if errors.Is(err, remote.ErrNotFound) {
		return nil, fmt.Errorf("%w: object %s: %w", err, o, ErrNotFound)
	}
	return in, err
}

func (p placeSource) OpenFile(sum ostree.Checksum) (*ostree.File, error) {
	in, err := p.open(ostree.Object{Type: ostree.TypeFile, Checksum: sum})
	if err != nil {
		return nil, err
	}
	return ostree.OpenStored(sum, in)
}

func (p placeSource) ReadMetadata(o ostree.Object) (b []byte, err error) {
	for range fetchAttempts {
		var in io.ReadCloser
		if in, err = p.open(o); err != nil {
			return nil, err
		}
		var buf bytes.Buffer
		err = ostree.CheckStored(o, io.TeeReader(in, &buf))
		if in.Close(); err == nil {
			return buf.Bytes(), nil
		}
		err = fmt.Errorf("%s: %w", p.place, err)
	}
	return nil, err
}

// fetchAttempts is how often an object is read that does not come out as its name says: the fault may have been on the way.
const fetchAttempts = 3

// fetch copies one object into the writer, verified.
func (f *Foreign) fetch(ctx context.Context, w *ostree.Writer, o ostree.Object) error {
	if w.Has(o) {
		return nil
	}
	if f.store != nil {
		raw, err := f.store.repo.OpenRaw(o)
		if err == nil {
			err = w.LinkRaw(o, raw)
			raw.Close()
		}
		if err != nil { // it is in another tier, or is damaged here and not there
			if w.PutObject(f.objects, o) == nil {
				return nil
			}
			return fmt.Errorf("%s: %w", f, err)
		}
		return nil
	}
	var err error
	for range fetchAttempts {
		var in io.ReadCloser
		if in, err = (placeSource{ctx, f.place}).open(o); err != nil {
			return err
		}
		err = w.PutRaw(o, in)
		if in.Close(); err == nil || ctx.Err() != nil {
			return err
		}
		err = fmt.Errorf("%s: %w", f, err)
	}
	return err
}

// fetchers is how many objects of one package are fetched at once.
const fetchers = 8

// takeTree copies a tree with all that it reaches. Files come first and directories after what is in them, so that a
// directory that is there is whole, whatever interrupts.
func (f *Foreign) takeTree(ctx context.Context, w *ostree.Writer, tree ostree.Checksum) error {
	both := ostree.Reader{Source: ostree.Sources{w.Source, f.objects.Source}}
	reached := ostree.NewSet()
	if err := both.WalkTree(ctx, tree, reached); err != nil {
		return fmt.Errorf("%s: %w", f, err)
	}
	for _, t := range []ostree.Type{ostree.TypeFile, ostree.TypeDirMeta, ostree.TypeDirTree} {
		if err := f.fetchAll(ctx, w, t, reached[t]); err != nil {
			return err
		}
	}
	return nil
}

func (f *Foreign) fetchAll(ctx context.Context, w *ostree.Writer, t ostree.Type, sums map[ostree.Checksum]struct{}) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	todo := make(chan ostree.Checksum)
	var wg sync.WaitGroup
	for range min(fetchers, len(sums)) {
		wg.Go(func() {
			for sum := range todo {
				if err := f.fetch(ctx, w, ostree.Object{Type: t, Checksum: sum}); err != nil {
					cancel(err)
				}
			}
		})
	}
	for sum := range sums {
		if ctx.Err() != nil {
			break
		}
		todo <- sum
	}
	close(todo)
	wg.Wait()
	return context.Cause(ctx)
}
