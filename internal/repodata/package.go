// Package repodata reads and writes the metadata of RPM repositories: repomd.xml and the primary, filelists,
// filelists-ext and other files it names, their sqlite forms, and the additional files that pass through unchanged.
//
// What is written follows createrepo_c 1.2: the same elements in the same order with the same values, for the same
// headers. Scanning what was written gives equal packages, and appending those gives the same bytes.
package repodata

import (
	"strings"
)

// Dep is one dependency. Flags is "", "LT", "GT", "EQ", "LE" or "GE"; without flags no version is written.
type Dep struct {
	Name, Flags             string
	Epoch, Version, Release string
	Pre                     bool // wanted before the scripts of the package run; requires only
}

// DepKind selects one of the dependency lists of a package.
type DepKind uint8

// The kinds in the order in which primary lists them.
const (
	Provides DepKind = iota
	Requires
	Conflicts
	Obsoletes
	Suggests
	Enhances
	Recommends
	Supplements
	NumDepKinds
)

var depNames = [NumDepKinds]string{
	"provides", "requires", "conflicts", "obsoletes", "suggests", "enhances", "recommends", "supplements",
}

// String returns the element name without its prefix, "provides".
func (k DepKind) String() string { return depNames[k] }

// FileType tells directories and ghosts from the rest.
type FileType uint8

// The file types that filelists can tell apart.
const (
	FileRegular FileType = iota
	FileDir
	FileGhost
)

// String returns "", "dir" or "ghost".
func (t FileType) String() string { return [...]string{"", "dir", "ghost"}[t] }

// File is one file of a package. Dir ends in a slash (or is empty, as in source packages), Base has none.
type File struct {
	Dir, Base string
	Type      FileType
	Digest    string // hex, "" where the header has none
}

// IsPrimary reports whether the path of f belongs into primary.
func (f *File) IsPrimary() bool {
	if strings.HasPrefix(f.Dir, "/etc/") || strings.Contains(f.Dir, "bin/") {
		return true
	}
	if !strings.HasSuffix(f.Dir, "/") || strings.IndexByte(f.Base, '/') >= 0 {
		return IsPrimary(f.Dir + f.Base) // not cut where paths are
	}
	return f.Dir == "/usr/lib/" && f.Base == "sendmail"
}

// IsPrimary reports whether path belongs into primary: below /etc/, with "bin/" anywhere, or sendmail.
func IsPrimary(path string) bool {
	return strings.HasPrefix(path, "/etc/") || path == "/usr/lib/sendmail" || strings.Contains(path, "bin/")
}

// Changelog is one entry; Date is in seconds since 1970.
type Changelog struct {
	Author string
	Date   int64
	Text   string
}

// Package is what the metadata says about one RPM. Times are seconds since 1970, sizes and header offsets bytes.
type Package struct {
	Name, Arch              string
	Epoch, Version, Release string // Epoch is "0" where the header has none

	PkgID        string // hex checksum of the whole file
	ChecksumType string // "sha256"

	Summary, Description, Packager, URL string
	TimeFile, TimeBuild                 int64
	SizePackage                         int64
	SizeInstalled, SizeArchive          int64
	LocationHref, LocationBase          string

	License, Vendor, Group, BuildHost, SourceRPM string
	HeaderStart, HeaderEnd                       int64

	Deps  [NumDepKinds][]Dep
	Files []File
	// PrimaryFiles is what a scanner found in primary; writers take the primary files from Files when it is set.
	PrimaryFiles      []File
	FilesChecksumType string
	Changelogs        []Changelog
}

// NEVRA returns "name-epoch:version-release.arch".
func (p *Package) NEVRA() string {
	epoch := p.Epoch
	if epoch == "" {
		epoch = "0"
	}
	return p.Name + "-" + epoch + ":" + p.Version + "-" + p.Release + "." + p.Arch
}

// NVRA returns "name-version-release.arch".
func (p *Package) NVRA() string {
	return p.Name + "-" + p.Version + "-" + p.Release + "." + p.Arch
}

// Reset empties p and keeps the memory of its lists.
func (p *Package) Reset() {
	deps := p.Deps
	for i := range deps {
		deps[i] = deps[i][:0]
	}
	*p = Package{Deps: deps, Files: p.Files[:0], PrimaryFiles: p.PrimaryFiles[:0], Changelogs: p.Changelogs[:0]}
}
