package content

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/rpmver"
)

// item is an object that waits to be put into a frame.
type item struct {
	pack.Object
	family int
	path   string // of the file, with its numbers left out
	rank   int    // of the package: later versions have higher ones
	plain  []byte
}

// packer puts the objects of packages into packs. What it writes depends on nothing but the packages and on what is in packs already.
type packer struct {
	ctx      context.Context
	s        *Store
	compress pack.Compressor
	except   map[string]bool // packs that count for nothing
	w        *pack.Writer
	seen     map[pack.Key]struct{} // in the present pack, or waiting
	files    []item
	fileSize int64
	meta     []item
	metaSize int64
	family   int

	packs, objects int
	plain, stored  int64
	names          map[string]bool // of the packs made
}

func (s *Store) newPacker(ctx context.Context, o PackOptions, except map[string]bool) (*packer, error) {
	if err := os.MkdirAll(filepath.Join(s.repo.Dir(), packsDir), 0o777); err != nil {
		return nil, err
	}
	p := &packer{ctx: ctx, s: s, compress: o.Compress, except: except, seen: map[pack.Key]struct{}{}, names: map[string]bool{}}
	if p.compress == nil {
		p.compress = pack.Default
	}
	return p, s.packs.Refresh()
}

func (p *packer) abort() {
	if p.w != nil {
		p.w.Abort()
	}
}

// run packs collections: packages by name, architecture and version, and then what binds them.
func (p *packer) run(list []*Collection) error {
	packages := map[ostree.Checksum]*Package{}
	for _, c := range list {
		members, err := c.Packages()
		if err != nil {
			return err
		}
		for _, m := range members {
			packages[m.Tree] = m
		}
	}
	sorted := sortFamilies(packages)
	last := ""
	for rank, m := range sorted {
		if name := m.family(); name != last {
			last = name
			p.family++
		}
		if err := p.take(m, rank); err != nil {
			return fmt.Errorf("%s: %w", m.NEVRA(), err)
		}
	}
	p.family++
	for _, c := range list {
		if err := p.collection(c); err != nil {
			return fmt.Errorf("collection %s: %w", c.Name, err)
		}
	}
	return p.finish()
}

func (p *Package) family() string {
	n := p.nevra()
	return n.Name + "." + n.Arch
}

func sortFamilies(packages map[ostree.Checksum]*Package) []*Package {
	type keyed struct {
		*Package
		name, arch string
		evr        rpmver.EVR
	}
	list := make([]keyed, 0, len(packages))
	for _, m := range packages {
		n := m.nevra()
		list = append(list, keyed{m, n.Name, n.Arch, rpmver.Parse(n.EVR())})
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i], list[j]
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.arch, b.arch), a.evr.Compare(b.evr),
			strings.Compare(a.entry, b.entry), bytes.Compare(a.Tree[:], b.Tree[:])) < 0
	})
	sorted := make([]*Package, len(list))
	for i, k := range list {
		sorted[i] = k.Package
	}
	return sorted
}

// has tells whether an object needs no room: a pack has it, or will.
func (p *packer) has(k pack.Key) bool {
	_, ok := p.seen[k]
	return ok || p.s.packs.HasOutside(k, p.except)
}

// take adds the objects of a package.
func (p *packer) take(m *Package, rank int) error {
	before, size := len(p.files), p.fileSize
	if err := p.packageTree(m, rank); err != nil {
		return err
	}
	limit := int64(batchLimit)
	if before > 0 && p.files[before-1].family == p.family {
		limit = familyLimit
	}
	if before > 0 && p.fileSize > limit {
		fresh := slices.Clone(p.files[before:])
		added := p.fileSize - size
		p.files = p.files[:before]
		if err := p.flushFiles(); err != nil {
			return err
		}
		p.files, p.fileSize = fresh, added
	}
	if p.metaSize > metaLimit {
		if err := p.flushMeta(); err != nil {
			return err
		}
	}
	if p.w != nil && (p.w.Size() > packLimit || p.w.Objects() > packObjects) {
		return p.finish()
	}
	return nil
}

func (p *packer) packageTree(m *Package, rank int) error {
	tree, err := p.s.objects.ReadTree(m.Tree)
	if err != nil {
		return err
	}
	if err := p.add(ostree.TypeDirTree, m.Tree, "tree", rank, true); err != nil {
		return err
	}
	for _, f := range tree.Files {
		if err := p.add(ostree.TypeFile, f.File, f.Name, rank, f.Name != namePayload); err != nil {
			return err
		}
	}
	for _, d := range tree.Dirs {
		if err := p.dir(d, d.Name, rank, d.Name == nameSignatures); err != nil {
			return err
		}
	}
	return nil
}

