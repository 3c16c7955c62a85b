package content

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weld-linux/weld-bridge/internal/ostree"
)

// PackOptions say how packs are made.
type PackOptions struct {
	Level int // of libzstd, 1 to 19; 0: the encoder that needs no helper
}

// Packed says what a pack run did. Sizes are in bytes.
type Packed struct {
	Collections []string      `json:"collections"`
	Packs       int           `json:"packs"`
	Objects     int           `json:"objects"`
	Plain       int64         `json:"plain_bytes"`
	Stored      int64         `json:"stored_bytes"`
	Loose       ostree.Pruned `json:"loose"`
}

// LastMoved tells when the collection was changed last, on this machine.
func (s *Store) LastMoved(name string) (time.Time, error) {
	ref, err := collectionRef(name)
	if err != nil {
		return time.Time{}, err
	}
	info, err := os.Stat(filepath.Join(s.repo.Dir(), "refs", "heads", ref))
	if err != nil {
		info, err = os.Stat(s.packRefPath(ref))
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("collection %s: %w", name, ErrNotFound)
	}
	return info.ModTime(), nil
}

// IsPacked tells whether a collection is packed.
func (s *Store) IsPacked(name string) (bool, error) {
	ref, err := collectionRef(name)
	if err != nil {
		return false, err
	}
	return s.isPacked(ref)
}

// Pack puts the objects of collections into packs as far as no pack has them, makes them packed collections, and removes the
// loose objects that no live collection needs. Every object can be read at each moment: packs are on the disk before a
// reference moves, and references before loose objects go. A collection that others change meanwhile is an error, and stays live.
func (s *Store) Pack(ctx context.Context, names []string, o PackOptions) (Packed, error) {
	done := Packed{Collections: names}
	commits, packs, err := s.packObjects(ctx, names, o, &done)
	if err != nil {
		return done, err
	}
	release, err := s.repo.LockExclusive(ctx)
	if err != nil {
		return done, err
	}
	defer release()
	if err := s.packs.Refresh(); err != nil {
		return done, err
	}
	var moved []error
	for ref, commit := range commits {
		if packed, err := s.isPacked(ref); packed || err != nil {
			moved = append(moved, err)
			continue
		}
		if now, err := s.repo.Ref(ref); err != nil || now != commit {
			moved = append(moved, fmt.Errorf("%s has changed meanwhile; pack it again", ref))
			continue
		}
		r := packRef{commit, namesOf(s.packs.Packs())}
		if err := errors.Join(s.writePackRef(ref, r), s.repo.SwapRef(ctx, ref, commit, ostree.Checksum{})); err != nil {
			return done, err
		}
	}
	if err := s.notePacked(commits, packs); err != nil {
		return done, err
	}
	_ = s.trimFragments() // the index is a cache, and may be large
	done.Loose, err = s.pruneLoose(ctx, false)
	return done, errors.Join(append(moved, err, s.relist(ctx, commits, nil), s.removeEmpty())...)
}

// removeEmpty removes the directories of loose objects that have none: each takes a block, and a writer makes what it needs.
func (s *Store) removeEmpty() error {
	dir := filepath.Join(s.repo.Dir(), "objects")
	names, err := os.ReadDir(dir)
	for _, n := range names {
		if n.IsDir() {
			os.Remove(filepath.Join(dir, n.Name())) // it is not empty
		}
	}
	return err
}

