// Package ostree reads and writes OSTree repositories in archive mode.
//
// An object is named by the SHA-256 of what it says, so an object that exists is never written again, and one that
// is read is verified while it is read: the end of the data is reported only when the name matches. Objects
// are written to a staging directory, synchronised, and moved to their place before the reference that reaches them
// moves (Writer). The package takes part in libostree's lock protocol, so both may work on one repository.
//
// The format is libostree's: objects are GVariants in network byte order (serialised here for the few types there
// are), file objects carry a header and a raw deflate stream. Detached metadata and static deltas are kept, not read.
package ostree

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// MaxMetadata is the size in bytes beyond which clients refuse a tree or a commit when they pull it (libostree
// before 2023.4). Nothing larger is written.
const MaxMetadata = 10 << 20

// ErrNotFound says that an object or a reference is not in the repository.
var ErrNotFound = errors.New("not found")

// Checksum is the SHA-256 that names an object.
type Checksum [32]byte

// String gives the checksum as 64 lower case hexadecimal digits.
func (c Checksum) String() string { return hex.EncodeToString(c[:]) }

// IsZero tells whether c is the zero value, which names nothing.
func (c Checksum) IsZero() bool { return c == Checksum{} }

// MarshalText gives the hexadecimal form.
func (c Checksum) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText takes the hexadecimal form.
func (c *Checksum) UnmarshalText(b []byte) (err error) {
	*c, err = ParseChecksum(string(b))
	return err
}

// ParseChecksum takes the 64 hexadecimal digits of a checksum.
func ParseChecksum(s string) (Checksum, error) {
	var c Checksum
	if len(s) != 2*len(c) {
		return c, fmt.Errorf("checksum %.70q: %d digits, want 64", s, len(s))
	}
	if _, err := hex.Decode(c[:], []byte(s)); err != nil {
		return c, fmt.Errorf("checksum %q: %w", s, err)
	}
	return c, nil
}

// Type is the kind of an object.
type Type uint8

// The kinds of objects.
const (
	TypeFile    Type = iota // a regular file or a symbolic link
	TypeDirTree             // the names in a directory
	TypeDirMeta             // owner, mode and extended attributes of a directory
	TypeCommit
)

var extensions = [...]string{".filez", ".dirtree", ".dirmeta", ".commit"}

// String gives libostree's word for the type.
func (t Type) String() string {
	return [...]string{"file", "dirtree", "dirmeta", "commit"}[t]
}

// Object names an object in a repository.
type Object struct {
	Type     Type
	Checksum Checksum
}

// String gives checksum and type, as libostree prints them.
func (o Object) String() string { return o.Checksum.String() + "." + o.Type.String() }

// path is the object's place below objects/.
func (o Object) path() string {
	s := o.Checksum.String()
	return s[:2] + "/" + s[2:] + extensions[o.Type]
}

// parsePath is the inverse of path: fan-out directory and file name.
func parsePath(dir, name string) (Object, bool) {
	for t, ext := range extensions {
		if len(name) == 62+len(ext) && name[62:] == ext {
			sum, err := ParseChecksum(dir + name[:62])
			return Object{Type(t), sum}, err == nil
		}
	}
	return Object{}, false
}

// Modes of files, as in stat(2).
const (
	ModeType    = 0o170000
	ModeRegular = 0o100000
	ModeSymlink = 0o120000
	ModeDir     = 0o040000
)

// Xattr is an extended attribute. The name ends in no NUL.
type Xattr struct {
	Name  string
	Value []byte
}

// FileInfo is what a file object says about a file besides its content.
type FileInfo struct {
	UID, GID, Mode uint32
	Target         string // of a symbolic link
	Xattrs         []Xattr
}

// IsSymlink tells whether the file is a symbolic link.
func (f FileInfo) IsSymlink() bool { return f.Mode&ModeType == ModeSymlink }

// DirMeta is what a tree says about a directory besides its names.
type DirMeta struct {
	UID, GID, Mode uint32
	Xattrs         []Xattr
}

// TreeFile is a file in a directory.
type TreeFile struct {
	Name string
	File Checksum
}

// TreeDir is a directory in a directory.
type TreeDir struct {
	Name string
	Tree Checksum
	Meta Checksum
}

// DirTree is a directory: files and directories, each sorted by name, no name twice.
type DirTree struct {
	Files []TreeFile
	Dirs  []TreeDir
}

// Commit is a snapshot of a tree.
type Commit struct {
	Metadata []byte // a GVariant of type a{sv}, kept as it is; empty for none
	Parent   Checksum
	Subject  string
	Body     string
	Time     uint64 // seconds since 1970
	Tree     Checksum
	Meta     Checksum
	related  []byte
}
