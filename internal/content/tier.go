package content

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"

	"github.com/weld-linux/weld-bridge/internal/ostree"
)

// behind puts one more tier of objects behind the repository. What is read comes from the first tier that has it.
func (s *Store) behind(t ostree.Tier) {
	s.tiers = append(s.tiers, t)
	s.objects = ostree.Reader{Source: ostree.Sources{s.objects.Source, t}}
}

// storedSize gives the bytes that an object takes in the tier that it is read from.
func (s *Store) storedSize(o ostree.Object) (int64, error) {
	for _, t := range s.tiers {
		if t.Has(o) {
			return t.StoredSize(o)
		}
	}
	return 0, fmt.Errorf("object %s: %w", o, ErrNotFound)
}

// allObjects lists the objects of every tier; one that is in two comes twice.
func (s *Store) allObjects() iter.Seq2[ostree.Object, error] {
	return func(yield func(ostree.Object, error) bool) {
		for _, t := range s.tiers {
			for o, err := range t.Objects() {
				if !yield(o, err) {
					return
				}
			}
		}
	}
}

// refs gives the commits of all collections by their references.
func (s *Store) refs() (map[string]ostree.Checksum, error) {
	refs, err := s.repo.Refs(collectionRefs)
	if err != nil {
		return nil, err
	}
	packed, err := s.allPackRefs()
	if err != nil {
		return nil, err
	}
	maps.Copy(refs, packed)
	return refs, nil
}

// ref gives the commit that the reference of a collection names.
func (s *Store) ref(ref string) (ostree.Checksum, error) {
	sum, err := s.repo.Ref(ref)
	if !errors.Is(err, ErrNotFound) {
		return sum, err
	}
	if packed, perr := s.packRef(ref); perr != nil || !packed.IsZero() {
		return packed, perr
	}
	return s.repo.Ref(ref) // it may have been unpacked meanwhile
}

// swapRef moves the reference of a collection, as Repo.SwapRef does. A packed collection stays packed, and so is what is made of one.
func (s *Store) swapRef(ctx context.Context, ref string, old, next ostree.Checksum) error {
	packed, err := s.isPacked(ref)
	if err == nil && !packed && old.IsZero() && !next.IsZero() {
		packed, err = s.inPacks(next)
	}
	if err != nil {
		return err
	}
	if packed {
		return s.swapPackRef(ctx, ref, old, next)
	}
	return s.repo.SwapRef(ctx, ref, old, next)
}

// inPacks tells whether a commit is that of a packed collection.
func (s *Store) inPacks(commit ostree.Checksum) (bool, error) {
	refs, err := s.allPackRefs()
	for _, sum := range refs {
		if sum == commit {
			return true, err
		}
	}
	return !s.repo.Has(ostree.Object{Type: ostree.TypeCommit, Checksum: commit}), err
}

// write begins to write objects for a collection.
func (s *Store) write(ctx context.Context, ref string) (*ostree.Writer, error) {
	w, err := s.repo.Begin(ctx)
	switch {
	case err != nil:
	case s.becomesPacked(ref):
		w.Behind(packTier{s.packs})
	default:
		w.Behind(readOnly{packTier{s.packs}})
	}
	return w, err
}

// reachable gives what the collections and the repository's other references reach.
func (s *Store) reachable(ctx context.Context) (*ostree.Set, error) {
	seen, err := s.repo.Reachable(ctx)
	if err == nil {
		err = s.walkPacked(ctx, seen)
	}
	return seen, err
}

// walkPacked adds to seen what the packed collections reach.
func (s *Store) walkPacked(ctx context.Context, seen *ostree.Set) error {
	refs, err := s.allPackRefs()
	if err != nil {
		return err
	}
	for ref, commit := range refs {
		if err := s.objects.Walk(ctx, commit, seen); err != nil {
			return fmt.Errorf("packed %s: %w", ref, err)
		}
	}
	return nil
}

// Fsck verifies every object, and that everything is there that a reference reaches. Faults go to fault one at a time, a damaged object
// as an *ostree.DamagedError, or a *pack.DamagedError. It gives the number of objects read; the error says why it could not go on.
func (s *Store) Fsck(ctx context.Context, fault func(error)) (objects int, err error) {
	if objects, err = s.repo.Fsck(ctx, fault); err != nil {
		return objects, err
	}
	release, err := s.repo.LockShared(ctx)
	if err != nil {
		return objects, err
	}
	defer release()
	for _, p := range s.packs.Packs() {
		n, err := p.Verify(ctx, fault)
		if objects += n; err != nil {
			return objects, err
		}
	}
	refs, err := s.allPackRefs()
	if err != nil {
		return objects, err
	}
	for ref, commit := range refs {
		seen := ostree.NewSet()
		if err := s.objects.Walk(ctx, commit, seen); err != nil {
			fault(fmt.Errorf("packed %s: %w", ref, err))
			continue
		}
		seen.Each(func(o ostree.Object) error {
			if !s.repo.Has(o) && !s.packs.Has(keyOf(o)) {
				fault(fmt.Errorf("packed %s: object %s: %w", ref, o, ErrNotFound))
			}
			return nil
		})
	}
	return objects, ctx.Err()
}