// packObjects gives the commits of the collections, and the packs that they are in.
func (s *Store) packObjects(ctx context.Context, names []string, o PackOptions, done *Packed) (commits map[string]ostree.Checksum, packs []string, err error) {
	release, err := s.repo.LockShared(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	commits = map[string]ostree.Checksum{}
	known := s.packFacts().Whole
	var list []*Collection
	for _, name := range names {
		c, err := s.Collection(name)
		if err != nil {
			return nil, nil, err
		}
		ref, err := collectionRef(name)
		if err != nil {
			return nil, nil, err
		}
		if commits[ref] = c.Commit; known[ref] != c.Commit {
			list = append(list, c)
		}
	}
	p, err := s.newPacker(ctx, o.Level, nil)
	if err != nil {
		return nil, nil, err
	}
	defer p.abort()
	p.skip = s.wholePackages()
	if err := p.run(list); err != nil {
		return nil, nil, err
	}
	done.Packs, done.Objects, done.Plain, done.Stored = p.packs, p.objects, p.plain, p.stored
	err = s.packs.Refresh()
	packs, _ = s.goodPacks()
	return commits, packs, err
}

// pruneLoose removes loose objects that no live collection needs and that packed ones find in packs. The caller has the exclusive lock.
func (s *Store) pruneLoose(ctx context.Context, dry bool) (ostree.Pruned, error) {
	if !dry {
		if err := s.markPartial(); err != nil {
			return ostree.Pruned{}, err
		}
	}
	return s.repo.Prune(ctx, dry, func(garbage *ostree.Set) error {
		alone := ostree.NewSet() // no pack has them
		if err := garbage.Each(func(o ostree.Object) error {
			if !s.packs.Has(keyOf(o)) {
				alone.Add(o)
			}
			return ctx.Err()
		}); err != nil || alone.Len() == 0 {
			return err
		}
		refs, err := s.allPackRefs()
		if err != nil {
			return err
		}
		return s.walkPacked(ctx, refs, spare{ostree.NewSet(), alone, garbage}, s.wholePackages())
	})
}

// spare takes what a walk comes by and what is alone from the garbage.
type spare struct{ dirs, alone, garbage *ostree.Set }

// Add adds an object. Files are always new.
func (s spare) Add(o ostree.Object) bool {
	if s.alone.Has(o) {
		s.garbage.Remove(o)
	}
	return o.Type == ostree.TypeFile || s.dirs.Add(o)
}

// Unpack makes a packed collection live again: all its objects are loose, and ostree sees it. The packs stay until GC.
func (s *Store) Unpack(ctx context.Context, name string) (objects int64, err error) {
	ref, err := collectionRef(name)
	if err != nil {
		return 0, err
	}
	w, err := s.repo.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	c, err := s.Collection(name)
	if err != nil {
		return 0, err
	}
	if packed, err := s.isPacked(ref); !packed || err != nil {
		return 0, err
	}
	commit, err := s.objects.ReadCommit(c.Commit)
	if err != nil {
		return 0, err
	}
	seen := ostree.NewSet()
	packages, err := c.Packages()
	if err != nil {
		return 0, err
	}
	for _, p := range s.inPackOrder(packages) {
		if err := w.CopyTree(ctx, s.objects, p.Tree, seen); err != nil {
			return 0, fmt.Errorf("%s: %w", p.NEVRA(), err)
		}
	}
	if err := w.CopyTree(ctx, s.objects, commit.Tree, seen); err != nil {
		return 0, err
	}
	for _, o := range []ostree.Object{{Type: ostree.TypeDirMeta, Checksum: commit.Meta}, {Type: ostree.TypeCommit, Checksum: c.Commit}} {
		if err := w.PutObject(s.objects, o); err != nil {
			return 0, err
		}
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	objects, _ = w.Written()
	return objects, s.makeLive(ctx, ref, c.Commit)
}

// makeLive lets a live reference take the place of a packed one. The commit is whole in the repository.
func (s *Store) makeLive(ctx context.Context, ref string, commit ostree.Checksum) error {
	release, err := s.repo.LockRefs(ctx)
	if err != nil {
		return err
	}
	defer release()
	now, err := s.packRef(ref)
	if err != nil {
		return err
	}
	if now.commit != commit {
		return fmt.Errorf("%s has changed meanwhile; unpack it again", ref)
	}
	if err := s.repo.MarkWhole(commit); err != nil {
		return err
	}
	if err := s.repo.SwapRefLocked(ref, ostree.Checksum{}, commit); err != nil {
		return err
	}
	return s.writePackRef(ref, packRef{})
}
