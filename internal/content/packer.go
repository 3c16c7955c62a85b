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
	"sort"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/rpmver"
)

// packer puts the objects of packages into packs. What it writes depends on nothing but the packages and on what is in packs already.
type packer struct {
	ctx      context.Context
	s        *Store
	compress pack.Compressor
	except   map[string]bool // packs that count for nothing
	skip     *ostree.Set     // trees of packages that need not be looked at; nil for none
	goOn     bool            // a file that cannot be read is noted and left out
	unread   []pack.Key      // what was left out
	faults   []error         // and why

	w       *pack.Writer
	written map[pack.Key]placed // objects of the present pack
	sizes   []int64             // of its frames
	meta    items               // headers and trees that wait
	batch   items               // files of small families that wait
	group   group               // files of the present family that wait
	family  int
	buffer  []byte

	packs, objects int
	plain, stored  int64
	names          map[string]bool // of the packs made
}

func (s *Store) newPacker(ctx context.Context, level int, except map[string]bool) (*packer, error) {
	compress, err := s.compressor(level)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(s.repo.Dir(), packsDir), 0o777); err != nil {
		return nil, err
	}
	p := &packer{ctx: ctx, s: s, compress: compress, except: except, names: map[string]bool{}}
	p.reset()
	return p, s.packs.Refresh()
}

// reset forgets the present pack.
func (p *packer) reset() {
	p.w, p.written, p.sizes = nil, map[pack.Key]placed{}, nil
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
			if p.skip == nil || !p.skip.Has(m.object()) {
				packages[m.Tree] = m
			}
		}
	}
	last := ""
	for rank, m := range sortFamilies(packages) {
		if name := m.family(); name != last {
			last = name
			if err := p.endFamily(); err != nil {
				return err
			}
			p.family++
		}
		if err := p.take(m, rank); err != nil {
			return fmt.Errorf("%s: %w", m.NEVRA(), err)
		}
	}
	if err := p.endFamily(); err != nil {
		return err
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

// take adds the objects of a package.
func (p *packer) take(m *Package, rank int) error {
	tree, err := p.s.objects.ReadTree(m.Tree)
	if err != nil {
		return err
	}
	if err := p.small(ostree.TypeDirTree, m.Tree, "tree", rank); err != nil {
		return err
	}
	files := member{rank: rank, seen: map[pack.Key]bool{}}
	for _, f := range tree.Files {
		if f.Name == namePayload {
			err = p.file(&files, f.File, f.Name)
		} else {
			err = p.small(ostree.TypeFile, f.File, f.Name, rank)
		}
		if err != nil {
			return err
		}
	}
	for _, d := range tree.Dirs {
		into := &files
		if d.Name == nameSignatures {
			into = nil
		}
		if err := p.dir(d, d.Name, rank, into); err != nil {
			return err
		}
	}
	if err := p.join(&files); err != nil {
		return err
	}
	if p.meta.size > metaLimit {
		if err := p.flush(&p.meta); err != nil {
			return err
		}
	}
	if p.w != nil && (p.w.Size() > packLimit || p.w.Objects() > packObjects) {
		return p.finish()
	}
	return nil
}

// dir adds a directory and what is in it: its files to the package's, or where files is nil to what is small.
func (p *packer) dir(d ostree.TreeDir, path string, rank int, files *member) error {
	tree, err := p.s.objects.ReadTree(d.Tree)
	if err != nil {
		return err
	}
	err = errors.Join(p.small(ostree.TypeDirMeta, d.Meta, "meta", rank), p.small(ostree.TypeDirTree, d.Tree, path, rank))
	for _, f := range tree.Files {
		if err != nil {
			return err
		}
		if files != nil {
			err = p.file(files, f.File, path+"/"+f.Name)
		} else {
			err = p.small(ostree.TypeFile, f.File, path+"/"+f.Name, rank)
		}
	}
	for _, sub := range tree.Dirs {
		if err == nil {
			err = p.dir(sub, path+"/"+sub.Name, rank, files)
		}
	}
	return err
}

var numbers = regexp.MustCompile(`[0-9]+([.][0-9]+)*`)

// small adds an object that is read without the package's files.
func (p *packer) small(t ostree.Type, sum ostree.Checksum, path string, rank int) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	it := p.item(t, sum, path, rank)
	if p.meta.has(it.Key) || len(p.places(it.Key)) > 0 {
		return nil
	}
	if err := p.look(&it); err != nil {
		return p.leaveOut(it.Key, err)
	}
	p.meta.add(it)
	return nil
}

