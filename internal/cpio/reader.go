package cpio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Reader reads an archive record by record.
type Reader struct {
	r       io.Reader
	sizes   func(index uint32) (int64, error)
	off     int64 // in the archive
	left    int64 // of the entry's content
	trailer *Entry
	err     error // sticks
}

// NewReader reads the archive r. sizes gives the size in the archive of the file with an index, for stripped records; where
// it is nil, an archive with such records is an error.
func NewReader(r io.Reader, sizes func(index uint32) (int64, error)) *Reader {
	return &Reader{r: r, sizes: sizes}
}

// Next skips what is left of the content and reads the next record. After the trailer it gives io.EOF, and so it does for
// an archive of no bytes at all; any other end is an error that wraps ErrFormat and io.ErrUnexpectedEOF.
func (r *Reader) Next() (*Entry, error) {
	if r.err != nil {
		return nil, r.err
	}
	e, err := r.next()
	if err != nil && err != io.EOF {
		err = fmt.Errorf("cpio at 0x%x: %w", r.off, err)
	}
	r.err = err
	return e, err
}

func (r *Reader) next() (*Entry, error) {
	if _, err := io.Copy(io.Discard, (*content)(r)); err != nil {
		return nil, err
	}
	e := new(Entry)
	if pad := pad4(r.off); pad > 0 {
		e.Pad = make([]byte, pad)
		if err := r.fill(e.Pad); err != nil {
			return nil, err
		}
	}
	e.Offset = r.off
	if err := r.record(e); err != nil {
		return nil, err
	}
	if e.Format == Stripped && e.Index == endIndex || e.Format != Stripped && e.Name == trailerName {
		r.trailer = e
		return nil, io.EOF
	}
	r.left = e.Size
	return e, nil
}

// record reads one record as far as its content.
func (r *Reader) record(e *Entry) error {
	buf := make([]byte, strippedSize, newcSize+32)
	n, err := io.ReadFull(r.r, buf)
	r.off += int64(n)
	if n == 0 && errors.Is(err, io.EOF) && e.Offset == 0 {
		return io.EOF
	}
	if err != nil {
		return eofInside(err)
	}
	for f, magic := range magics {
		if string(buf[:magicSize]) == magic {
			e.Format = Format(f)
			if e.Format == Stripped {
				return r.stripped(e, buf)
			}
			return r.newc(e, buf)
		}
	}
	return fmt.Errorf("%w: bad magic %q", ErrFormat, buf[:magicSize])
}

func (r *Reader) stripped(e *Entry, buf []byte) error {
	var ok bool
	if e.Index, ok = parseHex(buf[magicSize:]); !ok {
		return fmt.Errorf("%w: bad index %q", ErrFormat, buf[magicSize:])
	}
	raw, err := r.extend(buf, pad4(r.off))
	if err != nil {
		return err
	}
	e.Raw = raw
	if e.Index == endIndex {
		return nil
	}
	if r.sizes == nil {
		return fmt.Errorf("%w: stripped record without a package's header", ErrFormat)
	}
	if e.Size, err = r.sizes(e.Index); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if e.Size < 0 {
		return fmt.Errorf("%w: file %d has %d bytes", ErrFormat, e.Index, e.Size)
	}
	return nil
}

func (r *Reader) newc(e *Entry, buf []byte) error {
	raw, err := r.extend(buf, newcSize-strippedSize)
	if err != nil {
		return err
	}
	for i, n := range e.numbers() {
		var ok bool
		if *n, ok = parseHex(raw[magicSize+8*i:]); !ok {
			return fmt.Errorf("%w: bad number %q", ErrFormat, raw[magicSize+8*i:magicSize+8*i+8])
		}
	}
	size, _ := parseHex(raw[sizeField:])
	name, _ := parseHex(raw[nameField:])
	if name == 0 || name > maxName {
		return fmt.Errorf("%w: name of %d bytes", ErrFormat, name)
	}
	if raw, err = r.extend(raw, int64(name)); err != nil {
		return err
	}
	// A name with a NUL inside is cut there, as rpm cuts it; Raw has all of it.
	text, _, ended := bytes.Cut(raw[newcSize:], []byte{0})
	if !ended {
		return fmt.Errorf("%w: name without its NUL", ErrFormat)
	}
	e.Name, e.Size = string(text), int64(size)
	e.Raw, err = r.extend(raw, pad4(r.off))
	return err
}

// extend reads n more bytes behind b.
func (r *Reader) extend(b []byte, n int64) ([]byte, error) {
	b = append(b, make([]byte, n)...)
	return b, r.fill(b[int64(len(b))-n:])
}

func (r *Reader) fill(b []byte) error {
	n, err := io.ReadFull(r.r, b)
	r.off += int64(n)
	if err != nil {
		return eofInside(err)
	}
	return nil
}

// Read reads the content of the entry that Next gave last; it gives io.EOF at its end.
func (r *Reader) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := (*content)(r).Read(b)
	if err != nil && err != io.EOF {
		r.err = fmt.Errorf("cpio at 0x%x: %w", r.off, err)
		err = r.err
	}
	return n, err
}

// content reads what is left of an entry.
type content Reader

func (c *content) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.r.Read(b[:min(int64(len(b)), c.left)])
	c.off += int64(n)
	c.left -= int64(n)
	if c.left > 0 && err != nil {
		return n, eofInside(err)
	}
	return n, nil
}

// Trailer gives the record that ended the archive; nil before Next gave io.EOF, and for an archive of no bytes.
// Its content, which no writer has, is not skipped: Rest reads it.
func (r *Reader) Trailer() *Entry { return r.trailer }

// Rest reads what follows the trailer, to the end of the input. rpm writes up to 3 bytes of padding, GNU cpio fills a
// block of 512 bytes.
func (r *Reader) Rest() io.Reader { return r.r }

// Offset is the place in the archive that was read to.
func (r *Reader) Offset() int64 { return r.off }
