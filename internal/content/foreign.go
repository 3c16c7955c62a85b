package content

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/remote"
)

// config is the file that every repository has.
const config = "config"

// Foreign is another store that packages are taken from. Nothing that it says is believed before it was verified.
type Foreign struct {
	name    string
	objects ostree.Reader
	store   *Store       // a store of this machine
	place   remote.Place // else
	loose   placeSource  // its loose objects
	tiers   []packTier   // the packs that were brought from there
	sets    []*pack.Set  // those that serve this store alone
	release func()
}

// OpenForeign opens a store by its directory, or a copy of one wherever remote.Open reads. ctx is that of all requests. Where there is no
// store, it is ErrNotFound.
func OpenForeign(ctx context.Context, where string, o remote.Options) (*Foreign, error) {
	// A mirror of packs alone may lack a directory of objects, and is read as any other place.
	if _, err := os.Stat(filepath.Join(where, "objects")); err == nil && !strings.Contains(where, "://") {
		if _, err := os.Stat(filepath.Join(where, config)); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: no store: %w", where, ErrNotFound)
		}
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
	if ok, err := place.Has(ctx, config); err != nil {
		return nil, err
	} else if !ok {
		return nil, fmt.Errorf("%s: no store: %w", place, ErrNotFound)
	}
	return foreignPlace(ctx, place), nil
}

func foreignPlace(ctx context.Context, place remote.Place) *Foreign {
	f := &Foreign{name: place.String(), place: place, loose: placeSource{ctx, place}, release: func() {}}
	f.objects = ostree.Reader{Source: packSource{f}}
	return f
}

// Close ends the use of the other store.
func (f *Foreign) Close() error {
	f.release()
	if f.store != nil {
		return errors.Join(f.closePacks(), f.store.Close())
	}
	return f.closePacks()
}

// String names the other store to people.
func (f *Foreign) String() string { return f.name }

// Collections gives the names of the collections there. A web server cannot be asked for them.
func (f *Foreign) Collections(ctx context.Context) ([]string, error) {
	if f.store != nil {
		return f.store.Collections()
	}
	var names []string
	for _, dir := range []string{"refs/heads/", packsDir + "/" + packRefs + "/"} {
		for file, err := range f.place.List(ctx, dir) {
			if errors.Is(err, remote.ErrReadOnly) {
				return nil, fmt.Errorf("%s: a web server does not tell what there is: name the collections", f)
			}
			if err != nil {
				return nil, err
			}
			ref := strings.TrimPrefix(file, dir)
			if strings.HasPrefix(dir, packsDir) {
				if ref, err = url.PathUnescape(ref); err != nil {
					continue
				}
			}
			ref, ok := strings.CutPrefix(ref, collectionRefs)
			if !ok {
				continue
			}
			name, err := ostree.UnescapeRef(ref)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f, err)
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// foreignRef is the reference of a collection of another store.
type foreignRef struct {
	commit ostree.Checksum
	file   string   // below the store
	raw    []byte   // what is in the file; nil when there is none
	packed bool     // it is that of a packed collection
	packs  []string // that the reference names
}

// state reads the reference of a collection. Where there is a live one, it counts.
func (f *Foreign) state(ctx context.Context, collection string) (r foreignRef, err error) {
	name, err := collectionRef(collection)
	if err != nil {
		return r, err
	}
	if f.store != nil {
		if r.commit, err = f.store.ref(name); errors.Is(err, ErrNotFound) {
			return r, nil
		}
		if err == nil {
			r.raw = []byte(r.commit.String())
			r.packed, err = f.store.isPacked(name)
		}
		return r, err
	}
	if r.file, err = ostree.RefPath(name); err != nil {
		return r, err
	}
	if r.raw, err = remote.Read(ctx, f.place, r.file); err == nil && r.raw != nil {
		r.commit, err = ostree.ParseRef(r.raw)
	} else if err == nil {
		packed := packRefFile(name)
		if r.raw, err = remote.Read(ctx, f.place, packed); err != nil || r.raw == nil {
			return r, err
		}
		r.file, r.packed = packed, true
		var ref packRef
		ref, err = parsePackRef(r.raw)
		r.commit, r.packs = ref.commit, ref.packs
	}
	if err != nil {
		err = fmt.Errorf("%s/%s: %w", f, r.file, err)
	}
	return r, err
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
	if f.fromPacks(w, o) {
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

// takeTree copies a tree with all that it reaches, so that a directory that is there is whole, whatever interrupts.
func (f *Foreign) takeTree(ctx context.Context, w *ostree.Writer, tree ostree.Checksum) error {
	list, err := levels(ctx, ostree.Reader{Source: ostree.Sources{w.Source, f.objects.Source}}, tree)
	if err != nil {
		return fmt.Errorf("%s: %w", f, err)
	}
	for _, level := range list {
		if err := parallel(ctx, fetchers, level, func(ctx context.Context, o ostree.Object) error { return f.fetch(ctx, w, o) }); err != nil {
			return err
		}
	}
	return nil
}

// levels gives a tree with all that it reaches: files and what is said about directories first, then directories, each in a later level
// than those that are in it. Copied in this order, a directory that is there is whole.
func levels(ctx context.Context, from objects, tree ostree.Checksum) ([][]ostree.Object, error) {
	l := leveler{from: from, list: [][]ostree.Object{nil}, leaves: ostree.NewSet(), known: map[ostree.Checksum]int{}}
	_, err := l.visit(ctx, tree, 1)
	return l.list, err
}

type leveler struct {
	from   objects
	list   [][]ostree.Object
	leaves *ostree.Set
	known  map[ostree.Checksum]int // levels of directories
}

// maxDepth is how many directories a path can name.
const maxDepth = 4096 / 2

func (l *leveler) visit(ctx context.Context, tree ostree.Checksum, depth int) (level int, err error) {
	if level, ok := l.known[tree]; ok {
		return level, nil
	}
	if depth > maxDepth {
		return 0, fmt.Errorf("%s: more than %d directories deep", tree, maxDepth)
	}
	d, err := l.from.ReadTree(tree)
	if err := errors.Join(err, ctx.Err()); err != nil {
		return 0, err
	}
	for _, f := range d.Files {
		l.leaf(ostree.Object{Type: ostree.TypeFile, Checksum: f.File})
	}
	level = 1
	for _, sub := range d.Dirs {
		l.leaf(ostree.Object{Type: ostree.TypeDirMeta, Checksum: sub.Meta})
		below, err := l.visit(ctx, sub.Tree, depth+1)
		if err != nil {
			return 0, err
		}
		level = max(level, below+1)
	}
	if level == len(l.list) {
		l.list = append(l.list, nil)
	}
	l.list[level] = append(l.list[level], ostree.Object{Type: ostree.TypeDirTree, Checksum: tree})
	l.known[tree] = level
	return level, nil
}

func (l *leveler) leaf(o ostree.Object) {
	if l.leaves.Add(o) {
		l.list[0] = append(l.list[0], o)
	}
}
