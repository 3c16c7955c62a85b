package gitmirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pristine"
)

// Merger brings the mirrors and the metadata of other places, as shards of one import leave them, to one. Open comes first and Close
// last; Merge may be called from several goroutines. What was not changed by people becomes what one import of everything makes, in whatever
// order the other places are named.
type Merger struct {
	Mirrors, Metadata string
	Encoders          *pristine.Encoders
	Prove             bool // regenerate every source RPM that comes, and compare digests

	im      *Importer
	here    map[string][]pkgState // the history of each package's metadata
	origins []*origin
}

// Merged says what a merge did.
type Merged struct {
	From     []string `json:"from"`               // the places that had something
	Versions []string `json:"versions,omitempty"` // imported again, because both sides had others
	Skipped  bool     `json:"-"`                  // nothing was new
}

// Open reads the histories of the metadata.
func (m *Merger) Open(places []Place) error {
	m.im = &Importer{Mirrors: m.Mirrors, Metadata: m.Metadata, Encoders: m.Encoders, Rebuild: true}
	if err := m.im.Open(); err != nil {
		return err
	}
	var err error
	if m.here, err = historyIn(m.Metadata); err != nil {
		return err
	}
	for _, p := range places {
		o, err := openOrigin(p)
		if err != nil {
			return err
		}
		m.origins = append(m.origins, o)
	}
	return nil
}

// Close publishes the metadata.
func (m *Merger) Close() error {
	err := m.im.Close()
	for _, o := range m.origins {
		err = errors.Join(err, o.close())
	}
	return err
}

// Names are the packages that the other places have, sorted.
func (m *Merger) Names() []string {
	all := map[string]bool{}
	for _, o := range m.origins {
		maps.Copy(all, o.names)
	}
	return slices.Sorted(maps.Keys(all))
}

// Reserve gives away the next place in the history of the metadata, as that of an Importer does.
func (m *Merger) Reserve() int { return m.im.Reserve() }

// Merge brings a package. Of what cannot be merged nothing is taken, and an Error says so: of its Class "conflict" both sides have changed
// what cannot be joined, of "incomplete" an import there was cut short.
func (m *Merger) Merge(ctx context.Context, place int, name string) (*Merged, error) {
	defer m.im.meta.end(place)
	out := &Merged{}
	sides, err := m.sides(name)
	defer func() {
		for _, s := range sides {
			s.r.Close()
		}
	}()
	if err != nil {
		return out, err
	}
	dir := filepath.Join(m.Mirrors, name+".git")
	r, err := lockedRepo(dir, sides[0].head())
	if err != nil {
		return out, failed("store", "mirror", err)
	}
	defer r.Close()
	defer r.removeIfEmpty()
	out.Skipped = true
	g := &merging{Merger: m, name: name, place: place, r: r, here: m.here[name], out: out}
	var errs []error
	for _, s := range sides {
		if err := g.take(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.from, err))
		}
	}
	return out, errors.Join(errs...)
}

// side is what one of the other places has of a package.
type side struct {
	from   *origin
	r      *repo
	refs   map[string]Hash
	states []pkgState
}

// sides opens what there is of a package: what has most versions comes first, for the others may have to be fitted in.
func (m *Merger) sides(name string) ([]*side, error) {
	var all []*side
	for _, o := range m.origins {
		if !o.names[name] {
			continue
		}
		r, err := openRepo(filepath.Join(o.place.Mirrors, name+".git"))
		if errors.Is(err, fs.ErrNotExist) {
			return all, failed("read", "incomplete", fmt.Errorf("%s: there are metadata of %s, and no mirror", o, name))
		}
		if err != nil {
			return all, failed("read", "mirror", err)
		}
		s := &side{from: o, r: r, states: o.history[name]}
		all = append(all, s)
		if s.refs, err = r.settled(); err != nil {
			return all, failed("read", "mirror", fmt.Errorf("%s: %w", o, err))
		}
		r.view = s.refs
		if err := s.complete(); err != nil {
			return all, fmt.Errorf("%s: %w", o, err)
		}
	}
	slices.SortStableFunc(all, func(a, b *side) int {
		return cmp.Or(cmp.Compare(b.versions(), a.versions()), cmp.Compare(a.refs[pristineRef].String(), b.refs[pristineRef].String()))
	})
	return all, nil
}

func (s *side) versions() (n int) {
	for name := range s.refs {
		if strings.HasPrefix(name, "refs/tags/srpm/") {
			n++
		}
	}
	return n
}

// complete holds mirror and metadata against each other: a crash may have come between them.
func (s *side) complete() error {
	again := func(what string) error {
		return failed("read", "incomplete", fmt.Errorf("%s: an import was cut short there; run it again", what))
	}
	if s.versions() == 0 {
		return nil // only pulled
	}
	if len(s.states) == 0 {
		return again("the mirror has no metadata")
	}
	l, err := s.from.lock(s.states[len(s.states)-1])
	if err != nil {
		return failed("read", "damaged", err)
	}
	t, err := s.r.newest(l.Branch)
	if err != nil {
		return failed("read", "damaged", err)
	}
	if t.nevr != l.NEVR || t.base.String() != l.Base {
		return again(fmt.Sprintf("the mirror has %s, the metadata have %s", t.nevr, l.NEVR))
	}
	return nil
}

