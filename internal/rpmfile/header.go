package rpmfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"unsafe"
)

const (
	introSize  = 16 // magic, reserved, number of entries, size of data
	entrySize  = 16 // tag, type, offset, count
	regionSize = 16 // the trailer of a region, itself an entry
)

// headerMagic opens every header in a package file.
var headerMagic = [8]byte{0x8e, 0xad, 0xe8, 0x01}

// A kind is one of the two headers of a package, with rpm's limits for it.
type kind struct {
	name       string
	maxEntries uint32
	maxData    uint32
	pad        bool // padded to a multiple of 8 bytes
	exact      bool // its region covers all of it; signature headers may have entries behind the region's
	typed      bool // each known tag has one type, if the header has a region
}

var (
	signatureKind = &kind{name: "signature header", maxEntries: 32, maxData: 64 << 20, pad: true}
	mainKind      = &kind{name: "header", maxEntries: 0xffff, maxData: 0x0fffffff, exact: true, typed: true}
)

// Type is the type of a header entry's data.
type Type uint32

// The types of a header's entries. Integers are big-endian, strings end in a NUL.
const (
	TypeChar        Type = 1
	TypeInt8        Type = 2
	TypeInt16       Type = 3
	TypeInt32       Type = 4
	TypeInt64       Type = 5
	TypeString      Type = 6
	TypeBin         Type = 7
	TypeStringArray Type = 8
	TypeI18NString  Type = 9 // a string for each locale of TagHeaderI18NTable
)

// typeSizes is the size of one item of a type in bytes, or 0 for strings. Integers are aligned to their size.
var typeSizes = [...]int{TypeChar: 1, TypeInt8: 1, TypeInt16: 2, TypeInt32: 4, TypeInt64: 8, TypeBin: 1, TypeI18NString: 0}

// Entry is one entry of a header's index.
type Entry struct {
	Tag    Tag
	Type   Type
	Offset int // of the data, from the start of the header's data
	Count  int // of items: bytes, integers or strings
}

// Header is a checked header of a package. Its getters decode from the raw bytes on every call.
type Header struct {
	raw    []byte // intro, index, data
	index  []byte
	data   []byte
	text   string // the same memory as data
	sorted bool   // entries behind the region's ascend by tag
	region Tag    // the tag of the region, 0 in a v3 header
}

// ParseHeader checks the raw bytes of a main header, as Header.Raw gives them. The header shares memory with raw.
func ParseHeader(raw []byte) (*Header, error) { return parseWhole(raw, mainKind) }

// ParseSignature checks the raw bytes of a signature header, with or without its padding.
func ParseSignature(raw []byte) (*Header, error) {
	_, size, err := sliceHeader(raw, 0, &kind{
		name: signatureKind.name, maxEntries: signatureKind.maxEntries, maxData: signatureKind.maxData,
	})
	if err != nil {
		return nil, err
	}
	if rest := len(raw) - size; rest != 0 && rest != padding(size) {
		return nil, fmt.Errorf("%s: %d bytes follow it", signatureKind.name, rest)
	}
	return newHeader(raw[:size:size], 0, signatureKind)
}

func parseWhole(raw []byte, k *kind) (*Header, error) {
	_, size, err := sliceHeader(raw, 0, k)
	if err != nil {
		return nil, err
	}
	if size != len(raw) {
		return nil, fmt.Errorf("%s: %d bytes follow it", k.name, len(raw)-size)
	}
	return newHeader(raw, 0, k)
}

// padding is the number of bytes between a signature header of size bytes and the header.
func padding(size int) int { return -size & 7 }

