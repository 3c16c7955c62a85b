package tarmodel

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/varint"
)

// Sink takes the contents of the members, in the order of the archive, and the targets of its symbolic links.
type Sink interface {
	// Blob stores size bytes from r and returns their git object name. It must read all of them.
	Blob(size int64, r io.Reader) (Hash, error)
}

// Limits bounds what Split accepts. Zero values stand for the defaults.
type Limits struct {
	Bytes   int64 // of the whole archive, default 64 GiB
	Entries int   // default 2,000,000
}

// maxBody bounds one extended header, maxTail what follows the last member other than zeros.
const (
	maxBody     = 1 << 20
	maxTail     = 1 << 16
	maxHeaders  = 256 << 20 // templates of one archive, so that an archive without rules is kept whole
	defaultSize = 64 << 30
	defaultMany = 2_000_000
)

// Archive is what Split found: the entries, and the model of their headers.
type Archive struct {
	Entries []Entry

	templates []template
	bodies    [][]piece
	shapes    [][]int32 // template numbers of the blocks of a group
	times     []uint64  // of pax bodies
	pads      []pad
	zeros     int64  // zero bytes after the last member
	tail      []byte // what follows them
}

// pad is padding behind a content (or a body) that is not zero.
type pad struct {
	entry int
	block int // of the group; the number of blocks stands for the content
	data  []byte
}

// splitter is the state of Split.
type splitter struct {
	r      *bufio.Reader
	off    int64
	limits Limits
	sink   Sink
	a      *Archive

	templateIDs, bodyIDs, shapeIDs map[string]int32
	modelled                       int // bytes in templates
}

// rawBlock is one header block and its body.
type rawBlock struct {
	block [blockSize]byte
	body  []byte
}

// Split reads a tar archive to its end, hands the contents to sink and returns the model. Errors name the offset in the
// archive; those that wrap ErrUnsupported say that the archive is sound or not, but cannot be modelled.
func Split(r io.Reader, sink Sink, limits Limits) (*Archive, error) {
	if limits.Bytes == 0 {
		limits.Bytes = defaultSize
	}
	if limits.Entries == 0 {
		limits.Entries = defaultMany
	}
	s := &splitter{
		r: bufio.NewReaderSize(r, 1<<18), limits: limits, sink: sink, a: &Archive{},
		templateIDs: map[string]int32{}, bodyIDs: map[string]int32{}, shapeIDs: map[string]int32{},
	}
	for {
		more, err := s.member()
		if err != nil {
			return nil, fmt.Errorf("tar offset %d: %w", s.off, err)
		}
		if !more {
			return s.a, nil
		}
	}
}

// member reads one member with its extended headers, or the end of the archive.
func (s *splitter) member() (more bool, err error) {
	var group []rawBlock
	var e Entry
	var long, longLink string
	var pax []paxRecord
	for {
		var b rawBlock
		n, err := io.ReadFull(s.r, b.block[:])
		if n == 0 && errors.Is(err, io.EOF) && len(group) == 0 {
			return false, nil
		}
		if err != nil {
			return s.end(group, b.block[:n], err)
		}
		if b.block[0] == 0 && allZero(b.block[:]) {
			return s.end(group, b.block[:], nil)
		}
		size, err := checkBlock(b.block[:])
		if err != nil {
			return s.end(group, b.block[:], err)
		}
		s.off += blockSize
		switch b.block[offType] {
		case 'x', 'g', 'L', 'K':
			if b.body, err = s.body(size, len(s.a.Entries), len(group)); err != nil {
				return false, err
			}
			switch b.block[offType] {
			case 'L':
				long = parseString(b.body)
			case 'K':
				longLink = parseString(b.body)
			case 'x':
				if pax, err = parsePax(string(b.body)); err != nil {
					return false, fmt.Errorf("%w: %w", ErrUnsupported, err)
				}
			}
			if group = append(group, b); len(group) > 8 {
				return false, fmt.Errorf("%w: too many extended headers", ErrUnsupported)
			}
			continue
		case 'S', 'M', 'V', 'N', 'D':
			return false, fmt.Errorf("%w: member of type %q", ErrUnsupported, b.block[offType])
		}
		group = append(group, b)
		if e, err = newEntry(b.block[:], long, longLink, pax); err != nil {
			return false, err
		}
		break
	}
	if len(s.a.Entries) >= s.limits.Entries {
		return false, fmt.Errorf("more than %d members", s.limits.Entries)
	}
	if err := s.content(&e, len(group)); err != nil {
		return false, fmt.Errorf("%q: %w", e.Name, err)
	}
	e.shape = s.shape(group, &e)
	s.a.Entries = append(s.a.Entries, e)
	if s.modelled > maxHeaders {
		return false, fmt.Errorf("%w: headers follow no rule", ErrUnsupported)
	}
	return true, nil
}

