package rpmfile

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math"
	"strings"
)

// Raw gives the whole header, its magic included.
func (h *Header) Raw() []byte { return h.raw }

// Len is the number of entries, the region's included.
func (h *Header) Len() int { return len(h.index) / entrySize }

// Entries gives the entries in the order of the file, the region's included.
func (h *Header) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range h.Len() {
			if !yield(h.entry(i)) {
				return
			}
		}
	}
}

// Tags gives the tags of all entries in the order of the file, the region's included.
func (h *Header) Tags() []Tag {
	tags := make([]Tag, 0, h.Len())
	for e := range h.Entries() {
		tags = append(tags, e.Tag)
	}
	return tags
}

// Has says whether the header has the tag.
func (h *Header) Has(tag Tag) bool {
	_, ok := h.Find(tag)
	return ok
}

// Find gives the first entry with the tag.
func (h *Header) Find(tag Tag) (Entry, bool) {
	n := len(h.index) / entrySize
	lo := 0
	if h.region != 0 {
		if tag == h.region {
			return h.entry(0), true
		}
		lo = 1
	}
	if !h.sorted {
		for i := lo; i < n; i++ {
			if h.tagAt(i) == tag {
				return h.entry(i), true
			}
		}
		return Entry{}, false
	}
	hi := n
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if h.tagAt(mid) < tag {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < n && h.tagAt(lo) == tag {
		return h.entry(lo), true
	}
	return Entry{}, false
}

func (h *Header) tagAt(i int) Tag { return Tag(binary.BigEndian.Uint32(h.index[i*entrySize:])) }

// String gives the tag's string: the first of an array, and the C locale's where there are translations.
// It is empty when the tag is absent or holds no string.
func (h *Header) String(tag Tag) string {
	e, ok := h.Find(tag)
	if !ok || typeSizes[e.Type] != 0 {
		return ""
	}
	s, _ := h.cut(e.Offset)
	return s
}

// cut gives the string at an offset of the data, and the offset of what follows. The check of the header has counted
// the NULs, so there is one.
func (h *Header) cut(off int) (s string, next int) {
	end := off + strings.IndexByte(h.text[off:], 0)
	return h.text[off:end], end + 1
}

// Strings gives the tag's strings; for translations, one for each of Locales.
func (h *Header) Strings(tag Tag) []string { return h.AppendStrings(nil, tag) }

// AppendStrings appends what Strings gives to dst.
func (h *Header) AppendStrings(dst []string, tag Tag) []string {
	e, ok := h.Find(tag)
	if !ok || typeSizes[e.Type] != 0 {
		return dst
	}
	if dst == nil {
		dst = make([]string, 0, e.Count)
	}
	for off := e.Offset; e.Count > 0; e.Count-- {
		var s string
		s, off = h.cut(off)
		dst = append(dst, s)
	}
	return dst
}

// EachString gives the tag's strings with their index, without an allocation.
func (h *Header) EachString(tag Tag) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		e, ok := h.Find(tag)
		if !ok || typeSizes[e.Type] != 0 {
			return
		}
		off := e.Offset
		for i := range e.Count {
			var s string
			s, off = h.cut(off)
			if !yield(i, s) {
				return
			}
		}
	}
}

// Count gives the number of the tag's items, 0 when it is absent.
func (h *Header) Count(tag Tag) int {
	e, _ := h.Find(tag)
	return e.Count
}

// Uint gives the tag's first integer, of whatever size; false when there is none.
func (h *Header) Uint(tag Tag) (uint64, bool) {
	e, ok := h.Find(tag)
	if !ok || !e.Type.isInt() {
		return 0, false
	}
	return h.uintAt(e.Type, e.Offset), true
}

// Int is Uint as a signed number; false also when it does not fit.
func (h *Header) Int(tag Tag) (int64, bool) {
	n, ok := h.Uint(tag)
	return int64(n), ok && n <= math.MaxInt64
}

// UintAny gives the first integer of the first of the tags that the header has: the long form of a size, then the short.
func (h *Header) UintAny(tags ...Tag) (uint64, bool) {
	for _, tag := range tags {
		if n, ok := h.Uint(tag); ok {
			return n, true
		}
	}
	return 0, false
}

// Uint64s gives the tag's integers, of whatever size.
func (h *Header) Uint64s(tag Tag) []uint64 {
	e, ok := h.Find(tag)
	if !ok || !e.Type.isInt() {
		return nil
	}
	out := make([]uint64, e.Count)
	for i := range out {
		out[i] = h.uintAt(e.Type, e.Offset+i*typeSizes[e.Type])
	}
	return out
}

// Uint32s gives the tag's integers of 32 bits or less; nil when they are longer.
func (h *Header) Uint32s(tag Tag) []uint32 { return h.AppendUint32s(nil, tag) }

// AppendUint32s appends what Uint32s gives to dst.
func (h *Header) AppendUint32s(dst []uint32, tag Tag) []uint32 {
	e, ok := h.Find(tag)
	if !ok || !e.Type.isInt() || e.Type == TypeInt64 {
		return dst
	}
	if dst == nil {
		dst = make([]uint32, 0, e.Count)
	}
	for i := range e.Count {
		dst = append(dst, uint32(h.uintAt(e.Type, e.Offset+i*typeSizes[e.Type])))
	}
	return dst
}

// Bytes gives the tag's data where that is binary; nil otherwise.
func (h *Header) Bytes(tag Tag) []byte {
	e, ok := h.Find(tag)
	if !ok || e.Type != TypeBin {
		return nil
	}
	return h.data[e.Offset : e.Offset+e.Count : e.Offset+e.Count]
}

// Data gives the raw data of an entry of this header, strings with their NULs.
func (h *Header) Data(e Entry) []byte {
	if size := typeSizes[e.Type]; size > 0 {
		return h.data[e.Offset : e.Offset+e.Count*size]
	}
	end := e.Offset
	for range e.Count {
		end += bytes.IndexByte(h.data[end:], 0) + 1
	}
	return h.data[e.Offset:end]
}

// Locales gives the locales of the header's translations; "C" comes first.
func (h *Header) Locales() []string { return h.Strings(TagHeaderI18NTable) }

func (t Type) isInt() bool { return t >= TypeChar && t <= TypeInt64 }

func (h *Header) uintAt(t Type, off int) uint64 {
	switch t {
	case TypeInt16:
		return uint64(binary.BigEndian.Uint16(h.data[off:]))
	case TypeInt32:
		return uint64(binary.BigEndian.Uint32(h.data[off:]))
	case TypeInt64:
		return binary.BigEndian.Uint64(h.data[off:])
	default:
		return uint64(h.data[off])
	}
}
