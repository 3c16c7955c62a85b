package content

import (
	"errors"
	"fmt"
	"maps"

	"github.com/weld-linux/weld-bridge/internal/ostree"
)

// packageTree is the tree of a package while it is made.
type packageTree struct {
	header, lead []byte
	signatures   map[string][]byte
	recipe       *Recipe
	exports      exports
	meta         map[string]string
	payload      ostree.Checksum // zero: regenerated

	content, extra         *node
	contentTree, extraTree ostree.Checksum
}

// writeContent writes the files; it may be called again.
func (t *packageTree) writeContent(w *ostree.Writer) (err error) {
	if t.content != nil && !t.content.empty() && t.contentTree.IsZero() {
		if t.contentTree, _, err = t.content.write(w); err != nil {
			return err
		}
	}
	if t.extra != nil && !t.extra.empty() && t.extraTree.IsZero() {
		t.extraTree, _, err = t.extra.write(w)
	}
	return err
}

// write writes the tree.
func (t *packageTree) write(w *ostree.Writer) (ostree.Checksum, error) {
	var tree ostree.DirTree
	if err := t.writeContent(w); err != nil {
		return ostree.Checksum{}, err
	}
	meta, err := w.PutMeta(dirMeta)
	if err != nil {
		return ostree.Checksum{}, err
	}
	docs := map[string]any{nameRecipe: t.recipe, nameExports: t.exports}
	if len(t.meta) > 0 {
		docs[nameMeta] = t.meta
	}
	small := map[string][]byte{nameHeader: t.header, nameLead: t.lead}
	for name, doc := range docs {
		if small[name], err = encodeDocument(doc); err != nil {
			return ostree.Checksum{}, err
		}
	}
	if tree.Files, err = putFiles(w, small); err != nil {
		return ostree.Checksum{}, err
	}
	if !t.payload.IsZero() {
		tree.Files = append(tree.Files, ostree.TreeFile{Name: namePayload, File: t.payload})
	}
	var sigs ostree.DirTree
	if sigs.Files, err = putFiles(w, t.signatures); err != nil {
		return ostree.Checksum{}, err
	}
	sigs.Sort()
	sigTree, err := w.PutTree(sigs)
	if err != nil {
		return ostree.Checksum{}, err
	}
	tree.Dirs = append(tree.Dirs, ostree.TreeDir{Name: nameSignatures, Tree: sigTree, Meta: meta})
	if t.content != nil && !t.content.empty() {
		tree.Dirs = append(tree.Dirs, ostree.TreeDir{Name: nameFiles, Tree: t.contentTree, Meta: meta})
	}
	if t.extra != nil && !t.extra.empty() {
		tree.Dirs = append(tree.Dirs, ostree.TreeDir{Name: nameExtra, Tree: t.extraTree, Meta: meta})
	}
	tree.Sort()
	return w.PutTree(tree)
}

func putFiles(w *ostree.Writer, files map[string][]byte) ([]ostree.TreeFile, error) {
	list := make([]ostree.TreeFile, 0, len(files))
	for name, b := range files {
		sum, err := w.PutBytes(plainFile, b)
		if err != nil {
			return nil, err
		}
		list = append(list, ostree.TreeFile{Name: name, File: sum})
	}
	return list, nil
}

// change gives a package's tree with some of its files replaced, and with more signatures. A nil content removes a file.
func (p *Package) change(w *ostree.Writer, files, signatures map[string][]byte) (ostree.Checksum, error) {
	tree, err := p.from.ReadTree(p.Tree)
	if err != nil {
		return p.Tree, err
	}
	byName := map[string]ostree.Checksum{}
	for _, f := range tree.Files {
		byName[f.Name] = f.File
	}
	for name, b := range files {
		if delete(byName, name); b == nil {
			continue
		}
		if byName[name], err = w.PutBytes(plainFile, b); err != nil {
			return p.Tree, err
		}
	}
	next := ostree.DirTree{}
	for name, sum := range byName {
		next.Files = append(next.Files, ostree.TreeFile{Name: name, File: sum})
	}
	for _, d := range tree.Dirs {
		if d.Name == nameSignatures && len(signatures) > 0 {
			if d.Tree, err = addFiles(p.from, w, d.Tree, signatures); err != nil {
				return p.Tree, err
			}
		}
		next.Dirs = append(next.Dirs, d)
	}
	next.Sort()
	return w.PutTree(next)
}