// checkBlock verifies the checksum of a header and returns its size field.
func checkBlock(block []byte) (size int64, err error) {
	stored, ok := parseNumber(block[offChksum : offChksum+lenChksum])
	unsigned, signed := checksum(block)
	if !ok || stored != unsigned && stored != signed {
		return 0, fmt.Errorf("%w: header checksum is wrong", ErrUnsupported)
	}
	if size, ok = parseNumber(block[offSize : offSize+lenSize]); !ok {
		return 0, fmt.Errorf("%w: size field is not a number", ErrUnsupported)
	}
	return size, nil
}

// newEntry reads a main header under its extended headers.
func newEntry(block []byte, long, longLink string, pax []paxRecord) (Entry, error) {
	e := Entry{
		Name: parseString(block[offName : offName+lenName]),
		Link: parseString(block[offLink : offLink+lenLink]),
		Type: block[offType],
	}
	if e.Type == 0 {
		e.Type = '0'
	}
	if isPOSIX(block) {
		if p := parseString(block[offPrefix : offPrefix+lenPrefix]); p != "" {
			e.Name = p + "/" + e.Name
		}
	}
	if long != "" {
		e.Name = long
	}
	if longLink != "" {
		e.Link = longLink
	}
	e.Size, _ = parseNumber(block[offSize : offSize+lenSize])
	mode, _ := parseNumber(block[offMode : offMode+lenMode])
	e.Exec = mode&0o111 != 0
	e.MTime, _ = parseNumber(block[offMTime : offMTime+lenMTime])
	for _, r := range pax {
		switch {
		case r.key == "path":
			e.Name = r.value
		case r.key == "linkpath":
			e.Link = r.value
		case r.key == "size" || strings.HasPrefix(r.key, "GNU.sparse"):
			return e, fmt.Errorf("%w: pax record %q", ErrUnsupported, r.key)
		}
	}
	if e.Type == '0' && strings.HasSuffix(e.Name, "/") {
		e.Type = '5' // as old archives say it
	}
	if !mayHaveContent(e.Type) {
		e.Size = 0
	}
	if !isLink(e.Type) {
		e.Link = ""
	}
	return e, nil
}

