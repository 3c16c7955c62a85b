package ostree

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// ObjectPath is the place of an object below a repository, here or on a server: objects/ab/cdef….filez.
func ObjectPath(o Object) string { return path.Join("objects", o.path()) }

// ParseObjectPath is the inverse of ObjectPath.
func ParseObjectPath(name string) (Object, bool) {
	dir, file := path.Split(name)
	if len(dir) != len("objects/ab/") || dir[:8] != "objects/" {
		return Object{}, false
	}
	return parsePath(dir[8:10], file)
}

// RefPath is the place of a local reference below a repository.
func RefPath(name string) (string, error) { return path.Join("refs/heads", name), validRef(name) }

// ParseRef reads the content of a reference.
func ParseRef(b []byte) (Checksum, error) {
	return ParseChecksum(string(bytes.TrimSuffix(b, []byte("\n"))))
}

// ArchiveConfig is the configuration of a repository in archive mode.
const ArchiveConfig = archiveConfig

// OpenStored reads a file object as repositories in archive mode store it. Closing the file closes r.
func OpenStored(sum Checksum, r io.ReadCloser) (*File, error) { return openLoose(sum, r) }

// CheckStored reads an object as it is stored and compares it with its name. Nothing may follow it.
func CheckStored(o Object, r io.Reader) error {
	if o.Type != TypeFile {
		b, err := io.ReadAll(io.LimitReader(r, maxStored+1))
		if err != nil {
			return fmt.Errorf("object %s: %w", o, err)
		}
		return checkMetadata(o, b)
	}
	in := bufio.NewReaderSize(r, 64<<10)
	f, err := openLoose(o.Checksum, io.NopCloser(in))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(io.Discard, f); err != nil {
		return err
	}
	return nil
}

// maxStored is what libostree allows of metadata since 2023.4.
const maxStored = 128 << 20

func checkMetadata(o Object, b []byte) (err error) {
	if len(b) > maxStored {
		return fmt.Errorf("object %s: %d bytes are too many", o, len(b))
	}
	if got := Checksum(sha256.Sum256(b)); got != o.Checksum {
		return fmt.Errorf("object %s: damaged: content has checksum %s", o, got)
	}
	switch o.Type {
	case TypeDirTree:
		_, err = ParseDirTree(b)
	case TypeDirMeta:
		_, err = ParseDirMeta(b)
	case TypeCommit:
		_, err = ParseCommit(b)
	}
	if err != nil {
		return fmt.Errorf("object %s: %w", o, err)
	}
	return nil
}

// OpenRaw opens the file of an object as it lies in the repository, not verified.
func (r *Repo) OpenRaw(o Object) (*os.File, error) { return r.openObject(o) }

// PutRaw stages an object as another repository stores it, byte for byte, and verifies it meanwhile. What is there already is not read.
func (w *Writer) PutRaw(o Object, r io.Reader) error {
	if w.Has(o) {
		return nil
	}
	return w.stage(o, func(file io.Writer) error {
		out := outPool.Get().(*bufio.Writer)
		defer outPool.Put(out)
		out.Reset(file)
		defer out.Reset(nil)
		if err := CheckStored(o, io.TeeReader(r, out)); err != nil {
			return err
		}
		return out.Flush()
	})
}

// LinkRaw stages an object as a hard link to the file of another repository, after it was verified. A file that others may write to, or
// one on another file system, is copied.
func (w *Writer) LinkRaw(o Object, from *os.File) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if w.Has(o) {
		return nil
	}
	if !ownedAlone(info) {
		return w.PutRaw(o, from)
	}
	linked := false
	err = w.stage(o, func(io.Writer) error {
		if err := CheckStored(o, from); err != nil {
			return err
		}
		// stage has made an empty file of the name.
		tmp := w.stagedPath(o) + ".link"
		if os.Link(from.Name(), tmp) != nil {
			return errNoLink
		}
		now, err := os.Lstat(tmp)
		if err != nil || !os.SameFile(info, now) {
			return errors.Join(errNoLink, os.Remove(tmp))
		}
		linked = true
		return os.Rename(tmp, w.stagedPath(o))
	})
	if errors.Is(err, errNoLink) && !linked {
		if _, err := from.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return w.PutRaw(o, from)
	}
	return err
}

var errNoLink = errors.New("no hard link")

// WriteStored writes a file object as repositories in archive mode store it.
func WriteStored(out io.Writer, f *File) error {
	if _, err := out.Write(f.Info.archiveHeader(f.Size)); err != nil {
		return err
	}
	if f.Info.IsSymlink() {
		return nil
	}
	z, pool, err := deflateWriter(out, Level)
	if err != nil {
		return err
	}
	defer pool.Put(z)
	if _, err := io.Copy(z, f); err != nil {
		return err
	}
	return z.Close()
}

// ownedAlone tells whether nobody but us may write to a file.
func ownedAlone(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid() && info.Mode().Perm()&0o022 == 0
}
