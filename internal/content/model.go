package content

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/cpio"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// errNoArchive says why a payload cannot be described by a recipe. It is no fault of the package: its payload is kept.
type errNoArchive struct{ reason string }

func (e errNoArchive) Error() string { return e.reason }

func noArchive(format string, args ...any) error { return errNoArchive{fmt.Sprintf(format, args...)} }

// model is what a header lets expect of the archive in the payload. Import and export use the same, so that a recipe holds only
// what differs from it.
type model struct {
	files  []rpmfile.File
	byPath map[string]int // the first file of a path without its first slash
	count  map[linkID]int // of the hard links of a file
	last   map[linkID]int // the hard link that has the content
}

type linkID struct{ device, inode uint32 }

func newModel(files []rpmfile.File) *model {
	m := &model{files: files, byPath: make(map[string]int, len(files)), count: map[linkID]int{}, last: map[linkID]int{}}
	for i := range files {
		f := &files[i]
		if _, ok := m.byPath[pathKey(f.Path)]; !ok {
			m.byPath[pathKey(f.Path)] = i
		}
		if f.IsRegular() && !f.IsGhost() && f.Inode != 0 {
			id := linkID{f.Device, f.Inode}
			m.count[id]++
			m.last[id] = i
		}
	}
	return m
}

// maxEntries bounds the entries of an archive that a recipe describes.
func (m *model) maxEntries() int { return 2*len(m.files) + 1<<10 }

// pathKey is what the names in an archive and the paths in a header have in common.
func pathKey(p string) string {
	return strings.TrimPrefix(strings.TrimPrefix(p, "./"), "/")
}

// next is the file that is expected after a file: ghosts are not in the archive. A recipe may name any number for a file.
func (m *model) next(prev int64) int64 {
	for i := max(prev+1, 0); i < int64(len(m.files)); i++ {
		if !m.files[i].IsGhost() {
			return i
		}
	}
	return int64(len(m.files))
}

func (m *model) has(file int64) bool { return file >= 0 && file < int64(len(m.files)) }

// hardLink tells whether a file is one of several names of the same content.
func (m *model) hardLink(file int64) (linkID, bool) {
	if !m.has(file) {
		return linkID{}, false
	}
	id := linkID{m.files[file].Device, m.files[file].Inode}
	return id, m.files[file].IsRegular() && m.count[id] > 1
}

// expect gives the numbers that an entry of a file should have, but for the file itself.
func (m *model) expect(file int64) (r record) {
	if !m.has(file) {
		return r
	}
	f := &m.files[file]
	r[fieldIno] = int64(f.Inode)
	r[fieldMode] = int64(f.Mode)
	r[fieldNLink] = 1
	r[fieldMTime] = int64(f.MTime)
	r[fieldRDevMajor], r[fieldRDevMinor] = int64(f.RDev>>8), int64(f.RDev&0xff)
	switch id, linked := m.hardLink(file); {
	case linked:
		r[fieldNLink] = int64(m.count[id])
		if m.last[id] == int(file) {
			r[fieldSize] = int64(f.Size)
		}
	case f.IsRegular():
		r[fieldSize] = int64(f.Size)
	case f.IsSymlink():
		r[fieldSize] = int64(len(f.LinkTo))
	}
	return r
}

// find gives the file that an archive's name means.
func (m *model) find(name string, expected int64) int64 {
	key := pathKey(name)
	if m.has(expected) && pathKey(m.files[expected].Path) == key {
		return expected
	}
	if i, ok := m.byPath[key]; ok {
		return int64(i)
	}
	return -1
}

// name is the name in the archive that a file should have.
func (m *model) name(prefix string, file int64) string {
	if !m.has(file) {
		return ""
	}
	return prefix + pathKey(m.files[file].Path)
}

// describer turns the entries of an archive into its description.
type describer struct {
	m         *model
	a         *Archive
	columns   columns
	prev      int64
	hasPrefix bool
	lower     bool  // numbers in lower case have been seen
	offset    int64 // in the archive, behind the last content
}

func newDescriber(m *model) *describer {
	return &describer{m: m, a: &Archive{}, prev: -1}
}

// add describes the next entry and gives the file that it is, -1 for none.
func (d *describer) add(e *cpio.Entry) (file int64, err error) {
	if d.a.Entries >= d.m.maxEntries() {
		return -1, noArchive("cpio: %d entries for %d files", d.a.Entries, len(d.m.files))
	}
	if d.a.Entries == 0 {
		d.a.Format = formatOf(e.Format)
	}
	if !d.a.Upper && !d.lower {
		d.a.Upper, d.lower = letters(e.Raw)
	}
	if formatOf(e.Format) != d.a.Format {
		return -1, noArchive("cpio: entries of the forms %s and %s", d.a.Format, formatOf(e.Format))
	}
	expected := d.m.next(d.prev)
	file = d.m.find(e.Name, expected)
	if e.Format == cpio.Stripped {
		file = int64(e.Index)
	}
	got, want := recordOf(e), d.m.expect(file)
	if e.Format == cpio.Stripped {
		got, want = record{}, record{}
	}
	got[fieldFile], want[fieldFile] = file, expected
	d.columns.add(got, want)
	if err := d.name(e, file); err != nil {
		return -1, err
	}
	if err := d.prove(e, got); err != nil {
		return -1, err
	}
	d.prev = file
	d.a.Entries++
	d.offset = e.Offset + int64(len(e.Raw)) + e.Size
	return file, nil
}

