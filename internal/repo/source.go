package repo

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// source is a repository that is read: a directory or a URL.
type source struct {
	url    string // as it was given; of a file URL the path
	repomd *repodata.Repomd
	dir    string // of a local repository
	base   *url.URL
	client *http.Client
}

// openSource finds the repository at place, a directory or a file, http or https URL, and reads its repomd.xml.
func openSource(ctx context.Context, place string) (*source, error) {
	s, err := newSource(place)
	if err != nil {
		return nil, err
	}
	f, err := s.open(ctx, RepodataDir+"/repomd.xml")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if s.repomd, err = repodata.ReadRepomd(f); err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	return s, nil
}

// downloadTimeout bounds one file of a remote repository.
const downloadTimeout = time.Hour

func newSource(place string) (*source, error) {
	s := &source{url: place}
	switch scheme, rest, _ := strings.Cut(place, "://"); scheme {
	case "http", "https":
		u, err := url.Parse(normalDir(place))
		if err != nil {
			return nil, err
		}
		s.base = u
		s.client = &http.Client{Timeout: downloadTimeout}
	case "file":
		s.url, s.dir = rest, rest
	case place:
		s.dir = place
	default:
		return nil, fmt.Errorf("%s: scheme %q is not supported", place, scheme)
	}
	return s, nil
}

// open opens a file of the repository by its path within.
func (s *source) open(ctx context.Context, href string) (io.ReadCloser, error) {
	if s.base == nil {
		path := filepath.Join(s.dir, filepath.FromSlash(href))
		if !within(s.dir, path) {
			return nil, fmt.Errorf("%s: location %q leads out of the repository", s.url, href)
		}
		return os.Open(path)
	}
	ref, err := url.Parse(href)
	if err != nil {
		return nil, err
	}
	return s.get(ctx, s.base.ResolveReference(ref).String())
}

func (s *source) get(ctx context.Context, place string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return nil, err
	}
	// Transport would undo a gzip that the file itself is.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %s", place, resp.Status)
	}
	return resp.Body, nil
}

// record opens the file of r as it lies there. Reading past its end fails when its size or checksum is not the promised one.
func (s *source) record(ctx context.Context, r *repodata.Record) (io.ReadCloser, error) {
	h, err := repodata.NewHash(r.Checksum.Type)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", s.url, r.Type, err)
	}
	f, err := s.open(ctx, r.LocationHref)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Type, err)
	}
	return &verified{ReadCloser: f, hash: h, want: r, place: s.url}, nil
}

// verify reads the file of r and reports when it is not the promised one.
func (s *source) verify(ctx context.Context, r *repodata.Record) error {
	f, err := s.record(ctx, r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, f)
	return errors.Join(err, f.Close())
}

// packages opens the uncompressed file of kind k.
func (s *source) packages(ctx context.Context, k repodata.Kind) (io.ReadCloser, error) {
	r := s.repomd.Record(k.String())
	if r == nil {
		return nil, fmt.Errorf("%s: repomd.xml names no %s", s.url, k)
	}
	return s.plain(ctx, r)
}

// plain opens the content of the file of r before compression. It has no clean end unless the whole file is the promised one.
func (s *source) plain(ctx context.Context, r *repodata.Record) (io.ReadCloser, error) {
	f, err := s.record(ctx, r)
	if err != nil {
		return nil, err
	}
	plain, err := repodata.NewReader(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %s: %w", s.url, r.Type, err), f.Close())
	}
	return &unpacked{ReadCloser: plain, file: f}, nil
}

// unpacked reads a compressed file, to the last byte even where the compressed content ends before.
type unpacked struct {
	io.ReadCloser
	file io.ReadCloser
}

func (u *unpacked) Read(b []byte) (int, error) {
	n, err := u.ReadCloser.Read(b)
	if err == io.EOF {
		if _, err := io.Copy(io.Discard, u.file); err != nil {
			return n, err
		}
	}
	return n, err
}

func (u *unpacked) Close() error { return errors.Join(u.ReadCloser.Close(), u.file.Close()) }

// verified gives no clean end of file unless size and checksum hold.
type verified struct {
	io.ReadCloser
	hash  hash.Hash
	size  int64
	want  *repodata.Record
	place string
}

func (v *verified) Read(b []byte) (int, error) {
	n, err := v.ReadCloser.Read(b)
	v.hash.Write(b[:n])
	v.size += int64(n)
	if v.want.Size > 0 && v.size > v.want.Size {
		return n, fmt.Errorf("%s: %s has more than the %d bytes that repomd.xml says", v.place, v.want.LocationHref, v.want.Size)
	}
	if err != io.EOF {
		return n, err
	}
	if v.want.Size > 0 && v.size != v.want.Size {
		return n, fmt.Errorf("%s: %s has %d bytes, repomd.xml says %d", v.place, v.want.LocationHref, v.size, v.want.Size)
	}
	if sum := hex.EncodeToString(v.hash.Sum(nil)); sum != v.want.Checksum.Value {
		return n, fmt.Errorf("%s: %s has another checksum than repomd.xml says", v.place, v.want.LocationHref)
	}
	return n, io.EOF
}

// oldPackage is a package that some metadata describes: what decides about it, and where its elements lie.
type oldPackage struct {
	Name, Arch, Epoch, Version, Release string
	SourceRPM                           string
	PkgID, ChecksumType                 string
	Href, Base                          string
	TimeFile, TimeBuild, Size           int64

	spooled  bool
	elements [repodata.NumKinds]span
}

