// Package pack keeps many objects in few files. A pack is immutable, named by the SHA-256 of its bytes, and is a zstd stream from the
// first byte to the last: data frames that each hold objects one after the other, and skippable frames with what is said about them.
// docs/pack-format.md specifies it.
//
// An object is named by its kind and the SHA-256 of its bytes; the package does not know what they mean, but it can store a gzip member
// as the plain bytes and what makes it again, see TakeApart. What Writer.Finish has named has been read back and compared. What is read
// from a frame whose checksum is right is handed out as it is; from a damaged frame only objects come out whose digest is right.
package pack

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
)

// Limits of the format.
const (
	MaxFrame  = 64 << 20 // plain bytes of a frame that holds more than one object
	MaxWindow = 64 << 20 // of any frame: what a reader must keep in memory
	maxCount  = 1 << 24  // objects of a frame
)

// Suffix ends the name of every pack.
const Suffix = ".pack"

// ErrNotFound says that no pack has an object.
var ErrNotFound = errors.New("not in a pack")

// Key names an object.
type Key struct {
	Kind uint8    // below 128
	Sum  [32]byte // SHA-256 of the object's bytes
}

// String gives the digest in hexadecimal digits and the kind.
func (k Key) String() string {
	return fmt.Sprintf("%s (kind %d)", hex.EncodeToString(k.Sum[:]), k.Kind)
}

// Object is an object as a frame holds it.
type Object struct {
	Key
	Size  int64 // in bytes, in the frame
	Apart bool  // its bytes in the frame are what TakeApart gives
}

// apartBit stands beside the kind.
const apartBit = 0x80

// word is what lists and the index say of the object beside its digest.
func (o Object) word() uint64 {
	n := uint64(o.Size)<<8 | uint64(o.Kind)
	if o.Apart {
		n |= apartBit
	}
	return n
}

func (o *Object) setWord(n uint64) {
	o.Kind, o.Apart, o.Size = uint8(n)&^apartBit, n&apartBit != 0, int64(n>>8)
}

// DamagedError says that an object, or a part of a pack, is not what it was.
type DamagedError struct {
	Pack string // its file name
	Key  Key    // zero: the index
	Err  error
}

// Error names the pack, the object and the reason.
func (e *DamagedError) Error() string {
	if e.Key == (Key{}) {
		return fmt.Sprintf("pack %s: index: %v", e.Pack, e.Err)
	}
	return fmt.Sprintf("pack %s: object %s: damaged: %v", e.Pack, e.Key, e.Err)
}

// Unwrap gives the reason.
func (e *DamagedError) Unwrap() error { return e.Err }

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
	offset, stored, plain int64
	crc                   uint32 // of its stored bytes
	count                 uint32
}

// entry is an object in the index.
type entry struct {
	Object
	frame  uint32
	offset uint32
}

// compare sorts entries; copies of an object come in the order of their frames.
func (e entry) compare(o entry) int {
	return cmp.Or(compareKeys(e.Key, o.Key), cmp.Compare(e.frame, o.frame))
}

func compareKeys(a, b Key) int {
	return cmp.Or(bytes.Compare(a.Sum[:], b.Sum[:]), cmp.Compare(a.Kind, b.Kind))
}

func (e entry) append(b []byte) []byte {
	b = append(b, e.Sum[:]...)
	b = order.AppendUint32(b, e.frame)
	b = order.AppendUint32(b, e.offset)
	return order.AppendUint64(b, e.word())
}

func parseEntry(b []byte) (e entry) {
	copy(e.Sum[:], b)
	e.frame, e.offset = order.Uint32(b[32:]), order.Uint32(b[36:])
	e.setWord(order.Uint64(b[40:]))
	return e
}

func (f frame) append(b []byte) []byte {
	b = order.AppendUint64(b, uint64(f.offset))
	b = order.AppendUint64(b, uint64(f.stored))
	b = order.AppendUint64(b, uint64(f.plain))
	return order.AppendUint32(order.AppendUint32(b, f.crc), f.count)
}

func parseFrame(b []byte) frame {
	return frame{
		offset: int64(order.Uint64(b)), stored: int64(order.Uint64(b[8:])), plain: int64(order.Uint64(b[16:])),
		crc: order.Uint32(b[24:]), count: order.Uint32(b[28:]),
	}
}

// fits tells whether the frame lies between the head and the end of its pack, and is within the limits.
func (f frame) fits(size int64) bool {
	return f.offset >= headSize && f.stored > 0 && f.stored <= size && f.offset <= size-f.stored && f.plain >= 0 && f.plain < 1<<55 &&
		f.count > 0 && f.count <= maxCount && (f.plain <= MaxFrame || f.count == 1)
}

// trailer is the end of a pack: where its index is.
type trailer struct {
	frames, bits, objects uint64
	table                 int64  // offset of the frame table; entries and buckets follow
	crc                   uint32 // of frame table and buckets
}

// bucketBits gives the bits of a digest that choose its bucket: some 32 entries each.
func bucketBits(objects int) (bits uint64) {
	for objects>>bits > 32 && bits < 24 {
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
	if t.bits > 24 || t.frames > uint64(size)/frameSize || t.objects > uint64(size)/entrySize || t.table < headSize || t.table > size ||
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
