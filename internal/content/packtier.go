package content

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
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
		packs, seen := t.set.Packs(), ostree.NewMarks()
		for _, p := range packs {
			if !p.Each(func(k pack.Object) bool {
				o := objectOf(k.Key)
				return k.Kind > uint8(ostree.TypeCommit) || len(packs) > 1 && !seen.Add(o) || yield(o, nil)
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

// whole makes sure that what edits put into a live collection is in the repository and not only in packs.
func (s *Store) whole(ctx context.Context, w *ostree.Writer, ref string, edits []*edit) error {
	if len(s.packs.Packs()) == 0 {
		return nil
	}
	if w.StandAlone() { // it was packed when the writer began: what was built leaves out what packs have
		return fmt.Errorf("reference %s: %w", ref, ostree.ErrRefMoved)
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