// dir adds a directory and what is in it.
func (p *packer) dir(d ostree.TreeDir, path string, rank int, meta bool) error {
	tree, err := p.s.objects.ReadTree(d.Tree)
	if err != nil {
		return err
	}
	err = errors.Join(p.add(ostree.TypeDirMeta, d.Meta, "meta", rank, true), p.add(ostree.TypeDirTree, d.Tree, path, rank, true))
	for _, f := range tree.Files {
		if err == nil {
			err = p.add(ostree.TypeFile, f.File, path+"/"+f.Name, rank, meta)
		}
	}
	for _, sub := range tree.Dirs {
		if err == nil {
			err = p.dir(sub, path+"/"+sub.Name, rank, meta)
		}
	}
	return err
}

var numbers = regexp.MustCompile(`[0-9]+([.][0-9]+)*`)

// add reads an object that is not in a pack.
func (p *packer) add(t ostree.Type, sum ostree.Checksum, path string, rank int, meta bool) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	o := ostree.Object{Type: t, Checksum: sum}
	if p.has(keyOf(o)) {
		return nil
	}
	it := item{Object: pack.Object{Key: keyOf(o)}, family: p.family, path: numbers.ReplaceAllString(path, "#"), rank: rank}
	if t == ostree.TypeFile {
		f, err := p.s.objects.OpenFile(sum)
		if err != nil {
			return err
		}
		defer f.Close()
		content := io.MultiReader(bytes.NewReader(f.Info.Prefix()), f)
		it.Size = int64(len(f.Info.Prefix())) + f.Size
		if it.Size > largeFile {
			return p.frame([]pack.Object{it.Object}, content)
		}
		it.plain = make([]byte, it.Size)
		if _, err := io.ReadFull(content, it.plain); err != nil {
			return fmt.Errorf("object %s: %w", o, err)
		}
	} else {
		b, err := p.s.objects.ReadMetadata(o)
		if err != nil {
			return err
		}
		it.plain, it.Size = b, int64(len(b))
	}
	p.seen[it.Key] = struct{}{}
	if meta {
		p.meta, p.metaSize = append(p.meta, it), p.metaSize+it.Size
	} else {
		p.files, p.fileSize = append(p.files, it), p.fileSize+it.Size
	}
	return nil
}

// collection adds what binds the packages: the commit, and the trees above the packages.
func (p *packer) collection(c *Collection) error {
	commit, err := p.s.objects.ReadCommit(c.Commit)
	if err != nil {
		return err
	}
	root, err := p.s.objects.ReadTree(commit.Tree)
	if err != nil {
		return err
	}
	err = errors.Join(p.add(ostree.TypeCommit, c.Commit, "commit", 0, true), p.add(ostree.TypeDirMeta, commit.Meta, "meta", 0, true),
		p.add(ostree.TypeDirTree, commit.Tree, "", 0, true))
	for _, d := range root.Dirs {
		err = errors.Join(err, p.add(ostree.TypeDirMeta, d.Meta, "meta", 0, true), p.add(ostree.TypeDirTree, d.Tree, "", 0, true))
	}
	for _, shard := range c.shards.Dirs {
		err = errors.Join(err, p.add(ostree.TypeDirMeta, shard.Meta, "meta", 0, true), p.add(ostree.TypeDirTree, shard.Tree, "shard", 0, true))
	}
	return err
}

func (p *packer) flushFiles() error {
	err := p.flush(p.files, pack.MaxFrame)
	p.files, p.fileSize = nil, 0
	return err
}

func (p *packer) flushMeta() error {
	err := p.flush(p.meta, 2*metaLimit)
	p.meta, p.metaSize = nil, 0
	return err
}

// flush writes items as frames: a family's, path by path, and at each path from version to version.
func (p *packer) flush(list []item, limit int64) error {
	slices.SortFunc(list, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.family, b.family), strings.Compare(a.path, b.path), cmp.Compare(a.rank, b.rank),
			cmp.Compare(a.Kind, b.Kind), bytes.Compare(a.Sum[:], b.Sum[:]))
	})
	for len(list) > 0 {
		var objects []pack.Object
		var parts []io.Reader
		size := int64(0)
		for _, it := range list {
			if size += it.Size; size > limit && len(objects) > 0 {
				break
			}
			objects, parts = append(objects, it.Object), append(parts, bytes.NewReader(it.plain))
		}
		if err := p.frame(objects, io.MultiReader(parts...)); err != nil {
			return err
		}
		list = list[len(objects):]
	}
	return nil
}

func (p *packer) frame(objects []pack.Object, content io.Reader) (err error) {
	if p.w == nil {
		if p.w, err = pack.Create(filepath.Join(p.s.repo.Dir(), packsDir), p.compress); err != nil {
			return err
		}
	}
	for _, o := range objects {
		p.seen[o.Key] = struct{}{}
		p.plain += o.Size
	}
	return p.w.Frame(objects, content)
}

// finish ends the present pack.
func (p *packer) finish() error {
	if err := errors.Join(p.flushFiles(), p.flushMeta()); err != nil || p.w == nil {
		return err
	}
	name, err := p.w.Finish()
	p.names[name] = true
	p.packs++
	p.objects += p.w.Objects()
	p.stored += p.w.Size()
	p.w, p.seen = nil, map[pack.Key]struct{}{}
	if err != nil {
		return err
	}
	return p.s.packs.Refresh()
}
