package cpio

import (
	"fmt"
	"io"
)

// Writer writes an archive as rpm does: numbers in lower case, zeros as padding to 4, and a newc trailer.
type Writer struct {
	w    io.Writer
	off  int64
	left int64
	buf  []byte
}

// NewWriter writes an archive to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// WriteHeader begins the next record; e.Size bytes of content must follow. Offset, Pad and Raw are not looked at.
func (w *Writer) WriteHeader(e *Entry) (err error) {
	if w.left > 0 {
		return fmt.Errorf("cpio: %d bytes of content are missing", w.left)
	}
	w.buf = append(w.buf[:0], zeros[:pad4(w.off)]...)
	if w.buf, err = e.appendRaw(w.buf); err != nil {
		return err
	}
	if err := w.write(w.buf); err != nil {
		return err
	}
	w.left = e.Size
	return nil
}

// Write writes content of the record; more than its size is an error.
func (w *Writer) Write(b []byte) (int, error) {
	if int64(len(b)) > w.left {
		return 0, fmt.Errorf("cpio: %d bytes of content too many", int64(len(b))-w.left)
	}
	n, err := w.w.Write(b)
	w.off += int64(n)
	w.left -= int64(n)
	return n, err
}

// Close writes the trailer with its padding. It does not close the underlying writer.
func (w *Writer) Close() error {
	if err := w.WriteHeader(&Entry{Name: trailerName, NLink: 1}); err != nil {
		return err
	}
	return w.write(zeros[:pad4(w.off)])
}

func (w *Writer) write(b []byte) error {
	n, err := w.w.Write(b)
	w.off += int64(n)
	return err
}
