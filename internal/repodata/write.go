package repodata

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrControl is reported for a package with a character that XML cannot carry; createrepo_c leaves most of
// these out as well.
var ErrControl = errors.New("forbidden control character")

const xmlDecl = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

const (
	nsCommon       = "http://linux.duke.edu/metadata/common"
	nsRPM          = "http://linux.duke.edu/metadata/rpm"
	nsFilelists    = "http://linux.duke.edu/metadata/filelists"
	nsFilelistsExt = "http://linux.duke.edu/metadata/filelists-ext"
	nsOther        = "http://linux.duke.edu/metadata/other"
	nsRepo         = "http://linux.duke.edu/metadata/repo"
)

// Kind is one of the files that hold an element for every package.
type Kind uint8

// The kinds of package files.
const (
	Primary Kind = iota
	Filelists
	FilelistsExt
	Other
	NumKinds
)

var kindNames = [NumKinds]string{"primary", "filelists", "filelists-ext", "other"}

// String returns the type of the record in repomd.xml, "primary".
func (k Kind) String() string { return kindNames[k] }

// AppendHeader appends the start of the file of kind k that holds n packages.
func AppendHeader(dst []byte, k Kind, n int) []byte {
	dst = append(dst, xmlDecl...)
	switch k {
	case Primary:
		dst = append(dst, `<metadata xmlns="`+nsCommon+`" xmlns:rpm="`+nsRPM...)
	case Filelists:
		dst = append(dst, `<filelists xmlns="`+nsFilelists...)
	case FilelistsExt:
		dst = append(dst, `<filelists-ext xmlns="`+nsFilelistsExt...)
	case Other:
		dst = append(dst, `<otherdata xmlns="`+nsOther...)
	}
	dst = append(dst, `" packages="`...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, "\">\n"...)
}

// Footer returns the end of the file of kind k.
func Footer(k Kind) string {
	return [NumKinds]string{"</metadata>", "</filelists>", "</filelists-ext>", "</otherdata>"}[k]
}

// Append appends the element of p for the file of kind k.
func Append(dst []byte, k Kind, p *Package) []byte {
	switch k {
	case Primary:
		return AppendPrimary(dst, p)
	case Filelists:
		return AppendFilelists(dst, p)
	case FilelistsExt:
		return AppendFilelistsExt(dst, p)
	default:
		return AppendOther(dst, p)
	}
}

// AppendPrimary appends the package element of primary.
func AppendPrimary(dst []byte, p *Package) []byte { return appendPrimary(dst, p, nil) }

// appendPrimary marks where the values of an Instance begin and end.
func appendPrimary(dst []byte, p *Package, m *marks) []byte {
	dst = append(dst, "<package type=\"rpm\">\n"...)
	dst = appendElem(dst, "  ", "name", p.Name)
	dst = appendElem(dst, "  ", "arch", p.Arch)
	dst = appendVersion(dst, p)
	dst = append(dst, "  <checksum"...)
	dst = appendAttr(dst, "type", p.ChecksumType)
	dst = append(dst, ` pkgid="YES">`...)
	m.add(dst)
	dst = appendText(dst, p.PkgID)
	m.add(dst)
	dst = append(dst, "</checksum>\n"...)
	dst = appendElem(dst, "  ", "summary", p.Summary)
	dst = appendElem(dst, "  ", "description", p.Description)
	dst = appendElem(dst, "  ", "packager", p.Packager)
	dst = appendElem(dst, "  ", "url", p.URL)
	dst = append(dst, "  <time"...)
	dst = appendIntAttr(dst, "file", p.TimeFile)
	dst = appendIntAttr(dst, "build", p.TimeBuild)
	dst = append(dst, "/>\n  <size"...)
	m.add(dst)
	dst = appendIntAttr(dst, "package", p.SizePackage)
	m.add(dst)
	dst = appendIntAttr(dst, "installed", p.SizeInstalled)
	m.add(dst)
	dst = appendIntAttr(dst, "archive", p.SizeArchive)
	dst = append(dst, "/>\n"...)
	dst = AppendLocation(dst, p.LocationHref, p.LocationBase)
	m.add(dst)
	dst = append(dst, "  <format>\n"...)
	dst = appendElem(dst, "    ", "rpm:license", p.License)
	dst = appendElem(dst, "    ", "rpm:vendor", p.Vendor)
	dst = appendElem(dst, "    ", "rpm:group", p.Group)
	dst = appendElem(dst, "    ", "rpm:buildhost", p.BuildHost)
	dst = appendElem(dst, "    ", "rpm:sourcerpm", p.SourceRPM)
	dst = append(dst, "    <rpm:header-range"...)
	m.add(dst)
	dst = appendIntAttr(dst, "start", p.HeaderStart)
	dst = appendIntAttr(dst, "end", p.HeaderEnd)
	m.add(dst)
	dst = append(dst, "/>\n"...)
	for k := range p.Deps {
		dst = appendDeps(dst, DepKind(k), p.Deps[k])
	}
	if len(p.Files) > 0 {
		for i := range p.Files {
			if f := &p.Files[i]; f.IsPrimary() {
				dst = appendFile(dst, "    ", f, false)
			}
		}
	} else {
		for i := range p.PrimaryFiles {
			dst = appendFile(dst, "    ", &p.PrimaryFiles[i], false)
		}
	}
	return append(dst, "  </format>\n</package>\n"...)
}

