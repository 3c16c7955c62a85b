package tarmodel

import (
	"encoding/binary"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/varint"
)

// recipeMagic begins every recipe; the digit is the version of the format.
const recipeMagic = "weld-tar 1\n"

// name is one element of the universe: what an entry may be called without the recipe spelling it.
type name struct {
	path string // directories end in a slash
	file int32  // number in the tree's files, -1 for a directory
}

// universe lists the files and the directories above them, sorted by bytes, as an archive made from a sorted tree has them.
func universe(files []File) []name {
	names := make([]name, 0, len(files)+len(files)/8+1)
	names = append(names, name{"", -1}) // the top directory itself
	prev := ""
	for i, f := range files {
		for j := range len(f.Path) {
			if f.Path[j] == '/' && !strings.HasPrefix(prev, f.Path[:j+1]) {
				names = append(names, name{f.Path[:j+1], -1})
			}
		}
		prev = f.Path
		names = append(names, name{f.Path, int32(i)})
	}
	return names
}

// The expected shapes are remembered per kind of name.
const (
	kindDir = iota + 3 // after the three modes of files
	kindOdd
	kinds
)

func kindOf(n name, files []File) int {
	if n.file < 0 {
		return kindDir
	}
	return int(files[n.file].Mode)
}

// Recipe encodes everything that the files of t do not hold.
func (a *Archive) Recipe(t *Tree) []byte {
	out := []byte(recipeMagic)
	out = binary.AppendUvarint(out, uint64(len(a.Entries)))
	out = varint.AppendBlock(out, t.prefix)
	out = append(out, boolByte(t.bareDirs))
	out = a.appendTemplates(out)
	out = a.appendEntries(out, t)
	out = binary.AppendUvarint(out, uint64(len(a.times)))
	for _, v := range a.times {
		out = binary.AppendUvarint(out, v)
	}
	out = binary.AppendUvarint(out, uint64(len(t.Extra)))
	for _, h := range t.Extra {
		out = append(out, h[:]...)
	}
	out = binary.AppendUvarint(out, uint64(len(a.pads)))
	for _, p := range a.pads {
		out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(p.entry)), uint64(p.block))
		out = varint.AppendBlock(out, p.data)
	}
	out = binary.AppendUvarint(out, uint64(a.zeros))
	return varint.AppendBlock(out, a.tail)
}

func (a *Archive) appendTemplates(out []byte) []byte {
	out = binary.AppendUvarint(out, uint64(len(a.bodies)))
	for _, pieces := range a.bodies {
		out = encodePieces(out, pieces)
	}
	out = binary.AppendUvarint(out, uint64(len(a.templates)))
	for i := range a.templates {
		t := &a.templates[i]
		out = append(out, t.name, t.size, t.mtime, t.link, t.sum)
		out = varint.AppendBlock(out, t.middle)
		out = binary.AppendUvarint(out, uint64(t.body+1))
		out = varint.AppendBlock(out, sparse(t.block[:]))
	}
	out = binary.AppendUvarint(out, uint64(len(a.shapes)))
	for _, ids := range a.shapes {
		out = binary.AppendUvarint(out, uint64(len(ids)))
		for _, id := range ids {
			out = binary.AppendUvarint(out, uint64(id))
		}
	}
	return out
}

// sparse writes a block as (zeros, length, bytes) repeated.
func sparse(block []byte) []byte {
	var out []byte
	for len(block) > 0 {
		n := 0
		for n < len(block) && block[n] == 0 {
			n++
		}
		m := n
		for m < len(block) && block[m] != 0 {
			m++
		}
		if m == n {
			break
		}
		out = varint.AppendBlock(binary.AppendUvarint(out, uint64(n)), block[n:m])
		block = block[m:]
	}
	return out
}

