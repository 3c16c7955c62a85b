package inflate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// ErrChecksum is what errors.Is finds when the content of a gzip member does not have the CRC or the length that follow it.
var ErrChecksum = errors.New("gzip: wrong checksum or length")

// The flags of a gzip header (RFC 1952, 2.3.1).
const (
	gzipHeaderCRC = 1 << 1
	gzipExtra     = 1 << 2
	gzipName      = 1 << 3
	gzipComment   = 1 << 4
)

// maxGzipHeader is how many bytes of a header are read for its end.
const maxGzipHeader = 128 << 10

// GzipReader decompresses a gzip file (RFC 1952) of any number of members, and checks each.
type GzipReader struct {
	z    *Reader
	crc  uint32
	size uint32
	err  error
}

// NewGzipReader reads the header of the first member.
func NewGzipReader(src io.Reader) (*GzipReader, error) {
	g := &GzipReader{z: NewReader(src)}
	err := g.header()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return g, err
}

// Read gives decompressed bytes, and io.EOF where the file ends after a whole member.
func (g *GzipReader) Read(p []byte) (n int, err error) {
	for n == 0 && g.err == nil && len(p) > 0 {
		if n, g.err = g.z.Read(p); g.err == io.EOF {
			g.err = g.next()
		}
	}
	g.sum(p[:n])
	if n > 0 {
		return n, nil
	}
	return 0, g.err
}

// WriteTo writes what is left of the file.
func (g *GzipReader) WriteTo(w io.Writer) (n int64, err error) {
	for g.err == nil {
		var m int64
		m, err = g.z.WriteTo(summing{g, w})
		n += m
		if err != nil {
			return n, err
		}
		g.err = g.next()
	}
	if g.err == io.EOF {
		return n, nil
	}
	return n, g.err
}

// Close does nothing: the source is the caller's.
func (g *GzipReader) Close() error { return nil }

type summing struct {
	g *GzipReader
	w io.Writer
}

func (s summing) Write(b []byte) (int, error) {
	s.g.sum(b)
	return s.w.Write(b)
}

func (g *GzipReader) sum(b []byte) {
	g.crc = crc32.Update(g.crc, crc32.IEEETable, b)
	g.size += uint32(len(b))
}

// next checks the member that has ended and begins the one that follows, if any.
func (g *GzipReader) next() error {
	var trailer [8]byte
	for i := range trailer {
		c, err := g.z.byte()
		if err != nil {
			return unexpected(err)
		}
		trailer[i] = c
	}
	if binary.LittleEndian.Uint32(trailer[:]) != g.crc || binary.LittleEndian.Uint32(trailer[4:]) != g.size {
		return ErrChecksum
	}
	return g.header()
}

// header reads the header of a member; io.EOF says that there is none.
func (g *GzipReader) header() error {
	h := make([]byte, 0, 64)
	read := func(n int) error {
		for range n {
			c, err := g.z.byte()
			if err != nil {
				return err
			}
			h = append(h, c)
		}
		return nil
	}
	if err := read(1); err != nil {
		return err
	}
	if err := read(9); err != nil {
		return unexpected(err)
	}
	if h[0] != 0x1f || h[1] != 0x8b || h[2] != 8 {
		return fmt.Errorf("%w: no gzip header", ErrCorrupt)
	}
	flags := h[3]
	if flags&gzipExtra != 0 {
		if err := read(2); err != nil {
			return unexpected(err)
		}
		if err := read(int(binary.LittleEndian.Uint16(h[10:]))); err != nil {
			return unexpected(err)
		}
	}
	for _, flag := range []byte{gzipName, gzipComment} {
		for flags&flag != 0 {
			if err := read(1); err != nil {
				return unexpected(err)
			}
			if h[len(h)-1] == 0 {
				break
			}
			if len(h) > maxGzipHeader {
				return fmt.Errorf("%w: gzip header of more than %d bytes", ErrCorrupt, maxGzipHeader)
			}
		}
	}
	if flags&gzipHeaderCRC != 0 {
		sum := uint16(crc32.ChecksumIEEE(h))
		if err := read(2); err != nil {
			return unexpected(err)
		}
		if binary.LittleEndian.Uint16(h[len(h)-2:]) != sum {
			return fmt.Errorf("%w: checksum of a gzip header", ErrCorrupt)
		}
	}
	g.z.begin()
	g.crc, g.size = 0, 0
	return nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