// body reads the body of an extended header and its padding.
func (s *splitter) body(size int64, entry, block int) ([]byte, error) {
	if size > maxBody {
		return nil, fmt.Errorf("%w: extended header of %d bytes", ErrUnsupported, size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(s.r, body); err != nil {
		return nil, unexpected(err)
	}
	s.off += size
	return body, s.padding(size, entry, block)
}

// content hands the content of a member to the sink.
func (s *splitter) content(e *Entry, block int) error {
	var err error
	switch {
	case e.Type == '2':
		e.Hash, err = s.sink.Blob(int64(len(e.Link)), strings.NewReader(e.Link))
		return err
	case e.Size == 0 && e.Type != '0' && e.Type != '7':
		return nil
	}
	if e.Size > s.limits.Bytes-s.off {
		return fmt.Errorf("archive unpacks to more than %d bytes", s.limits.Bytes)
	}
	lr := &io.LimitedReader{R: s.r, N: e.Size}
	if e.Hash, err = s.sink.Blob(e.Size, lr); err != nil {
		return unexpected(err)
	}
	if lr.N != 0 {
		return io.ErrUnexpectedEOF
	}
	s.off += e.Size
	return s.padding(e.Size, len(s.a.Entries), block)
}

// padding reads up to the next block and keeps what is not zero.
func (s *splitter) padding(size int64, entry, block int) error {
	var buf [blockSize]byte
	n := int(-size & (blockSize - 1))
	got, err := io.ReadFull(s.r, buf[:n])
	if err != nil {
		// An archive may end right behind its last content.
		return unexpected(fmt.Errorf("%d bytes of padding missing: %w", n-got, err))
	}
	s.off += int64(n)
	if !allZero(buf[:n]) {
		s.a.pads = append(s.a.pads, pad{entry, block, bytes.Clone(buf[:n])})
	}
	return nil
}

// end reads what follows the last member: zeros, then at most maxTail other bytes. first is the block that was read.
func (s *splitter) end(group []rawBlock, first []byte, cause error) (bool, error) {
	if len(group) > 0 {
		return false, fmt.Errorf("%w: extended header without a member", ErrUnsupported)
	}
	if cause != nil && len(s.a.Entries) == 0 {
		return false, unexpected(cause)
	}
	if cause != nil && len(first) == blockSize {
		return false, cause // a damaged header in the middle
	}
	r := io.MultiReader(bytes.NewReader(first), s.r)
	buf := make([]byte, 1<<15)
	for {
		n, err := r.Read(buf)
		chunk := buf[:n]
		if len(s.a.tail) == 0 {
			for len(chunk) > 0 && chunk[0] == 0 {
				chunk = chunk[1:]
			}
			s.a.zeros += int64(n - len(chunk))
		}
		s.a.tail = append(s.a.tail, chunk...)
		if s.off+s.a.zeros > s.limits.Bytes {
			return false, fmt.Errorf("archive unpacks to more than %d bytes", s.limits.Bytes)
		}
		if len(s.a.tail) > maxTail {
			return false, fmt.Errorf("%w: %d bytes and more behind the end", ErrUnsupported, maxTail)
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// shape finds or makes the shape of a group and appends its times.
func (s *splitter) shape(group []rawBlock, e *Entry) int32 {
	var key []byte
	ids := make([]int32, 0, len(group))
	for i := range group {
		b := &group[i]
		f := fields{name: e.Name, link: e.Link, size: e.Size, mtime: e.MTime}
		extended := i < len(group)-1
		body := int32(-1)
		if extended {
			var pieces []piece
			pieces, s.a.times = modelBody(b.body, f, s.a.times)
			body = intern(s.bodyIDs, string(encodePieces(nil, pieces)), func() { s.a.bodies = append(s.a.bodies, pieces) })
			f.size = int64(len(b.body))
		}
		t := newTemplate(b.block[:], f, extended)
		t.body = body
		id := intern(s.templateIDs, t.key(), func() {
			s.a.templates = append(s.a.templates, t)
			s.modelled += blockSize
		})
		ids = append(ids, id)
		key = binary.AppendUvarint(key, uint64(id))
	}
	return intern(s.shapeIDs, string(key), func() { s.a.shapes = append(s.a.shapes, ids) })
}

func intern(ids map[string]int32, key string, add func()) int32 {
	if id, ok := ids[key]; ok {
		return id
	}
	id := int32(len(ids))
	ids[key] = id
	add()
	return id
}

func encodePieces(out []byte, pieces []piece) []byte {
	out = binary.AppendUvarint(out, uint64(len(pieces)))
	for _, p := range pieces {
		out = varint.AppendBlock(append(out, p.kind), p.text)
	}
	return out
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("archive is cut off: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// IsHeader reports whether a block of 512 bytes can begin a tar archive.
func IsHeader(block []byte) bool {
	if len(block) != blockSize || allZero(block) {
		return false
	}
	_, err := checkBlock(block)
	return err == nil
}

// NewestMTime is the latest time of a member, in seconds since 1970.
func (a *Archive) NewestMTime() int64 {
	var newest int64
	for i := range a.Entries {
		newest = max(newest, a.Entries[i].MTime)
	}
	return newest
}
