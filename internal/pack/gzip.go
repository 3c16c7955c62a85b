package pack

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/weld-linux/weld-bridge/internal/pack/deflate"
)

// A gzip member taken apart: the length of what comes before the deflate stream (4), the length of the plain bytes (4), writer (1),
// level (1), what comes before, the plain bytes.
const (
	apartHead = 10
	maxApart  = 16 << 20 // bytes of the object, and of what stands for it
	gzipEnd   = 8        // CRC and length
)

// takeApart gives what stands for an object that ends with a gzip member, which begins at an offset. It tells false when that is none, or
// none of the writers makes it again, or it is too large.
func takeApart(object []byte, at int) (apart []byte, ok bool) {
	start, level, ok := gzipHead(object, at)
	if !ok || len(object) > maxApart {
		return nil, false
	}
	src := bytes.NewReader(object[start:])
	z := flate.NewReader(src)
	defer z.Close()
	into := bytes.NewBuffer(make([]byte, apartHead, apartHead+4*len(object)))
	into.Write(object[:start])
	n, err := io.CopyN(into, z, int64(maxApart-into.Len())+1)
	if !errors.Is(err, io.EOF) || src.Len() != gzipEnd {
		return nil, false
	}
	b := into.Bytes()
	plain := b[apartHead+start:]
	if !bytes.Equal(gzipTrailer(plain), object[len(object)-gzipEnd:]) {
		return nil, false
	}
	order.PutUint32(b, uint32(start))
	order.PutUint32(b[4:], uint32(n))
	for _, w := range []deflate.Writer{deflate.Gzip, deflate.Zlib} {
		same := deflate.Equal{Want: object[start : len(object)-gzipEnd]}
		if deflate.Encode(&same, plain, w, level) == nil && len(same.Want) == 0 {
			b[8], b[9] = uint8(w), uint8(level)
			return b, true
		}
	}
	return nil, false
}

// together gives the object back that was taken apart.
func together(apart []byte) ([]byte, error) {
	if len(apart) < apartHead || len(apart) > maxApart {
		return nil, fmt.Errorf("gzip member taken apart in %d bytes", len(apart))
	}
	start, n := uint64(order.Uint32(apart)), uint64(order.Uint32(apart[4:]))
	if apartHead+start+n != uint64(len(apart)) {
		return nil, fmt.Errorf("gzip member of %d and %d bytes in %d", start, n, len(apart))
	}
	head, plain := apart[apartHead:apartHead+start], apart[apartHead+start:]
	b := bytes.NewBuffer(make([]byte, 0, start+n/2))
	b.Write(head)
	if err := deflate.Encode(b, plain, deflate.Writer(apart[8]), int(apart[9])); err != nil {
		return nil, err
	}
	b.Write(gzipTrailer(plain))
	return b.Bytes(), nil
}

func gzipTrailer(plain []byte) []byte {
	return order.AppendUint32(order.AppendUint32(nil, crc32.ChecksumIEEE(plain)), uint32(len(plain)))
}

// The flags of a gzip header (RFC 1952, 2.3.1) that come with a field.
const (
	gzipHeaderCRC = 1 << 1
	gzipExtra     = 1 << 2
	gzipName      = 1 << 3
	gzipComment   = 1 << 4
)

func isGzip(b []byte) bool {
	return len(b) >= 10 && b[0] == 0x1f && b[1] == 0x8b && b[2] == 8 && b[3]&0xe0 == 0
}

// gzipHead gives where the deflate stream begins, and the level that the header tells.
func gzipHead(b []byte, at int) (start, level int, ok bool) {
	if !isGzip(b[at:]) {
		return 0, 0, false
	}
	flags := b[at+3]
	if level = 6; b[at+8] == 2 {
		level = 9
	}
	start = at + 10
	if flags&gzipExtra != 0 && start+2 <= len(b) {
		start += 2 + int(order.Uint16(b[start:]))
	}
	for _, f := range []byte{gzipName, gzipComment} {
		if flags&f == 0 {
			continue
		}
		end := bytes.IndexByte(b[min(start, len(b)):], 0)
		if end < 0 {
			return 0, 0, false
		}
		start += end + 1
	}
	if flags&gzipHeaderCRC != 0 {
		start += 2
	}
	return start, level, start+gzipEnd <= len(b)
}
