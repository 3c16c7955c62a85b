package pack

import (
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

func newCRC() hash.Hash32 { return crc32.New(castagnoli) }

var decoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxFrame), zstd.WithDecoderMaxWindow(MaxWindow))
	if err != nil {
		return err
	}
	return d
}}

// decodeAll decodes a frame of at most MaxFrame bytes to the end of dst.
func decodeAll(dst, stored []byte, plain int64) ([]byte, error) {
	if plain > MaxFrame {
		return nil, fmt.Errorf("frame of %d bytes", plain)
	}
	switch d := decoders.Get().(type) {
	case *zstd.Decoder:
		defer decoders.Put(d)
		// A frame cannot promise more than it holds: where little is stored memory grows with what comes out.
		b, err := d.DecodeAll(stored, slices.Grow(dst, int(min(plain, int64(len(stored))*64+1<<16))))
		if err == nil && int64(len(b)) != plain {
			err = fmt.Errorf("frame gives %d bytes, want %d", len(b), plain)
		}
		return b, err
	case error:
		return nil, d
	}
	return nil, errors.New("no decoder")
}

// newStream decodes what r gives.
func newStream(r io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(MaxWindow), zstd.WithDecoderLowmem(true))
}

// salvage decodes of a damaged frame what comes out.
func salvage(stored io.Reader, plain int64) []byte {
	z, err := newStream(stored)
	if err != nil {
		return nil
	}
	defer z.Close()
	b, _ := io.ReadAll(io.LimitReader(z, plain))
	return b
}
