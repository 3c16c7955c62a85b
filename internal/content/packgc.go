package content

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
)

// GC removes what no collection reaches, and says what it removed. Packs of which little is reached, and small ones, are written anew, as they were
// compressed (docs/pack-format.md has the rule). Dry, it only says so. It waits for the exclusive lock. A damaged object in a pack that
// should go is named by the error, and its pack stays; the rest is done.
func (s *Store) GC(ctx context.Context, dry bool) (ostree.Pruned, error) {
	release, err := s.repo.LockExclusive(ctx)
	if err != nil {
		return ostree.Pruned{}, err
	}
	defer release()
	if err := s.packs.Refresh(); err != nil {
		return ostree.Pruned{}, err
	}
	if !dry {
		_ = s.trimFragments() // the index is a cache
	}
	done, err := s.pruneLoose(ctx, dry)
	if err == nil {
		err = s.repack(ctx, dry, &done)
	}
	return done, err
}

// repack replaces packs of which little is reached, and many small packs by few. When it is known that there are none nothing is read.
func (s *Store) repack(ctx context.Context, dry bool, done *ostree.Pruned) error {
	if !dry {
		s.removeLeft()
	}
	refs, err := s.allPackRefs()
	if err != nil {
		return err
	}
	facts := s.packFacts()
	if s.tidyAt(facts, refs) {
		done.Kept += facts.Kept
		return nil
	}
	plan, err := s.planRepack(ctx, refs)
	if err != nil {
		return err
	}
	done.Objects += plan.dead
	done.Bytes += plan.bytes
	done.Kept += plan.kept
	if dry {
		return nil
	}
	if len(plan.gone) == 0 {
		return s.noteTidied(facts, refs, plan.whole, !plan.held, plan.kept)
	}
	p := &packer{}
	gone := plan.gone
	if plan.moving != nil {
		if p, err = s.packAgain(ctx, refs, plan); err != nil {
			return err
		}
		// A pack that came out the same has kept its name, and one with what cannot be read stays.
		gone = slices.DeleteFunc(gone, func(q *pack.Pack) bool {
			return p.names[q.Name] || q.Faulty() && len(p.unread) > 0 || slices.ContainsFunc(p.unread, q.Has)
		})
	}
	err = errors.Join(append(p.faults, s.relist(ctx, refs, gone), s.packs.Remove(gone))...)
	if err == nil {
		err = s.noteTidied(facts, refs, plan.whole, false, 0)
	}
	return err
}

// repackPlan is what GC is to do with the packs.
type repackPlan struct {
	gone   []*pack.Pack
	moving *ostree.Marks // what is reached in these and is in no other pack; nil for nothing
	level  int           // of compression, the highest of the packs that go
	held   bool          // somebody holds a pack, which was left out
	dead   int           // objects in packs that go and are not reached
	bytes  int64         // that these take, in proportion
	kept   int           // objects in packs that are reached
	whole  bool          // nothing is reached that is in no pack
}

// planRepack finds out what is reached, and so which packs are to go: those of which nothing or little is reached, and those that are put together.
func (s *Store) planRepack(ctx context.Context, refs map[string]ostree.Checksum) (*repackPlan, error) {
	keep := ostree.NewMarks()
	if err := s.walkPacked(ctx, refs, keep, ostree.NewSet()); err != nil {
		return nil, err
	}
	plan := &repackPlan{}
	var stay []*pack.Pack
	var good []*pack.Pack
	worn := int64(0) // bytes of what is reached in packs that must be written anew
	for _, p := range s.packs.Packs() {
		if s.packs.Held(p) { // somebody brings what will need it
			plan.held = true
			stay = append(stay, p)
			continue
		}
		live, dead, size := liveObjects(p, keep)
		share := float64(size.live) / float64(max(size.all, 1))
		switch {
		case live == 0 && !p.Faulty():
		case size.live*3 < size.all*2 || p.Faulty():
			worn += int64(float64(p.Size) * share)
		default:
			good = append(good, p)
			continue
		}
		plan.dead += dead
		plan.bytes += int64(float64(p.Size) * (1 - share))
		plan.gone = append(plan.gone, p)
	}
	together, rest := putTogether(good, worn)
	plan.gone, stay = append(plan.gone, together...), append(stay, rest...)
	for _, p := range plan.gone {
		plan.level = max(plan.level, int(p.Level))
	}
	plan.sort(keep, stay)
	return plan, nil
}

