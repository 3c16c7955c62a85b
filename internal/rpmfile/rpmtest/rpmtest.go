// Package rpmtest builds small, real RPM packages for tests: what it builds, rpm takes.
//
// A Spec with nothing but a name is a package without files. The same Spec always gives the same bytes.
package rpmtest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// Spec says what a package holds. Zero values are filled in with something that rpm accepts.
type Spec struct {
	Name, Version, Release, Arch string // "test", "1.0", "1", "x86_64"; Arch is the build's for sources too
	Epoch                        uint32 // 0 is left out
	Source                       bool
	Format                       int // 3, 4 (the default) or 6

	Summary, Description, Group string
	Translations                []Translation
	License, URL, Vendor        string
	Packager, BuildHost         string
	SourceRPM                   string // by default made from the name
	BuildTime                   uint32 // 1700000000

	Provides, Requires, Conflicts, Obsoletes    []Dep
	Recommends, Suggests, Supplements, Enhances []Dep
	Scripts                                     []Script
	Triggers                                    []Trigger
	Changelog                                   []Change
	ExclusiveArch, ExcludeArch                  []string
	Files                                       []File
	Long                                        bool // LONGFILESIZES and a stripped payload, which format 6 always has
	Compressor, Flags                           string
	NoPayloadDigest, NoMD5, NoSHA1, NoSHA256    bool
	Reserve                                     int // bytes reserved for signatures

	// Extra may put any further tag into the header, or replace one.
	Extra func(*rpmfile.HeaderWriter)
}

// Translation is the summary, description and group in a locale.
type Translation struct{ Locale, Summary, Description, Group string }

// Dep is a dependency: a name, rpm's flags, and [epoch:]version[-release].
type Dep struct {
	Name    string
	Flags   uint32
	Version string
}

// The flags of a dependency.
const (
	Less    = 1 << 1
	Greater = 1 << 2
	Equal   = 1 << 3
	rpmlib  = 1 << 24
)

// Script is a scriptlet: the tag of its body, its interpreter with arguments, and its body.
type Script struct {
	Tag  rpmfile.Tag // TagPreIn, TagPostIn, …
	Prog []string    // by default /bin/sh
	Body string
}

// Trigger is a script that runs for another package.
type Trigger struct {
	On   Dep
	Kind uint32 // 1<<16 in, 1<<17 un, 1<<18 postun
	Prog string
	Body string
}

// Change is an entry of the changelog.
type Change struct {
	Time         uint32
	Author, Text string
}

// File is one file of a package.
type File struct {
	Path        string
	Mode        uint32 // by default a regular file of 0644
	Body        []byte
	LinkTo      string // makes a symbolic link
	User, Group string // root
	MTime       uint32 // by default the build time
	RDev        uint16
	Link        uint32 // files with the same number above 0 are hard links; all of them have the body
	Flags       rpmfile.FileFlags
	Caps, Lang  string
}

