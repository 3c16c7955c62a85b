package rpmfile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/cpio"
)

// VerifyArchive reads a payload that was decompressed and checks it against the header: the digests and the size of the
// whole, that each record is a file of the header and each file has its record, and the size and digest of each file. Only
// what is wrong with a file is in the result, and one check for all of them when nothing is. An error means that plain
// could not be read.
func (p *Package) VerifyArchive(plain io.Reader) (*Result, error) {
	digests := p.archiveDigests()
	var size uint64
	tee := io.TeeReader(plain, writerFunc(func(b []byte) {
		size += uint64(len(b))
		for i := range digests {
			digests[i].write(b)
		}
	}))
	r := new(Result)
	files, err := p.Files()
	if err != nil {
		return nil, err
	}
	c := &archiveCheck{p: p, files: files, result: r, index: indexPaths(files), seen: make([]bool, len(files))}
	err = c.run(tee)
	switch {
	case errors.Is(err, cpio.ErrFormat):
		r.Checks = append(r.Checks, Check{Scope: ScopeArchive, Name: "format", Status: Bad, Message: err.Error()})
	case err != nil:
		return nil, err
	case len(r.Checks) == 0:
		r.Checks = append(r.Checks, Check{Scope: ScopeFile, Name: "digests", Tag: TagFileDigests, Status: OK})
	}
	if _, err := io.Copy(io.Discard, tee); err != nil {
		return nil, err
	}
	for i := range digests {
		r.Checks = append(r.Checks, digests[i].result())
	}
	// The older tags of the size are not checked, as rpm does not: some builders put anything there.
	if want, ok := p.Header.Uint(TagPayloadSizeAlt); ok {
		r.Checks = append(r.Checks, sizeCheck(ScopeArchive, TagPayloadSizeAlt, want, size))
	}
	return r, nil
}

// ArchiveSize gives the size of the decompressed payload in bytes and the tag that holds it: of the signature header, else
// of the header. False where neither tells.
func (p *Package) ArchiveSize() (size uint64, tag Tag, ok bool) {
	for _, place := range [...]struct {
		h   *Header
		tag Tag
	}{
		{p.Signature, SigLongArchiveSize},
		{p.Signature, SigPayloadSize},
		{p.Header, SigLongArchiveSize},
		{p.Header, TagArchiveSize},
		{p.Header, TagPayloadSizeAlt},
	} {
		if n, ok := place.h.Uint(place.tag); ok {
			return n, place.tag, true
		}
	}
	return 0, 0, false
}

func (p *Package) archiveDigests() []digest {
	var list []digest
	for _, row := range []struct {
		tag  Tag
		algo HashAlgo
	}{{TagPayloadSHA256Alt, SHA256}, {TagPayloadSHA512Alt, SHA512}, {TagPayloadSHA3Alt, SHA3_256}} {
		want := p.Header.String(row.tag)
		if want == "" {
			continue
		}
		if n, ok := p.Header.Uint(TagPayloadSHA256Algo); ok && row.tag == TagPayloadSHA256Alt {
			row.algo = HashAlgo(n)
		}
		list = append(list, newDigest(ScopeArchive, row.algo, row.tag, want))
	}
	return list
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) {
	f(b)
	return len(b), nil
}

// An archiveCheck holds the records of an archive against the files of the header.
type archiveCheck struct {
	p      *Package
	files  []File
	index  map[string]int
	seen   []bool
	result *Result
}

// indexPaths finds files by the name that a record has.
func indexPaths(files []File) map[string]int {
	index := make(map[string]int, len(files))
	for i := range files {
		index[recordPath(files[i].Path)] = i
	}
	return index
}

// recordPath strips what rpm's versions have put before the names of records.
func recordPath(name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, "."), "/")
}

func (c *archiveCheck) bad(path, format string, args ...any) {
	c.result.Checks = append(c.result.Checks, Check{
		Scope: ScopeFile, Name: fmt.Sprintf("%q", path), Tag: TagFileDigests, Status: Bad, Message: fmt.Sprintf(format, args...),
	})
}

func (c *archiveCheck) run(plain io.Reader) error {
	algo := c.p.FileDigestAlgo()
	links := lastLinks(c.files)
	archive := cpio.NewReader(plain, PayloadSizes(c.files))
	for {
		e, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		i, ok := int(e.Index), true
		if e.Format != cpio.Stripped {
			i, ok = c.index[recordPath(e.Name)]
		}
		if !ok {
			c.bad(e.Name, "is in the payload but not in the header")
			continue
		}
		f := &c.files[i]
		if c.seen[i] {
			c.bad(f.Path, "is twice in the payload")
		}
		c.seen[i] = true
		if last, ok := links[f.linkID()]; f.IsRegular() && (!ok || last == i || e.Size > 0) {
			if err := c.content(f, e, archive, algo); err != nil {
				return err
			}
		}
	}
	for i := range c.files {
		if !c.seen[i] && !c.files[i].IsGhost() {
			c.bad(c.files[i].Path, "is not in the payload")
		}
	}
	return nil
}

// content checks size and digest of a regular file.
func (c *archiveCheck) content(f *File, e *cpio.Entry, r io.Reader, algo HashAlgo) error {
	if uint64(e.Size) != f.Size {
		c.bad(f.Path, "has %d bytes where the header says %d", e.Size, f.Size)
		return nil
	}
	h := algo.New()
	if f.Digest == "" || h == nil {
		return nil
	}
	if _, err := io.Copy(h, r); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != f.Digest {
		c.bad(f.Path, "%v digest expected %s, is %s", algo, f.Digest, got)
	}
	return nil
}
