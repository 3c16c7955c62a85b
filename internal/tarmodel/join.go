package tarmodel

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/varint"
)

// Contents gives the bytes that the tree and the recipe name.
type Contents interface {
	// Open returns the size and the bytes of a blob.
	Open(Hash) (int64, io.ReadCloser, error)
}

// model is a decoded recipe.
type model struct {
	entries     int
	prefix      string
	bareDirs    bool
	templates   []template
	bodies      [][]piece
	shapes      [][]int32
	cols        [columns]runReader
	spelled     []string
	links       []string
	times       []uint64
	extra       []Hash
	pads        []pad
	zeros       uint64
	tail        []byte
	files       []File
	names       []name
	contents    Contents
	next        int
	mtime       int64
	expect      [kinds]int32
	w           *bufio.Writer
	block       [blockSize]byte
	body        bytes.Buffer
	pastSpelled int
	pastLinks   int
	pastPads    int
}

// Join writes the archive that recipe makes of files (sorted by path, as Split's Tree had them).
func Join(recipe []byte, files []File, contents Contents, w io.Writer) error {
	m, err := decodeRecipe(recipe)
	if err != nil {
		return err
	}
	m.files, m.names, m.contents = files, universe(files), contents
	m.w = bufio.NewWriterSize(w, 1<<18)
	for i := range m.entries {
		if err := m.member(i); err != nil {
			return fmt.Errorf("member %d: %w", i, err)
		}
	}
	if err := m.writeZeros(m.zeros); err != nil {
		return err
	}
	if _, err := m.w.Write(m.tail); err != nil {
		return err
	}
	return m.w.Flush()
}

// Extra returns the blobs that a recipe needs beside the tree.
func Extra(recipe []byte) ([]Hash, error) {
	m, err := decodeRecipe(recipe)
	if err != nil {
		return nil, err
	}
	return m.extra, nil
}

func decodeRecipe(recipe []byte) (*model, error) {
	rest, ok := bytes.CutPrefix(recipe, []byte(recipeMagic))
	if !ok {
		return nil, fmt.Errorf("%w: no %q at the start", errRecipe, strings.TrimSpace(recipeMagic))
	}
	d := varint.NewReader(rest)
	m := &model{}
	entries := d.Uint()
	if entries > defaultMany*10 {
		return nil, errRecipe
	}
	m.entries = int(entries)
	m.prefix = d.Text()
	m.bareDirs = d.Byte() == 1
	m.decodeTemplates(&d)
	for i := range m.cols {
		m.cols[i].in = varint.NewReader(d.Block())
	}
	m.spelled, m.links = readTexts(&d), readTexts(&d)
	m.times = make([]uint64, d.Count(1))
	for i := range m.times {
		m.times[i] = d.Uint()
	}
	m.extra = make([]Hash, d.Count(len(Hash{})))
	for i := range m.extra {
		copy(m.extra[i][:], d.Bytes(len(Hash{})))
	}
	for range d.Count(3) {
		m.pads = append(m.pads, pad{int(d.Uint()), int(d.Uint()), d.Block()})
	}
	m.zeros, m.tail = d.Uint(), d.Block()
	if d.Bad() || len(d.Rest()) > 0 || m.zeros > defaultSize {
		return nil, errRecipe
	}
	return m, nil
}

func readTexts(d *varint.Reader) []string {
	list := make([]string, d.Count(1))
	for i := range list {
		list[i] = d.Text()
	}
	return list
}

func (m *model) decodeTemplates(d *varint.Reader) {
	m.bodies = make([][]piece, d.Count(1))
	for i := range m.bodies {
		m.bodies[i] = make([]piece, d.Count(2))
		for j := range m.bodies[i] {
			m.bodies[i][j] = piece{kind: d.Byte(), text: d.Text()}
		}
	}
	for range d.Count(8) {
		t := template{name: d.Byte(), size: d.Byte(), mtime: d.Byte(), link: d.Byte(), sum: d.Byte(), middle: d.Text()}
		body := d.Uint()
		if body > uint64(len(m.bodies)) || !readSparse(d.Block(), t.block[:]) {
			d.Fail()
			return
		}
		t.body = int32(body) - 1
		m.templates = append(m.templates, t)
	}
	m.shapes = make([][]int32, d.Count(2))
	for i := range m.shapes {
		m.shapes[i] = make([]int32, d.Count(1))
		for j := range m.shapes[i] {
			id := d.Uint()
			if id >= uint64(len(m.templates)) {
				d.Fail()
				return
			}
			m.shapes[i][j] = int32(id)
		}
		if len(m.shapes[i]) == 0 {
			d.Fail()
			return
		}
	}
}

// readSparse fills a block with what sparse wrote.
func readSparse(b, block []byte) bool {
	in := varint.NewReader(b)
	for len(in.Rest()) > 0 {
		skip, data := in.Uint(), in.Block()
		if skip > uint64(len(block)) || uint64(len(data)) > uint64(len(block))-skip {
			return false
		}
		copy(block[skip:], data)
		block = block[int(skip)+len(data):]
	}
	return !in.Bad()
}

