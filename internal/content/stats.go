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

// Stats reads the store through. Deferred payloads are counted, not listed.
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
	sizes := map[ostree.Checksum]int64{}
	for _, p := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := st.add(p, sizes); err != nil {
			return nil, err
		}
	}
	for _, n := range sizes {
		st.UniqueBytes += n
	}
	sort.Slice(st.KeptPackages, func(i, j int) bool { return st.KeptPackages[i].NEVRA < st.KeptPackages[j].NEVRA })
	return st, s.measure(ctx, st)
}

func (st *Stats) add(p *Package, sizes map[ostree.Checksum]int64) error {
	r, err := p.Recipe()
	if err != nil {
		return err
	}
	list, err := p.Exports()
	if err != nil {
		return err
	}
	raw, err := p.Header()
	if err != nil {
		return err
	}
	h, err := rpmfile.ParseHeader(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", p.NEVRA(), err)
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
	version := h.String(rpmfile.TagRPMVersion)
	if version == "" {
		version = "unknown"
	}
	tally(st.Builders, "rpm "+version+": "+outcome, r.Size)
	return p.contents(func(sum ostree.Checksum, size int64) {
		st.ContentBytes += size
		sizes[sum] = size
	}, sizes)
}

func tally(m map[string]Tally, name string, size int64) {
	t := m[name]
	t.Packages++
	t.Bytes += size
	m[name] = t
}

// contents visits every file of the package's payload with its size; sizes that are known already are not read.
func (p *Package) contents(visit func(ostree.Checksum, int64), known map[ostree.Checksum]int64) error {
	tree, err := p.from.ReadTree(p.Tree)
	if err != nil {
		return err
	}
	for _, name := range []string{nameFiles, nameExtra} {
		dir, ok := tree.Dir(name)
		if !ok {
			continue
		}
		if err := p.walk(dir.Tree, func(sum ostree.Checksum) error {
			size, ok := known[sum]
			if !ok {
				f, err := p.from.OpenFile(sum)
				if err != nil {
					return err
				}
				size = f.Size
				f.Close()
			}
			visit(sum, size)
			return nil
		}); err != nil {
			return fmt.Errorf("%s: %w", p.NEVRA(), err)
		}
	}
	return nil
}

func (p *Package) walk(tree ostree.Checksum, visit func(ostree.Checksum) error) error {
	d, err := p.from.ReadTree(tree)
	if err != nil {
		return err
	}
	for _, f := range d.Files {
		if err := visit(f.File); err != nil {
			return err
		}
	}
	for _, sub := range d.Dirs {
		if err := p.walk(sub.Tree, visit); err != nil {
			return err
		}
	}
	return nil
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
	raw, err := p.Header()
	if err != nil {
		return nil, err
	}
	h, err := rpmfile.ParseHeader(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	d := &Description{
		NEVRA: p.NEVRA(), Summary: h.String(rpmfile.TagSummary), ID: r.ID, Tree: p.Tree,
		HeaderSize: int64(len(raw)), PayloadSize: r.Size, Kept: r.Kept, Detail: r.Detail,
	}
	if r.Encoder != nil {
		d.Encoder = r.Encoder.String()
	}
	if d.Exports, err = p.Exports(); err != nil {
		return nil, err
	}
	if d.Meta, err = p.Meta(); err != nil {
		return nil, err
	}
	err = p.contents(func(_ ostree.Checksum, size int64) { d.Files++; d.ContentSize += size }, nil)
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
