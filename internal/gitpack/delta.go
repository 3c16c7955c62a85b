package gitpack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// ofsDelta is the type of an entry that says what changes an earlier one of the pack.
const ofsDelta Type = 6

// maxChain bounds how many deltas stand on each other, as git does.
const maxChain = 50

// delta is how an object was written that has another as its base.
type delta struct {
	base  Hash
	depth int
	head  int64 // bytes before the compressed part
}

// changed is the object that AddChanged has written last.
type changed struct {
	h    Hash
	data []byte
}

// AddChanged stores an object that differs from base in one place, as a directory of many entries does of which one changes. Where base is
// the object of the call before, only the difference is written.
func (w *Writer) AddChanged(t Type, data []byte, base Hash) (Hash, error) {
	h := w.name(t, data)
	if w.Has(h) {
		return h, nil
	}
	d := delta{base: base, depth: w.deltas[base].depth + 1}
	over := w.objects[base]
	body := diff(w.last.data, data)
	w.buf.Reset()
	switch {
	case w.last.h != base || over.typ != t || d.depth > maxChain || len(body) > len(data)/2:
		appendEntry(&w.buf, t, int64(len(data)))
		body = data
	default:
		appendEntry(&w.buf, ofsDelta, int64(len(body)))
		appendOffset(&w.buf, w.off-over.offset)
		d.head = int64(w.buf.Len())
		w.deltas[h] = d
	}
	w.last = changed{h, append(w.last.data[:0], data...)}
	return h, w.finish(h, t, int64(len(data)), body)
}

// appendOffset writes how far back the base of a delta begins.
func appendOffset(b *bytes.Buffer, n int64) {
	var raw [10]byte
	i := len(raw) - 1
	raw[i] = byte(n & 0x7f)
	for n >>= 7; n > 0; n >>= 7 {
		n--
		i--
		raw[i] = byte(n&0x7f) | 0x80
	}
	b.Write(raw[i:])
}

// diff writes how b comes of a: what they begin with, what is new, what they end with.
func diff(a, b []byte) []byte {
	begin := 0
	for begin < len(a) && begin < len(b) && a[begin] == b[begin] {
		begin++
	}
	end := 0
	for end < len(a)-begin && end < len(b)-begin && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	out := binary.AppendUvarint(nil, uint64(len(a)))
	out = binary.AppendUvarint(out, uint64(len(b)))
	out = appendCopy(out, 0, begin)
	for fresh := b[begin : len(b)-end]; len(fresh) > 0; {
		n := min(len(fresh), 127)
		out = append(append(out, byte(n)), fresh[:n]...)
		fresh = fresh[n:]
	}
	return appendCopy(out, len(a)-end, end)
}

// maxCopy is the most that one instruction copies.
const maxCopy = 0xffff

// appendCopy writes instructions to copy n bytes from off on.
func appendCopy(out []byte, off, n int) []byte {
	for n > 0 {
		part := min(n, maxCopy)
		at := len(out)
		out = append(out, 0x80)
		for i, v := range []int{off, off >> 8, off >> 16, off >> 24, part, part >> 8} {
			if byte(v) != 0 {
				out[at] |= 1 << i
				out = append(out, byte(v))
			}
		}
		off, n = off+part, n-part
	}
	return out
}

// rebuild makes an object of its base and its delta.
func (w *Writer) rebuild(h Hash) ([]byte, error) {
	if h == w.last.h {
		return w.last.data, nil
	}
	s, ok := w.objects[h]
	if !ok {
		return nil, fmt.Errorf("object %s is not in the pack", h)
	}
	d, isDelta := w.deltas[h]
	if !isDelta {
		r, err := w.inflate(s, headSize(s.size))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
	base, err := w.rebuild(d.base)
	if err != nil {
		return nil, err
	}
	r, err := w.inflate(s, d.head)
	if err != nil {
		return nil, err
	}
	ops, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return patch(base, ops)
}

// patch applies what diff has written.
func patch(base, ops []byte) ([]byte, error) {
	bad := fmt.Errorf("delta of %d bytes: damaged", len(ops))
	for range 2 {
		_, n := binary.Uvarint(ops)
		if n <= 0 {
			return nil, bad
		}
		ops = ops[n:]
	}
	var out []byte
	for len(ops) > 0 {
		op := ops[0]
		ops = ops[1:]
		if op&0x80 == 0 {
			if op == 0 || int(op) > len(ops) {
				return nil, bad
			}
			out, ops = append(out, ops[:op]...), ops[op:]
			continue
		}
		var v [7]int
		for i := range v {
			if op&(1<<i) != 0 {
				if len(ops) == 0 {
					return nil, bad
				}
				v[i], ops = int(ops[0]), ops[1:]
			}
		}
		off, n := v[0]|v[1]<<8|v[2]<<16|v[3]<<24, v[4]|v[5]<<8|v[6]<<16
		if n == 0 || off > len(base) || n > len(base)-off {
			return nil, bad
		}
		out = append(out, base[off:off+n]...)
	}
	return out, nil
}