// member writes one member.
func (m *model) member(i int) error {
	var f fields
	at, err := m.readName(&f)
	if err != nil {
		return err
	}
	kind := kindOdd
	if at >= 0 {
		kind = kindOf(m.names[at], m.files)
	}
	shape, err := m.readShape(kind)
	if err != nil {
		return err
	}
	m.mtime += unzigzag(m.cols[colMTime].next())
	f.mtime = m.mtime
	typ := m.templates[shape[len(shape)-1]].block[offType]
	if (typ == 0 || typ == '0') && strings.HasSuffix(f.name, "/") {
		typ = '5'
	}
	var content io.ReadCloser
	switch {
	case isLink(typ):
		f.link, err = m.readLink(at)
	case mayHaveContent(typ):
		content, f.size, err = m.readContent(at)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", f.name, err)
	}
	if content != nil {
		defer content.Close()
	}
	if err := m.writeHeaders(i, shape, f); err != nil {
		return fmt.Errorf("%q: %w", f.name, err)
	}
	if content == nil {
		return nil
	}
	n, err := io.Copy(m.w, content)
	if err != nil {
		return fmt.Errorf("%q: %w", f.name, err)
	}
	if n != f.size {
		return fmt.Errorf("%q: content of %d bytes where %d are due", f.name, n, f.size)
	}
	return m.writePadding(n, i, len(shape))
}

// readName reads the next name; at is its number in the universe, -1 for a spelled one.
func (m *model) readName(f *fields) (at int, err error) {
	code := m.cols[colName].next()
	if code == 1 {
		if m.pastSpelled >= len(m.spelled) {
			return 0, errRecipe
		}
		f.name = m.spelled[m.pastSpelled]
		m.pastSpelled++
		return -1, nil
	}
	at = m.next
	if code > 1 {
		at += int(unzigzag(code - 1))
	}
	if at < 0 || at >= len(m.names) {
		return 0, fmt.Errorf("%w: the tree is another one", errRecipe)
	}
	m.next = at + 1
	f.name = m.prefix + m.names[at].path
	if m.bareDirs {
		f.name = strings.TrimSuffix(f.name, "/")
	}
	return at, nil
}

func (m *model) readShape(kind int) ([]int32, error) {
	if code := m.cols[colShape].next(); code > 0 {
		m.expect[kind] = int32(min(code-1, 1<<30))
	}
	shape := m.expect[kind]
	if int(shape) >= len(m.shapes) {
		return nil, errRecipe
	}
	return m.shapes[shape], nil
}

func (m *model) readLink(at int) (string, error) {
	code := m.cols[colLink].next()
	switch {
	case code == 0:
		if at < 0 || m.names[at].file < 0 {
			return "", errRecipe
		}
		size, r, err := m.contents.Open(m.files[m.names[at].file].Hash)
		if err != nil {
			return "", err
		}
		defer r.Close()
		if size > maxBody {
			return "", errRecipe
		}
		b, err := io.ReadAll(r)
		return string(b), err
	case code == 1:
		if m.pastLinks >= len(m.links) {
			return "", errRecipe
		}
		m.pastLinks++
		return m.links[m.pastLinks-1], nil
	case code-2 < uint64(len(m.names)):
		return m.prefix + m.names[code-2].path, nil
	}
	return "", errRecipe
}

func (m *model) readContent(at int) (io.ReadCloser, int64, error) {
	var h Hash
	code := m.cols[colContent].next()
	extra, files := uint64(len(m.extra)), uint64(len(m.files))
	switch {
	case code == 0 && at >= 0 && m.names[at].file >= 0:
		h = m.files[m.names[at].file].Hash
	case code == 1:
		return nil, 0, nil
	case code >= 2 && code-2 < extra:
		h = m.extra[code-2]
	case code >= 2 && code-2-extra < files:
		h = m.files[code-2-extra].Hash
	default:
		return nil, 0, errRecipe
	}
	size, r, err := m.contents.Open(h)
	return r, size, err
}

func (m *model) writeHeaders(i int, shape []int32, f fields) error {
	for n, id := range shape {
		t := &m.templates[id]
		f := f
		m.body.Reset()
		if t.body >= 0 {
			rest, ok := renderBody(&m.body, m.bodies[t.body], f, m.times)
			if !ok {
				return errRecipe
			}
			m.times = rest
			f.size = int64(m.body.Len())
		}
		if !t.render(m.block[:], f) {
			return errRecipe
		}
		if _, err := m.w.Write(m.block[:]); err != nil {
			return err
		}
		if t.body < 0 {
			continue
		}
		if _, err := m.w.Write(m.body.Bytes()); err != nil {
			return err
		}
		if err := m.writePadding(int64(m.body.Len()), i, n); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) writePadding(size int64, entry, block int) error {
	if m.pastPads < len(m.pads) {
		if p := m.pads[m.pastPads]; p.entry == entry && p.block == block {
			m.pastPads++
			_, err := m.w.Write(p.data)
			return err
		}
	}
	return m.writeZeros(uint64(-size & (blockSize - 1)))
}

func (m *model) writeZeros(n uint64) error {
	var zeros [blockSize]byte
	for n > 0 {
		k := min(n, blockSize)
		if _, err := m.w.Write(zeros[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}
