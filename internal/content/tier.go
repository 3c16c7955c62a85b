package content

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

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
	if packed, perr := s.packRef(ref); perr != nil || !packed.commit.IsZero() {
		return packed.commit, perr
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
		return s.swapPackRef(ctx, ref, old, next, nil)
	}
	if next.IsZero() { // an interrupted run has left it, and it is not to come back
		if err := s.writePackRef(ref, packRef{}); err != nil {
			return err
		}
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

// write begins to write objects for a collection; for a packed one those that packs do not have.
func (s *Store) write(ctx context.Context, ref string) (*ostree.Writer, error) {
	w, err := s.repo.Begin(ctx)
	if err != nil {
		return nil, err
	}
	packed, err := s.isPacked(ref)
	if err == nil {
		err = s.packs.Refresh()
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if packed {
		w.Behind(packTier{s.packs})
	} else {
		w.Beside(packTier{s.packs})
	}
	return w, nil
}

// reachable gives what the collections and the repository's other references reach.
func (s *Store) reachable(ctx context.Context) (*ostree.Marks, error) {
	seen := ostree.NewMarks()
	refs, err := s.allPackRefs()
	if err == nil {
		err = errors.Join(s.repo.Reachable(ctx, seen), s.walkPacked(ctx, refs, seen, ostree.NewSet()))
	}
	return seen, err
}

// walkPacked adds to seen what packed collections reach: their trees, and what is below those that skip has not.
func (s *Store) walkPacked(ctx context.Context, refs map[string]ostree.Checksum, seen ostree.Seen, skip *ostree.Set) error {
	for ref, commit := range refs {
		if err := s.walkCollection(ctx, commit, seen, skip); err != nil {
			return fmt.Errorf("packed %s: %w", ref, err)
		}
	}
	return nil
}

func (s *Store) walkCollection(ctx context.Context, commit ostree.Checksum, seen ostree.Seen, skip *ostree.Set) error {
	c, err := s.collectionAt("", commit)
	if err != nil {
		return err
	}
	list, err := c.Packages()
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(p *Package) bool {
		left := skip.Has(p.object())
		if left {
			seen.Add(p.object()) // so that it is not entered
		}
		return left
	})
	for _, p := range s.inPackOrder(list) {
		if err := s.objects.WalkTree(ctx, p.Tree, seen); err != nil {
			return fmt.Errorf("%s: %w", p.NEVRA(), err)
		}
	}
	return s.objects.Walk(ctx, commit, seen)
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
	seen := ostree.Lacking{Marks: ostree.NewMarks(), There: s.has, Tell: func(o ostree.Object) {
		fault(fmt.Errorf("object %s: %w", o, ErrNotFound))
	}}
	for ref, commit := range refs {
		if err := s.walkCollection(ctx, commit, seen, ostree.NewSet()); err != nil {
			fault(fmt.Errorf("packed %s: %w", ref, err))
		}
	}
	return objects, ctx.Err()
}

// has tells whether a tier has the object.
func (s *Store) has(o ostree.Object) bool {
	return slices.ContainsFunc(s.tiers, func(t ostree.Tier) bool { return t.Has(o) })
}

// isWhole tells whether a tree is there, and all that it reaches. What is loose is: its parents go first. A directory in a pack may be left over from a
// package that was removed, and files of it have gone with another pack.
func (s *Store) isWhole(ctx context.Context, tree ostree.Checksum) bool {
	if s.repo.Has(ostree.Object{Type: ostree.TypeDirTree, Checksum: tree}) {
		return true
	}
	whole := true
	seen := ostree.Lacking{Marks: ostree.NewMarks(), There: s.has, Tell: func(ostree.Object) { whole = false }}
	return s.objects.WalkTree(ctx, tree, seen) == nil && whole
}