// head is the branch that HEAD of a mirror names.
func (s *side) head() string {
	data, _ := os.ReadFile(filepath.Join(s.r.dir, "HEAD"))
	name, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "ref: ")
	branch, ok2 := strings.CutPrefix(name, "refs/heads/")
	if !ok || !ok2 || checkRefName(name) != nil {
		return "distro"
	}
	return branch
}

// merging is the work on one package.
type merging struct {
	*Merger
	name  string
	place int
	r     *repo // the mirror here
	here  []pkgState
	out   *Merged
}

// take brings what one of the other places has: all of it, or an error.
func (g *merging) take(ctx context.Context, s *side) error {
	moves, err := g.r.forward(s)
	if errors.Is(err, errDiverged) {
		return g.importAgain(ctx, s)
	}
	if err != nil {
		return failed("compare", "mirror", err)
	}
	changes, err := g.changes(s)
	if err != nil {
		return err
	}
	if len(moves) > 0 {
		if err := g.fetch(ctx, s, moves); err != nil {
			return err
		}
	}
	for _, c := range changes {
		if err := g.im.meta.add(g.place, c); err != nil {
			return failed("metadata", "metadata", err)
		}
		g.here = append(g.here[:len(g.here):len(g.here)], pkgState{tree: c.tree})
	}
	if len(moves)+len(changes) > 0 {
		g.took(s)
	}
	return nil
}

func (g *merging) took(s *side) {
	g.out.From = append(g.out.From, s.from.String())
	g.out.Skipped = false
}

var errDiverged = errors.New("both sides have commits that the other has not")

// forward gives the references that are to move: those that are not here, and those whose commits the other side goes on from.
func (r *repo) forward(s *side) (map[string]Hash, error) {
	refs, err := r.refs("refs/")
	if err != nil {
		return nil, err
	}
	moves := map[string]Hash{}
	for name, theirs := range s.refs {
		mine := refs[name]
		if mine == theirs {
			continue
		}
		if !mine.IsZero() {
			if strings.HasPrefix(name, "refs/tags/") {
				return nil, fmt.Errorf("%s: %w", name, errDiverged)
			}
			if there, err := s.r.reach(theirs); err != nil {
				return nil, err
			} else if !there[mine] {
				if here, err := r.reach(mine); err != nil {
					return nil, err
				} else if !here[theirs] {
					return nil, fmt.Errorf("%s: %w", name, errDiverged)
				}
				continue
			}
		}
		moves[name] = theirs
	}
	return moves, nil
}

// importAgain takes the versions that are not here out of the other mirror, and gives them their places.
func (g *merging) importAgain(ctx context.Context, s *side) error {
	conflict := func(err error) error { return failed("compare", "conflict", fmt.Errorf("%w: %w", errDiverged, err)) }
	for _, one := range []*repo{g.r, s.r} {
		refs, err := one.refs("refs/")
		if err != nil {
			return failed("compare", "mirror", err)
		}
		order, err := one.importOrder()
		if err == nil {
			err = one.onlyImports(order, refs)
		}
		if err != nil {
			return conflict(err)
		}
	}
	list, err := s.r.versions()
	if err != nil {
		return failed("compare", "mirror", err)
	}
	p, err := s.r.openPristine()
	if err != nil {
		return failed("compare", "mirror", err)
	}
	var errs []error
	for _, t := range list {
		mine, err := g.r.version(t.nevr)
		if err == nil && mine.nevr == t.nevr && mine.sha256 == t.sha256 {
			continue
		}
		im := *g.im
		im.Branch = strings.TrimPrefix(strings.TrimPrefix(t.branch, "distro"), "-")
		err = im.written(ctx, g.r.dir, p, t, func(f *os.File, file *srpm) error {
			if _, _, err := im.known(g.r, file); err != nil {
				return failed("compare", "conflict", err)
			}
			_, err := im.importInto(ctx, g.r, f, file, g.place)
			return err
		})
		if errs = append(errs, err); err == nil {
			g.out.Versions = append(g.out.Versions, t.nevr)
		}
	}
	if len(g.out.Versions) > 0 {
		g.took(s)
	}
	return errors.Join(errs...)
}

// changes are the states of the package's metadata that the other side has gone through, and this one has not.
func (g *merging) changes(s *side) ([]change, error) {
	was := func(list []pkgState, tree Hash) int {
		for i, st := range slices.Backward(list) {
			if st.tree == tree {
				return i
			}
		}
		return -1
	}
	if len(s.states) == 0 || was(g.here, s.states[len(s.states)-1].tree) >= 0 {
		return nil, nil
	}
	from := -1
	if len(g.here) > 0 {
		if from = was(s.states, g.here[len(g.here)-1].tree); from < 0 {
			return nil, failed("metadata", "conflict", fmt.Errorf("%s was changed on both sides", packageDir(g.name)))
		}
	}
	if edited, err := g.im.meta.dirty(g.name); err != nil {
		return nil, failed("metadata", "metadata", err)
	} else if edited != "" {
		return nil, failed("metadata", "edited", fmt.Errorf("%s was edited and not committed", filepath.Join(g.Metadata, edited)))
	}
	var list []change
	for _, st := range s.states[from+1:] {
		c := change{name: g.name, message: st.message, author: st.author, date: st.date, tree: st.tree}
		var err error
		if c.objects, err = s.from.objects(st.tree); err != nil {
			return nil, failed("metadata", "damaged", err)
		}
		list = append(list, c)
	}
	return list, nil
}
