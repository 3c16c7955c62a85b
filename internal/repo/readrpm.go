package repo

import (
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/repodata"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// rpmReader reads package files for the metadata: header and checksum in one pass. Not safe for concurrent use.
type rpmReader struct {
	builder  repodata.Builder
	pkg      repodata.Package
	checksum string
	cacheDir string // of checksums, or ""
	hash     hash.Hash
	buf      []byte // the start of the file, which the strings of the package share
	chunk    []byte // the rest of it, piece by piece
	cacheErr error  // why a checksum could not be kept
}

const (
	readChunk  = 128 << 10
	keepBuffer = 4 << 20 // a larger buffer is given back after its package
)

func newRPMReader(checksum string, changelogLimit int, cacheDir string) (*rpmReader, error) {
	h, err := repodata.NewHash(checksum)
	if err != nil {
		return nil, err
	}
	return &rpmReader{
		builder:  repodata.Builder{ChangelogLimit: changelogLimit},
		checksum: repodata.ChecksumName(checksum), cacheDir: cacheDir, hash: h, buf: make([]byte, 0, readChunk), chunk: make([]byte, readChunk),
	}, nil
}

var errChanging = errors.New("the file changed while it was read")

// read fills p from the package file at path; its strings are valid until the next call. A file that is written to
// meanwhile is read again.
func (r *rpmReader) read(path string, p *repodata.Package) (badEpochs []string, err error) {
	for range 3 {
		badEpochs, err = r.readOnce(path, p)
		if !errors.Is(err, errChanging) {
			break
		}
	}
	return badEpochs, err
}

func (r *rpmReader) readOnce(path string, p *repodata.Package) ([]string, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	rpm, err := r.header(f)
	if err != nil {
		return nil, err
	}
	badEpochs := r.builder.Build(p, rpm)
	p.SizePackage, p.TimeFile = before.Size(), before.ModTime().Unix()
	p.ChecksumType = r.checksum
	if p.PkgID, err = r.sum(f, rpm, p, filepath.Base(path)); err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return nil, errChanging
	}
	return badEpochs, p.Check()
}

// openRegular opens a file. A list may name a pipe, whose opening would wait for ever.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return os.Open(path)
}

// identity returns what tells duplicates and which of them is newer.
func (r *rpmReader) identity(path string) (nevra string, built int64, err error) {
	f, err := openRegular(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	rpm, err := r.header(f)
	if err != nil {
		return "", 0, err
	}
	r.builder.Build(&r.pkg, rpm)
	return r.pkg.NEVRA(), r.pkg.TimeBuild, nil
}

// header reads as much of f as the headers take into r.buf.
func (r *rpmReader) header(f io.Reader) (*rpmfile.Package, error) {
	if cap(r.buf) > keepBuffer {
		r.buf = make([]byte, 0, readChunk)
	}
	r.buf = r.buf[:0]
	for {
		if len(r.buf) == cap(r.buf) {
			r.buf = append(make([]byte, 0, 2*cap(r.buf)), r.buf...)
		}
		n, readErr := io.ReadFull(f, r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		rpm, err := rpmfile.Parse(r.buf)
		if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) {
			return rpm, err
		}
		if readErr != nil {
			return nil, err
		}
	}
}

// sum returns the checksum of the whole file, whose first bytes are in r.buf, or what an earlier run found for it.
func (r *rpmReader) sum(f *os.File, rpm *rpmfile.Package, p *repodata.Package, name string) (string, error) {
	cached := ""
	if r.cacheDir != "" {
		cached = r.cacheFile(rpm, p, name)
		if sum, err := os.ReadFile(cached); err == nil && len(sum) == 2*r.hash.Size() && isHex(string(sum)) {
			return string(sum), nil
		}
	}
	r.hash.Reset()
	r.hash.Write(r.buf)
	size := int64(len(r.buf))
	for {
		n, err := f.Read(r.chunk)
		r.hash.Write(r.chunk[:n])
		size += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
	}
	if size != p.SizePackage {
		return "", errChanging
	}
	sum := hex.EncodeToString(r.hash.Sum(nil))
	if cached != "" {
		// The next run computes again what could not be kept, or did not outlive a crash.
		if err := atomicfile.WriteUnsynced(cached, []byte(sum), 0o666); err != nil {
			r.cacheErr = err
		}
	}
	return sum, nil
}

// cacheFile names the file that keeps the checksum. Its key holds both headers, and with them the digests of header
// and payload and every signature.
func (r *rpmReader) cacheFile(rpm *rpmfile.Package, p *repodata.Package, name string) string {
	r.hash.Reset()
	r.hash.Write(rpm.LeadRaw())
	r.hash.Write(rpm.SignatureRaw())
	r.hash.Write(rpm.Header.Raw())
	key := hex.EncodeToString(r.hash.Sum(nil))
	const maxName = 100 // what follows it must have room in a file name
	parts := []string{name[:min(len(name), maxName)], key, strconv.FormatInt(p.SizePackage, 10), strconv.FormatInt(p.TimeFile, 10)}
	return filepath.Join(r.cacheDir, strings.Join(parts, "-"))
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
