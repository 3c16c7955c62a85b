package content

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/remote"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
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

// Incoming is a package of another store that the collection here does not have, or not alike.
type Incoming struct {
	Entry string // NEVRA@ID
	Tree  ostree.Checksum
	Err   error // its shard cannot be read; Entry names the shard
}

// NEVRA is name-[epoch:]version-release.arch.
func (i Incoming) NEVRA() string {
	nevra, _, _ := strings.Cut(i.Entry, "@")
	return nevra
}

// Name is the package's name, what keeps its versions together.
func (i Incoming) Name() string { return (&Package{entry: i.Entry}).nevra().Name }

// Compare tells what another store's collection has that the one here has not, and what only the one here has, both sorted. Shards that
// are alike are not read. A collection that is not there is ErrNotFound.
func (s *Store) Compare(ctx context.Context, from *Foreign, theirs, ours string) (more []Incoming, extra []*Package, err error) {
	commit, raw, err := from.ref(ctx, theirs)
	if err == nil && raw == nil {
		err = fmt.Errorf("%s: collection %s: %w", from, theirs, ErrNotFound)
	}
	if err != nil {
		return nil, nil, err
	}
	there, err := readShards(from.objects, commit)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: collection %s: %w", from, theirs, err)
	}
	here, err := s.Collection(ours)
	if errors.Is(err, ErrNotFound) {
		here, err = &Collection{Name: ours, store: s}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, name := range shardNames(there, here.shards) {
		a, _ := there.Dir(name)
		b, _ := here.shards.Dir(name)
		if a.Tree == b.Tree {
			continue
		}
		theirs, err := shardMembers(from.objects, a.Tree)
		if err != nil {
			more = append(more, Incoming{Entry: "shard " + name, Err: fmt.Errorf("%s: %w", from, err)})
			continue
		}
		mine, err := shardMembers(s.objects, b.Tree)
		if err != nil {
			return nil, nil, err
		}
		for _, entry := range slices.Sorted(maps.Keys(theirs)) {
			if mine[entry] != theirs[entry] {
				more = append(more, Incoming{Entry: entry, Tree: theirs[entry]})
			}
		}
		for _, entry := range slices.Sorted(maps.Keys(mine)) {
			if _, ok := theirs[entry]; !ok {
				extra = append(extra, &Package{Tree: mine[entry], entry: entry, store: s, from: s.objects})
			}
		}
	}
	return more, extra, nil
}