// AppendLocation appends the location element of primary with its indentation.
func AppendLocation(dst []byte, href, base string) []byte {
	dst = append(dst, "  <location"...)
	if base != "" {
		if base[0] == '/' {
			base = "file://" + base
		}
		dst = appendAttr(dst, "xml:base", base)
	}
	dst = appendAttr(dst, "href", href)
	return append(dst, "/>\n"...)
}

// AppendFilelists appends the package element of filelists.
func AppendFilelists(dst []byte, p *Package) []byte { return appendFilelists(dst, p, nil) }

func appendFilelists(dst []byte, p *Package, m *marks) []byte {
	dst = appendPackageStart(dst, p, m)
	for i := range p.Files {
		dst = appendFile(dst, "  ", &p.Files[i], false)
	}
	return append(dst, "</package>\n"...)
}

// AppendFilelistsExt appends the package element of filelists-ext, which adds the digests of the files.
func AppendFilelistsExt(dst []byte, p *Package) []byte {
	dst = appendPackageStart(dst, p, nil)
	dst = append(dst, "  <checksum"...)
	dst = appendAttr(dst, "type", p.FilesChecksumType)
	dst = append(dst, "/>\n"...)
	for i := range p.Files {
		dst = appendFile(dst, "  ", &p.Files[i], true)
	}
	return append(dst, "</package>\n"...)
}

// AppendOther appends the package element of other.
func AppendOther(dst []byte, p *Package) []byte { return appendOther(dst, p, nil) }

func appendOther(dst []byte, p *Package, m *marks) []byte {
	dst = appendPackageStart(dst, p, m)
	for i := range p.Changelogs {
		c := &p.Changelogs[i]
		dst = append(dst, "  <changelog"...)
		dst = appendAttr(dst, "author", c.Author)
		dst = appendIntAttr(dst, "date", c.Date)
		dst = append(dst, '>')
		dst = appendText(dst, c.Text)
		dst = append(dst, "</changelog>\n"...)
	}
	return append(dst, "</package>\n"...)
}

func appendPackageStart(dst []byte, p *Package, m *marks) []byte {
	dst = append(dst, "<package"...)
	m.add(dst)
	dst = appendAttr(dst, "pkgid", p.PkgID)
	m.add(dst)
	dst = appendAttr(dst, "name", p.Name)
	dst = appendAttr(dst, "arch", p.Arch)
	dst = append(dst, ">\n"...)
	return appendVersion(dst, p)
}

func appendVersion(dst []byte, p *Package) []byte {
	dst = append(dst, "  <version"...)
	dst = appendAttr(dst, "epoch", p.Epoch)
	dst = appendAttr(dst, "ver", p.Version)
	dst = appendAttr(dst, "rel", p.Release)
	return append(dst, "/>\n"...)
}

func appendElem(dst []byte, indent, name, text string) []byte {
	dst = append(dst, indent...)
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, '>')
	dst = appendText(dst, text)
	dst = append(dst, '<', '/')
	dst = append(dst, name...)
	return append(dst, '>', '\n')
}

func appendIntAttr(dst []byte, name string, n int64) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, '=', '"')
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, '"')
}