func (p *packer) item(t ostree.Type, sum ostree.Checksum, path string, rank int) item {
	o := ostree.Object{Type: t, Checksum: sum}
	return item{Object: pack.Object{Key: keyOf(o)}, family: p.family, path: numbers.ReplaceAllString(path, "#"), rank: rank}
}

// leaveOut notes that an object cannot be read, or says that this ends the run.
func (p *packer) leaveOut(k pack.Key, err error) error {
	if !p.goOn || p.ctx.Err() != nil {
		return err
	}
	p.unread, p.faults = append(p.unread, k), append(p.faults, err)
	return nil
}

// keepBytes is the size up to which an object is kept in memory from when it is looked at until it is written.
const keepBytes = 32 << 10

// look finds out how an object is stored, and in how many bytes.
func (p *packer) look(it *item) error {
	if it.Kind != uint8(ostree.TypeFile) {
		b, err := p.s.objects.ReadMetadata(ostree.Object{Type: ostree.Type(it.Kind), Checksum: it.Sum})
		it.plain, it.Size = b, int64(len(b))
		return err
	}
	f, err := p.s.objects.OpenFile(it.Sum)
	if err != nil {
		return err
	}
	defer f.Close()
	prefix := f.Info.Prefix()
	it.Size = int64(len(prefix)) + f.Size
	head := make([]byte, min(pack.CodingHead, f.Size))
	if _, err := io.ReadFull(f, head); err != nil {
		return err
	}
	coding := pack.CodingOf(head)
	if it.Size > keepBytes && (coding != pack.Gzip || it.Size > largeFile) {
		if coding == pack.X86 && it.Size <= pack.MaxFrame {
			it.Coding = coding
		}
		return nil
	}
	b := make([]byte, it.Size)
	n := copy(b, prefix)
	n += copy(b[n:], head)
	if err := fill(f, b[n:]); err != nil {
		return err
	}
	size := it.Size
	if b, it.Coding = pack.Encode(b, len(prefix)); it.Coding == pack.Gzip || size <= keepBytes {
		it.plain, it.Size = b, int64(len(b))
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
	err = errors.Join(p.small(ostree.TypeCommit, c.Commit, "commit", 0), p.small(ostree.TypeDirMeta, commit.Meta, "meta", 0),
		p.small(ostree.TypeDirTree, commit.Tree, "", 0))
	for _, d := range root.Dirs {
		err = errors.Join(err, p.small(ostree.TypeDirMeta, d.Meta, "meta", 0), p.small(ostree.TypeDirTree, d.Tree, "", 0))
	}
	for _, shard := range c.shards.Dirs {
		err = errors.Join(err, p.small(ostree.TypeDirMeta, shard.Meta, "meta", 0), p.small(ostree.TypeDirTree, shard.Tree, "shard", 0))
	}
	return err
}

// finish ends the present pack.
func (p *packer) finish() error {
	if err := errors.Join(p.closeGroup(), p.flush(&p.batch), p.flush(&p.meta)); err != nil || p.w == nil {
		return err
	}
	name, err := p.w.Finish()
	if err != nil {
		return err
	}
	p.names[name] = true
	p.packs++
	p.objects += p.w.Objects()
	p.stored += p.w.Size()
	p.reset()
	return p.s.packs.Refresh()
}
