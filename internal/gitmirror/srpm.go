package gitmirror

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/cpio"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmver"
)

// inflateBase and inflateFactor bound what compressed data may unpack to: a GiB, and this many times its own size beyond. The sources of
// distributions stay below 30 times; a tar member that announces more is refused before it is read.
const (
	inflateBase   = 1 << 30
	inflateFactor = 100
)

func inflateLimit(compressed int64) int64 { return inflateBase + compressed*inflateFactor }

// source is one file of a source RPM.
type source struct {
	name   string
	path   string // where it is spooled
	sha256 string
	size   int64
	mode   uint32
	mtime  int64
	spec   bool
	ghost  bool // NoSource: named, not carried
}

// irregular says what a source is that is no file, as no rpmbuild puts it into a source RPM; "" for a file.
func irregular(mode uint32) string {
	switch mode & 0o170000 {
	case 0, 0o100000:
		return ""
	case 0o040000:
		return "a directory"
	case 0o120000:
		return "a symbolic link"
	}
	return "a device or pipe"
}

// srpm is a source RPM taken apart.
type srpm struct {
	pkg     *rpmfile.Package
	nevra   rpmfile.NEVRA
	sha256  string // of the file
	size    int64
	head    []byte // lead, signature header, header
	payload int64  // offset
	plain   string // digest of the decompressed payload
	plainN  int64
	sources []source // in the order of the header
	cpio    []piece
}

// evr is the version that orders imports.
func (s *srpm) evr() rpmver.EVR { return evrOf(s.nevra) }

func evrOf(n rpmfile.NEVRA) rpmver.EVR { return rpmver.Parse(n.EVR()) }

// nevrName is NAME-[EPOCH:]VERSION-RELEASE, what the srpm/ tags are named by.
func nevrName(n rpmfile.NEVRA) string { return n.Name + "-" + n.EVR() }

func (s *srpm) spec() *source {
	for i := range s.sources {
		if s.sources[i].spec {
			return &s.sources[i]
		}
	}
	return nil
}

func (s *srpm) source(name string) *source {
	for i := range s.sources {
		if s.sources[i].name == name {
			return &s.sources[i]
		}
	}
	return nil
}

// probeSRPM reads only the headers of the file at path.
func probeSRPM(f *os.File) (*srpm, error) {
	in := bufio.NewReaderSize(f, 1<<16)
	pkg, err := rpmfile.Read(in)
	if err != nil {
		return nil, err
	}
	if !pkg.IsSource() {
		return nil, fmt.Errorf("%s is a binary package, not a source RPM", pkg.NEVRA())
	}
	s := &srpm{pkg: pkg, nevra: pkg.NEVRA()}
	if err := checkName(s.nevra.Name); err != nil {
		return nil, err
	}
	if err := checkVersion(s.nevra); err != nil {
		return nil, err
	}
	_, s.payload = pkg.HeaderRange()
	h := sha256.New()
	if s.size, err = io.Copy(h, io.NewSectionReader(f, 0, 1<<62)); err != nil {
		return nil, err
	}
	s.sha256 = hex.EncodeToString(h.Sum(nil))
	s.head = make([]byte, s.payload)
	_, err = f.ReadAt(s.head, 0)
	return s, err
}

// checkName holds a package's name to what may be a directory.
func checkName(name string) error {
	bad := name == "" || len(name) > 200 || name[0] == '.' || name[0] == '-'
	for i := range len(name) {
		c := name[i]
		bad = bad || c <= ' ' || c >= 0x7f || strings.IndexByte(`/\:*?"<>|~^[`, c) >= 0
	}
	if bad {
		return fmt.Errorf("%q is not a package name", name)
	}
	return nil
}

// checkVersion holds version and release to what may be part of a file's name.
func checkVersion(n rpmfile.NEVRA) error {
	if n.Version == "" || n.Release == "" {
		return errors.New("no version or release")
	}
	for _, s := range []string{n.Version, n.Release} {
		if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' }) {
			return fmt.Errorf("%q is not a version or release", s)
		}
	}
	return nil
}

