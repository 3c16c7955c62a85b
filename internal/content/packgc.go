package content

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
)

// GC removes what no collection reaches, and says what it removed. Packs of which less than two thirds are reached, and small
// ones, are put together anew. Dry, it only says so. It waits for the exclusive lock.
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
	if err != nil {
		return done, err
	}
	return done, s.repack(ctx, dry, &done)
}

// repack replaces packs of which little is reached, and many small packs.
func (s *Store) repack(ctx context.Context, dry bool, done *ostree.Pruned) error {
	if !dry {
		left, err := filepath.Glob(filepath.Join(s.repo.Dir(), packsDir, "new-*")) // by runs that died
		for _, path := range left {
			os.Remove(path)
		}
		if err != nil {
			return err
		}
	}
	keep := ostree.NewSet()
	if err := s.walkPacked(ctx, keep); err != nil {
		return err
	}
	old := map[string]bool{}
	var gone, small []*pack.Pack
	needed := false
	for _, p := range s.packs.Packs() {
		live, dead, size := liveObjects(p, keep)
		done.Kept += live
		switch all := live + dead; {
		case live == 0 && !p.Faulty():
		case size.live*3 < size.all*2 || p.Faulty():
			needed = true
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
		gone, needed = append(gone, small...), true
	}
	if dry || len(gone) == 0 {
		return nil
	}
	for _, p := range gone {
		old[p.Name] = true
	}
	if needed {
		made, err := s.packAgain(ctx, old)
		if err != nil {
			return err
		}
		// A pack that came out the same has kept its name.
		gone = slices.DeleteFunc(gone, func(p *pack.Pack) bool { return made[p.Name] })
	}
	return s.packs.Remove(gone)
}

type sizes struct{ live, all int64 }

func liveObjects(p *pack.Pack, keep ostree.Set) (live, dead int, size sizes) {
	p.Each(func(o pack.Object) bool {
		size.all += o.Size
		if keep.Has(ostree.Object{Type: ostree.Type(o.Kind), Checksum: o.Sum}) {
			live++
			size.live += o.Size
		} else {
			dead++
		}
		return true
	})
	return live, dead, size
}

// packAgain packs all packed collections as if some packs were not there.
func (s *Store) packAgain(ctx context.Context, except map[string]bool) (made map[string]bool, err error) {
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
	p, err := s.newPacker(ctx, PackOptions{}, except)
	if err != nil {
		return nil, err
	}
	defer p.abort()
	return p.names, p.run(list)
}