// appendEntries writes the columns: names, shapes, times, links, contents. Every column is a difference from what the
// entries before it lead to expect.
func (a *Archive) appendEntries(out []byte, t *Tree) []byte {
	names := universe(t.Files)
	index := make(map[string]int, len(names))
	for i, n := range names {
		index[n.path] = i
	}
	contents := newContentCoder(t)
	var cols [columns]runs
	var spelled, links []string
	var expect [kinds]int32
	next, mtime := 0, int64(0)
	for i := range a.Entries {
		e := &a.Entries[i]
		n, odd := t.find(e, names, index)
		kind := kindOdd
		if odd {
			cols[colName].add(1)
			spelled = append(spelled, e.Name)
		} else {
			// 0 is the next name; a jump of d is coded above the mark for a spelled name.
			if d := zigzag(int64(n - next)); d == 0 {
				cols[colName].add(0)
			} else {
				cols[colName].add(d + 1)
			}
			next = n + 1
			kind = kindOf(names[n], t.Files)
		}
		cols[colShape].add(shapeCode(e.shape, &expect[kind]))
		cols[colMTime].add(zigzag(e.MTime - mtime))
		mtime = e.MTime
		inPlace := !odd && names[n].file >= 0
		if isLink(e.Type) {
			code, text := linkCode(e, t, index, inPlace && t.Files[names[n].file] == File{names[n].path, Symlink, e.Hash})
			cols[colLink].add(code)
			if text {
				links = append(links, e.Link)
			}
		}
		if mayHaveContent(e.Type) {
			code := uint64(0)
			if !inPlace || t.Files[names[n].file].Hash != e.Hash {
				code = contents.code(e.Hash)
			}
			cols[colContent].add(code)
		}
	}
	for i := range cols {
		out = varint.AppendBlock(out, cols[i].bytes())
	}
	out = appendStrings(out, spelled)
	return appendStrings(out, links)
}

const (
	colName = iota
	colShape
	colMTime
	colLink
	colContent
	columns
)

func appendStrings(out []byte, list []string) []byte {
	out = binary.AppendUvarint(out, uint64(len(list)))
	for _, s := range list {
		out = varint.AppendBlock(out, s)
	}
	return out
}

// shapeCode is 0 for the shape that the kind had last, else the number of the shape plus one.
func shapeCode(shape int32, expect *int32) uint64 {
	if *expect == shape {
		return 0
	}
	*expect = shape
	return uint64(shape) + 1
}

// find gives the number of the name of e in the universe, or says that the recipe has to spell it.
func (t *Tree) find(e *Entry, names []name, index map[string]int) (int, bool) {
	path, ok := strings.CutPrefix(e.Name, t.prefix)
	if !ok {
		return 0, true
	}
	if t.bareDirs && e.Type == '5' {
		path += "/"
	} else if t.bareDirs && strings.HasSuffix(path, "/") {
		return 0, true
	}
	i, ok := index[path]
	return i, !ok
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// linkCode says where the target of a link comes from: 0 the file itself (a symbolic link in place), 1 spelled out,
// 2+n the n-th file of the tree below the prefix.
func linkCode(e *Entry, t *Tree, index map[string]int, inPlace bool) (code uint64, text bool) {
	if e.Type == '2' && inPlace {
		return 0, false
	}
	if path, ok := strings.CutPrefix(e.Link, t.prefix); ok && e.Type == '1' {
		if i, ok := index[path]; ok {
			return uint64(i) + 2, false
		}
	}
	return 1, true
}

// contentCoder says where a content that is not in its place comes from: 1 none, 2+n the n-th extra, then the files.
type contentCoder map[Hash]int

func newContentCoder(t *Tree) contentCoder {
	c := make(contentCoder, len(t.Extra))
	for i, h := range t.Extra {
		c[h] = i
	}
	for i := range t.Files {
		if _, ok := c[t.Files[i].Hash]; !ok {
			c[t.Files[i].Hash] = len(t.Extra) + i
		}
	}
	return c
}

func (c contentCoder) code(h Hash) uint64 {
	if i, ok := c[h]; ok {
		return uint64(i) + 2
	}
	return 1
}