// Write builds the package into a file of dir, under its usual name, and gives its path.
func Write(t testing.TB, dir string, spec Spec) string {
	t.Helper()
	data := Build(t, spec)
	p, err := rpmfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, p.NEVRA().Filename())
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Build builds the package.
func Build(t testing.TB, spec Spec) []byte {
	t.Helper()
	data, err := Encode(spec)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Encode builds the package where there is no test to fail.
func Encode(spec Spec) ([]byte, error) {
	spec.setDefaults()
	archive, err := spec.archive()
	if err != nil {
		return nil, err
	}
	payload, err := compress(archive, spec.Compressor, spec.Flags)
	if err != nil {
		return nil, err
	}
	header, err := spec.header(archive, payload)
	if err != nil {
		return nil, err
	}
	signature, err := spec.signature(header, payload, len(archive))
	if err != nil {
		return nil, err
	}
	return bytes.Join([][]byte{spec.lead(), signature, header, payload}, nil), nil
}

func (s *Spec) setDefaults() {
	set := func(p *string, value string) {
		if *p == "" {
			*p = value
		}
	}
	set(&s.Name, "test")
	set(&s.Version, "1.0")
	set(&s.Release, "1")
	set(&s.Arch, "x86_64")
	set(&s.Summary, "A package for tests")
	set(&s.Description, "Nothing to see here.")
	set(&s.Group, "Unspecified")
	set(&s.License, "MIT")
	set(&s.BuildHost, "localhost")
	set(&s.SourceRPM, s.Name+"-"+s.Version+"-"+s.Release+".src.rpm")
	set(&s.Compressor, "gzip")
	if s.BuildTime == 0 {
		s.BuildTime = 1700000000
	}
	if s.Format == 0 {
		s.Format = 4
	}
	if s.Format == 6 {
		s.Long = true
	}
	for i := range s.Files {
		f := &s.Files[i]
		set(&f.User, "root")
		set(&f.Group, "root")
		switch {
		case f.LinkTo != "" && f.Mode&0o170000 == 0:
			f.Mode |= 0o120777
		case f.Mode == 0:
			f.Mode = 0o100644
		}
		if f.MTime == 0 {
			f.MTime = s.BuildTime
		}
	}
}

// lead makes the first 96 bytes.
func (s *Spec) lead() []byte {
	b := make([]byte, rpmfile.LeadSize)
	binary.BigEndian.PutUint32(b, 0xedabeedb)
	b[4] = 3
	if s.Format == 6 {
		b[4] = 4
	}
	if s.Source {
		b[7] = 1
	}
	b[9], b[77], b[79] = 1, 1, 5
	copy(b[10:75], s.Name+"-"+s.Version+"-"+s.Release)
	return b
}

// signature makes the signature header with its padding: digests, but no signature.
func (s *Spec) signature(header, payload []byte, archiveSize int) ([]byte, error) {
	var w rpmfile.HeaderWriter
	if !s.NoSHA256 {
		sum := sha256.Sum256(header)
		w.PutString(rpmfile.SigSHA256, hex.EncodeToString(sum[:]))
	}
	reserve := rpmfile.SigReservedSpace
	if s.Format == 6 {
		reserve = rpmfile.SigReserved
		w.PutString(rpmfile.SigSHA3, sha3Hex(header))
	} else {
		s.legacy(&w, header, payload, archiveSize)
	}
	if s.Reserve > 0 {
		w.PutBytes(reserve, make([]byte, s.Reserve))
	}
	b, err := w.Bytes(rpmfile.SigHeaderSignatures)
	if err != nil {
		return nil, err
	}
	return append(b, make([]byte, -len(b)&7)...), nil
}

// legacy puts the sizes and digests that format 6 gave up.
func (s *Spec) legacy(w *rpmfile.HeaderWriter, header, payload []byte, archiveSize int) {
	if !s.NoSHA1 {
		sum := sha1.Sum(header)
		w.PutString(rpmfile.SigSHA1, hex.EncodeToString(sum[:]))
	}
	if !s.NoMD5 {
		sum := md5.Sum(bytes.Join([][]byte{header, payload}, nil))
		w.PutBytes(rpmfile.SigMD5, sum[:])
	}
	if s.Long {
		w.PutUint64(rpmfile.SigLongSize, uint64(len(header)+len(payload)))
		w.PutUint64(rpmfile.SigLongArchiveSize, uint64(archiveSize))
		return
	}
	w.PutUint32(rpmfile.SigSize, uint32(len(header)+len(payload)))
	w.PutUint32(rpmfile.SigPayloadSize, uint32(archiveSize))
}

// evr gives [epoch:]version-release.
func (s *Spec) evr() string {
	if s.Epoch == 0 {
		return s.Version + "-" + s.Release
	}
	return fmt.Sprintf("%d:%s-%s", s.Epoch, s.Version, s.Release)
}
