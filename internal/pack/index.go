package pack

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

const (
	version = 1

	magicHead  = 0x184D2A57 // the first skippable frame
	magicList  = 0x184D2A58 // before each data frame: what is in it
	magicIndex = 0x184D2A59 // the last skippable frame
)

const (
	headSize    = 8 + 16
	frameSize   = 32
	entrySize   = 48
	bucketSize  = 8
	trailerSize = 48
)

var (
	signature  = [12]byte{'w', 'e', 'l', 'd', '-', 'p', 'a', 'c', 'k', '\r', '\n', 0}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	order      = binary.LittleEndian
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// frame is a data frame: where it lies, what it holds.
type frame struct {
	number                uint32 // in its pack
	offset, stored, plain int64
	crc                   uint32 // of its stored bytes
	count                 uint32 // of its objects
}

// entry is an object in the index.
type entry struct {
	Object
	in     *frame
	offset uint32 // in the plain frame
}

// compare sorts entries; copies of an object come in the order of their frames.
func (e entry) compare(o entry) int {
	return cmp.Or(compareKeys(e.Key, o.Key), cmp.Compare(e.in.number, o.in.number))
}

func compareKeys(a, b Key) int {
	return cmp.Or(bytes.Compare(a.Sum[:], b.Sum[:]), cmp.Compare(a.Kind, b.Kind))
}

func (e entry) append(b []byte) []byte {
	b = append(b, e.Sum[:]...)
	b = order.AppendUint32(b, e.in.number)
	b = order.AppendUint32(b, e.offset)
	return order.AppendUint64(b, e.word())
}

// parseEntry tells false when the entry does not lie within one of the frames.
func parseEntry(b []byte, frames []*frame) (e entry, ok bool) {
	copy(e.Sum[:], b)
	number := order.Uint32(b[32:])
	e.offset = order.Uint32(b[36:])
	e.setWord(order.Uint64(b[40:]))
	if uint64(number) >= uint64(len(frames)) {
		return e, false
	}
	e.in = frames[number]
	return e, e.Size <= e.in.plain-int64(e.offset)
}

// from takes the object out of its plain frame.
func (e entry) from(plain []byte, verify bool) ([]byte, error) {
	end := int64(e.offset) + e.Size
	if end > int64(len(plain)) {
		return nil, errDiffers
	}
	b := plain[e.offset:end]
	if verify {
		return e.verified(b)
	}
	return e.Coding.decode(b)
}

func (f *frame) append(b []byte) []byte {
	b = order.AppendUint64(b, uint64(f.offset))
	b = order.AppendUint64(b, uint64(f.stored))
	b = order.AppendUint64(b, uint64(f.plain))
	return order.AppendUint32(order.AppendUint32(b, f.crc), f.count)
}

func parseFrame(b []byte) *frame {
	return &frame{
		offset: int64(order.Uint64(b)), stored: int64(order.Uint64(b[8:])), plain: int64(order.Uint64(b[16:])),
		crc: order.Uint32(b[24:]), count: order.Uint32(b[28:]),
	}
}

// large tells whether the frame is too large to be decoded as a whole: it holds one object.
func (f *frame) large() bool { return f.plain > MaxFrame }

// fits tells whether the frame lies between two offsets of its pack, and is within the limits.
func (f *frame) fits(start, end int64) bool {
	return f.offset >= start && f.offset <= end && f.stored > 0 && f.stored <= end-f.offset && f.plain >= 0 && f.plain <= maxSize &&
		f.count > 0 && f.count <= maxObjects && (f.large() && f.count == 1 || !f.large() && f.stored <= mostStored(f.plain))
}

// mostStored bounds what a frame of plain bytes takes that no compressor can make smaller.
func mostStored(plain int64) int64 { return plain + plain/64 + 1<<10 }

// trailer is the end of a pack: where its index is.
type trailer struct {
	frames, bits, objects uint64
	table                 int64  // offset of the frame table; entries and buckets follow
	crc                   uint32 // of frame table and buckets
}

// bucketBits gives the bits of a digest that choose its bucket: some 32 entries each.
func bucketBits(objects int) (bits uint64) {
	for objects>>bits > 32 {
		bits++
	}
	return bits
}

func bucketOf(sum [32]byte, bits uint64) uint32 {
	return binary.BigEndian.Uint32(sum[:4]) >> (32 - bits) & (1<<bits - 1)
}

func (t trailer) append(b []byte) []byte {
	start := len(b)
	b = order.AppendUint64(b, t.frames)
	b = order.AppendUint64(b, t.objects)
	b = order.AppendUint64(b, uint64(t.table))
	b = order.AppendUint32(order.AppendUint32(b, uint32(t.bits)), t.crc)
	b = append(b, signature[:]...)
	return order.AppendUint32(b, checksum(b[start:]))
}

func parseTrailer(b []byte, size int64) (t trailer, err error) {
	if [12]byte(b[32:44]) != signature || checksum(b[:44]) != order.Uint32(b[44:]) {
		return t, errors.New("no whole trailer")
	}
	t.frames, t.objects, t.table = order.Uint64(b), order.Uint64(b[8:]), int64(order.Uint64(b[16:]))
	t.bits, t.crc = uint64(order.Uint32(b[24:])), order.Uint32(b[28:])
	if t.objects > maxObjects || t.frames > t.objects || t.bits != bucketBits(int(t.objects)) || t.table < headSize || t.table > size ||
		t.table+t.size() != size-trailerSize {
		return t, errors.New("trailer out of bounds")
	}
	return t, nil
}

func (t trailer) size() int64 {
	return int64(t.frames)*frameSize + int64(t.objects)*entrySize + bucketSize<<t.bits
}

func (t trailer) entries() int64 { return t.table + int64(t.frames)*frameSize }
func (t trailer) buckets() int64 { return t.entries() + int64(t.objects)*entrySize }
