package content

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
)

// GC removes what no collection reaches, and says what it removed. Packs of which less than two thirds are reached, and small
// ones, are put together anew, as they were compressed. Dry, it only says so. It waits for the exclusive lock. A damaged object in a pack that
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
	done, err := s.pruneLoose(ctx, dry)
	if err == nil {
		err = s.repack(ctx, dry, &done)
	}
	return done, err
}

// repack replaces packs of which little is reached, and many small packs.
func (s *Store) repack(ctx context.Context, dry bool, done *ostree.Pruned) error {
	if !dry {
		left, err := filepath.Glob(filepath.Join(s.repo.Dir(), packsDir, "new-*")) // by runs that died
		for _, path := range left {
			os.RemoveAll(path)
		}
		if err != nil {
			return err
		}
	}
	keep := ostree.NewSet()
	if err := s.walkPacked(ctx, keep); err != nil {
		return err
	}
	gone, anew := s.wornPacks(keep, done)
	if dry || len(gone) == 0 {
		return nil
	}
	if !anew {
		return errors.Join(s.relist(gone), s.packs.Remove(gone))
	}
	old := map[string]bool{}
	level := 0
	for _, p := range gone {
		old[p.Name] = true
		level = max(level, int(p.Level))
	}
	p, err := s.packAgain(ctx, level, old)
	if err != nil {
		return err
	}
	// A pack that came out the same has kept its name, and one with what cannot be read stays.
	gone = slices.DeleteFunc(gone, func(q *pack.Pack) bool {
		return p.names[q.Name] || q.Faulty() && len(p.unread) > 0 || slices.ContainsFunc(p.unread, q.Has)
	})
	return errors.Join(append(p.faults, s.relist(gone), s.packs.Remove(gone))...)
}

// wornPacks gives the packs that can go, and tells whether what is reached in them must be packed anew before. It counts what goes and what stays, and takes
// what packs have out of keep.
func (s *Store) wornPacks(keep *ostree.Set, done *ostree.Pruned) (gone []*pack.Pack, anew bool) {
	var small []*pack.Pack
	for _, p := range s.packs.Packs() {
		if s.packs.Held(p) { // somebody brings what will need it
			continue
		}
		live, dead, size := liveObjects(p, keep)
		switch all := live + dead; {
		case live == 0 && !p.Faulty():
		case size.live*3 < size.all*2 || p.Faulty():
			anew = true
		case all < fewObjects:
			small = append(small, p)
			continue
		default:
			continue
		}
		done.Objects += dead
		done.Bytes += int64(float64(p.Size) * (1 - float64(size.live)/float64(max(size.all, 1))))
		gone = append(gone, p)
	}
	if len(small) > 1 {
		gone, anew = append(gone, small...), true
	}
	before := keep.Len()
	for _, p := range s.packs.Packs() { // an object may be in several packs, and twice in one
		p.Each(func(o pack.Object) bool {
			keep.Remove(objectOf(o.Key))
			return true
		})
	}
	done.Kept += before - keep.Len()
	return gone, anew
}

type sizes struct{ live, all int64 }

func liveObjects(p *pack.Pack, keep *ostree.Set) (live, dead int, size sizes) {
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

// packAgain packs all packed collections as if some packs were not there. Files that cannot be read are left out and noted.
func (s *Store) packAgain(ctx context.Context, level int, except map[string]bool) (*packer, error) {
	refs, err := s.allPackRefs()
	if err != nil {
		return nil, err
	}
	var list []*Collection
	for ref, commit := range refs {
		c, err := s.collectionAt(ref, commit)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	p, err := s.newPacker(ctx, level, except)
	if err != nil {
		return nil, err
	}
	defer p.abort()
	p.goOn = true
	return p, p.run(list)
}
