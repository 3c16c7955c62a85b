package ostree

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// appendHeader appends the GVariant (uuuusa(ayay)) of a file: owner, mode, device, target, attributes.
func (f FileInfo) appendHeader(b []byte, prefix int) []byte {
	start := len(b) - prefix
	b = binary.BigEndian.AppendUint32(b, f.UID)
	b = binary.BigEndian.AppendUint32(b, f.GID)
	b = binary.BigEndian.AppendUint32(b, f.Mode)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = append(b, f.Target...)
	b = append(b, 0)
	targetEnd := len(b) - start
	b = appendXattrs(b, f.Xattrs)
	return appendOffsets(b, len(b)-start, []int{targetEnd})
}

// Prefix is what stands before the content in the canonical form of a file object: the length of its header, padding, the header. The
// object's name is the SHA-256 of both, as that of every other object is the SHA-256 of its bytes.
func (f FileInfo) Prefix() []byte {
	b := f.appendHeader(make([]byte, 8, 64+len(f.Target)), 0)
	binary.BigEndian.PutUint32(b, uint32(len(b)-8))
	return b
}

// archiveHeader is what stands before the deflate stream in the repository: the same with the file's size.
func (f FileInfo) archiveHeader(size int64) []byte {
	b := make([]byte, 16, 72+len(f.Target))
	binary.BigEndian.PutUint64(b[8:], uint64(size))
	b = f.appendHeader(b, 8)
	binary.BigEndian.PutUint32(b, uint32(len(b)-8))
	return b
}

// check says what of a file cannot be represented.
func (f FileInfo) check() error {
	switch f.Mode & ModeType {
	case ModeRegular:
		if f.Target != "" {
			return errors.New("regular file with a link target")
		}
	case ModeSymlink:
		if strings.ContainsRune(f.Target, 0) {
			return errors.New("link target with a NUL")
		}
	default:
		return fmt.Errorf("mode %#o is neither a regular file nor a symbolic link", f.Mode)
	}
	for i, x := range f.Xattrs {
		if x.Name == "" || strings.ContainsRune(x.Name, 0) || i > 0 && f.Xattrs[i-1].Name >= x.Name {
			return fmt.Errorf("extended attribute %q: names must be sorted and unlike", x.Name)
		}
	}
	return nil
}

// Checksum gives the name of a file object with this content.
func (f FileInfo) Checksum(content []byte) Checksum {
	h := sha256.New()
	h.Write(f.Prefix())
	h.Write(content)
	return Checksum(h.Sum(nil))
}

// parseArchiveHeader reads the GVariant (tuuuusa(ayay)).
func parseArchiveHeader(b []byte) (f FileInfo, size int64, err error) {
	t := newTuple(b, 1)
	n := t.uint64()
	if f, err = f.parse(t); err == nil && n > 1<<62 {
		err = fmt.Errorf("file header: size %d", n)
	}
	return f, int64(n), err
}

// parseFileHeader reads the GVariant (uuuusa(ayay)).
func parseFileHeader(b []byte) (f FileInfo, err error) { return f.parse(newTuple(b, 1)) }

func (f FileInfo) parse(t *tuple) (FileInfo, error) {
	f.UID, f.GID, f.Mode = t.uint32(), t.uint32(), t.uint32()
	rdev := t.uint32()
	f.Target = t.string(t.framed(0))
	xattrs, err := parseXattrs(t.rest())
	switch {
	case t.err != nil:
		err = t.err
	case err == nil && rdev != 0:
		err = fmt.Errorf("device %d", rdev)
	case err == nil:
		f.Xattrs = xattrs
		err = f.check()
	}
	if err != nil {
		return f, fmt.Errorf("file header: %w", err)
	}
	return f, nil
}

// Marshal gives the object's bytes, a GVariant of type (uuua(ayay)).
func (m DirMeta) Marshal() []byte {
	b := binary.BigEndian.AppendUint32(nil, m.UID)
	b = binary.BigEndian.AppendUint32(b, m.GID)
	b = binary.BigEndian.AppendUint32(b, m.Mode)
	return appendXattrs(b, m.Xattrs)
}

// ParseDirMeta reads what Marshal writes.
func ParseDirMeta(b []byte) (m DirMeta, err error) {
	t := newTuple(b, 0)
	m.UID, m.GID, m.Mode = t.uint32(), t.uint32(), t.uint32()
	xattrs := t.rest()
	if t.err != nil {
		return m, fmt.Errorf("dirmeta: %w", t.err)
	}
	if m.Mode&ModeType != ModeDir {
		return m, fmt.Errorf("dirmeta: mode %#o is no directory", m.Mode)
	}
	if m.Xattrs, err = parseXattrs(xattrs); err != nil {
		return m, fmt.Errorf("dirmeta: %w", err)
	}
	return m, nil
}

// ValidName tells whether a tree can hold a file of this name.
func ValidName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00") && utf8.ValidString(name)
}