// NVRA returns "name-version-release.arch".
func (o *oldPackage) NVRA() string { return o.Name + "-" + o.Version + "-" + o.Release + "." + o.Arch }

type span struct {
	at     int64
	length int
}

// spool keeps elements of packages in a file of its own, so that memory holds only what decides about them.
type spool struct {
	file *os.File
	w    *bufio.Writer
	size int64
	buf  []byte
}

// newSpool makes a spool in dir. Its file has no name and goes with its last user.
func newSpool(dir string) (*spool, error) {
	f, err := os.CreateTemp(dir, "spool-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return &spool{file: f, w: bufio.NewWriterSize(f, 1<<20)}, nil
}

func (s *spool) Close() error { return s.file.Close() }

func (s *spool) put(b []byte) (span, error) {
	at := span{at: s.size, length: len(b)}
	n, err := s.w.Write(b)
	s.size += int64(n)
	return at, err
}

// load reads the packages of src in their order, and spools the elements of the given kinds of those that keep wants.
func (s *spool) load(ctx context.Context, src *source, kinds []repodata.Kind, keep func(*repodata.Package) bool) ([]*oldPackage, error) {
	var all []*oldPackage
	// Filelists and other name packages by checksum only; a file that is there twice has two elements in order.
	byID := map[string][]*oldPackage{}
	var p repodata.Package
	err := s.scan(ctx, src, repodata.Primary, &p, func(raw []byte) (err error) {
		old := &oldPackage{
			Name: p.Name, Arch: p.Arch, Epoch: p.Epoch, Version: p.Version, Release: p.Release, SourceRPM: p.SourceRPM,
			PkgID: p.PkgID, ChecksumType: p.ChecksumType, Href: p.LocationHref, Base: p.LocationBase,
			TimeFile: p.TimeFile, TimeBuild: p.TimeBuild, Size: p.SizePackage,
		}
		old.detach()
		if old.spooled = keep(&p); old.spooled {
			if old.elements[repodata.Primary], err = s.put(raw); err != nil {
				return err
			}
		}
		all = append(all, old)
		id := strings.Clone(p.PkgID)
		byID[id] = append(byID[id], old)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, k := range kinds {
		if k == repodata.Primary {
			continue
		}
		if err := s.loadFurther(ctx, src, k, byID); err != nil {
			return nil, err
		}
	}
	for _, old := range all {
		for _, k := range kinds {
			if old.spooled && old.elements[k].length == 0 {
				return nil, fmt.Errorf("%s: package %s has no element in %s", src.url, old.Href, k)
			}
		}
	}
	return all, s.w.Flush()
}

// loadFurther spools the elements of kind k of the packages that primary has, by checksum.
func (s *spool) loadFurther(ctx context.Context, src *source, k repodata.Kind, byID map[string][]*oldPackage) error {
	var p repodata.Package
	next := map[string]int{}
	return s.scan(ctx, src, k, &p, func(raw []byte) (err error) {
		same := byID[p.PkgID]
		i := next[p.PkgID]
		if i >= len(same) {
			return fmt.Errorf("%s: package %s is in %s but not in primary", src.url, p.PkgID, k)
		}
		next[strings.Clone(p.PkgID)]++
		if old := same[i]; old.spooled {
			old.elements[k], err = s.put(raw)
		}
		return err
	})
}

// scan calls f with every element of the file of kind k, whose identity is then in p.
func (s *spool) scan(ctx context.Context, src *source, k repodata.Kind, p *repodata.Package, f func(raw []byte) error) error {
	r, err := src.packages(ctx, k)
	if err != nil {
		return err
	}
	defer r.Close()
	sc := repodata.NewScanner(r, k)
	for {
		if k == repodata.Primary {
			err = sc.Next(p)
		} else if err = sc.NextRaw(); err == nil {
			err = repodata.ParseIdentity(sc.Raw(), p)
		}
		if err == io.EOF {
			// What follows the last package must end as the checksum asks.
			_, err = io.Copy(io.Discard, r)
			return err
		}
		if err == nil {
			err = f(sc.Raw())
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", src.url, err)
		}
	}
}

// get parses the elements of old into p.
func (s *spool) get(old *oldPackage, kinds []repodata.Kind, p *repodata.Package) error {
	p.Reset()
	for _, k := range kinds {
		if k == repodata.Filelists && len(kinds) == int(repodata.NumKinds) {
			continue // filelists-ext has all of it
		}
		at := old.elements[k]
		if cap(s.buf) < at.length {
			s.buf = make([]byte, at.length)
		}
		b := s.buf[:at.length]
		if _, err := s.file.ReadAt(b, at.at); err != nil {
			return err
		}
		if err := repodata.Parse(k, string(b), p); err != nil {
			return fmt.Errorf("%s: %s: %w", old.Href, k, err)
		}
	}
	return nil
}

// detach copies the strings out of the element that they are part of, which would stay in memory with them.
func (o *oldPackage) detach() {
	for _, s := range []*string{
		&o.Name, &o.Arch, &o.Epoch, &o.Version, &o.Release, &o.SourceRPM, &o.PkgID, &o.ChecksumType, &o.Href, &o.Base,
	} {
		*s = strings.Clone(*s)
	}
}
