package rpmfile

import (
	"fmt"
	"io/fs"
	"math"
	"strings"
)

// File is one file of a package as the header tells it. What a header does not hold is zero.
type File struct {
	Path        string // as stored: absolute in binary packages, a bare name in source packages
	Mode        uint32 // st_mode with the file type
	Size        uint64 // in bytes
	Digest      string // hexadecimal, by the header's digest algorithm; empty where there is no content
	LinkTo      string // the target of a symbolic link
	User, Group string
	MTime       uint32 // seconds since 1970
	RDev        uint16 // of a device, in the old 8:8 encoding
	Device      uint32
	Inode       uint32 // files with the same inode and device are hard links of one another
	Flags       FileFlags
	VerifyFlags uint32
	Caps        string // in the text form of cap_to_text
	Lang        string
	Color       uint32
	Signature   string // IMA, hexadecimal
}

// FileFlags are rpm's attributes of a file.
type FileFlags uint32

// The attributes of a file.
const (
	FileConfig    FileFlags = 1 << 0
	FileDoc       FileFlags = 1 << 1
	FileMissingOK FileFlags = 1 << 3
	FileNoReplace FileFlags = 1 << 4
	FileSpec      FileFlags = 1 << 5
	FileGhost     FileFlags = 1 << 6
	FileLicense   FileFlags = 1 << 7
	FileReadme    FileFlags = 1 << 8
	FileArtifact  FileFlags = 1 << 12
)

// The file types in a mode.
const (
	modeType    = 0o170000
	modeFIFO    = 0o010000
	modeChar    = 0o020000
	modeDir     = 0o040000
	modeBlock   = 0o060000
	modeRegular = 0o100000
	modeSymlink = 0o120000
	modeSocket  = 0o140000
)

// IsDir says whether the file is a directory.
func (f *File) IsDir() bool { return f.Mode&modeType == modeDir }

// IsRegular says whether the file is a regular file.
func (f *File) IsRegular() bool { return f.Mode&modeType == modeRegular }

// IsSymlink says whether the file is a symbolic link.
func (f *File) IsSymlink() bool { return f.Mode&modeType == modeSymlink }

// IsGhost says whether the package owns the path but holds no file.
func (f *File) IsGhost() bool { return f.Flags&FileGhost != 0 }

// FileMode gives the mode in Go's terms.
func (f *File) FileMode() fs.FileMode {
	m := fs.FileMode(f.Mode & 0o777)
	switch f.Mode & modeType {
	case modeFIFO:
		m |= fs.ModeNamedPipe
	case modeChar:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case modeDir:
		m |= fs.ModeDir
	case modeBlock:
		m |= fs.ModeDevice
	case modeRegular:
	case modeSymlink:
		m |= fs.ModeSymlink
	case modeSocket:
		m |= fs.ModeSocket
	default:
		m |= fs.ModeIrregular
	}
	for bit, mode := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if f.Mode&bit != 0 {
			m |= mode
		}
	}
	return m
}

// Paths gives the paths of the package's files in the header's order.
func (p *Package) Paths() ([]string, error) { return p.Header.paths() }

// maxPath is the longest path of a file in bytes: Linux's PATH_MAX.
const maxPath = 4096

// paths joins directories and base names, or takes the whole names of a v3 package.
func (h *Header) paths() ([]string, error) {
	if !h.Has(TagBaseNames) {
		paths := h.Strings(TagOldFileNames)
		for i, path := range paths {
			if len(path) > maxPath {
				return nil, fmt.Errorf("file %d: path of %d bytes where %d are allowed", i, len(path), maxPath)
			}
		}
		return paths, nil
	}
	dirs, indexes := h.Strings(TagDirNames), h.Uint32s(TagDirIndexes)
	paths := h.Strings(TagBaseNames)
	if len(indexes) != len(paths) {
		return nil, fmt.Errorf("header has %d base names but %d directory indexes", len(paths), len(indexes))
	}
	// Every file has a digest, a size and more beside its base name, so paths take little more than the header, unless it was made to
	// fill the memory of its readers.
	room := 16*len(h.raw) + 1<<20
	for i, base := range paths {
		if int(indexes[i]) >= len(dirs) {
			return nil, fmt.Errorf("file %d (%.200q): directory %d of %d", i, base, indexes[i], len(dirs))
		}
		dir := dirs[indexes[i]]
		n := len(dir) + len(base)
		if n > maxPath {
			return nil, fmt.Errorf("file %d: path of %d bytes where %d are allowed", i, n, maxPath)
		}
		if room -= n; room < 0 {
			return nil, fmt.Errorf("file %d of %d: paths of more than 16 times the header's %d bytes", i, len(paths), len(h.raw))
		}
		paths[i] = dir + base
	}
	return paths, nil
}

