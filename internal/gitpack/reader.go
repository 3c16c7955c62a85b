package gitpack

import (
	"bytes"
	"errors"
	"io"

	"github.com/weld-linux/weld-bridge/internal/inflate"
)

// window is how much of the pack is read at once: objects are mostly read in the order in which they were written.
const window = 256 << 10

// reader reads back zlib streams that this process has written. Their checksums are for those who read the pack later.
type reader struct {
	buf []byte // of the file, from at on
	at  int64
	in  bytes.Reader
	z   *inflate.Reader
}

// reset begins the stream of n bytes at off.
func (r *reader) reset(f io.ReaderAt, off, n int64) error {
	const head, trailer = 2, 4
	if r.z == nil {
		r.z = inflate.NewReader(nil)
	}
	if n > window {
		r.z.Reset(io.NewSectionReader(f, off+head, n-head-trailer))
		return nil
	}
	if off < r.at || off+n > r.at+int64(len(r.buf)) {
		if err := r.load(f, off); err != nil {
			return err
		}
	}
	if n > int64(len(r.buf)) || n < head+trailer {
		return io.ErrUnexpectedEOF
	}
	r.in.Reset(r.buf[off-r.at:][head : n-trailer])
	r.z.Reset(&r.in)
	return nil
}

// load reads a part of the file, in which nothing changes but by rewinding.
func (r *reader) load(f io.ReaderAt, off int64) error {
	if r.buf == nil {
		r.buf = make([]byte, 0, window)
	}
	n, err := f.ReadAt(r.buf[:window], off)
	r.at, r.buf = off, r.buf[:n]
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// forget drops what was read.
func (r *reader) forget() { r.buf = r.buf[:0] }
