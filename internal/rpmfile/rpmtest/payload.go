package rpmtest

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
	"github.com/weld-linux/weld-bridge/internal/cpio"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

const typeMask = 0o170000

func (f *File) regular() bool { return f.Mode&typeMask == 0o100000 }

// size is what the header says of the file's size.
func (f *File) size() uint64 {
	switch f.Mode & typeMask {
	case 0o100000:
		return uint64(len(f.Body))
	case 0o120000:
		return uint64(len(f.LinkTo))
	case 0o040000:
		return 4096
	}
	return 0
}

// inode gives a file its inode: hard links share that of the first.
func (s *Spec) inode(i int) uint32 {
	if link := s.Files[i].Link; link != 0 {
		for j := range s.Files {
			if s.Files[j].Link == link {
				return uint32(j + 1)
			}
		}
	}
	return uint32(i + 1)
}

// archive makes the payload before its compression, hard links in rpm's order: the whole set where its first file
// stands, the content with its last.
func (s *Spec) archive() ([]byte, error) {
	var out bytes.Buffer
	w := cpio.NewWriter(&out)
	for i := range s.Files {
		f := &s.Files[i]
		if f.Flags&rpmfile.FileGhost != 0 || s.inode(i) != uint32(i+1) {
			continue
		}
		set := []int{i}
		for j := i + 1; j < len(s.Files); j++ {
			if f.Link != 0 && s.Files[j].Link == f.Link {
				set = append(set, j)
			}
		}
		for n, j := range set {
			if err := s.writeFile(w, j, len(set), n == len(set)-1); err != nil {
				return nil, err
			}
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// writeFile writes the i-th file, which has so many links, with or without its content.
func (s *Spec) writeFile(w *cpio.Writer, i, links int, content bool) error {
	f := &s.Files[i]
	body := f.Body
	switch {
	case f.Mode&typeMask == 0o120000:
		body = []byte(f.LinkTo)
	case !f.regular() || !content:
		body = nil
	}
	e := &cpio.Entry{Format: cpio.Stripped, Index: uint32(i), Size: int64(len(body))}
	if !s.Long {
		name := f.Path
		if name != "" && name[0] == '/' {
			name = "." + name
		}
		e = &cpio.Entry{
			Name: name, Inode: s.inode(i), Mode: f.Mode, NLink: uint32(links), MTime: f.MTime, Size: int64(len(body)),
			RDevMajor: uint32(f.RDev >> 8), RDevMinor: uint32(f.RDev & 0xff),
		}
	}
	if err := w.WriteHeader(e); err != nil {
		return err
	}
	_, err := w.Write(body)
	return err
}

// compress compresses the archive; flags may begin with a level.
func compress(archive []byte, compressor, flags string) ([]byte, error) {
	if compressor == "none" {
		return archive, nil
	}
	var out bytes.Buffer
	w, err := newCompressor(&out, compressor, flags)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(archive); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func newCompressor(out io.Writer, compressor, flags string) (io.WriteCloser, error) {
	level := 0
	for level < len(flags) && flags[level] >= '0' && flags[level] <= '9' {
		level++
	}
	n, err := strconv.Atoi(flags[:level])
	if err != nil {
		n = -1
	}
	switch compressor {
	case "gzip":
		return gzip.NewWriterLevel(out, n)
	case "zstd":
		return zstd.NewWriter(out, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(max(n, 3))), zstd.WithEncoderConcurrency(1))
	case "xz":
		return xz.NewWriter(out)
	case "lzma":
		return lzma.NewWriter(out)
	}
	return nil, fmt.Errorf("rpmtest cannot write %q", compressor)
}

// Rewrite reads a plain payload and writes it again, which must give the same bytes in the form that rpm writes.
func Rewrite(t testing.TB, archive []byte, files []rpmfile.File) {
	t.Helper()
	var again bytes.Buffer
	w := cpio.NewWriter(&again)
	r := cpio.NewReader(bytes.NewReader(archive), rpmfile.PayloadSizes(files))
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !e.Canonical() {
			t.Errorf("%q is not canonical", e.Name)
		}
		if err := w.WriteHeader(e); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Bytes(), archive) {
		t.Error("the archive comes back otherwise")
	}
}
