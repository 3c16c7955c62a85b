package content

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/repodata"
	"github.com/weld-linux/weld-bridge/internal/varint"
)

// FragmentChangelogs is the number of changelog entries in the fragments that the index keeps.
const FragmentChangelogs = 10

// Fragment is what repodata says of a package: its elements, with room for what is special to a file that it is exported as.
type Fragment struct {
	Template repodata.Template
	Unfit    string // why the package cannot stand in repodata; then there is no template
	forms    []form
}

// form is an export with the size of its uncompressed payload, as its headers give it.
type form struct {
	Export
	archive int64
}

// Instance gives what belongs into the template's room for a form of the package, but for the location; false when there is no
// such form.
func (f *Fragment) Instance(want Form) (repodata.Instance, bool) {
	for _, e := range f.forms {
		if e.matches(want) {
			return repodata.Instance{
				PkgID: e.SHA256, Size: e.Size, Archive: e.archive, HeaderStart: e.Header, HeaderEnd: e.Payload,
			}, true
		}
	}
	return repodata.Instance{}, false
}

// Fragments gives the fragments of packages: from the index where it has them, else from their headers, and then the index gets
// them. It is not safe for concurrent use.
type Fragments struct {
	store   *Store
	limit   int
	builder repodata.Builder
	pkg     repodata.Package
	coder   fragmentCoder
}

// Fragments makes a reader of fragments with this many entries of the changelog; -1 is all. The index serves FragmentChangelogs alone.
func (s *Store) Fragments(changelogs int) *Fragments {
	return &Fragments{store: s, limit: changelogs, builder: repodata.Builder{ChangelogLimit: changelogs}}
}

// fragmentBatch is the number of packages that are looked up together.
const fragmentBatch = 128

// Each calls use with the fragment of every package, in their order. A fragment is valid during the call. No payload is read.
func (f *Fragments) Each(packages []*Package, use func(i int, p *Package, fragment *Fragment) error) error {
	var fragment Fragment
	for start := 0; start < len(packages); start += fragmentBatch {
		some := packages[start:min(start+fragmentBatch, len(packages))]
		known := map[ostree.Checksum][]byte{}
		if f.limit == FragmentChangelogs {
			known = f.store.index.fragments(some)
		}
		var rows []fragmentRow
		for i, p := range some {
			b, ok := known[p.Tree]
			if !ok || f.coder.decode(b, &fragment) != nil {
				raw, err := f.make(p)
				if err != nil {
					return err
				}
				rows = append(rows, fragmentRow{tree: p.Tree, data: raw})
				if err := f.coder.decode(raw, &fragment); err != nil {
					return fmt.Errorf("%s: %w", p.NEVRA(), err)
				}
			}
			if err := use(start+i, p, &fragment); err != nil {
				return err
			}
		}
		if f.limit == FragmentChangelogs {
			_ = f.store.index.putFragments(rows) // a cache
		}
	}
	return nil
}

// make gives the encoded fragment of a package, which it makes of the headers.
func (f *Fragments) make(p *Package) ([]byte, error) {
	list, err := p.Exports()
	if err != nil {
		return nil, err
	}
	f.coder.plain = append(f.coder.plain[:0], fragmentVersion)
	f.coder.plain = binary.AppendUvarint(f.coder.plain, uint64(len(list)))
	for i, e := range list {
		parts, err := p.parts(e)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			f.builder.Build(&f.pkg, parts)
		}
		if err := f.coder.appendForm(form{e, repodata.ArchiveSize(parts)}); err != nil {
			return nil, fmt.Errorf("%s: exports: %w", p.NEVRA(), err)
		}
	}
	var t repodata.Template
	unfit := ""
	if err := f.pkg.Check(); err != nil {
		unfit = err.Error()
	} else {
		f.coder.text = t.Template(f.coder.text[:0], &f.pkg)
	}
	f.coder.plain = varint.AppendBlock(f.coder.plain, unfit)
	f.coder.plain = t.AppendBinary(f.coder.plain)
	return f.coder.pack(f.coder.plain), nil
}

// fragmentVersion opens a fragment in the index. One of another version is made anew.
const fragmentVersion = 2

// fragmentCoder turns fragments into what the index keeps, and back: S2, which is read several times as fast as zstd, and a CRC. What
// it decodes shares its memory.
type fragmentCoder struct {
	plain, text []byte
	decoded     []byte
}

// maxFragment bounds a fragment in bytes.
const maxFragment = 4 * maxHeader

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pack gives what the index keeps of b.
func (c *fragmentCoder) pack(b []byte) []byte {
	packed := s2.EncodeBetter(nil, b)
	return binary.BigEndian.AppendUint32(packed, crc32.Checksum(packed, castagnoli))
}

// unpack reads what pack gave into c.decoded.
func (c *fragmentCoder) unpack(b []byte) (err error) {
	n := len(b) - crc32.Size
	if n < 0 || crc32.Checksum(b[:n], castagnoli) != binary.BigEndian.Uint32(b[n:]) {
		return errFragment
	}
	if size, err := s2.DecodedLen(b[:n]); err != nil || size > maxFragment {
		return errFragment
	}
	c.decoded, err = s2.Decode(c.decoded[:cap(c.decoded)], b[:n])
	return err
}

func (c *fragmentCoder) appendForm(e form) error {
	sum, err := hex.DecodeString(e.SHA256)
	if err != nil || len(sum) != 32 {
		return fmt.Errorf("bad SHA-256 %q", e.SHA256)
	}
	c.plain = append(c.plain, sum...)
	for _, n := range []int64{e.Size, e.Header, e.Payload, e.archive} {
		c.plain = binary.AppendVarint(c.plain, n)
	}
	c.plain = binary.AppendUvarint(c.plain, uint64(len(e.Keys)))
	for _, key := range e.Keys {
		c.plain = varint.AppendBlock(c.plain, key)
	}
	return nil
}

var errFragment = errors.New("damaged fragment")

// decode reads what make gave.
func (c *fragmentCoder) decode(b []byte, f *Fragment) (err error) {
	if err := c.unpack(b); err != nil {
		return err
	}
	r := varint.NewReader(c.decoded)
	if r.Byte() != fragmentVersion {
		return errFragment
	}
	f.forms = f.forms[:0]
	for range r.Count(32) {
		e := form{Export: Export{SHA256: hex.EncodeToString(r.Bytes(32))}}
		e.Size, e.Header, e.Payload, e.archive = r.Int(), r.Int(), r.Int(), r.Int()
		for range r.Count(1) {
			e.Keys = append(e.Keys, r.Text())
		}
		f.forms = append(f.forms, e)
	}
	f.Unfit = r.Text()
	if r.Bad() || len(f.forms) == 0 {
		return errFragment
	}
	return f.Template.Decode(r.Rest())
}