func shardNames(trees ...ostree.DirTree) []string {
	names := map[string]bool{}
	for _, t := range trees {
		for _, d := range t.Dirs {
			names[d.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// shardMembers gives the packages of a shard; none when it is not there.
func shardMembers(from objects, shard ostree.Checksum) (map[string]ostree.Checksum, error) {
	members := map[string]ostree.Checksum{}
	if shard.IsZero() {
		return members, nil
	}
	tree, err := from.ReadTree(shard)
	for _, d := range tree.Dirs {
		members[d.Name] = d.Tree
	}
	return members, err
}

// Conflicts says what becomes of two packages with one NEVRA and different content. Whatever the order in which they come, the end is the same.
type Conflicts string

// The rules for conflicts.
const (
	KeepBoth   Conflicts = "both"   // both stay beside each other, as after an import of both
	KeepNewest Conflicts = "newest" // the one that was built later stays; built at one time, the one with the greater ID
)

// TakeOptions are options of Take.
type TakeOptions struct {
	Prove     bool      // make every file of the package and compare it with its digest
	Conflicts Conflicts // "": KeepBoth
}

// Taken tells what Take did.
type Taken struct {
	Package  *Package
	Known    bool   // the objects were there
	Conflict string // the package here of the same NEVRA, NEVRA@ID
	LeftOut  bool   // by the rule for conflicts
}

// Take puts a package of another store into the collection and returns when it is published: every object is compared with its name, and
// the package with what its name and documents say. Signatures and notes of a package that is there already are joined, whatever the order.
func (s *Session) Take(ctx context.Context, from *Foreign, p Incoming, o TakeOptions) (*Taken, error) {
	if p.Err != nil {
		return nil, staged("fetch", p.Err)
	}
	ctx, leave, err := s.slot(ctx)
	if err != nil {
		return nil, staged("begin", err)
	}
	defer leave()
	w, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer s.end()
	taken := &Taken{Known: w.Has(ostree.Object{Type: ostree.TypeDirTree, Checksum: p.Tree})}
	if err := from.takeTree(ctx, w, p.Tree); err != nil {
		return nil, staged("fetch", err)
	}
	got := &Package{Tree: p.Tree, entry: p.Entry, store: s.store, from: w}
	if err := got.consistent(); err != nil {
		return nil, staged("verify", fmt.Errorf("%s: %w", from, err))
	}
	if o.Prove {
		if err := got.prove(ctx); err != nil {
			return nil, staged("prove", fmt.Errorf("%s: %w", from, err))
		}
	}
	e := &edit{entry: p.Entry}
	if err := s.resolve(got, o.Conflicts, e, taken); err != nil {
		return nil, staged("compare", err)
	}
	if taken.LeftOut {
		return taken, nil
	}
	leave()
	e.apply = func(now ostree.Checksum) (ostree.Checksum, error) { return s.store.join(w, p.Entry, now, p.Tree) }
	if err := s.publish(e); err != nil {
		return nil, staged("publish", err)
	}
	taken.Package = &Package{Tree: e.final, entry: p.Entry, store: s.store, from: s.store.objects}
	return taken, nil
}

// resolve looks for other packages of the same NEVRA and applies the rule.
func (s *Session) resolve(p *Package, rule Conflicts, e *edit, taken *Taken) error {
	c, err := s.store.Collection(s.collection)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	found, err := c.exact(p.NEVRA())
	if err != nil {
		return err
	}
	for _, other := range found {
		if other.entry == p.entry {
			continue
		}
		taken.Conflict = other.entry
		if rule != KeepNewest {
			return nil
		}
		newer, err := p.newerThan(other)
		if err != nil {
			return err
		}
		if !newer {
			taken.LeftOut = true
			return nil
		}
		e.replace = true
	}
	return nil
}

func (p *Package) newerThan(other *Package) (bool, error) {
	a, err := p.buildTime()
	if err != nil {
		return false, err
	}
	b, err := other.buildTime()
	return a > b || a == b && p.entry > other.entry, err
}

func (p *Package) buildTime() (int64, error) {
	raw, err := p.Header()
	if err != nil {
		return 0, err
	}
	h, err := rpmfile.ParseHeader(raw)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	t, _ := h.Int(rpmfile.TagBuildTime)
	return t, nil
}

// consistent compares name, header and documents of a package with each other.
func (p *Package) consistent() error {
	r, err := p.Recipe()
	if err != nil {
		return err
	}
	list, err := p.Exports()
	if err != nil {
		return err
	}
	id, err := hex.DecodeString(r.ID)
	if err != nil || len(list) == 0 {
		return fmt.Errorf("%s: no exports", p.entry)
	}
	for _, e := range list {
		parts, err := p.parts(e)
		if err != nil {
			return err
		}
		entry, err := entryName(parts.NEVRA().String(), [32]byte(id))
		if err != nil {
			return err
		}
		start, payload := parts.HeaderRange()
		if entry != p.entry || start != e.Header || payload != e.Payload || e.Size-payload != r.Size {
			return fmt.Errorf("%s: its header and documents are those of %s", p.entry, entry)
		}
	}
	return nil
}

// prove makes every file of the package.
func (p *Package) prove(ctx context.Context) error {
	checked, err := p.Check(ctx, nil)
	for _, c := range checked {
		err = errors.Join(err, c.Err, c.Result.Err())
	}
	return err
}

// join gives the tree of a package that has what both trees of it have. It does not matter which is the first: of the recipes the better one
// is taken, of two notes of one key the greater one.
func (s *Store) join(w *ostree.Writer, entry string, a, b ostree.Checksum) (ostree.Checksum, error) {
	if a.IsZero() || a == b {
		return b, nil
	}
	base := &Package{Tree: a, entry: entry, store: s, from: w}
	other := &Package{Tree: b, entry: entry, store: s, from: w}
	mine, err := base.Recipe()
	theirs, err2 := other.Recipe()
	if err := errors.Join(err, err2); err != nil {
		return a, err
	}
	if mine.ID != theirs.ID {
		return a, fmt.Errorf("%s: two packages with the identity %s", entry, base.ShortID())
	}
	if better(theirs, mine) || !better(mine, theirs) && recipeLess(theirs, mine) {
		base, other = other, base
	}
	list, err := base.Exports()
	more, err2 := other.Exports()
	notes, err3 := base.Meta()
	moreNotes, err4 := other.Meta()
	signatures, err5 := other.signatures()
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		return a, err
	}
	for key, value := range moreNotes {
		notes[key] = max(notes[key], value)
	}
	files := map[string][]byte{}
	if files[nameExports], err = encodeDocument(mergeExports(list, more)); err != nil {
		return a, err
	}
	if len(notes) > 0 {
		if files[nameMeta], err = encodeDocument(notes); err != nil {
			return a, err
		}
	}
	return base.change(w, files, signatures)
}

// recipeLess orders recipes that say as much.
func recipeLess(a, b *Recipe) bool {
	x, errA := encodeDocument(a)
	y, errB := encodeDocument(b)
	return errA == nil && errB == nil && bytes.Compare(x, y) < 0
}
