package pristine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// layout tells where the streams of the archive lie, as far as that can be read
// without decompressing: for xz from its indexes, for lzip from the sizes at the ends
// of its members, for zstd from the block headers, for gzip that there is more than one when the length in the last
// trailer does not fit. Nil means one stream, or not known.
func (s *search) layout() ([]span, error) {
	switch s.format {
	case XZ:
		return s.xzLayout()
	case Zstd:
		return s.zstdLayout()
	case Lzip:
		return s.lzipLayout()
	case Gzip:
		if s.hint.PlainSize <= 0 || s.size < 18 {
			return nil, nil
		}
		b, err := s.bytes(s.size-4, 4)
		if err != nil || binary.LittleEndian.Uint32(b) == uint32(s.hint.PlainSize) {
			return nil, err
		}
		return s.gzipLayout()
	}
	return nil, nil
}

// scan finds the streams for which layout has to decompress.
func (s *search) scan(ctx context.Context) ([]span, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch s.format {
	case Gzip:
		return s.gzipLayout()
	case Bzip2:
		return s.bzip2Layout()
	}
	return nil, nil
}

// gzipLayout finds the members by decompressing them. What is no member any more ends the list.
func (s *search) gzipLayout() ([]span, error) {
	in := io.NewSectionReader(s.data, 0, s.size)
	r := bufio.NewReaderSize(in, 64<<10)
	var spans []span
	var z gzip.Reader
	for start := int64(0); start < s.size && len(spans) <= maxStreams; {
		if err := z.Reset(r); err != nil {
			break
		}
		z.Multistream(false)
		if _, err := io.Copy(io.Discard, &z); err != nil {
			break
		}
		pos, _ := in.Seek(0, io.SeekCurrent)
		end := pos - int64(r.Buffered())
		spans = append(spans, span{start, end})
		start = end
	}
	return spans, nil
}

// bzip2Starts are what follows "BZh1" to "BZh9": the first block, or the end of
// an empty stream.
var bzip2Starts = [][]byte{{0x31, 0x41, 0x59, 0x26, 0x53, 0x59}, {0x17, 0x72, 0x45, 0x38, 0x50, 0x90}}

// bzip2Layout takes every place that looks like the beginning of a stream for
// one: ten bytes that no data has by chance.
func (s *search) bzip2Layout() ([]span, error) {
	const magic = 10
	var spans []span
	buf := make([]byte, 1<<20)
	for off := int64(0); off < s.size; off += int64(len(buf) - magic + 1) {
		n, err := s.data.ReadAt(buf[:min(int64(len(buf)), s.size-off)], off)
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("compressed data: %w", err)
		}
		for b := buf[:n]; ; {
			i := bytes.Index(b, []byte("BZh"))
			if i < 0 || len(b)-i < magic {
				break
			}
			at := off + int64(n-len(b)+i)
			b = b[i+1:]
			if b[2] < '1' || b[2] > '9' || !bytes.HasPrefix(b[3:], bzip2Starts[0]) && !bytes.HasPrefix(b[3:], bzip2Starts[1]) {
				continue
			}
			if len(spans) > 0 {
				spans[len(spans)-1].end = at
			}
			spans = append(spans, span{at, s.size})
		}
	}
	return spans, nil
}

// zstdLayout walks over the blocks of all frames. Skippable frames belong to
// the frame after them.
func (s *search) zstdLayout() ([]span, error) {
	var spans []span
	head := int64(0)
	for off := int64(0); off < s.size; {
		b, err := s.bytes(off, min(s.size-off, 18))
		if err != nil {
			return nil, err
		}
		if len(b) >= 8 && isSkippable(binary.LittleEndian.Uint32(b)) {
			off += 8 + int64(binary.LittleEndian.Uint32(b[4:]))
			continue
		}
		h, ok := parseZstd(b)
		if !ok {
			break
		}
		if off, err = s.zstdFrameEnd(off+h.len, h.checksum); err != nil {
			return nil, err
		}
		if off > s.size {
			break
		}
		spans = append(spans, span{head, off})
		head = off
	}
	return spans, nil
}

// zstdFrameEnd walks over the blocks that begin at off.
func (s *search) zstdFrameEnd(off int64, checksum bool) (int64, error) {
	for off+3 <= s.size {
		b, err := s.bytes(off, 3)
		if err != nil {
			return 0, err
		}
		v := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		last, kind, size := v&1 != 0, v>>1&3, int64(v>>3)
		if kind == 1 {
			size = 1
		}
		off += 3 + size
		if last {
			if checksum {
				off += 4
			}
			return off, nil
		}
	}
	return s.size + 1, nil
}

// xzIndex is what the index and footer at the end of a stream say
// (The .xz File Format, 2.1.2 and 4).
type xzIndex struct {
	start   int64 // where the stream begins
	blocks  int64
	first   int64 // plain size of the first block
	uniform bool  // all blocks but the last have that size, and the last is no larger
	plain   int64
}

var errXZ = errors.New("malformed xz index")

// xzIndex reads the index of the stream that ends at end.
func (s *search) xzIndex(end int64) (xzIndex, error) {
	x := xzIndex{uniform: true}
	if end < 32 {
		return x, errXZ
	}
	f, err := s.bytes(end-12, 12)
	if err != nil {
		return x, err
	}
	size := (int64(binary.LittleEndian.Uint32(f[4:])) + 1) * 4
	if f[10] != 'Y' || f[11] != 'Z' || size > end-24 {
		return x, errXZ
	}
	r := bufio.NewReader(io.NewSectionReader(s.data, end-12-size, size))
	if b, err := r.ReadByte(); err != nil || b != 0 {
		return x, errXZ
	}
	n, err := binary.ReadUvarint(r)
	if err != nil || n > uint64(size)/2 {
		return x, errXZ
	}
	x.blocks = int64(n)
	total, before := int64(0), int64(0)
	for i := range x.blocks {
		unpadded, err := binary.ReadUvarint(r)
		if err != nil || unpadded > uint64(end) {
			return x, errXZ
		}
		plain, err := binary.ReadUvarint(r)
		if err != nil || plain > 1<<62 {
			return x, errXZ
		}
		if i == 0 {
			x.first = int64(plain)
		}
		x.uniform = x.uniform && int64(plain) <= x.first && (i == 0 || before == x.first)
		before = int64(plain)
		x.plain += before
		if total += int64(unpadded+3) &^ 3; total > end || x.plain < 0 {
			return x, errXZ
		}
	}
	x.start = end - 12 - size - total - 12
	if x.start < 0 {
		return x, errXZ
	}
	return x, nil
}

// xzLayout goes from the end to the beginning.
func (s *search) xzLayout() ([]span, error) {
	var spans []span
	for end := s.size; end > 0; {
		stream, err := s.xzUnpadded(end)
		if err != nil {
			return nil, err
		}
		x, err := s.xzIndex(stream)
		if errors.Is(err, errXZ) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		spans = append(spans, span{x.start, stream})
		if end = x.start; len(spans) > maxParts {
			break
		}
	}
	for i, j := 0, len(spans)-1; i < j; i, j = i+1, j-1 {
		spans[i], spans[j] = spans[j], spans[i]
	}
	return spans, nil
}

// xzUnpadded is the end of the stream before the padding that ends at end.
func (s *search) xzUnpadded(end int64) (int64, error) {
	for n := 0; end >= 4 && n < maxTail; n += 4 {
		b, err := s.bytes(end-4, 4)
		if err != nil {
			return 0, err
		}
		if b[0]|b[1]|b[2]|b[3] != 0 {
			break
		}
		end -= 4
	}
	return end, nil
}

// blockParam tells the encoder where to cut blocks.
func (x xzIndex) blockParam(h xzHeader) string {
	standard := max(3*int64(h.dict), 1<<20)
	switch {
	case x.blocks == 1 && (!h.sized || x.first <= standard):
		return ""
	case x.blocks > 1 && h.sized && x.first == standard:
		return ""
	}
	return fmt.Sprintf(" block=%d", x.first)
}
