package content

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path"
	"sort"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/ostree"
)

// packagesDir is the directory of the shards in a collection's tree.
const packagesDir = "packages"

// Collection is a set of packages at one moment: what others change later does not show.
type Collection struct {
	Name   string
	Commit ostree.Checksum // depends on nothing but the packages; fit for an ETag

	store  *Store
	shards ostree.DirTree
}

// Collection opens the present state of a collection; errors.Is(err, ErrNotFound) when there is none.
func (s *Store) Collection(name string) (*Collection, error) {
	ref, err := collectionRef(name)
	if err != nil {
		return nil, err
	}
	commit, err := s.ref(ref)
	if errors.Is(err, ostree.ErrNotFound) {
		return nil, fmt.Errorf("collection %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("collection %s: %w", name, err)
	}
	return s.collectionAt(name, commit)
}

// objects is what reads trees: a repository, or a writer with what it has staged.
type objects interface {
	ReadTree(ostree.Checksum) (ostree.DirTree, error)
	ReadCommit(ostree.Checksum) (ostree.Commit, error)
	ReadFile(sum ostree.Checksum, limit int64) ([]byte, error)
	OpenFile(ostree.Checksum) (*ostree.File, error)
}

func (s *Store) collectionAt(name string, commit ostree.Checksum) (*Collection, error) {
	c := &Collection{Name: name, Commit: commit, store: s}
	shards, err := readShards(s.objects, commit)
	if err != nil {
		return nil, fmt.Errorf("collection %s: %w", name, err)
	}
	c.shards = shards
	return c, nil
}

func readShards(from objects, commit ostree.Checksum) (ostree.DirTree, error) {
	if commit.IsZero() {
		return ostree.DirTree{}, nil
	}
	co, err := from.ReadCommit(commit)
	if err != nil {
		return ostree.DirTree{}, err
	}
	root, err := from.ReadTree(co.Tree)
	if err != nil {
		return ostree.DirTree{}, err
	}
	dir, ok := root.Dir(packagesDir)
	if !ok {
		return ostree.DirTree{}, nil
	}
	return from.ReadTree(dir.Tree)
}

// shardOf gives the shard of a package: two hexadecimal digits that depend on its NEVRA alone.
func shardOf(entry string) string {
	nevra, _, _ := strings.Cut(entry, "@")
	sum := sha256.Sum256([]byte(nevra))
	return fmt.Sprintf("%02x", sum[0])
}

// Packages gives the packages, sorted by NEVRA as text and then by content. 70,000 take some 20 MB.
func (c *Collection) Packages() ([]*Package, error) {
	var list []*Package
	for _, shard := range c.shards.Dirs {
		members, err := c.shard(shard)
		if err != nil {
			return nil, err
		}
		list = append(list, members...)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].entry < list[j].entry })
	return list, nil
}

func (c *Collection) shard(shard ostree.TreeDir) ([]*Package, error) {
	tree, err := c.store.objects.ReadTree(shard.Tree)
	if err != nil {
		return nil, fmt.Errorf("collection %s: shard %s: %w", c.Name, shard.Name, err)
	}
	list := make([]*Package, 0, len(tree.Dirs))
	for _, d := range tree.Dirs {
		list = append(list, &Package{Tree: d.Tree, entry: d.Name, store: c.store, from: c.store.objects})
	}
	return list, nil
}

