package rpmfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/weld-linux/weld-bridge/internal/pristine"
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

// Decompress gives the content of a payload that was compressed by the named compressor of PayloadInfo. As in rpm, a
// "gzip" payload that is not gzip at all is taken as it is: that is how rpm writes and reads payloads without compression.
// Closing the reader does not close r.
func Decompress(r io.Reader, compressor string) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	format := pristine.Format(compressor)
	switch format {
	case pristine.Gzip:
		if magic, _ := in.Peek(2); string(magic) != "\x1f\x8b" {
			format = pristine.None
		}
	case pristine.Bzip2, pristine.XZ, pristine.LZMA, pristine.Zstd, pristine.None:
	default:
		return nil, fmt.Errorf("payload compressor %q is not supported", compressor)
	}
	out, err := pristine.Decompress(in, format)
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s: %w", compressor, io.ErrUnexpectedEOF)
	}
	return out, err
}
