package content

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/remote"
)

// packsDir holds the packs of a store, and below packRefs the references of collections that are packed: their objects may
// be in packs, so that ostree is not to see them.
const (
	packsDir = "packs"
	packRefs = "refs"
)

// packTier gives the objects that are in packs.
type packTier struct{ set *pack.Set }

func keyOf(o ostree.Object) pack.Key { return pack.Key{Kind: uint8(o.Type), Sum: o.Checksum} }

func objectOf(k pack.Key) ostree.Object {
	return ostree.Object{Type: ostree.Type(k.Kind), Checksum: k.Sum}
}

// OpenFile opens a file object.
func (t packTier) OpenFile(sum ostree.Checksum) (*ostree.File, error) {
	r, size, err := t.open(ostree.Object{Type: ostree.TypeFile, Checksum: sum})
	if err != nil {
		return nil, err
	}
	return ostree.NewFile(sum, size, r)
}

func (t packTier) open(o ostree.Object) (io.ReadCloser, int64, error) {
	r, size, err := t.set.Open(keyOf(o))
	if errors.Is(err, pack.ErrNotFound) {
		err = fmt.Errorf("object %s: %w", o, ErrNotFound)
	}
	return r, size, err
}

// ReadMetadata gives the bytes of an object of another type.
func (t packTier) ReadMetadata(o ostree.Object) ([]byte, error) {
	r, size, err := t.open(o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > pack.MaxFrame {
		return nil, fmt.Errorf("object %s: %d bytes are too many", o, size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("object %s: %w", o, err)
	}
	if got := ostree.Checksum(sha256.Sum256(b)); got != o.Checksum {
		return nil, fmt.Errorf("object %s: damaged: content has checksum %s", o, got)
	}
	return b, nil
}

// Has tells whether a pack has the object.
func (t packTier) Has(o ostree.Object) bool { return t.set.Has(keyOf(o)) }

// StoredSize gives the object's part of the bytes that its pack takes.
func (t packTier) StoredSize(o ostree.Object) (int64, error) {
	return t.set.StoredSize(keyOf(o))
}

// Objects lists what the packs have, each object once.
func (t packTier) Objects() iter.Seq2[ostree.Object, error] {
	return func(yield func(ostree.Object, error) bool) {
		packs := t.set.Packs()
		for i, p := range packs {
			later := map[string]bool{}
			for _, q := range packs[i:] {
				later[q.Name] = true
			}
			if !p.Each(func(o pack.Object) bool {
				if o.Kind > uint8(ostree.TypeCommit) || i > 0 && t.set.HasOutside(o.Key, later) {
					return true
				}
				return yield(objectOf(o.Key), nil)
			}) {
				return
			}
		}
	}
}

// expect tells the packs which files of a package will be read, below its directories.
func (t packTier) expect(from objects, dirs ...ostree.TreeDir) error {
	if len(t.set.Packs()) == 0 {
		return nil
	}
	var keys []pack.Key
	for len(dirs) > 0 {
		d := dirs[0]
		if dirs = dirs[1:]; d.Tree.IsZero() {
			continue
		}
		tree, err := from.ReadTree(d.Tree)
		if err != nil {
			return err
		}
		for _, f := range tree.Files {
			keys = append(keys, keyOf(ostree.Object{Type: ostree.TypeFile, Checksum: f.File}))
		}
		dirs = append(dirs, tree.Dirs...)
	}
	t.set.Prefer(keys)
	return nil
}

// readOnly lets a writer read what is in packs without counting it as present: what a writer writes is whole without the packs.
type readOnly struct{ packTier }

// Has is false.
func (readOnly) Has(ostree.Object) bool { return false }

func (s *Store) packRefPath(ref string) string {
	return filepath.Join(s.repo.Dir(), packsDir, packRefs, url.PathEscape(ref))
}

// packRef gives the commit of a packed collection; zero for none.
func (s *Store) packRef(ref string) (ostree.Checksum, error) {
	b, err := os.ReadFile(s.packRefPath(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return ostree.Checksum{}, nil
	}
	if err != nil {
		return ostree.Checksum{}, err
	}
	sum, _, err := parsePackRef(b)
	if err != nil {
		err = fmt.Errorf("%s: %w", s.packRefPath(ref), err)
	}
	return sum, err
}

// allPackRefs gives the commits of the packed collections by their references. Where there is a live one of the same name
// a pack run was interrupted before it took that away, and the live one counts.
func (s *Store) allPackRefs() (map[string]ostree.Checksum, error) {
	names, err := os.ReadDir(filepath.Join(s.repo.Dir(), packsDir, packRefs))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	refs := map[string]ostree.Checksum{}
	for _, n := range names {
		ref, err := url.PathUnescape(n.Name())
		if err != nil || url.PathEscape(ref) != n.Name() {
			continue
		}
		if _, err := s.repo.Ref(ref); err == nil {
			continue
		}
		if refs[ref], err = s.packRef(ref); err != nil {
			return nil, err
		}
	}
	return refs, nil
}

// setPackRef makes, moves or removes the reference of a packed collection.
func (s *Store) setPackRef(ref string, sum ostree.Checksum) error {
	path := s.packRefPath(ref)
	if sum.IsZero() {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return atomicfile.SyncDir(filepath.Dir(path))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return atomicfile.Write(path, []byte(sum.String()+"\n"), 0o644)
}

// swapPackRef is setPackRef if the reference is old still.
func (s *Store) swapPackRef(ctx context.Context, ref string, old, next ostree.Checksum) error {
	dir := filepath.Join(s.repo.Dir(), packsDir)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o660)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	now, err := s.packRef(ref)
	if err != nil {
		return err
	}
	if now != old {
		return fmt.Errorf("reference %s: %w", ref, ostree.ErrRefMoved)
	}
	if next.IsZero() {
		return s.setPackRef(ref, next)
	}
	// As those do it who push into this directory.
	place, err := remote.Open(s.repo.Dir(), remote.Options{})
	if err != nil {
		return err
	}
	raw, err := remote.Read(ctx, place, packRefFile(ref))
	if err != nil {
		return err
	}
	if sum, _, err := parsePackRef(raw); raw != nil && (err != nil || sum != old) || raw == nil && !old.IsZero() {
		return fmt.Errorf("reference %s: %w", ref, ostree.ErrRefMoved)
	}
	err = place.Swap(ctx, packRefFile(ref), raw, formatPackRef(next, nil))
	if errors.Is(err, remote.ErrMoved) {
		err = fmt.Errorf("reference %s: %w", ref, ostree.ErrRefMoved)
	}
	return err
}

// whole makes sure that what edits put into a live collection is in the repository and not only in packs.
func (s *Store) whole(ctx context.Context, w *ostree.Writer, ref string, edits []*edit) error {
	if packed, err := s.isPacked(ref); packed || err != nil || len(s.packs.Packs()) == 0 {
		return err
	}
	if s.becomesPacked(ref) { // the writer takes what packs have for present
		return fmt.Errorf("%s has become a live collection meanwhile; take it again", ref)
	}
	seen := ostree.NewSet()
	from := ostree.Reader{Source: ostree.Sources{w.Source, packTier{s.packs}}}
	for _, e := range edits {
		if e.final.IsZero() {
			continue
		}
		if err := w.CopyTree(ctx, from, e.final, seen); err != nil {
			return err
		}
	}
	return nil
}

// isPacked tells whether a collection is packed.
func (s *Store) isPacked(ref string) (bool, error) {
	if _, err := s.repo.Ref(ref); err == nil {
		return false, nil
	}
	sum, err := s.packRef(ref)
	return !sum.IsZero() || s.becomesPacked(ref), err
}