// Find gives the packages that a word names: an exact name-[epoch:]version-release.arch, the same without epoch or arch, a
// name alone, the file name of a package, or any of these with * and ?. None is ErrNotFound.
func (c *Collection) Find(word string) ([]*Package, error) {
	word = strings.TrimSuffix(word, ".rpm")
	if found, err := c.exact(word); len(found) > 0 || err != nil {
		return found, err
	}
	all, err := c.Packages()
	if err != nil {
		return nil, err
	}
	var found []*Package
	for _, p := range all {
		for _, spelling := range p.spellings() {
			if ok, err := path.Match(word, spelling); err != nil {
				return nil, fmt.Errorf("pattern %q: %w", word, err)
			} else if ok {
				found = append(found, p)
				break
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("collection %s: package %s: %w", c.Name, word, ErrNotFound)
	}
	return found, nil
}

// exact finds the packages of one NEVRA by reading one shard.
func (c *Collection) exact(nevra string) ([]*Package, error) {
	dir, ok := c.shards.Dir(shardOf(nevra))
	if !ok {
		return nil, nil
	}
	members, err := c.shard(dir)
	if err != nil {
		return nil, err
	}
	var found []*Package
	for _, p := range members {
		if p.NEVRA() == nevra || p.entry == nevra {
			found = append(found, p)
		}
	}
	return found, nil
}

// Change is a package that two collections do not have alike.
type Change struct {
	Old, New *Package // nil where there is none; both set: same content, other signatures or notes
}

// Diff tells what leads from one collection to another, sorted by NEVRA. Shards that are equal are not read.
func (c *Collection) Diff(to *Collection) ([]Change, error) {
	names := map[string]bool{}
	for _, d := range c.shards.Dirs {
		names[d.Name] = true
	}
	for _, d := range to.shards.Dirs {
		names[d.Name] = true
	}
	var changes []Change
	for name := range names {
		a, _ := c.shards.Dir(name)
		b, _ := to.shards.Dir(name)
		if a.Tree == b.Tree {
			continue
		}
		part, err := diffShard(c, a, to, b)
		if err != nil {
			return nil, err
		}
		changes = append(changes, part...)
	}
	sort.Slice(changes, func(i, j int) bool { return changes[i].entry() < changes[j].entry() })
	return changes, nil
}

func (c Change) entry() string {
	if c.Old != nil {
		return c.Old.entry
	}
	return c.New.entry
}

func diffShard(from *Collection, a ostree.TreeDir, to *Collection, b ostree.TreeDir) ([]Change, error) {
	changes := map[string]Change{}
	if !a.Tree.IsZero() {
		members, err := from.shard(a)
		if err != nil {
			return nil, err
		}
		for _, p := range members {
			changes[p.entry] = Change{Old: p}
		}
	}
	if !b.Tree.IsZero() {
		members, err := to.shard(b)
		if err != nil {
			return nil, err
		}
		for _, p := range members {
			ch := changes[p.entry]
			if ch.Old != nil && ch.Old.Tree == p.Tree {
				delete(changes, p.entry)
				continue
			}
			ch.New = p
			changes[p.entry] = ch
		}
	}
	list := make([]Change, 0, len(changes))
	for _, ch := range changes {
		list = append(list, ch)
	}
	return list, nil
}

// edit is a change of one package in a collection: it is given the package's present tree, or zero, and gives the new one, or zero to
// remove it. It may be called again when the collection has moved.
type edit struct {
	entry   string
	replace bool // other packages of the same NEVRA go
	apply   func(now ostree.Checksum) (ostree.Checksum, error)
	final   ostree.Checksum // what apply gave last
}

// update applies edits to a collection at once and moves its reference. The writer's staged objects are flushed first. It gives
// the error of each edit that failed; these change nothing. create allows the collection not to exist.
func (s *Store) update(ctx context.Context, w *ostree.Writer, name string, create bool, edits []*edit) (failed map[int]error, err error) {
	ref, err := collectionRef(name)
	if err != nil {
		return nil, err
	}
	for {
		old, err := s.ref(ref)
		if err != nil && !(create && errors.Is(err, ostree.ErrNotFound)) {
			return nil, fmt.Errorf("collection %s: %w", name, err)
		}
		next, failed, err := buildCollection(w, old, edits)
		if err != nil {
			return nil, fmt.Errorf("collection %s: %w", name, err)
		}
		err = s.publish(ctx, w, ref, old, next, edits)
		if err == nil {
			return failed, nil
		}
		if !errors.Is(err, ostree.ErrRefMoved) {
			return failed, fmt.Errorf("collection %s: %w", name, err)
		}
	}
}

// publish brings what was written to the disk and moves the reference. The commit of a live collection is whole in the repository, that of a
// packed one is marked as partial there.
func (s *Store) publish(ctx context.Context, w *ostree.Writer, ref string, old, next ostree.Checksum, edits []*edit) error {
	packed, err := s.isPacked(ref)
	if err != nil {
		return err
	}
	if packed {
		more, err := s.packsUsed(ctx, w, ref, edits)
		if err != nil {
			return err
		}
		if err := w.FlushPartial(); err != nil {
			return err
		}
		return s.swapPackRef(ctx, ref, old, next, more)
	}
	if err := s.whole(ctx, w, ref, edits); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), s.repo.MarkWhole(next)); err != nil {
		return err
	}
	return s.repo.SwapRef(ctx, ref, old, next)
}

