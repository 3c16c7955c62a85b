package content

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
)

// packsDir holds the packs of a store, and below packRefs the references of collections that are packed: their objects may
// be in packs, so that ostree is not to see them.
const (
	packsDir = "packs"
	packRefs = "refs"
)

// packRef is the reference of a packed collection; the zero value is that of none.
type packRef struct {
	commit ostree.Checksum
	packs  []string // all that hold something of it, and perhaps others; the first is to have the commit
}

// parsePackRef reads a reference: the commit and the packs, one a line.
func parsePackRef(b []byte) (r packRef, err error) {
	first, rest, ok := strings.Cut(string(b), "\n")
	if !ok || rest != "" && !strings.HasSuffix(rest, "\n") {
		return r, errors.New("not a reference")
	}
	if r.commit, err = ostree.ParseChecksum(first); err != nil {
		return r, err
	}
	for name := range strings.Lines(rest) {
		name = strings.TrimSuffix(name, "\n")
		if !isPackName(name) {
			return r, fmt.Errorf("%q is not the name of a pack", name)
		}
		r.packs = append(r.packs, name)
	}
	return r, nil
}

func (r packRef) bytes() []byte {
	return []byte(r.commit.String() + "\n" + strings.Join(append(slices.Clone(r.packs), ""), "\n"))
}

// isPackName tells whether a file can be a pack.
func isPackName(name string) bool {
	digits, ok := strings.CutSuffix(name, pack.Suffix)
	sum, err := ostree.ParseChecksum(digits)
	return ok && err == nil && sum.String() == digits
}

// packFile is the name of a pack below a store.
func packFile(name string) string { return packsDir + "/" + name }

// packRefFile is the name of the reference of a packed collection below a store.
func packRefFile(ref string) string { return packsDir + "/" + packRefs + "/" + url.PathEscape(ref) }

func (s *Store) packRefPath(ref string) string {
	return filepath.Join(s.repo.Dir(), filepath.FromSlash(packRefFile(ref)))
}

// packRef reads the reference of a packed collection.
func (s *Store) packRef(ref string) (r packRef, err error) {
	b, err := os.ReadFile(s.packRefPath(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		r, err = parsePackRef(b)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", s.packRefPath(ref), err)
	}
	return r, err
}

// allPackRefs gives the commits of the packed collections by their references. Where there is a live one of the same name
// a run was interrupted before it took one of the two away, and the live one counts.
func (s *Store) allPackRefs() (map[string]ostree.Checksum, error) {
	names, err := os.ReadDir(filepath.Join(s.repo.Dir(), packsDir, packRefs))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	refs := map[string]ostree.Checksum{}
	for _, n := range names {
		ref, err := url.PathUnescape(n.Name())
		if err != nil || url.PathEscape(ref) != n.Name() || !strings.HasPrefix(ref, collectionRefs) { // such as what a crash left
			continue
		}
		if _, err := s.repo.Ref(ref); err == nil {
			continue
		}
		r, err := s.packRef(ref)
		if err != nil {
			return nil, err
		}
		if !r.commit.IsZero() { // removed since the directory was read
			refs[ref] = r.commit
		}
	}
	return refs, nil
}

// isPacked tells whether a collection is packed.
func (s *Store) isPacked(ref string) (bool, error) {
	if _, err := s.repo.Ref(ref); err == nil {
		return false, nil
	}
	r, err := s.packRef(ref)
	return !r.commit.IsZero() || s.becomesPacked(ref), err
}

// writePackRef makes or replaces the reference of a packed collection. Without a commit it removes it.
func (s *Store) writePackRef(ref string, r packRef) error {
	path := s.packRefPath(ref)
	if r.commit.IsZero() {
		if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		return atomicfile.SyncDir(filepath.Dir(path))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return atomicfile.Write(path, r.bytes(), 0o644)
}

// swapPackRef moves the reference of a packed collection, as Repo.SwapRef does that of a live one. Where there is a live one meanwhile, it has
// moved. The packs that it named it names still, and more; one that is new, or that packs are brought for, names all that may have something of it.
func (s *Store) swapPackRef(ctx context.Context, ref string, old, next ostree.Checksum, more []string) error {
	release, err := s.repo.LockRefs(ctx)
	if err != nil {
		return err
	}
	defer release()
	now, err := s.packRef(ref)
	if err != nil {
		return err
	}
	if _, err := s.repo.Ref(ref); err == nil || now.commit != old {
		return fmt.Errorf("reference %s: %w", ref, ostree.ErrRefMoved)
	}
	if old.IsZero() || s.becomesPacked(ref) {
		if now.packs, err = s.listFor(next); err != nil {
			return err
		}
	} else if len(now.packs) > 0 {
		more = slices.DeleteFunc(more, func(name string) bool { return slices.Contains(now.packs, name) })
		now.packs = append(now.packs, more...)
	}
	return s.writePackRef(ref, packRef{next, now.packs})
}

// packsUsed gives the packs that a packed reference does not name and that have something which edits put into the collection.
func (s *Store) packsUsed(ctx context.Context, w *ostree.Writer, ref string, edits []*edit) (names []string, err error) {
	now, err := s.packRef(ref)
	if err != nil {
		return nil, err
	}
	var named, others []*pack.Pack
	for _, p := range s.packs.Packs() {
		if slices.Contains(now.packs, p.Name) {
			named = append(named, p)
		} else {
			others = append(others, p)
		}
	}
	if len(now.packs) == 0 || len(others) == 0 || !w.Leans() {
		return nil, nil
	}
	reached := ostree.NewSet()
	for _, e := range edits {
		if e.final.IsZero() {
			continue
		}
		if err := w.WalkTree(ctx, e.final, reached); err != nil {
			return nil, err
		}
	}
	err = reached.Each(func(o ostree.Object) error {
		has := func(p *pack.Pack) bool { return p.Has(keyOf(o)) }
		if i := slices.IndexFunc(others, has); i >= 0 && !slices.ContainsFunc(named, has) {
			names = append(names, others[i].Name)
			named, others = append(named, others[i]), slices.Delete(others, i, i+1)
		}
		return ctx.Err()
	})
	return names, err
}

// listFor gives the packs that another collection of the same commit names, or all that there are.
func (s *Store) listFor(commit ostree.Checksum) ([]string, error) {
	refs, err := s.allPackRefs()
	if err != nil {
		return nil, err
	}
	for ref, other := range refs {
		if other == commit {
			r, err := s.packRef(ref)
			return r.packs, err
		}
	}
	err = s.packs.Refresh()
	return namesOf(s.packs.Packs()), err
}

func namesOf(list []*pack.Pack) []string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
	}
	return names
}