func addFiles(from objects, w *ostree.Writer, tree ostree.Checksum, files map[string][]byte) (ostree.Checksum, error) {
	d, err := from.ReadTree(tree)
	if err != nil {
		return tree, err
	}
	for name, b := range files {
		sum, err := w.PutBytes(plainFile, b)
		if err != nil {
			return tree, err
		}
		if have, ok := d.File(name); ok && have != sum {
			return tree, fmt.Errorf("%s: another file of this name is there", name) // names hold 48 bits of a digest
		} else if ok {
			continue
		}
		d.Files = append(d.Files, ostree.TreeFile{Name: name, File: sum})
		d.Sort()
	}
	return w.PutTree(d)
}

// addMeta gives the package's tree with more notes; a note of the same key is replaced.
func (s *Store) addMeta(w *ostree.Writer, p *Package, notes map[string]string) (ostree.Checksum, error) {
	meta, err := p.Meta()
	if err != nil {
		return p.Tree, err
	}
	maps.Copy(meta, notes)
	doc, err := encodeDocument(meta)
	if err != nil {
		return p.Tree, err
	}
	return p.change(w, map[string][]byte{nameMeta: doc}, nil)
}

// mergeTrees gives the tree of a package that has what both trees of it have: all signatures and notes, the notes of the second first,
// and of a regenerated and a kept payload the regenerated one.
func (s *Store) mergeTrees(w *ostree.Writer, entry string, a, b ostree.Checksum) (ostree.Checksum, error) {
	if a.IsZero() || a == b {
		return b, nil
	}
	base := &Package{Tree: a, entry: entry, store: s, from: w}
	other := &Package{Tree: b, entry: entry, store: s, from: w}
	baseRecipe, err := base.Recipe()
	if err != nil {
		return b, nil // the old one cannot be read: the new one, which is proven, takes its place
	}
	otherRecipe, err := other.Recipe()
	if err != nil {
		return a, err
	}
	if baseRecipe.ID != otherRecipe.ID {
		return a, fmt.Errorf("%s: two packages with the identity %s", entry, base.ShortID())
	}
	if better(otherRecipe, baseRecipe) {
		base, other = other, base
	}
	return s.merge(w, base, other, b)
}

// better tells whether a says more about the payload than b. Of two that say as much it does not matter which is taken.
func better(a, b *Recipe) bool {
	rank := func(r *Recipe) int {
		switch r.Kept {
		case "":
			return 3
		case KeptNoEncoder:
			return 2
		case KeptNoArchive:
			return 1
		}
		return 0
	}
	return rank(a) > rank(b)
}

// merge adds to base the signatures and notes of other. The notes of newer win.
func (s *Store) merge(w *ostree.Writer, base, other *Package, newer ostree.Checksum) (ostree.Checksum, error) {
	list, err := base.Exports()
	more, err2 := other.Exports()
	notes, err3 := base.Meta()
	moreNotes, err4 := other.Meta()
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return base.Tree, err
	}
	if other.Tree == newer {
		maps.Copy(notes, moreNotes)
	} else {
		maps.Copy(moreNotes, notes)
		notes = moreNotes
	}
	signatures, err := other.signatures()
	if err != nil {
		return base.Tree, err
	}
	files := map[string][]byte{}
	if files[nameExports], err = encodeDocument(mergeExports(list, more)); err != nil {
		return base.Tree, err
	}
	if len(notes) > 0 {
		if files[nameMeta], err = encodeDocument(notes); err != nil {
			return base.Tree, err
		}
	}
	return base.change(w, files, signatures)
}

// signatures reads all signature headers of the package.
func (p *Package) signatures() (map[string][]byte, error) {
	tree, err := p.from.ReadTree(p.Tree)
	if err != nil {
		return nil, err
	}
	dir, _ := tree.Dir(nameSignatures)
	sigs, err := p.from.ReadTree(dir.Tree)
	if err != nil {
		return nil, fmt.Errorf("%s: signatures: %w", p.NEVRA(), err)
	}
	all := map[string][]byte{}
	for _, f := range sigs.Files {
		if all[f.Name], err = p.fileOf(sigs, f.Name, maxSignature); err != nil {
			return nil, err
		}
	}
	return all, nil
}
