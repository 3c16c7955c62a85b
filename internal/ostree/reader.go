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

	"github.com/klauspost/compress/flate"
)

// maxFileHeader bounds the header of a file object: a link target of PATH_MAX and 64 KiB of attributes each have room.
const maxFileHeader = 1 << 20

// objectReader reads objects and verifies them while it reads.
type objectReader struct {
	open func(Object) (*os.File, error)
}

// File is a file object that is being read. Read returns io.EOF only when size and checksum are right.
type File struct {
	Info FileInfo
	Size int64 // of the content, in bytes

	name  Checksum
	file  *os.File
	in    *bufio.Reader
	flate io.ReadCloser
	hash  hash.Hash
	left  int64
	end   error
}

var (
	bufferPool  = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}
	inflatePool = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

// OpenFile opens a file object. A symbolic link has no content.
func (o objectReader) OpenFile(sum Checksum) (*File, error) {
	f, err := o.open(Object{TypeFile, sum})
	if err != nil {
		return nil, err
	}
	file := &File{name: sum, file: f, in: bufferPool.Get().(*bufio.Reader)}
	file.in.Reset(f)
	if err := file.begin(); err != nil {
		file.Close()
		return nil, fmt.Errorf("object %s: %w", Object{TypeFile, sum}, err)
	}
	return file, nil
}

func (f *File) begin() (err error) {
	var prefix [8]byte
	if _, err := io.ReadFull(f.in, prefix[:]); err != nil {
		return fmt.Errorf("file header: %w", err)
	}
	length := binary.BigEndian.Uint32(prefix[:])
	if length > maxFileHeader || binary.BigEndian.Uint32(prefix[4:]) != 0 {
		return fmt.Errorf("file header: length %d", length)
	}
	header := make([]byte, 0, min(length, 4096))
	for len(header) < int(length) {
		n := min(int(length)-len(header), 64<<10)
		header = append(header, make([]byte, n)...)
		if _, err := io.ReadFull(f.in, header[len(header)-n:]); err != nil {
			return fmt.Errorf("file header: %w", err)
		}
	}
	if f.Info, f.Size, err = parseArchiveHeader(header); err != nil {
		return err
	}
	f.left = f.Size
	f.hash = sha256.New()
	f.hash.Write(f.Info.hashHeader())
	if f.Info.IsSymlink() {
		if f.Size != 0 {
			return errors.New("symbolic link with content")
		}
		f.end = f.verify()
		return nil
	}
	f.flate = inflatePool.Get().(io.ReadCloser)
	return f.flate.(flate.Resetter).Reset(f.in, nil)
}

func (f *File) Read(p []byte) (int, error) {
	if f.end != nil {
		return 0, f.end
	}
	n, err := f.flate.Read(p)
	f.hash.Write(p[:n])
	f.left -= int64(n)
	switch {
	case f.left < 0 || err == io.EOF && f.left > 0:
		f.end = fmt.Errorf("object %s: content is not the %d bytes that its header says", Object{TypeFile, f.name}, f.Size)
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

func (f *File) verify() error {
	if got := Checksum(f.hash.Sum(nil)); got != f.name {
		return fmt.Errorf("object %s: damaged: content has checksum %s", Object{TypeFile, f.name}, got)
	}
	return io.EOF
}

// Close ends the reading.
func (f *File) Close() error {
	f.in.Reset(nil)
	bufferPool.Put(f.in)
	f.in = nil
	if f.flate != nil {
		inflatePool.Put(f.flate)
		f.flate = nil
	}
	f.end = os.ErrClosed
	return f.file.Close()
}

// ReadFile gives the whole content of a file object of at most limit bytes.
func (o objectReader) ReadFile(sum Checksum, limit int64) ([]byte, error) {
	f, err := o.OpenFile(sum)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size > limit {
		return nil, fmt.Errorf("object %s: %d bytes, more than the limit of %d", Object{TypeFile, sum}, f.Size, limit)
	}
	b := make([]byte, 0, min(f.Size, 1<<20)+1)
	for {
		n, err := f.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

// readMetadata reads and verifies an object that is stored as it is.
func (o objectReader) readMetadata(obj Object) ([]byte, error) {
	f, err := o.open(obj)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > 128<<20 { // what libostree allows since 2023.4
		return nil, fmt.Errorf("object %s: %d bytes are too many", obj, info.Size())
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("object %s: %w", obj, err)
	}
	if got := Checksum(sha256.Sum256(b)); got != obj.Checksum {
		return nil, fmt.Errorf("object %s: damaged: content has checksum %s", obj, got)
	}
	return b, nil
}

// ReadTree reads a directory.
func (o objectReader) ReadTree(sum Checksum) (DirTree, error) {
	obj := Object{TypeDirTree, sum}
	b, err := o.readMetadata(obj)
	if err != nil {
		return DirTree{}, err
	}
	tree, err := ParseDirTree(b)
	if err != nil {
		return DirTree{}, fmt.Errorf("object %s: %w", obj, err)
	}
	return tree, nil
}

// ReadMeta reads what is said about a directory.
func (o objectReader) ReadMeta(sum Checksum) (DirMeta, error) {
	obj := Object{TypeDirMeta, sum}
	b, err := o.readMetadata(obj)
	if err != nil {
		return DirMeta{}, err
	}
	meta, err := ParseDirMeta(b)
	if err != nil {
		return DirMeta{}, fmt.Errorf("object %s: %w", obj, err)
	}
	return meta, nil
}

// ReadCommit reads a commit.
func (o objectReader) ReadCommit(sum Checksum) (Commit, error) {
	obj := Object{TypeCommit, sum}
	b, err := o.readMetadata(obj)
	if err != nil {
		return Commit{}, err
	}
	commit, err := ParseCommit(b)
	if err != nil {
		return Commit{}, fmt.Errorf("object %s: %w", obj, err)
	}
	return commit, nil
}