// relist lets packed references name the packs that hold something of them, but for those that are about to go. References that name none of these
// are right. The caller has the exclusive lock.
func (s *Store) relist(ctx context.Context, refs map[string]ostree.Checksum, gone []*pack.Pack) error {
	all, err := s.allPackRefs()
	if err != nil {
		return err
	}
	going := namesOf(gone)
	stay := slices.DeleteFunc(s.packs.Packs(), func(p *pack.Pack) bool { return slices.Contains(going, p.Name) })
	for ref := range refs {
		now, err := s.packRef(ref)
		if err != nil {
			return err
		}
		right := len(gone) > 0 && len(now.packs) > 0 && !slices.ContainsFunc(now.packs, func(name string) bool { return slices.Contains(going, name) })
		if now.commit.IsZero() || right {
			continue
		}
		packs := slices.Clone(stay)
		if len(all) > 1 && len(stay) > 1 {
			if packs, err = s.holding(ctx, packs, now.commit); err != nil {
				return err
			}
		}
		key := keyOf(ostree.Object{Type: ostree.TypeCommit, Checksum: now.commit})
		if i := slices.IndexFunc(packs, func(p *pack.Pack) bool { return p.Has(key) }); i > 0 {
			p := packs[i]
			packs = slices.Insert(slices.Delete(packs, i, i+1), 0, p)
		}
		if next := (packRef{now.commit, namesOf(packs)}); !slices.Equal(next.packs, now.packs) {
			if err := s.writePackRef(ref, next); err != nil {
				return err
			}
		}
	}
	return nil
}

// holding gives those of the packs that hold something of what a commit reaches; all where that cannot be told.
func (s *Store) holding(ctx context.Context, packs []*pack.Pack, commit ostree.Checksum) ([]*pack.Pack, error) {
	reached := ostree.NewMarks()
	if err := s.walkCollection(ctx, commit, reached, ostree.NewSet()); err != nil {
		return packs, ctx.Err()
	}
	return slices.DeleteFunc(packs, func(p *pack.Pack) bool {
		return p.Each(func(o pack.Object) bool { return !reached.Has(objectOf(o.Key)) })
	}), nil
}

// markPartial marks the commits of packed collections that are in the repository, but for those that live ones keep whole.
func (s *Store) markPartial() error {
	packed, err := s.allPackRefs()
	if err != nil {
		return err
	}
	live, err := s.repo.Refs("")
	if err != nil {
		return err
	}
	whole := map[ostree.Checksum]bool{}
	for _, commit := range live {
		whole[commit] = true
	}
	for _, commit := range packed {
		if !whole[commit] && s.repo.Has(ostree.Object{Type: ostree.TypeCommit, Checksum: commit}) {
			if err := s.repo.MarkPartial(commit); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeLeft removes what runs that died have left. The caller has the exclusive lock, which nobody who writes leaves room for.
func (s *Store) removeLeft() {
	for _, name := range []string{packsDir + "/new-*", packsDir + "/" + packRefs + "/.*", "tmp/put-*", "tmp/replace-*"} {
		left, _ := filepath.Glob(filepath.Join(s.repo.Dir(), filepath.FromSlash(name)))
		for _, path := range left {
			os.RemoveAll(path)
		}
	}
}