func appendDeps(dst []byte, k DepKind, deps []Dep) []byte {
	if len(deps) == 0 {
		return dst
	}
	start := len(dst)
	dst = append(dst, "    <rpm:"...)
	dst = append(dst, k.String()...)
	dst = append(dst, ">\n"...)
	empty := len(dst)
	for i := range deps {
		dst = appendDep(dst, &deps[i], k == Requires)
	}
	if len(dst) == empty {
		dst = append(dst[:start], "    <rpm:"...)
		dst = append(dst, k.String()...)
		return append(dst, "/>\n"...)
	}
	dst = append(dst, "    </rpm:"...)
	dst = append(dst, k.String()...)
	return append(dst, ">\n"...)
}

func appendDep(dst []byte, d *Dep, requires bool) []byte {
	if d.Name == "" {
		return dst
	}
	dst = append(dst, "      <rpm:entry"...)
	dst = appendAttr(dst, "name", d.Name)
	if d.Flags != "" {
		dst = appendAttr(dst, "flags", d.Flags)
		if d.Epoch != "" {
			dst = appendAttr(dst, "epoch", d.Epoch)
		}
		if d.Version != "" {
			dst = appendAttr(dst, "ver", d.Version)
		}
		if d.Release != "" {
			dst = appendAttr(dst, "rel", d.Release)
		}
	}
	if requires && d.Pre {
		dst = append(dst, ` pre="1"`...)
	}
	return append(dst, "/>\n"...)
}

func appendFile(dst []byte, indent string, f *File, digest bool) []byte {
	dst = append(dst, indent...)
	dst = append(dst, "<file"...)
	if f.Type != FileRegular {
		dst = appendAttr(dst, "type", f.Type.String())
	}
	if digest && f.Digest != "" {
		dst = appendAttr(dst, "hash", f.Digest)
	}
	dst = append(dst, '>')
	// A path that is UTF-8 only as a whole must be converted as a whole.
	if needsWhole(f.Dir) || needsWhole(f.Base) {
		dst = appendText(dst, f.Dir+f.Base)
	} else {
		dst = appendText(dst, f.Dir)
		dst = appendText(dst, f.Base)
	}
	return append(dst, "</file>\n"...)
}

func needsWhole(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return true
		}
	}
	return false
}

// Check reports ErrControl with the place when a string of p cannot be written, and ErrTooLarge.
func (p *Package) Check() error {
	fields := [...]struct{ name, value string }{
		{"name", p.Name},
		{"arch", p.Arch},
		{"version", p.Version},
		{"epoch", p.Epoch},
		{"release", p.Release},
		{"summary", p.Summary},
		{"description", p.Description},
		{"url", p.URL},
		{"license", p.License},
		{"vendor", p.Vendor},
		{"group", p.Group},
		{"build host", p.BuildHost},
		{"source rpm", p.SourceRPM},
		{"packager", p.Packager},
		{"location", p.LocationHref},
		{"location base", p.LocationBase},
	}
	for _, f := range fields {
		if unfit(f.value) {
			return fmt.Errorf("%s %q: %w", f.name, f.value, ErrControl)
		}
	}
	for k := range p.Deps {
		for i := range p.Deps[k] {
			d := &p.Deps[k][i]
			if unfit(d.Name) || unfit(d.Epoch) || unfit(d.Version) || unfit(d.Release) {
				return fmt.Errorf("%s %q: %w", DepKind(k), d.Name, ErrControl)
			}
		}
	}
	return errors.Join(p.checkFiles(), p.checkChangelogs())
}

// ErrTooLarge is reported for a package whose files would fill more metadata than a reader takes: many files may share one name of a
// directory in the header, but each has it in the metadata.
var ErrTooLarge = errors.New("the paths of the files are too long together")

// maxPaths bounds the bytes of all paths of a package. A million files take a tenth of it.
const maxPaths = maxFragment / 2

func (p *Package) checkFiles() error {
	paths := 0
	for i := range p.Files {
		f := &p.Files[i]
		if unfit(f.Base) || (i == 0 || f.Dir != p.Files[i-1].Dir) && unfit(f.Dir) {
			return fmt.Errorf("file %q: %w", f.Dir+f.Base, ErrControl)
		}
		if paths += len(f.Dir) + len(f.Base); paths > maxPaths {
			return ErrTooLarge
		}
	}
	return nil
}

func (p *Package) checkChangelogs() error {
	for i := range p.Changelogs {
		if c := &p.Changelogs[i]; unfit(c.Author) || unfit(c.Text) {
			return fmt.Errorf("changelog of %q: %w", c.Author, ErrControl)
		}
	}
	return nil
}