// Files gives the package's files in the header's order.
func (p *Package) Files() ([]File, error) {
	h := p.Header
	paths, err := h.paths()
	if err != nil {
		return nil, err
	}
	c := columns{h: h, files: make([]File, len(paths))}
	for i, path := range paths {
		c.files[i].Path = path
	}
	c.numbers(TagFileModes, func(f *File, n uint64) { f.Mode = uint32(n) })
	c.numbers(TagFileSizes, func(f *File, n uint64) { f.Size = n })
	c.numbers(TagLongFileSizes, func(f *File, n uint64) { f.Size = n })
	c.numbers(TagFileMTimes, func(f *File, n uint64) { f.MTime = uint32(n) })
	c.numbers(TagFileRDevs, func(f *File, n uint64) { f.RDev = uint16(n) })
	c.numbers(TagFileDevices, func(f *File, n uint64) { f.Device = uint32(n) })
	c.numbers(TagFileInodes, func(f *File, n uint64) { f.Inode = uint32(n) })
	c.numbers(TagFileFlags, func(f *File, n uint64) { f.Flags = FileFlags(n) })
	c.numbers(TagFileVerifyFlags, func(f *File, n uint64) { f.VerifyFlags = uint32(n) })
	c.numbers(TagFileColors, func(f *File, n uint64) { f.Color = uint32(n) })
	c.strings(TagFileDigests, func(f *File, s string) { f.Digest = s })
	c.strings(TagFileLinkTos, func(f *File, s string) { f.LinkTo = s })
	c.strings(TagFileUserName, func(f *File, s string) { f.User = s })
	c.strings(TagFileGroupName, func(f *File, s string) { f.Group = s })
	c.strings(TagFileCaps, func(f *File, s string) { f.Caps = s })
	c.strings(TagFileLangs, func(f *File, s string) { f.Lang = s })
	c.strings(TagFileSignatures, func(f *File, s string) { f.Signature = s })
	return c.files, c.err
}

// columns spreads the per-file arrays of a header over its files, until one has not one item for each file.
type columns struct {
	h     *Header
	files []File
	err   error
}

func (c *columns) check(tag Tag) (Entry, bool) {
	e, ok := c.h.Find(tag)
	if !ok || c.err != nil {
		return e, false
	}
	if e.Count != len(c.files) {
		c.err = fmt.Errorf("header has %d files but %d items in %v", len(c.files), e.Count, tag)
		return e, false
	}
	return e, true
}

func (c *columns) numbers(tag Tag, set func(*File, uint64)) {
	e, ok := c.check(tag)
	if !ok {
		return
	}
	for i := range c.files {
		set(&c.files[i], c.h.uintAt(e.Type, e.Offset+i*typeSizes[e.Type]))
	}
}

func (c *columns) strings(tag Tag, set func(*File, string)) {
	if _, ok := c.check(tag); !ok {
		return
	}
	for i, s := range c.h.EachString(tag) {
		set(&c.files[i], s)
	}
}

// Base gives the last part of the file's path.
func (f *File) Base() string { return f.Path[strings.LastIndexByte(f.Path, '/')+1:] }

// PayloadSizes gives the function that cpio.NewReader wants for a payload of stripped records: the size in the archive of the
// file with an index. Of hard links only the last has its content.
func PayloadSizes(files []File) func(index uint32) (int64, error) {
	last := lastLinks(files)
	return func(index uint32) (int64, error) {
		if uint64(index) >= uint64(len(files)) {
			return 0, fmt.Errorf("file %d of %d", index, len(files))
		}
		f := &files[index]
		if !f.IsRegular() && !f.IsSymlink() {
			return 0, nil
		}
		if l, ok := last[f.linkID()]; ok && f.IsRegular() && l != int(index) {
			return 0, nil
		}
		if f.Size > math.MaxInt64 {
			return 0, fmt.Errorf("file %d (%q) claims %d bytes", index, f.Path, f.Size)
		}
		return int64(f.Size), nil
	}
}

// linkID tells hard links of one file.
func (f *File) linkID() [2]uint32 { return [2]uint32{f.Device, f.Inode} }

// lastLinks gives the highest index of each hard-linked file.
func lastLinks(files []File) map[[2]uint32]int {
	last := make(map[[2]uint32]int)
	for i := range files {
		if f := &files[i]; f.IsRegular() && !f.IsGhost() && f.Inode != 0 {
			last[f.linkID()] = i
		}
	}
	return last
}