// putTogether chooses packs that are better one: the smallest ones, up to the last that is not twice as large as all that are smaller, to which come
// worn bytes that must be written anyway. So each pack is at least twice as large as all smaller ones together, there are few, and a byte is
// written again but when what it lies in has grown by half. Packs that are half full already stay.
func putTogether(packs []*pack.Pack, worn int64) (together, stay []*pack.Pack) {
	slices.SortFunc(packs, func(a, b *pack.Pack) int { return cmp.Compare(a.Size, b.Size) })
	n, sum := 0, worn
	for i, p := range packs {
		if p.Size > packLimit/2 || p.Objects() > packObjects/2 {
			continue
		}
		if p.Size < 2*sum || p.Objects() < fewObjects {
			n = i + 1
		}
		sum += p.Size
	}
	for i, p := range packs {
		if i < n && p.Size <= packLimit/2 && p.Objects() <= packObjects/2 {
			together = append(together, p)
		} else {
			stay = append(stay, p)
		}
	}
	if len(together) == 1 && worn == 0 {
		return nil, packs
	}
	return together, stay
}

// sort counts what is kept, and finds what of it is in no pack but those that go. It takes what packs have out of keep.
func (plan *repackPlan) sort(keep *ostree.Marks, stay []*pack.Pack) {
	moving := ostree.NewMarks()
	for _, p := range plan.gone {
		p.Each(func(o pack.Object) bool {
			if keep.Has(objectOf(o.Key)) && !slices.ContainsFunc(stay, func(q *pack.Pack) bool { return q.Has(o.Key) }) {
				moving.Add(objectOf(o.Key))
			}
			return true
		})
	}
	before := keep.Len()
	for _, p := range slices.Concat(stay, plan.gone) { // an object may be in several packs
		p.Each(func(o pack.Object) bool {
			keep.Remove(objectOf(o.Key))
			return true
		})
	}
	plan.kept = before - keep.Len()
	plan.whole = keep.Len() == 0
	if moving.Len() > 0 {
		plan.moving = moving
	}
}

type sizes struct{ live, all int64 }

func liveObjects(p *pack.Pack, keep interface{ Has(ostree.Object) bool }) (live, dead int, size sizes) {
	p.Each(func(o pack.Object) bool {
		size.all += o.Size
		if keep.Has(objectOf(o.Key)) {
			live++
			size.live += o.Size
		} else {
			dead++
		}
		return true
	})
	return live, dead, size
}

// packAgain packs what is to be moved as if the packs that go were not there. Packages that have nothing of it are left out. Files that
// cannot be read are left out and noted.
func (s *Store) packAgain(ctx context.Context, refs map[string]ostree.Checksum, plan *repackPlan) (*packer, error) {
	except := map[string]bool{}
	for _, p := range plan.gone {
		except[p.Name] = true
	}
	skip := ostree.NewSet()
	find := &reachFinder{ctx: ctx, from: s.objects, want: plan.moving, seen: ostree.NewSet(), hits: ostree.NewSet()}
	var list []*Collection
	for ref, commit := range refs {
		c, err := s.collectionAt(ref, commit)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
		packages, err := c.Packages()
		if err != nil {
			return nil, err
		}
		for _, p := range s.inPackOrder(packages) {
			if found, err := find.below(p.Tree); err != nil {
				return nil, fmt.Errorf("%s: %w", p.NEVRA(), err)
			} else if !found {
				skip.Add(p.object())
			}
		}
	}
	level := min(plan.level, MaxPackLevel)
	if _, err := s.compressor(level); err != nil {
		level = 0 // what nobody needs goes also where the encoder is not installed
	}
	p, err := s.newPacker(ctx, level, except)
	if err != nil {
		return nil, err
	}
	defer p.abort()
	p.goOn, p.skip = true, skip
	return p, p.run(list)
}

// reachFinder finds out which trees reach any of the objects that are wanted.
type reachFinder struct {
	ctx        context.Context
	from       ostree.Reader
	want       *ostree.Marks
	seen, hits *ostree.Set // trees that were looked through, and those of them that reach any
}

func (f *reachFinder) below(tree ostree.Checksum) (found bool, err error) {
	o := ostree.Object{Type: ostree.TypeDirTree, Checksum: tree}
	if f.want.Has(o) {
		return true, nil
	}
	if !f.seen.Add(o) {
		return f.hits.Has(o), nil
	}
	if err := f.ctx.Err(); err != nil {
		return false, err
	}
	d, err := f.from.ReadTree(tree)
	if err != nil {
		return false, err
	}
	found = slices.ContainsFunc(d.Files, func(file ostree.TreeFile) bool {
		return f.want.Has(ostree.Object{Type: ostree.TypeFile, Checksum: file.File})
	})
	for _, sub := range d.Dirs {
		if found = found || f.want.Has(ostree.Object{Type: ostree.TypeDirMeta, Checksum: sub.Meta}); found || err != nil {
			break
		}
		found, err = f.below(sub.Tree)
	}
	if found {
		f.hits.Add(o)
	}
	return found, err
}