func (d *describer) name(e *cpio.Entry, file int64) error {
	if e.Format == cpio.Stripped {
		return nil
	}
	if !d.hasPrefix && d.m.has(file) {
		if p := strings.TrimSuffix(e.Name, pathKey(d.m.files[file].Path)); p == "./" || p == "/" {
			d.a.Prefix = p
		}
		d.hasPrefix = true
	}
	if e.Name != d.m.name(d.a.Prefix, file) {
		if len(d.a.Names) > 1<<16 {
			return noArchive("cpio: more than %d names that are not in the header", 1<<16)
		}
		d.a.Names = append(d.a.Names, Name{d.a.Entries, []byte(e.Name)})
	}
	return nil
}

// prove compares the entry with what an export would write for it.
func (d *describer) prove(e *cpio.Entry, r record) error {
	pad := make([]byte, -d.offset&3)
	if !bytes.Equal(e.Pad, pad) {
		return noArchive("cpio: entry %d at %d: %d bytes of padding that are not rpm's", d.a.Entries, e.Offset, len(e.Pad))
	}
	if again := d.a.appendEntry(nil, r, e.Name); !bytes.Equal(again, e.Raw) {
		return noArchive("cpio: entry %d at %d is not spelled as usual", d.a.Entries, e.Offset)
	}
	return nil
}

// finish describes the end of the archive: the trailer and what follows it.
func (d *describer) finish(trailer *cpio.Entry, rest []byte) error {
	var tail []byte
	if trailer != nil {
		tail = append(append(append(tail, trailer.Pad...), trailer.Raw...), rest...)
	}
	if !bytes.Equal(tail, d.a.usualTail(d.offset)) {
		d.a.Tail, d.a.NoTail = tail, len(tail) == 0
	}
	d.a.Columns = d.columns.pack()
	return nil
}

// usualTail is the trailer that rpm writes at an offset, with padding before and after it.
func (a *Archive) usualTail(offset int64) []byte {
	b := make([]byte, -offset&3)
	plain := Archive{Format: "070701", Upper: a.Upper}
	if a.Format == "070702" {
		plain.Format = a.Format
	}
	return plain.appendEntry(b, record{fieldNLink: 1}, "TRAILER!!!")
}

const newc, crc, stripped = "070701", "070702", "07070X"

func formatOf(f cpio.Format) string {
	return [...]string{cpio.Newc: newc, cpio.CRC: crc, cpio.Stripped: stripped}[f]
}

func letters(raw []byte) (upper, lower bool) {
	numbers := raw[len(newc):min(len(raw), 110)]
	return bytes.ContainsAny(numbers, "ABCDEF"), bytes.ContainsAny(numbers, "abcdef")
}

func recordOf(e *cpio.Entry) record {
	return record{
		fieldIno: int64(e.Inode), fieldMode: int64(e.Mode), fieldUID: int64(e.UID), fieldGID: int64(e.GID),
		fieldNLink: int64(e.NLink), fieldMTime: int64(e.MTime), fieldSize: e.Size,
		fieldDevMajor: int64(e.DevMajor), fieldDevMinor: int64(e.DevMinor),
		fieldRDevMajor: int64(e.RDevMajor), fieldRDevMinor: int64(e.RDevMinor), fieldCheck: int64(e.Check),
	}
}

// appendEntry appends an entry as export writes it, with name and padding.
func (a *Archive) appendEntry(b []byte, r record, name string) []byte {
	start := len(b)
	b = append(b, a.Format...)
	if a.Format == stripped {
		b = appendNumber(b, r[fieldFile], a.Upper)
		return append(b, 0, 0)
	}
	for f := fieldIno; f <= fieldRDevMinor; f++ {
		b = appendNumber(b, r[f], a.Upper)
	}
	b = appendNumber(b, int64(len(name)+1), a.Upper)
	b = appendNumber(b, r[fieldCheck], a.Upper)
	b = append(append(b, name...), 0)
	for (len(b)-start)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func appendNumber(b []byte, n int64, upper bool) []byte {
	digits := "0123456789abcdef"
	if upper {
		digits = "0123456789ABCDEF"
	}
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[n>>shift&15])
	}
	return b
}