// unpack spools the files of the payload to dir.
func (s *srpm) unpack(ctx context.Context, f *os.File, dir string) error {
	files, err := s.pkg.Files()
	if err != nil {
		return err
	}
	info := s.pkg.Payload()
	compressed := io.NewSectionReader(f, s.payload, s.size-s.payload)
	plain, err := rpmfile.Decompress(bufio.NewReaderSize(compressed, 1<<18), info.Compressor)
	if err != nil {
		return fmt.Errorf("payload at %#x: %w", s.payload, err)
	}
	defer plain.Close()
	digest := sha256.New()
	counter := &countReader{r: ctxReader{ctx, plain}, left: inflateLimit(s.size)}
	// What the pieces give again is held against what was read.
	seed := maphash.MakeSeed()
	var was, again maphash.Hash
	was.SetSeed(seed)
	again.SetSeed(seed)
	archive := cpio.NewReader(io.TeeReader(counter, io.MultiWriter(digest, &was)), func(i uint32) (int64, error) {
		if int(i) >= len(files) {
			return 0, fmt.Errorf("no file %d in the header", i)
		}
		return int64(files[i].Size), nil
	})
	s.sources = make([]source, len(files))
	index := map[string]int{}
	for i := range files {
		name := files[i].Base()
		s.sources[i] = source{
			name: name, mode: files[i].Mode, mtime: int64(files[i].MTime),
			spec: files[i].Flags&rpmfile.FileSpec != 0, size: int64(files[i].Size), ghost: files[i].IsGhost(),
		}
		if !isFileName(name) {
			return fmt.Errorf("header has a file called %q", name)
		}
		if _, twice := index[name]; twice {
			return fmt.Errorf("header names the file %q twice", name)
		}
		index[name] = i
	}
	if err := s.spool(archive, index, dir, &again); err != nil {
		return err
	}
	if was.Sum64() != again.Sum64() {
		return errors.New("proof: the pieces of the payload do not make it")
	}
	s.plain, s.plainN = hex.EncodeToString(digest.Sum(nil)), counter.n
	return nil
}

// spool writes every file of the archive to dir and notes what stands between the files. again gets all of it in order.
func (s *srpm) spool(archive *cpio.Reader, index map[string]int, dir string, again io.Writer) error {
	for {
		e, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("payload: %w", err)
		}
		at, ok := int(e.Index), true
		if e.Format != cpio.Stripped {
			at, ok = index[strings.TrimPrefix(e.Name, "./")]
		}
		if !ok || at >= len(s.sources) {
			return fmt.Errorf("payload: %q is not a file of the header", e.Name)
		}
		src := &s.sources[at]
		if src.path != "" {
			return fmt.Errorf("payload: %q stands twice in the archive", src.name)
		}
		src.path = filepath.Join(dir, fmt.Sprintf("%d", at))
		raw := slices.Concat(e.Pad, e.Raw)
		_, _ = again.Write(raw)
		if err := src.spool(io.TeeReader(archive, again)); err != nil {
			return fmt.Errorf("payload: %s: %w", src.name, err)
		}
		s.cpio = append(s.cpio, piece{base64.StdEncoding.EncodeToString(raw), src.sha256})
	}
	var raw []byte
	if t := archive.Trailer(); t != nil {
		raw = append(append(raw, t.Pad...), t.Raw...)
	}
	rest, err := io.ReadAll(io.LimitReader(archive.Rest(), 1<<20+1))
	if err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	if len(rest) > 1<<20 {
		return errors.New("payload: more than a MiB behind the end of the archive")
	}
	raw = append(raw, rest...)
	_, _ = again.Write(raw)
	s.cpio = append(s.cpio, piece{Raw: base64.StdEncoding.EncodeToString(raw)})
	for i := range s.sources {
		if src := &s.sources[i]; src.path == "" && !src.ghost {
			return fmt.Errorf("payload: %q is missing", src.name)
		}
	}
	s.sources = slices.DeleteFunc(s.sources, func(src source) bool { return src.path == "" })
	return nil
}

func (src *source) spool(r io.Reader) error {
	out, err := os.Create(src.path)
	if err != nil {
		return err
	}
	h := sha256.New()
	src.size, err = io.Copy(io.MultiWriter(out, h), r)
	src.sha256 = hex.EncodeToString(h.Sum(nil))
	return errors.Join(err, out.Close())
}

// countReader counts, and refuses to give more than left bytes.
type countReader struct {
	r       io.Reader
	n, left int64
}

func (c *countReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	if c.left -= int64(n); c.left < 0 {
		return n, fmt.Errorf("unpacks to more than %d bytes, %w", c.n, errTooMuch)
	}
	return n, err
}

var errTooMuch = errors.New("which is beyond all proportion")

// ctxReader ends when ctx does.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
