package tarmodel

import (
	"encoding/binary"
	"errors"
)

var errRecipe = errors.New("damaged tar recipe")

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// runs writes numbers so that a run of zeros costs one varint: (length of the run, the number after it) repeated.
type runs struct {
	out   []byte
	zeros uint64
}

func (r *runs) add(v uint64) {
	if v == 0 {
		r.zeros++
		return
	}
	r.out = binary.AppendUvarint(binary.AppendUvarint(r.out, r.zeros), v)
	r.zeros = 0
}

// bytes ends the stream. A last run of zeros is implied.
func (r *runs) bytes() []byte { return r.out }

// runReader reads what runs wrote, and zeros for ever after.
type runReader struct {
	in    []byte
	zeros uint64
	value uint64
	open  bool // value is to come after zeros
	bad   bool
}

func (r *runReader) next() uint64 {
	if !r.open && len(r.in) > 0 {
		r.zeros, r.value = r.uvarint(), r.uvarint()
		r.open = true
	}
	if !r.open {
		return 0
	}
	if r.zeros > 0 {
		r.zeros--
		return 0
	}
	r.open = false
	return r.value
}

func (r *runReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.in)
	if n <= 0 {
		r.in, r.bad = nil, true
		return 0
	}
	r.in = r.in[n:]
	return v
}

// decoder reads varints and strings; after the first fault it gives zeros and bad stays set.
type decoder struct {
	in  []byte
	bad bool
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.in)
	if n <= 0 {
		d.in, d.bad = nil, true
		return 0
	}
	d.in = d.in[n:]
	return v
}

func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.in)) {
		d.in, d.bad = nil, true
		return nil
	}
	b := d.in[:n:n]
	d.in = d.in[n:]
	return b
}

func (d *decoder) string() string { return string(d.bytes()) }

// count reads the number of things that take at least one byte each.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.in)) {
		d.in, d.bad = nil, true
		return 0
	}
	return int(n)
}

func appendString[S string | []byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
