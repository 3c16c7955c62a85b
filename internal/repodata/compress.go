package repodata

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"strings"

	bzip2w "github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	unxz "github.com/xi2/xz"
)

// Compression is a way to compress a metadata file.
type Compression uint8

// The compressions that the formats allow. Zck is written by ZckWriter alone.
const (
	None Compression = iota
	Gzip
	Bzip2
	XZ
	Zstd
	Zck
)

var compressions = [...]struct{ name, suffix, magic string }{
	None:  {"none", "", ""},
	Gzip:  {"gz", ".gz", "\x1f\x8b"},
	Bzip2: {"bz2", ".bz2", "BZh"},
	XZ:    {"xz", ".xz", "\xfd7zXZ\x00"},
	Zstd:  {"zstd", ".zst", "\x28\xb5\x2f\xfd"},
	Zck:   {"zck", ".zck", "\x00ZCK1"},
}

// String returns the name of c in options, "gz".
func (c Compression) String() string { return compressions[c].name }

// Suffix returns what c adds to a file name, ".gz".
func (c Compression) Suffix() string { return compressions[c].suffix }

// ParseCompression reads the name of a compression in any case: gz, bz2, xz, zstd, zck. None has no name.
func ParseCompression(name string) (Compression, error) {
	for c := Gzip; c <= Zck; c++ {
		if strings.EqualFold(name, compressions[c].name) {
			return c, nil
		}
	}
	return None, fmt.Errorf("unknown compression type %q", name)
}

// DetectCompression tells the compression of a file from its first bytes.
func DetectCompression(head []byte) Compression {
	for c := Gzip; c <= Zck; c++ {
		if bytes.HasPrefix(head, []byte(compressions[c].magic)) {
			return c
		}
	}
	return None
}

// TrimSuffix cuts the suffix of a compression off a file name.
func TrimSuffix(name string) string {
	for c := Gzip; c <= Zck; c++ {
		if rest, ok := strings.CutSuffix(name, compressions[c].suffix); ok {
			return rest
		}
	}
	return name
}

// ErrZck is reported where zchunk would have to be the only form of a file: clients without it could not read that.
var ErrZck = errors.New("zchunk is offered beside another compression only: use --zck")

// maxWindow bounds the memory that a compressed file can ask for, in bytes.
const maxWindow = 128 << 20

// NewReader uncompresses r, whose compression it tells from the first bytes. Closing the result does not close r.
func NewReader(r io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(r, 256<<10)
	head, err := br.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch DetectCompression(head) {
	case Gzip:
		return gzip.NewReader(br)
	case Bzip2:
		return io.NopCloser(bzip2.NewReader(br)), nil
	case XZ:
		// Unlike the other package, this one does not take any size for the dictionary that a file asks for.
		x, err := unxz.NewReader(br, maxWindow)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(x), nil
	case Zstd:
		z, err := zstd.NewReader(br, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case Zck:
		z, err := NewZckReader(br)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(z), nil
	}
	return io.NopCloser(br), nil
}

// zstdWindow bounds the memory of writers and readers. Metadata repeats itself within less.
const zstdWindow = 4 << 20

// NewWriter compresses into w at the levels of createrepo_c. The same input gives the same bytes. Closing the result
// does not close w.
func NewWriter(w io.Writer, c Compression) (io.WriteCloser, error) {
	switch c {
	case None:
		return nopWriteCloser{w}, nil
	case Gzip:
		return gzip.NewWriterLevel(w, gzip.DefaultCompression)
	case Bzip2:
		return bzip2w.NewWriter(w, &bzip2w.WriterConfig{Level: bzip2w.BestCompression})
	case XZ:
		return xz.WriterConfig{CheckSum: xz.CRC32}.NewWriter(w)
	case Zstd:
		return newZstd(w)
	}
	return nil, ErrZck
}

func newZstd(w io.Writer) (*zstd.Encoder, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(true), zstd.WithWindowSize(zstdWindow))
}

// Compressor compresses pieces each of which is a stream of its own; joined, they are one that readers take. It is not safe
// for concurrent use.
type Compressor struct {
	c    Compression
	zstd *zstd.Encoder
	buf  bytes.Buffer
}

// NewCompressor makes a compressor at the level of NewWriter.
func NewCompressor(c Compression) (*Compressor, error) {
	x := &Compressor{c: c}
	if c != Zstd {
		return x, nil
	}
	var err error
	x.zstd, err = newZstd(nil)
	return x, err
}

// Compress gives b as a stream. The same input gives the same bytes.
func (x *Compressor) Compress(b []byte) ([]byte, error) {
	if x.zstd != nil {
		return x.zstd.EncodeAll(b, nil), nil
	}
	x.buf.Reset()
	w, err := NewWriter(&x.buf, x.c)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(x.buf.Bytes()), nil
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }
