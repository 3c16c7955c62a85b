package pristine

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"
	"github.com/xi2/xz"

	"github.com/weld-linux/weld-bridge/internal/inflate"
)

// Format names a compressed form, as RPM's PAYLOADCOMPRESSOR does.
type Format string

// The formats. Deflate is a member of a zip file (RFC 1951); Detect never
// returns it. None is data as it is.
const (
	Gzip    Format = "gzip"
	Bzip2   Format = "bzip2"
	XZ      Format = "xz"
	LZMA    Format = "lzma"
	Lzip    Format = "lzip"
	Zstd    Format = "zstd"
	Deflate Format = "deflate"
	None    Format = "none"
)

func (f Format) known() bool {
	switch f {
	case Gzip, Bzip2, XZ, LZMA, Lzip, Zstd, Deflate, None:
		return true
	}
	return false
}

var magics = []struct {
	format Format
	magic  string
}{
	{Gzip, "\x1f\x8b\x08"},
	{Bzip2, "BZh"},
	{XZ, "\xfd7zXZ\x00"},
	{Lzip, lzipMagic},
	{Zstd, "\x28\xb5\x2f\xfd"},
}

// Detect tells the format from the first bytes (13 are enough), None when it
// knows none.
func Detect(head []byte) Format {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.format
		}
	}
	if len(head) >= 4 && isSkippable(binary.LittleEndian.Uint32(head)) {
		return Zstd
	}
	if isLZMA(head) {
		return LZMA
	}
	return None
}

// isLZMA looks for what an .lzma header has instead of a magic number:
// properties in range, a dictionary size of 2^n or 2^n+2^(n-1) bytes, and an
// uncompressed size that is unknown or below 256 GiB, as liblzma does it.
func isLZMA(head []byte) bool {
	if len(head) < 13 || head[0] >= 9*5*5 {
		return false
	}
	dict := binary.LittleEndian.Uint32(head[1:])
	if dict < 1<<12 {
		return false
	}
	low := dict & -dict
	if rest := dict &^ low; rest != 0 && rest != low<<1 {
		return false
	}
	size := binary.LittleEndian.Uint64(head[5:])
	return size == ^uint64(0) || size < 1<<38
}

// maxWindow is the largest window or dictionary that a decoder may allocate:
// what zstd --long=27 and rpm's L flag need; xz -9 needs half of it.
const maxWindow = 128 << 20

// Decompress returns the plain data of r, which is in the given format. All
// members, streams or frames count; what follows the last is an error.
func Decompress(r io.Reader, format Format) (io.ReadCloser, error) {
	switch format {
	case Gzip:
		z, err := inflate.NewGzipReader(r)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		return z, nil
	case Bzip2:
		return io.NopCloser(bzip2.NewReader(r)), nil
	case XZ:
		z, err := xz.NewReader(r, maxWindow)
		if err != nil {
			return nil, fmt.Errorf("xz: %w", err)
		}
		return io.NopCloser(z), nil
	case LZMA:
		z, err := lzma.ReaderConfig{DictCap: maxWindow}.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("lzma: %w", err)
		}
		return io.NopCloser(z), nil
	case Lzip:
		z, err := newLzipReader(r)
		return io.NopCloser(z), err
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		return z.IOReadCloser(), nil
	case Deflate:
		return io.NopCloser(inflate.NewReader(r)), nil
	case None:
		return io.NopCloser(r), nil
	}
	return nil, fmt.Errorf("unknown compression format %q", string(format))
}

func putLE32(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }
