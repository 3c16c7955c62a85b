package ostree

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// Source gives objects by their names. Each is verified while it is read: what comes out whole is what its name says. An object
// that is not there is ErrNotFound.
type Source interface {
	// OpenFile opens a file object.
	OpenFile(sum Checksum) (*File, error)
	// ReadMetadata gives the bytes of an object of another type.
	ReadMetadata(o Object) ([]byte, error)
}

// Tier is one of the places where objects are kept: a repository, where each is a file of its own, or packs.
type Tier interface {
	Source
	// Has tells whether the object is there, without reading it.
	Has(o Object) bool
	// StoredSize gives the bytes that the object takes.
	StoredSize(o Object) (int64, error)
	// Objects lists what is there, each object once, in no order that others may rely on.
	Objects() iter.Seq2[Object, error]
}

// Sources are asked in their order for an object. One that fails is passed over where another has it; damage that shows only while a
// file is read is not made good.
type Sources []Source

// OpenFile opens a file object.
func (s Sources) OpenFile(sum Checksum) (*File, error) {
	return first(s, Object{TypeFile, sum}, func(src Source) (*File, error) { return src.OpenFile(sum) })
}

// ReadMetadata gives the bytes of an object of another type.
func (s Sources) ReadMetadata(o Object) ([]byte, error) {
	return first(s, o, func(src Source) ([]byte, error) { return src.ReadMetadata(o) })
}

func first[T any](s Sources, o Object, get func(Source) (T, error)) (found T, err error) {
	err = fmt.Errorf("object %s: %w", o, ErrNotFound)
	for _, src := range s {
		found, e := get(src)
		if e == nil {
			return found, nil
		}
		if errors.Is(err, ErrNotFound) {
			err = e
		}
	}
	return found, err
}

// loose reads objects that are files of their own.
type loose func(Object) (*os.File, error)

// OpenFile opens a file object.
func (open loose) OpenFile(sum Checksum) (*File, error) {
	f, err := open(Object{TypeFile, sum})
	if err != nil {
		return nil, err
	}
	return openLoose(sum, f)
}

// ReadMetadata reads an object that is stored as it is.
func (open loose) ReadMetadata(obj Object) ([]byte, error) {
	f, err := open(obj)
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

// Reader decodes the objects of a source.
type Reader struct{ Source }

// ReadFile gives the whole content of a file object of at most limit bytes.
func (r Reader) ReadFile(sum Checksum, limit int64) ([]byte, error) {
	f, err := r.OpenFile(sum)
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

// ReadTree reads a directory.
func (r Reader) ReadTree(sum Checksum) (DirTree, error) {
	obj := Object{TypeDirTree, sum}
	b, err := r.ReadMetadata(obj)
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
func (r Reader) ReadMeta(sum Checksum) (DirMeta, error) {
	obj := Object{TypeDirMeta, sum}
	b, err := r.ReadMetadata(obj)
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
func (r Reader) ReadCommit(sum Checksum) (Commit, error) {
	obj := Object{TypeCommit, sum}
	b, err := r.ReadMetadata(obj)
	if err != nil {
		return Commit{}, err
	}
	commit, err := ParseCommit(b)
	if err != nil {
		return Commit{}, fmt.Errorf("object %s: %w", obj, err)
	}
	return commit, nil
}
