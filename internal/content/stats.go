package content

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sort"
	"syscall"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// Tally counts packages and bytes.
type Tally struct {
	Packages int   `json:"packages"`
	Bytes    int64 `json:"bytes"`
}

// Stats is what a store holds. Sizes are in bytes.
type Stats struct {
	Collections  int              `json:"collections"`
	Packages     int              `json:"packages"`
	RPMBytes     int64            `json:"rpm_bytes"` // of the packages as files, each in the form that was imported
	StoreBytes   int64            `json:"store_bytes"`
	DiskBytes    int64            `json:"disk_bytes"` // that the file system takes for the store
	Objects      int              `json:"objects"`
	Packs        int              `json:"packs"`
	Packed       int              `json:"packed_objects"` // of Objects
	PackBytes    int64            `json:"pack_bytes"`     // of StoreBytes
	ContentBytes int64            `json:"content_bytes"`  // of the files in packages
	UniqueBytes  int64            `json:"unique_bytes"`   // of these, each content once
	Garbage      int              `json:"garbage_objects"`
	GarbageBytes int64            `json:"garbage_bytes"`
	PayloadBytes int64            `json:"payload_bytes"`
	Payloads     map[string]Tally `json:"payloads"` // regenerated, or why they are kept
	Encoders     map[string]Tally `json:"encoders"`
	Builders     map[string]Tally `json:"builders"` // by the version of rpm and how the payload came out
	KeptPackages []Kept           `json:"kept,omitempty"`
}

// Kept is a package whose payload is kept.
type Kept struct {
	NEVRA  string `json:"nevra"`
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
	Bytes  int64  `json:"bytes"`
}

// Stats reads the headers and documents of all packages. Deferred payloads are counted, not listed.
func (s *Store) Stats(ctx context.Context) (*Stats, error) {
	release, err := s.repo.LockShared(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	st := &Stats{Payloads: map[string]Tally{}, Encoders: map[string]Tally{}, Builders: map[string]Tally{}}
	names, err := s.Collections()
	if err != nil {
		return nil, err
	}
	st.Collections = len(names)
	all, err := s.everything()
	if err != nil {
		return nil, err
	}
	seen := ostree.NewMarks()
	for _, p := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := st.add(p, seen); err != nil {
			return nil, err
		}
	}
	sort.Slice(st.KeptPackages, func(i, j int) bool { return st.KeptPackages[i].NEVRA < st.KeptPackages[j].NEVRA })
	return st, s.measure(ctx, st)
}

func (st *Stats) add(p *Package, seen *ostree.Marks) error {
	r, err := p.Recipe()
	if err != nil {
		return err
	}
	list, err := p.Exports()
	if err != nil {
		return err
	}
	parts, err := p.parts(list[0])
	if err != nil {
		return err
	}
	st.Packages++
	st.RPMBytes += list[0].Size
	st.PayloadBytes += r.Size
	outcome := "regenerated"
	if r.Kept != "" {
		outcome = "kept: " + r.Kept
		if r.Kept != KeptDeferred {
			st.KeptPackages = append(st.KeptPackages, Kept{p.NEVRA(), r.Kept, r.Detail, r.Size})
		}
	} else {
		tally(st.Encoders, r.Encoder.String(), r.Size)
	}
	tally(st.Payloads, outcome, r.Size)
	version := parts.Header.String(rpmfile.TagRPMVersion)
	if version == "" {
		version = "unknown"
	}
	tally(st.Builders, "rpm "+version+": "+outcome, r.Size)
	return p.contents(parts, func(file ostree.Object, size int64) {
		st.ContentBytes += size
		if seen.Add(file) {
			st.UniqueBytes += size
		}
	})
}

func tally(m map[string]Tally, name string, size int64) {
	t := m[name]
	t.Packages++
	t.Bytes += size
	m[name] = t
}

