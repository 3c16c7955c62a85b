package ostree

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"

	"github.com/weld-linux/weld-bridge/internal/inflate"
)

// maxFileHeader bounds the header of a file object: a link target of PATH_MAX and 64 KiB of attributes each have room.
const maxFileHeader = 1 << 20

// File is a file object that is being read. Read returns io.EOF only when size and checksum are right.
type File struct {
	Info FileInfo
	Size int64 // of the content, in bytes

	name    Checksum
	content io.Reader
	release func() error
	hash    hash.Hash // nil: the caller compares
	left    int64
	end     error
}

var (
	bufferPool  = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}
	inflatePool = sync.Pool{New: func() any { return inflate.NewReader(nil) }}
)

// openLoose reads a file object as it lies in a repository: header and deflate stream.
func openLoose(sum Checksum, file io.ReadCloser) (*File, error) {
	in := bufferPool.Get().(*bufio.Reader)
	in.Reset(file)
	f := &File{name: sum}
	f.release = func() error {
		in.Reset(nil)
		bufferPool.Put(in)
		if z, ok := f.content.(*inflate.Reader); ok {
			inflatePool.Put(z)
		}
		return file.Close()
	}
	header, err := readFileHeader(in)
	if err == nil {
		f.Info, f.Size, err = parseArchiveHeader(header)
	}
	if err == nil && !f.Info.IsSymlink() {
		z := inflatePool.Get().(*inflate.Reader)
		z.Reset(in)
		f.content = z
	}
	return f.begin(err)
}

// NewFile reads a file object in its canonical form, see FileInfo.Prefix, of size bytes. Closing the file closes r.
func NewFile(sum Checksum, size int64, r io.ReadCloser) (*File, error) {
	f := &File{name: sum, content: r, release: r.Close}
	header, err := readFileHeader(r)
	if err == nil {
		f.Info, err = parseFileHeader(header)
		f.Size = size - 8 - int64(len(header))
	}
	return f.begin(err)
}

// readFileHeader reads the length of a header, padding, and the header.
func readFileHeader(r io.Reader) ([]byte, error) {
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, fmt.Errorf("file header: %w", err)
	}
	length := binary.BigEndian.Uint32(prefix[:])
	if length > maxFileHeader || binary.BigEndian.Uint32(prefix[4:]) != 0 {
		return nil, fmt.Errorf("file header: length %d", length)
	}
	header := make([]byte, 0, min(length, 4096))
	for len(header) < int(length) {
		n := min(int(length)-len(header), 64<<10)
		header = append(header, make([]byte, n)...)
		if _, err := io.ReadFull(r, header[len(header)-n:]); err != nil {
			return nil, fmt.Errorf("file header: %w", err)
		}
	}
	return header, nil
}

// begin makes f ready to be read, unless its header was found to be bad.
func (f *File) begin(err error) (*File, error) {
	if err == nil && (f.Size < 0 || f.Info.IsSymlink() && f.Size != 0) {
		err = fmt.Errorf("file header: content of %d bytes", f.Size)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("object %s: %w", Object{TypeFile, f.name}, err)
	}
	f.left = f.Size
	f.hash = sha256.New()
	f.hash.Write(f.Info.Prefix())
	if f.Info.IsSymlink() {
		f.end = f.verify()
	}
	return f, nil
}

// LeaveUnverified makes Read compare the size alone, for a caller that compares what it makes of many objects. It is called before the first Read.
func (f *File) LeaveUnverified() { f.hash = nil }

func (f *File) Read(p []byte) (int, error) {
	if f.end != nil {
		return 0, f.end
	}
	n, err := f.content.Read(p)
	if f.hash != nil {
		f.hash.Write(p[:n])
	}
	f.left -= int64(n)
	switch {
	case f.left < 0 || err == io.EOF && f.left > 0:
		f.end = f.wrongSize()
	case err == io.EOF:
		f.end = f.verify()
	case err != nil:
		f.end = fmt.Errorf("object %s: %w", Object{TypeFile, f.name}, err)
	}
	if n > 0 && f.end == io.EOF {
		return n, nil
	}
	return n, f.end
}

// WriteTo writes what is left of the content. Its error is nil only when size and checksum are right.
func (f *File) WriteTo(w io.Writer) (n int64, err error) {
	from, ok := f.content.(io.WriterTo)
	if !ok || f.end != nil {
		return io.Copy(w, struct{ io.Reader }{f})
	}
	out := &checkedWriter{f: f, w: w}
	_, err = from.WriteTo(out)
	switch {
	case out.err != nil:
		return out.n, out.err
	case err != nil:
		f.end = fmt.Errorf("object %s: %w", Object{TypeFile, f.name}, err)
	case f.left > 0:
		f.end = f.wrongSize()
	default:
		f.end = f.verify()
	}
	if f.end != io.EOF {
		err = f.end
	}
	return out.n, err
}

// checkedWriter passes on content that is hashed and counted.
type checkedWriter struct {
	f   *File
	w   io.Writer
	n   int64
	err error
}

func (c *checkedWriter) Write(b []byte) (int, error) {
	if c.f.left -= int64(len(b)); c.f.left < 0 {
		c.f.end = c.f.wrongSize()
		c.err = c.f.end
		return 0, c.err
	}
	if c.f.hash != nil {
		c.f.hash.Write(b)
	}
	n, err := c.w.Write(b)
	c.n += int64(n)
	c.err = err
	return n, err
}

func (f *File) wrongSize() error {
	return fmt.Errorf("object %s: content is not the %d bytes that its header says", Object{TypeFile, f.name}, f.Size)
}

func (f *File) verify() error {
	if f.hash == nil {
		return io.EOF
	}
	if got := Checksum(f.hash.Sum(nil)); got != f.name {
		return fmt.Errorf("object %s: damaged: content has checksum %s", Object{TypeFile, f.name}, got)
	}
	return io.EOF
}

// Close ends the reading.
func (f *File) Close() error {
	if f.release == nil {
		return os.ErrClosed
	}
	err := f.release()
	f.release, f.content = nil, nil
	if f.end == nil || errors.Is(f.end, io.EOF) {
		f.end = os.ErrClosed
	}
	return err
}
