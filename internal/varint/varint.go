// Package varint reads the binary formats of this project: numbers as encoding/binary's Append functions write them, and blocks, which
// are a length and as many bytes.
//
// The contract: nothing that is read is larger than what is left of the input, and after the first fault a Reader gives zeros, so that
// a decoder may ask once, at its end, whether all was well.
package varint

import "encoding/binary"

// Reader takes things from the start of a byte slice. What it gives shares the slice's memory. The zero value is empty.
type Reader struct {
	rest []byte
	bad  bool
}

// NewReader reads b.
func NewReader(b []byte) Reader { return Reader{rest: b} }

// Rest is what was not read yet, nothing after a fault.
func (r *Reader) Rest() []byte { return r.rest }

// Bad reports whether something was not there.
func (r *Reader) Bad() bool { return r.bad }

// Fail marks the input as damaged.
func (r *Reader) Fail() { r.rest, r.bad = nil, true }

// Uint reads an unsigned number.
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// Int reads a signed number.
func (r *Reader) Int() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// Count reads the number of things that follow, each of at least so many bytes.
func (r *Reader) Count(least int) int {
	n := r.Uint()
	if n > uint64(len(r.rest)/least) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Bytes reads n bytes.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.Fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if len(r.rest) == 0 {
		r.Fail()
		return 0
	}
	c := r.rest[0]
	r.rest = r.rest[1:]
	return c
}

// Block reads a length and as many bytes.
func (r *Reader) Block() []byte { return r.Bytes(r.Count(1)) }

// Text is Block as a string.
func (r *Reader) Text() string { return string(r.Block()) }

// AppendBlock writes what Block and Text read.
func AppendBlock[S string | []byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