// contents visits every file of the package's payload with its size, which the header tells of nearly all.
func (p *Package) contents(parts *rpmfile.Package, visit func(file ostree.Object, size int64)) error {
	tree, err := p.from.ReadTree(p.Tree)
	if err != nil {
		return err
	}
	c := contents{from: p.from, visit: visit}
	if dir, ok := tree.Dir(nameExtra); ok { // these have no path
		if err := c.walk(dir.Tree, ""); err != nil {
			return fmt.Errorf("%s: %w", p.NEVRA(), err)
		}
	}
	dir, ok := tree.Dir(nameFiles)
	if !ok {
		return nil
	}
	files, err := parts.Files()
	if err == nil {
		c.sizes = fileSizes(files)
		err = c.walk(dir.Tree, "")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	return nil
}

// fileSizes gives the sizes of files by their paths in the tree; a path that a header has twice is left out.
func fileSizes(files []rpmfile.File) map[string]int64 {
	sizes, twice := make(map[string]int64, len(files)), []string(nil)
	for _, f := range files {
		key, size := pathKey(f.Path), int64(0)
		if f.IsRegular() {
			size = int64(f.Size)
		}
		if _, ok := sizes[key]; ok {
			twice = append(twice, key)
		}
		sizes[key] = size
	}
	for _, key := range twice {
		delete(sizes, key)
	}
	return sizes
}

// contents walks through a package's files.
type contents struct {
	from  objects
	sizes map[string]int64
	visit func(ostree.Object, int64)
}

func (c *contents) walk(tree ostree.Checksum, path string) error {
	d, err := c.from.ReadTree(tree)
	if err != nil {
		return err
	}
	for _, f := range d.Files {
		size, ok := c.sizes[path+f.Name]
		if !ok {
			if size, err = c.size(f.File); err != nil {
				return err
			}
		}
		c.visit(ostree.Object{Type: ostree.TypeFile, Checksum: f.File}, size)
	}
	for _, sub := range d.Dirs {
		if err := c.walk(sub.Tree, path+sub.Name+"/"); err != nil {
			return err
		}
	}
	return nil
}

func (c *contents) size(file ostree.Checksum) (int64, error) {
	f, err := c.from.OpenFile(file)
	if err != nil {
		return 0, err
	}
	return f.Size, f.Close()
}

// measure adds up what the store takes.
func (s *Store) measure(ctx context.Context, st *Stats) error {
	reachable, err := s.reachable(ctx)
	if err != nil {
		return err
	}
	for o, err := range s.allObjects() {
		if err != nil {
			return err
		}
		st.Objects++
		if !reachable.Has(o) {
			size, err := s.storedSize(o)
			if err != nil {
				return err
			}
			st.Garbage++
			st.GarbageBytes += size
		}
	}
	for _, p := range s.packs.Packs() {
		st.Packs++
		st.Packed += p.Objects()
		st.PackBytes += p.Size
	}
	return filepath.WalkDir(s.repo.Dir(), func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil // gone since
		}
		if sys, ok := info.Sys().(*syscall.Stat_t); ok {
			st.DiskBytes += sys.Blocks * 512
		}
		if info.Mode().IsRegular() {
			st.StoreBytes += info.Size()
		}
		return nil
	})
}

// Description is what a package is and what it costs. Sizes are in bytes.
type Description struct {
	NEVRA       string            `json:"nevra"`
	Summary     string            `json:"summary"`
	ID          string            `json:"id"`
	Tree        ostree.Checksum   `json:"tree"`
	Collections []string          `json:"collections,omitempty"`
	HeaderSize  int64             `json:"header_size"`
	PayloadSize int64             `json:"payload_size"`
	Kept        string            `json:"kept,omitempty"`
	Detail      string            `json:"detail,omitempty"`
	Encoder     string            `json:"encoder,omitempty"`
	Files       int               `json:"files"`
	ContentSize int64             `json:"content_size"`
	Objects     int               `json:"objects"`
	StoredSize  int64             `json:"stored_size"` // of all its objects, shared ones too
	Exports     []Export          `json:"exports"`
	Meta        map[string]string `json:"meta,omitempty"`
}

// Describe gathers what is known about the package.
func (p *Package) Describe() (*Description, error) {
	r, err := p.Recipe()
	if err != nil {
		return nil, err
	}
	list, err := p.Exports()
	if err != nil {
		return nil, err
	}
	parts, err := p.parts(list[0])
	if err != nil {
		return nil, err
	}
	d := &Description{
		NEVRA: p.NEVRA(), Summary: parts.Header.String(rpmfile.TagSummary), ID: r.ID, Tree: p.Tree,
		HeaderSize: int64(len(parts.Header.Raw())), PayloadSize: r.Size, Kept: r.Kept, Detail: r.Detail, Exports: list,
	}
	if r.Encoder != nil {
		d.Encoder = r.Encoder.String()
	}
	if d.Meta, err = p.Meta(); err != nil {
		return nil, err
	}
	err = p.contents(parts, func(_ ostree.Object, size int64) { d.Files++; d.ContentSize += size })
	if err != nil {
		return nil, err
	}
	seen := ostree.NewSet()
	if err := p.store.objects.WalkTree(context.Background(), p.Tree, seen); err != nil {
		return nil, err
	}
	d.Objects = seen.Len()
	return d, seen.Each(func(o ostree.Object) error {
		n, err := p.store.storedSize(o)
		d.StoredSize += n
		return err
	})
}