// readHeader reads one header, with its padding if it has one, from r; at is its offset in the file. size is the
// header's own size. Memory grows with what was read, not with what the header claims.
func readHeader(r io.Reader, at int64, k *kind) (raw []byte, size int, err error) {
	var intro [introSize]byte
	if _, err := io.ReadFull(r, intro[:]); err != nil {
		return nil, 0, fmt.Errorf("%s at 0x%x: %w", k.name, at, noEOF(err))
	}
	if size, err = k.size(intro[:], at); err != nil {
		return nil, 0, err
	}
	total := size
	if k.pad {
		total += padding(size)
	}
	const chunk = 256 << 10
	raw = make([]byte, introSize, min(total, chunk))
	copy(raw, intro[:])
	for len(raw) < total {
		if len(raw) == cap(raw) {
			raw = append(make([]byte, 0, min(total, 2*cap(raw))), raw...)
		}
		n, err := io.ReadFull(r, raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if err != nil {
			return nil, 0, fmt.Errorf("%s at 0x%x: ends at 0x%x of 0x%x: %w",
				k.name, at, at+int64(len(raw)), at+int64(total), noEOF(err))
		}
	}
	return raw, size, nil
}

// sliceHeader is readHeader over bytes in memory.
func sliceHeader(b []byte, at int64, k *kind) (raw []byte, size int, err error) {
	if len(b) < introSize {
		return nil, 0, fmt.Errorf("%s at 0x%x: %w", k.name, at, io.ErrUnexpectedEOF)
	}
	if size, err = k.size(b, at); err != nil {
		return nil, 0, err
	}
	total := size
	if k.pad {
		total += padding(size)
	}
	if total > len(b) {
		return nil, 0, fmt.Errorf("%s at 0x%x: ends at 0x%x of 0x%x: %w",
			k.name, at, at+int64(len(b)), at+int64(total), io.ErrUnexpectedEOF)
	}
	return b[:total:total], size, nil
}

// size gives the size of the header that begins with intro.
func (k *kind) size(intro []byte, at int64) (int, error) {
	if !bytes.Equal(intro[:8], headerMagic[:]) {
		return 0, fmt.Errorf("%s at 0x%x: bad magic %x", k.name, at, intro[:8])
	}
	entries, data := binary.BigEndian.Uint32(intro[8:]), binary.BigEndian.Uint32(intro[12:])
	if entries == 0 || entries > k.maxEntries {
		return 0, fmt.Errorf("%s at 0x%x: %d tags where 1 to %d are allowed", k.name, at, entries, k.maxEntries)
	}
	if data > k.maxData {
		return 0, fmt.Errorf("%s at 0x%x: %d bytes of data where %d are allowed", k.name, at, data, k.maxData)
	}
	return introSize + int(entries)*entrySize + int(data), nil
}

// newHeader checks every entry of a header whose size is right.
func newHeader(raw []byte, at int64, k *kind) (*Header, error) {
	entries := int(binary.BigEndian.Uint32(raw[8:]))
	h := &Header{
		raw:   raw,
		index: raw[introSize : introSize+entries*entrySize],
		data:  raw[introSize+entries*entrySize:],
	}
	// The getters promise that nobody changes the bytes, so strings can share them.
	h.text = unsafe.String(unsafe.SliceData(h.data), len(h.data))
	trailer, err := h.checkRegion(k)
	if err == nil {
		err = h.checkEntries(k, trailer)
	}
	if err != nil {
		return nil, fmt.Errorf("%s at 0x%x: %w", k.name, at, err)
	}
	return h, nil
}

// entry decodes the i-th entry of the index.
func (h *Header) entry(i int) Entry {
	b := h.index[i*entrySize : i*entrySize+entrySize]
	return Entry{
		Tag:    Tag(binary.BigEndian.Uint32(b)),
		Type:   Type(binary.BigEndian.Uint32(b[4:])),
		Offset: int(binary.BigEndian.Uint32(b[8:])),
		Count:  int(binary.BigEndian.Uint32(b[12:])),
	}
}

// checkRegion checks the region that the first entry may open, and gives the offset of its trailer, or of the data's end.
func (h *Header) checkRegion(k *kind) (trailer int, err error) {
	first := h.entry(0)
	switch first.Tag {
	case TagHeaderImage, SigHeaderSignatures, TagHeaderImmutable:
	default:
		return len(h.data), nil
	}
	if first.Type != TypeBin || first.Count != regionSize {
		return 0, fmt.Errorf("region tag %d has type %d and count %d", first.Tag, first.Type, first.Count)
	}
	if first.Offset > len(h.data)-regionSize {
		return 0, fmt.Errorf("region trailer at 0x%x lies outside the data", first.Offset)
	}
	t := h.data[first.Offset:]
	tag := Tag(binary.BigEndian.Uint32(t))
	// Old packages end the region of a signature header in the older tag.
	old := first.Tag == SigHeaderSignatures && tag == TagHeaderImage
	if tag != first.Tag && !old || Type(binary.BigEndian.Uint32(t[4:])) != TypeBin || binary.BigEndian.Uint32(t[12:]) != regionSize {
		return 0, errors.New("bad region trailer")
	}
	size, whole := -int64(int32(binary.BigEndian.Uint32(t[8:]))), int64(len(h.index))
	if size < entrySize || size%entrySize != 0 || size > whole {
		return 0, fmt.Errorf("region of %d bytes of index where there are %d", size, whole)
	}
	if k.exact && (size != whole || first.Offset+regionSize != len(h.data)) {
		return 0, fmt.Errorf("region of %d tags and %d bytes of data does not cover the %s",
			size/entrySize, first.Offset+regionSize, k.name)
	}
	h.region = first.Tag
	return first.Offset, nil
}

// checkEntries checks all entries behind the region's: type, alignment, place and size. Data may not overlap, so the
// strings of an entry must end before the next entry's data, or the region's trailer, begins.
func (h *Header) checkEntries(k *kind, trailer int) error {
	i, n := 0, len(h.index)/entrySize
	if h.region != 0 {
		i = 1
	}
	h.sorted = true
	var last Tag
	for ; i < n; i++ {
		e := h.entry(i)
		end := len(h.data)
		if e.Offset < trailer+regionSize {
			end = trailer
		}
		limit := end
		if i+1 < n {
			limit = min(limit, int(binary.BigEndian.Uint32(h.index[(i+1)*entrySize+8:])))
		}
		if e.Tag < TagHeaderI18NTable {
			return fmt.Errorf("tag %d is not allowed", e.Tag)
		}
		if e.Type < TypeChar || e.Type > TypeI18NString {
			return fmt.Errorf("tag %d has unknown type %d", e.Tag, e.Type)
		}
		if e.Offset >= limit {
			return fmt.Errorf("data of tag %d at 0x%x overlaps the next or lies outside", e.Tag, e.Offset)
		}
		if err := h.checkData(e, limit); err != nil {
			return err
		}
		if k.typed && h.region != 0 {
			if info, ok := tagInfo[e.Tag]; ok && !info.accepts(e.Type) {
				return fmt.Errorf("tag %d (%v) has type %d", e.Tag, e.Tag, e.Type)
			}
		}
		h.sorted = h.sorted && e.Tag > last
		last = e.Tag
	}
	if k.exact && h.region != 0 && !h.sorted {
		return h.checkDuplicates()
	}
	return nil
}

// checkDuplicates refuses a tag that stands twice: readers differ in which of them they take.
func (h *Header) checkDuplicates() error {
	tags := h.Tags()
	slices.Sort(tags)
	for i := 1; i < len(tags); i++ {
		if tags[i] == tags[i-1] {
			return fmt.Errorf("tag %d stands twice", tags[i])
		}
	}
	return nil
}

// checkData checks that the data of e lies before limit.
func (h *Header) checkData(e Entry, limit int) error {
	if e.Count == 0 {
		return fmt.Errorf("tag %d has no data", e.Tag)
	}
	if size := typeSizes[e.Type]; size > 0 {
		if e.Offset%size != 0 && e.Type != TypeBin {
			return fmt.Errorf("data of tag %d at 0x%x is not aligned", e.Tag, e.Offset)
		}
		if e.Count > (limit-e.Offset)/size {
			return fmt.Errorf("tag %d claims %d items of %d bytes at 0x%x", e.Tag, e.Count, size, e.Offset)
		}
		return nil
	}
	if e.Type == TypeString && e.Count != 1 {
		return fmt.Errorf("tag %d is one string but claims %d", e.Tag, e.Count)
	}
	if bytes.Count(h.data[e.Offset:limit], nul) < e.Count {
		return fmt.Errorf("tag %d claims %d strings at 0x%x", e.Tag, e.Count, e.Offset)
	}
	return nil
}

var nul = []byte{0}