// Marshal gives the object's bytes, a GVariant of type (a(say)a(sayay)).
func (d DirTree) Marshal() []byte {
	b := make([]byte, 0, 48*(len(d.Files)+2*len(d.Dirs)))
	var ends []int
	for _, f := range d.Files {
		member := len(b)
		b = append(append(b, f.Name...), 0)
		nameEnd := len(b) - member
		b = append(b, f.File[:]...)
		b = appendOffsets(b, len(b)-member, []int{nameEnd})
		ends = append(ends, len(b))
	}
	b = appendArray(b, 0, ends)
	filesEnd := len(b)
	ends = ends[:0]
	for _, f := range d.Dirs {
		member := len(b)
		b = append(append(b, f.Name...), 0)
		nameEnd := len(b) - member
		b = append(b, f.Tree[:]...)
		treeEnd := len(b) - member
		b = append(b, f.Meta[:]...)
		b = appendOffsets(b, len(b)-member, []int{treeEnd, nameEnd})
		ends = append(ends, len(b)-filesEnd)
	}
	b = appendArray(b, filesEnd, ends)
	return appendOffsets(b, len(b), []int{filesEnd})
}

// Sort brings the names into the order that the format demands.
func (d DirTree) Sort() {
	slices.SortFunc(d.Files, func(a, b TreeFile) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(d.Dirs, func(a, b TreeDir) int { return strings.Compare(a.Name, b.Name) })
}

// File finds a file by its name.
func (d DirTree) File(name string) (Checksum, bool) {
	i, ok := slices.BinarySearchFunc(d.Files, name, func(f TreeFile, n string) int { return strings.Compare(f.Name, n) })
	if !ok {
		return Checksum{}, false
	}
	return d.Files[i].File, true
}

// Dir finds a directory by its name.
func (d DirTree) Dir(name string) (TreeDir, bool) {
	i, ok := slices.BinarySearchFunc(d.Dirs, name, func(f TreeDir, n string) int { return strings.Compare(f.Name, n) })
	if !ok {
		return TreeDir{}, false
	}
	return d.Dirs[i], true
}

func (d DirTree) check() error {
	names := make(map[string]bool, len(d.Files))
	last := ""
	for _, f := range d.Files {
		if !ValidName(f.Name) || f.Name <= last {
			return fmt.Errorf("dirtree: file name %q is invalid or not in order", f.Name)
		}
		last = f.Name
		names[f.Name] = true
	}
	last = ""
	for _, f := range d.Dirs {
		if !ValidName(f.Name) || f.Name <= last || names[f.Name] {
			return fmt.Errorf("dirtree: directory name %q is invalid, double or not in order", f.Name)
		}
		last = f.Name
	}
	return nil
}

// ParseDirTree reads what Marshal writes. Names are checked: none leads out of its directory.
func ParseDirTree(b []byte) (d DirTree, err error) {
	t := newTuple(b, 1)
	files, ferr := splitArray(t.framed(0))
	dirs, derr := splitArray(t.rest())
	if err := errors.Join(t.err, ferr, derr); err != nil {
		return d, fmt.Errorf("dirtree: %w", err)
	}
	d.Files = make([]TreeFile, 0, len(files))
	for _, m := range files {
		t := newTuple(m, 1)
		f := TreeFile{Name: t.string(t.framed(0))}
		f.File = t.checksum(t.rest())
		if t.err != nil {
			return d, fmt.Errorf("dirtree: file %q: %w", f.Name, t.err)
		}
		d.Files = append(d.Files, f)
	}
	d.Dirs = make([]TreeDir, 0, len(dirs))
	for _, m := range dirs {
		t := newTuple(m, 2)
		f := TreeDir{Name: t.string(t.framed(0))}
		f.Tree = t.checksum(t.framed(1))
		f.Meta = t.checksum(t.rest())
		if t.err != nil {
			return d, fmt.Errorf("dirtree: directory %q: %w", f.Name, t.err)
		}
		d.Dirs = append(d.Dirs, f)
	}
	return d, d.check()
}

// Marshal gives the object's bytes, a GVariant of type (a{sv}aya(say)sstayay).
func (c Commit) Marshal() []byte {
	b := bytes.Clone(c.Metadata)
	metaEnd := len(b)
	if !c.Parent.IsZero() {
		b = append(b, c.Parent[:]...)
	}
	parentEnd := len(b)
	b = append(b, c.related...)
	relatedEnd := len(b)
	b = append(append(b, c.Subject...), 0)
	subjectEnd := len(b)
	b = append(append(b, c.Body...), 0)
	bodyEnd := len(b)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint64(b, c.Time)
	b = append(b, c.Tree[:]...)
	treeEnd := len(b)
	b = append(b, c.Meta[:]...)
	return appendOffsets(b, len(b), []int{treeEnd, bodyEnd, subjectEnd, relatedEnd, parentEnd, metaEnd})
}

// ParseCommit reads what Marshal writes. The metadata stays as it is.
func ParseCommit(b []byte) (c Commit, err error) {
	t := newTuple(b, 6)
	c.Metadata = bytes.Clone(t.framed(0))
	if parent := t.framed(1); len(parent) > 0 {
		c.Parent = t.checksum(parent)
	}
	c.related = bytes.Clone(t.framed(2))
	c.Subject = t.string(t.framed(3))
	c.Body = t.string(t.framed(4))
	c.Time = t.uint64()
	c.Tree = t.checksum(t.framed(5))
	c.Meta = t.checksum(t.rest())
	if t.err != nil {
		return c, fmt.Errorf("commit: %w", t.err)
	}
	return c, nil
}
