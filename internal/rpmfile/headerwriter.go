package rpmfile

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// HeaderWriter lays out a header as rpm does: entries sorted by tag, data aligned, a region around all of it.
// The zero value is ready. A tag that is put twice keeps the last data.
type HeaderWriter struct {
	entries []outEntry
}

type outEntry struct {
	tag   Tag
	typ   Type
	count int
	data  []byte
}

// Put adds an entry of count items in their encoded form.
func (w *HeaderWriter) Put(tag Tag, typ Type, count int, data []byte) {
	w.Delete(tag)
	w.entries = append(w.entries, outEntry{tag, typ, count, data})
}

// Delete removes the tag's entry.
func (w *HeaderWriter) Delete(tag Tag) {
	w.entries = slices.DeleteFunc(w.entries, func(e outEntry) bool { return e.tag == tag })
}

// PutString adds a string.
func (w *HeaderWriter) PutString(tag Tag, s string) {
	w.Put(tag, TypeString, 1, append([]byte(s), 0))
}

// PutStrings adds an array of strings; none adds no entry.
func (w *HeaderWriter) PutStrings(tag Tag, list ...string) { w.putStrings(tag, TypeStringArray, list) }

// PutI18N adds a string with its translations, in the order of TagHeaderI18NTable.
func (w *HeaderWriter) PutI18N(tag Tag, list ...string) { w.putStrings(tag, TypeI18NString, list) }

func (w *HeaderWriter) putStrings(tag Tag, typ Type, list []string) {
	if len(list) == 0 {
		return
	}
	var data []byte
	for _, s := range list {
		data = append(append(data, s...), 0)
	}
	w.Put(tag, typ, len(list), data)
}

// PutBytes adds binary data.
func (w *HeaderWriter) PutBytes(tag Tag, b []byte) { w.Put(tag, TypeBin, len(b), b) }

// PutUint16 adds integers of 16 bits; none adds no entry.
func (w *HeaderWriter) PutUint16(tag Tag, list ...uint16) {
	putInts(w, tag, TypeInt16, list, binary.BigEndian.AppendUint16)
}

// PutUint32 adds integers of 32 bits; none adds no entry.
func (w *HeaderWriter) PutUint32(tag Tag, list ...uint32) {
	putInts(w, tag, TypeInt32, list, binary.BigEndian.AppendUint32)
}

// PutUint64 adds integers of 64 bits; none adds no entry.
func (w *HeaderWriter) PutUint64(tag Tag, list ...uint64) {
	putInts(w, tag, TypeInt64, list, binary.BigEndian.AppendUint64)
}

func putInts[T any](w *HeaderWriter, tag Tag, typ Type, list []T, add func([]byte, T) []byte) {
	if len(list) == 0 {
		return
	}
	var data []byte
	for _, n := range list {
		data = add(data, n)
	}
	w.Put(tag, typ, len(list), data)
}

// Bytes gives the header in a region of the given tag, or without a region for 0. The result is checked as Read checks it:
// an error means that what was put breaks rpm's limits.
func (w *HeaderWriter) Bytes(region Tag) ([]byte, error) {
	entries := slices.Clone(w.entries)
	slices.SortStableFunc(entries, func(a, b outEntry) int { return cmp.Compare(a.tag, b.tag) })
	var index, data []byte
	for _, e := range entries {
		if size := typeSizes[e.typ]; size > 1 {
			for len(data)%size != 0 {
				data = append(data, 0)
			}
		}
		index = appendEntry(index, e.tag, e.typ, len(data), e.count)
		data = append(data, e.data...)
	}
	if region != 0 {
		first := appendEntry(nil, region, TypeBin, len(data), regionSize)
		index = append(first, index...)
		data = appendEntry(data, region, TypeBin, -len(index), regionSize)
	}
	out := append([]byte(nil), headerMagic[:]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(index)/entrySize))
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	out = append(append(out, index...), data...)
	k := mainKind
	if region == SigHeaderSignatures {
		k = signatureKind
	}
	if _, err := parseWhole(out, &kind{k.name, k.maxEntries, k.maxData, false, k.exact, k.typed}); err != nil {
		return nil, fmt.Errorf("write %w", err)
	}
	return out, nil
}

func appendEntry(b []byte, tag Tag, typ Type, offset, count int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(tag))
	b = binary.BigEndian.AppendUint32(b, uint32(typ))
	b = binary.BigEndian.AppendUint32(b, uint32(offset))
	return binary.BigEndian.AppendUint32(b, uint32(count))
}
