package content

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

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

// Compare tells what another store's collection has that the one here has not, and what only the one here has, both sorted: so packs are
// read frame by frame. Shards that are alike are not read. A collection that is not there is ErrNotFound.
func (s *Store) Compare(ctx context.Context, from *Foreign, theirs, ours string) (more []Incoming, extra []*Package, err error) {
	at, err := from.state(ctx, theirs)
	if err == nil && at.raw == nil {
		err = fmt.Errorf("%s: collection %s: %w", from, theirs, ErrNotFound)
	}
	if err != nil {
		return nil, nil, err
	}
	here, err := s.Collection(ours)
	if errors.Is(err, ErrNotFound) {
		here, err = &Collection{Name: ours, store: s}, nil
	}
	if err != nil || here.Commit == at.commit {
		return nil, nil, err
	}
	there, err := readShards(from.objects, at.commit)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: collection %s: %w", from, theirs, err)
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
		for entry, tree := range theirs {
			if mine[entry] != tree {
				more = append(more, Incoming{Entry: entry, Tree: tree})
			}
		}
		for entry, tree := range mine {
			if _, ok := theirs[entry]; !ok {
				extra = append(extra, &Package{Tree: tree, entry: entry, store: s, from: s.objects})
			}
		}
	}
	slices.SortFunc(more, func(a, b Incoming) int { return strings.Compare(a.Entry, b.Entry) })
	slices.SortFunc(extra, func(a, b *Package) int { return strings.Compare(a.entry, b.entry) })
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
	taken := &Taken{}
	var err error
	taken.Package, err = s.work(ctx, func(ctx context.Context, w *ostree.Writer) (*edit, error) {
		return s.prepareTake(ctx, w, from, p, o, taken)
	})
	if err != nil {
		return nil, err
	}
	return taken, nil
}

// prepareTake brings the objects of a package here and verifies them. It gives no edit for a package that the rule for conflicts leaves out.
func (s *Session) prepareTake(
	ctx context.Context, w *ostree.Writer, from *Foreign, p Incoming, o TakeOptions, taken *Taken,
) (*edit, error) {
	taken.Known = w.Has(ostree.Object{Type: ostree.TypeDirTree, Checksum: p.Tree})
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
		return nil, nil
	}
	e.apply = func(now ostree.Checksum) (ostree.Checksum, error) { return s.store.join(w, p.Entry, now, p.Tree) }
	return e, nil
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
