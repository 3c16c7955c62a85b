package ostree

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// GVariant containers, as far as objects need them: what has no fixed size is found through framing offsets at the end of
// its container, each as wide as the container's size demands. Only the normal form is accepted.

var errNotNormal = errors.New("not in normal form")

// offsetSize is the width of the framing offsets in a container of size bytes.
func offsetSize(size int) int {
	switch {
	case size == 0:
		return 0
	case size <= 0xff:
		return 1
	case size <= 0xffff:
		return 2
	case size <= 0xffffffff:
		return 4
	}
	return 8
}

// appendOffsets closes a container whose members take body bytes at the end of b.
func appendOffsets(b []byte, body int, offsets []int) []byte {
	width := 1
	for width < 8 && body+width*len(offsets) > 1<<(8*width)-1 {
		width *= 2
	}
	for _, off := range offsets {
		b = appendOffset(b, off, width)
	}
	return b
}

func appendOffset(b []byte, off, width int) []byte {
	var buf [8]byte
	binary.LittleEndian.PutUint64(buf[:], uint64(off))
	return append(b, buf[:width]...)
}

func readOffset(b []byte, width int) int {
	var buf [8]byte
	copy(buf[:], b[:width])
	n := binary.LittleEndian.Uint64(buf[:])
	if n > 1<<40 {
		return -1
	}
	return int(n)
}

// splitArray gives the members of an array of members without a fixed size and with alignment 1.
func splitArray(b []byte) ([][]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	width := offsetSize(len(b))
	if len(b) < width {
		return nil, errNotNormal
	}
	end := readOffset(b[len(b)-width:], width)
	if end < 0 || end > len(b)-width || (len(b)-end)%width != 0 {
		return nil, errNotNormal
	}
	count := (len(b) - end) / width
	members := make([][]byte, 0, count)
	start := 0
	for i := range count {
		stop := readOffset(b[end+i*width:], width)
		if stop < start || stop > end {
			return nil, errNotNormal
		}
		members = append(members, b[start:stop])
		start = stop
	}
	return members, nil
}

// appendArray closes an array whose members have been appended to b from start on and end at ends.
func appendArray(b []byte, start int, ends []int) []byte {
	if len(ends) == 0 {
		return b
	}
	return appendOffsets(b, len(b)-start, ends)
}

// tuple takes a tuple apart from the left.
type tuple struct {
	data  []byte
	pos   int
	end   int // of the members
	width int
	err   error
}

// newTuple reads a tuple with count framing offsets.
func newTuple(b []byte, count int) *tuple {
	t := &tuple{data: b, width: offsetSize(len(b))}
	t.end = len(b) - count*t.width
	if t.end < 0 {
		t.err = errNotNormal
		t.end = 0
	}
	return t
}

func (t *tuple) align(n int) {
	for t.err == nil && t.pos%n != 0 {
		if t.pos >= t.end || t.data[t.pos] != 0 {
			t.err = errNotNormal
			return
		}
		t.pos++
	}
}

// fixed gives the next n bytes.
func (t *tuple) fixed(n int) []byte {
	if t.err == nil && t.end-t.pos < n {
		t.err = errNotNormal
	}
	if t.err != nil {
		return make([]byte, n)
	}
	b := t.data[t.pos : t.pos+n]
	t.pos += n
	return b
}

func (t *tuple) uint32() uint32 {
	t.align(4)
	return binary.BigEndian.Uint32(t.fixed(4))
}

func (t *tuple) uint64() uint64 {
	t.align(8)
	return binary.BigEndian.Uint64(t.fixed(8))
}

// framed gives the member that ends at framing offset i, counted from the back.
func (t *tuple) framed(i int) []byte {
	if t.err != nil {
		return nil
	}
	at := len(t.data) - (i+1)*t.width
	if at < t.end {
		t.err = errNotNormal
		return nil
	}
	stop := readOffset(t.data[at:], t.width)
	if stop < t.pos || stop > t.end {
		t.err = errNotNormal
		return nil
	}
	b := t.data[t.pos:stop]
	t.pos = stop
	return b
}

// rest gives the last member, which needs no offset.
func (t *tuple) rest() []byte {
	if t.err != nil {
		return nil
	}
	b := t.data[t.pos:t.end]
	t.pos = t.end
	return b
}

func (t *tuple) string(b []byte) string {
	if t.err != nil {
		return ""
	}
	if len(b) == 0 || b[len(b)-1] != 0 {
		t.err = errNotNormal
		return ""
	}
	for _, c := range b[:len(b)-1] {
		if c == 0 {
			t.err = errNotNormal
			return ""
		}
	}
	return string(b[:len(b)-1])
}

func (t *tuple) checksum(b []byte) Checksum {
	var c Checksum
	if t.err == nil && len(b) != len(c) {
		t.err = fmt.Errorf("checksum of %d bytes", len(b))
	}
	copy(c[:], b)
	return c
}

// appendXattrs appends an a(ayay).
func appendXattrs(b []byte, xattrs []Xattr) []byte {
	start := len(b)
	var ends []int
	for _, x := range xattrs {
		member := len(b)
		b = append(b, x.Name...)
		b = append(b, 0)
		nameEnd := len(b) - member
		b = append(b, x.Value...)
		b = appendOffsets(b, len(b)-member, []int{nameEnd})
		ends = append(ends, len(b)-start)
	}
	return appendArray(b, start, ends)
}

func parseXattrs(b []byte) ([]Xattr, error) {
	members, err := splitArray(b)
	if err != nil {
		return nil, fmt.Errorf("extended attributes: %w", err)
	}
	var xattrs []Xattr
	for _, m := range members {
		t := newTuple(m, 1)
		name := t.string(t.framed(0))
		value := t.rest()
		if t.err != nil {
			return nil, fmt.Errorf("extended attributes: %w", t.err)
		}
		xattrs = append(xattrs, Xattr{name, value})
	}
	return xattrs, nil
}
