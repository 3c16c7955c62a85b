// Package tarmodel takes a tar archive apart into the files it holds and a small recipe of everything else, and puts the
// same bytes together again.
//
// The contract: if Split accepts an archive, then Join(Recipe(files), files, contents) equals its bytes. Split refuses with
// ErrUnsupported what it does not model (sparse members, multi-volume archives, damaged headers); the caller then keeps
// the archive as it is.
//
// A recipe holds no file contents, no file names and no link targets that the tree of files already holds. Each header is
// an instance of a template: a 512-byte block whose modelled fields (name, size, time, checksum, link) are filled in from
// the tree. A header that follows no rule is its own template, so that every archive has a recipe and only the odd
// ones pay for it. All numbers are unsigned varints; runs of the expected value cost a few bytes whatever their length.
// A recipe is not compressed: git does that.
package tarmodel

import "errors"

// ErrUnsupported marks an archive that cannot be modelled. The wrapped message says what and where.
var ErrUnsupported = errors.New("not a modelled tar archive")

// Hash is the git object name of a blob (SHA-1).
type Hash [20]byte

// Mode is the kind of a file in the tree.
type Mode byte

// The kinds of files that a git tree can hold.
const (
	Regular Mode = iota
	Executable
	Symlink
)

// File is one leaf of the tree.
type File struct {
	Path string // slash separated, relative, clean
	Mode Mode
	Hash Hash // contents, or the target of a link
}

// Entry is one member of the archive as its headers describe it.
type Entry struct {
	Name  string // as spelled, extended headers applied
	Link  string // as spelled
	Type  byte   // tar's type flag; '0' also stands for the NUL of old archives
	Exec  bool   // any execute bit
	MTime int64  // seconds since 1970
	Size  int64  // bytes of content that follow the header
	Hash  Hash   // of the content, or of the target of a symbolic link

	shape int32
}

const blockSize = 512
