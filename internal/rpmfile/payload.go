package rpmfile

import (
	"bufio"
	"compress/bzip2"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"
	"github.com/xi2/xz"
)

// PayloadInfo is what a header says of its payload.
type PayloadInfo struct {
	Format     string // "cpio", "drpm" or empty
	Compressor string // "gzip" (rpm's default), "bzip2", "xz", "lzma" or "zstd"
	Flags      string // the compressor's level and options, "9" or "19T8"
}

// Payload gives what the header says of the payload, with rpm's defaults for old packages, which say nothing.
func (p *Package) Payload() PayloadInfo {
	h := p.Header
	info := PayloadInfo{
		Format:     h.String(TagPayloadFormat),
		Compressor: h.String(TagPayloadCompressor),
		Flags:      h.String(TagPayloadFlags),
	}
	if info.Format == "" {
		info.Format = "cpio"
	}
	if info.Compressor == "" {
		info.Compressor = "gzip"
	}
	return info
}

// Windows and dictionaries above these sizes in bytes are refused. rpm's own writers stay far below: its largest are those of
// zstd's long mode, and of xz -9 with 64 MiB.
const (
	maxZstdWindow = 128 << 20
	maxLZMADict   = 256 << 20
)

// Decompress gives the content of a payload that was compressed by the named compressor of PayloadInfo. As in rpm, a
// "gzip" payload that is not gzip at all is taken as it is: that is how rpm writes and reads payloads without compression.
// Closing the reader does not close r.
func Decompress(r io.Reader, compressor string) (io.ReadCloser, error) {
	var (
		out io.Reader
		err error
	)
	switch compressor {
	case "gzip":
		br := bufio.NewReaderSize(r, 64<<10)
		if magic, _ := br.Peek(2); len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
			out = br
			break
		}
		out, err = gzip.NewReader(br)
	case "bzip2":
		out = bzip2.NewReader(bufio.NewReaderSize(r, 64<<10))
	case "xz":
		out, err = xz.NewReader(r, maxLZMADict)
	case "lzma":
		out, err = lzma.ReaderConfig{DictCap: maxLZMADict}.NewReader(bufio.NewReaderSize(r, 64<<10))
	case "zstd":
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		return d.IOReadCloser(), nil
	case "none":
		out = r
	default:
		return nil, fmt.Errorf("payload compressor %q is not supported", compressor)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", compressor, noEOF(err))
	}
	return io.NopCloser(out), nil
}
