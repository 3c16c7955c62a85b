// Package pack keeps many objects in few files. A pack is immutable, named by the SHA-256 of its bytes, and is a zstd stream from the
// first byte to the last: data frames that each hold objects one after the other, and skippable frames with what is said about them.
// docs/pack-format.md specifies it.
//
// An object is named by its kind and the SHA-256 of its bytes. The package does not know what they mean, but some it stores in a Coding that
// compresses better. What Writer.Finish has named has been read back and compared. What is read from a frame whose checksum is right is
// handed out as it is; from a damaged frame only objects come out whose digest is right.
package pack

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// Limits of the format.
const (
	MaxFrame   = 64 << 20 // plain bytes of a frame that holds more than one object
	MaxWindow  = 64 << 20 // of any frame: what a reader must keep in memory
	maxObjects = 1 << 24  // of a pack
	maxSize    = 1<<55 - 1
)

// Suffix ends the name of every pack.
const Suffix = ".pack"

// ErrNotFound says that no pack has an object.
var ErrNotFound = errors.New("not in a pack")

// Key names an object.
type Key struct {
	Kind uint8    // below 64
	Sum  [32]byte // SHA-256 of the object's bytes
}

// String gives the digest in hexadecimal digits and the kind.
func (k Key) String() string {
	return fmt.Sprintf("%s (kind %d)", hex.EncodeToString(k.Sum[:]), k.Kind)
}

// Object is an object as a frame holds it.
type Object struct {
	Key
	Size   int64 // in bytes, in the frame
	Coding Coding
}

// kindBits is the width of the kind in a word; the coding stands above it.
const kindBits = 6

// word is what lists and the index say of the object beside its digest.
func (o Object) word() uint64 {
	return uint64(o.Size)<<8 | uint64(o.Coding)<<kindBits | uint64(o.Kind)
}

func (o *Object) setWord(n uint64) {
	o.Kind, o.Coding, o.Size = uint8(n)&(1<<kindBits-1), Coding(uint8(n)>>kindBits), int64(n>>8)
}

var errDiffers = errors.New("content differs")

// verified gives the object whose bytes in a frame are b, or an error when it is another.
func (o Object) verified(b []byte) ([]byte, error) {
	b, err := o.Coding.decode(b)
	if err == nil && sha256.Sum256(b) != o.Sum {
		err = errDiffers
	}
	return b, err
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