// buildCollection writes the tree that the edits make of a commit.
func buildCollection(w *ostree.Writer, old ostree.Checksum, edits []*edit) (ostree.Checksum, map[int]error, error) {
	shards, err := readShards(w, old)
	if err != nil {
		return old, nil, err
	}
	byShard := map[string][]int{}
	for i, e := range edits {
		byShard[shardOf(e.entry)] = append(byShard[shardOf(e.entry)], i)
	}
	failed := map[int]error{}
	dirs := map[string]ostree.TreeDir{}
	for _, d := range shards.Dirs {
		dirs[d.Name] = d
	}
	meta, err := w.PutMeta(dirMeta)
	if err != nil {
		return old, nil, err
	}
	for shard, list := range byShard {
		tree, err := editShard(w, dirs[shard].Tree, meta, edits, list, failed)
		if err != nil {
			return old, nil, err
		}
		delete(dirs, shard)
		if !tree.IsZero() {
			dirs[shard] = ostree.TreeDir{Name: shard, Tree: tree, Meta: meta}
		}
	}
	shards = ostree.DirTree{}
	for _, d := range dirs {
		shards.Dirs = append(shards.Dirs, d)
	}
	shards.Sort()
	packages, err := w.PutTree(shards)
	if err != nil {
		return old, nil, err
	}
	root, err := w.PutTree(ostree.DirTree{Dirs: []ostree.TreeDir{{Name: packagesDir, Tree: packages, Meta: meta}}})
	if err != nil {
		return old, nil, err
	}
	next, err := w.PutCommit(ostree.Commit{Subject: "RPM packages", Tree: root, Meta: meta})
	return next, failed, err
}

func editShard(w *ostree.Writer, old, meta ostree.Checksum, edits []*edit, list []int, failed map[int]error) (ostree.Checksum, error) {
	members := map[string]ostree.Checksum{}
	if !old.IsZero() {
		tree, err := w.ReadTree(old)
		if err != nil {
			return old, err
		}
		for _, d := range tree.Dirs {
			members[d.Name] = d.Tree
		}
	}
	for _, i := range list {
		e := edits[i]
		tree, err := e.apply(members[e.entry])
		if err != nil {
			failed[i] = err
			continue
		}
		e.final = tree
		if e.replace {
			nevra, _, _ := strings.Cut(e.entry, "@")
			maps.DeleteFunc(members, func(name string, _ ostree.Checksum) bool { return strings.HasPrefix(name, nevra+"@") })
		}
		if delete(members, e.entry); !tree.IsZero() {
			members[e.entry] = tree
		}
	}
	if len(members) == 0 {
		return ostree.Checksum{}, nil
	}
	var tree ostree.DirTree
	for name, sum := range members {
		tree.Dirs = append(tree.Dirs, ostree.TreeDir{Name: name, Tree: sum, Meta: meta})
	}
	tree.Sort()
	return w.PutTree(tree)
}

// Remove takes packages out of a collection.
func (s *Store) Remove(ctx context.Context, collection string, packages []*Package) error {
	ref, err := collectionRef(collection)
	if err != nil {
		return err
	}
	w, err := s.write(ctx, ref)
	if err != nil {
		return err
	}
	defer w.Close()
	edits := make([]*edit, 0, len(packages))
	for _, p := range packages {
		gone := func(ostree.Checksum) (ostree.Checksum, error) { return ostree.Checksum{}, nil }
		edits = append(edits, &edit{entry: p.entry, apply: gone})
	}
	_, err = s.update(ctx, w, collection, false, edits)
	return err
}
