package tarmodel

import (
	"bytes"
	"strconv"
	"strings"
)

// template is a header block with the modelled fields taken out.
type template struct {
	name, size, mtime, link, sum byte // styles; 0: the block holds the field
	block                        [blockSize]byte
	middle                       string // for namePaxDir
	body                         int32  // number of the body's template, -1 for a block without one
}

// fields are the values of one header.
type fields struct {
	name, link string
	size       int64
	mtime      int64
}

// newTemplate takes what the model can say about block out of it. The result renders to the same block.
func newTemplate(block []byte, f fields, extended bool) template {
	t := template{block: [blockSize]byte(block)}
	if t.name, t.middle = nameStyle(block, f.name, extended); t.name != nameLiteral {
		clear(t.block[offName : offName+lenName])
		if t.name == nameLong || t.name == nameShort || t.name == nameBase {
			clear(t.block[offPrefix : offPrefix+lenPrefix])
		}
	}
	take := func(off, n int, v int64) byte {
		style := numberStyle(block[off:off+n], v)
		if style != 0 {
			clear(t.block[off : off+n])
		}
		return style
	}
	t.size = take(offSize, lenSize, f.size)
	t.mtime = take(offMTime, lenMTime, f.mtime)
	var link [lenLink]byte
	if f.link != "" && copy(link[:], f.link) > 0 && bytes.Equal(link[:], block[offLink:offLink+lenLink]) {
		t.link = 1
		clear(t.block[offLink : offLink+lenLink])
	}
	sum, _ := checksum(block)
	t.sum = take(offChksum, lenChksum, sum)
	return t
}

// render writes the header block that the template makes of f.
func (t *template) render(block []byte, f fields) bool {
	copy(block, t.block[:])
	ok := t.name == nameLiteral || putName(block, f.name, t.name, t.middle)
	put := func(off, n int, v int64, style byte) {
		ok = ok && (style == 0 || putNumber(block[off:off+n], v, style))
	}
	put(offSize, lenSize, f.size, t.size)
	put(offMTime, lenMTime, f.mtime, t.mtime)
	if t.link != 0 {
		clear(block[offLink : offLink+lenLink])
		copy(block[offLink:offLink+lenLink], f.link)
	}
	if t.sum != 0 {
		sum, _ := checksum(block)
		put(offChksum, lenChksum, sum, t.sum)
	}
	return ok
}

// key identifies a template; equal keys render alike.
func (t *template) key() string {
	var b strings.Builder
	b.Grow(blockSize + 16)
	b.Write([]byte{t.name, t.size, t.mtime, t.link, t.sum})
	b.Write(t.block[:])
	b.WriteString(t.middle)
	b.Write([]byte{0, byte(t.body), byte(t.body >> 8), byte(t.body >> 16), byte(t.body >> 24)})
	return b.String()
}

// The ways in which a body template gives a value. The kinds of times take their digits from the stream of times.
const (
	bodyText   = iota // the text itself
	bodyName          // the name
	bodyLink          // the link target
	bodySize          // the size
	bodyMTime         // the time of the entry, then a fraction from the stream
	bodyTime          // seconds relative to the entry, then a fraction, both from the stream
	bodyNameNL        // the whole body is the name and a NUL (GNU 'L')
	bodyLinkNL        // the whole body is the link target and a NUL (GNU 'K')
	bodyNameNo        // the name without a NUL
	bodyLinkNo
	bodyRaw // the text is the whole body
)

// piece is one value of a body template: text stands before it.
type piece struct {
	kind byte
	text string // the key of a record, or the literal
}

// modelBody describes the body of an extended header. Times found are appended to times. literal bodies are one piece.
func modelBody(body []byte, f fields, times []uint64) ([]piece, []uint64) {
	s := string(body)
	switch s {
	case f.name + "\x00":
		return []piece{{kind: bodyNameNL}}, times
	case f.link + "\x00":
		return []piece{{kind: bodyLinkNL}}, times
	case f.name:
		return []piece{{kind: bodyNameNo}}, times
	case f.link:
		if s != "" {
			return []piece{{kind: bodyLinkNo}}, times
		}
	}
	records, err := parsePax(s)
	if err != nil {
		return []piece{{kind: bodyRaw, text: s}}, times
	}
	var pieces []piece
	before := len(times)
	for _, r := range records {
		p := piece{text: r.key}
		switch {
		case r.key == "path" && r.value == f.name:
			p.kind = bodyName
		case r.key == "linkpath" && r.value == f.link:
			p.kind = bodyLink
		case r.key == "size" && r.value == strconv.FormatInt(f.size, 10):
			p.kind = bodySize
		default:
			sec, frac, ok := parseTime(r.value)
			switch {
			case ok && r.key == "mtime" && sec == f.mtime:
				p.kind = bodyMTime
				times = append(times, frac...)
			case ok && (r.key == "mtime" || r.key == "atime" || r.key == "ctime" || r.key == "LIBARCHIVE.creationtime"):
				p.kind = bodyTime
				times = append(append(times, zigzag(sec-f.mtime)), frac...)
			default:
				p.text = r.key + "=" + r.value
			}
		}
		pieces = append(pieces, p)
	}
	var out bytes.Buffer
	if _, ok := renderBody(&out, pieces, f, times[before:]); !ok || out.String() != s {
		return []piece{{text: s, kind: bodyRaw}}, times[:before]
	}
	return pieces, times
}

// renderBody writes the body that pieces make of f and returns the times that it did not use.
func renderBody(w *bytes.Buffer, pieces []piece, f fields, times []uint64) ([]uint64, bool) {
	for _, p := range pieces {
		var value string
		ok := true
		switch p.kind {
		case bodyNameNL:
			w.WriteString(f.name + "\x00")
			continue
		case bodyLinkNL:
			w.WriteString(f.link + "\x00")
			continue
		case bodyNameNo:
			w.WriteString(f.name)
			continue
		case bodyLinkNo:
			w.WriteString(f.link)
			continue
		case bodyRaw:
			w.WriteString(p.text)
			continue
		case bodyText:
			writeRecord(w, p.text)
			continue
		case bodyName:
			value = f.name
		case bodyLink:
			value = f.link
		case bodySize:
			value = strconv.FormatInt(f.size, 10)
		case bodyMTime:
			value, times, ok = formatTime(f.mtime, times)
		case bodyTime:
			if len(times) == 0 {
				return nil, false
			}
			value, times, ok = formatTime(f.mtime+unzigzag(times[0]), times[1:])
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
		writeRecord(w, p.text+"="+value)
	}
	return times, true
}

// writeRecord writes one pax record: its own length in decimal, a blank, key=value and a newline.
func writeRecord(w *bytes.Buffer, kv string) {
	n := len(kv) + 3
	for len(strconv.Itoa(n))+len(kv)+2 != n {
		n = len(strconv.Itoa(n)) + len(kv) + 2
	}
	w.WriteString(strconv.Itoa(n) + " " + kv + "\n")
}

// parseTime splits a pax time into seconds and its fraction: the number of digits and, if any, their value.
func parseTime(s string) (sec int64, frac []uint64, ok bool) {
	whole, digits, dot := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 62)
	if err != nil || sec < 0 || len(digits) > 18 || dot && digits == "" {
		return 0, nil, false
	}
	if !dot {
		return sec, []uint64{0}, true
	}
	v, err := strconv.ParseUint(digits, 10, 63)
	return sec, []uint64{uint64(len(digits)), v}, err == nil
}

func formatTime(sec int64, times []uint64) (string, []uint64, bool) {
	if len(times) == 0 || times[0] > 18 || times[0] > 0 && len(times) < 2 {
		return "", nil, false
	}
	s := strconv.FormatInt(sec, 10)
	if times[0] == 0 {
		return s, times[1:], true
	}
	digits := strconv.FormatUint(times[1], 10)
	if len(digits) > int(times[0]) {
		return "", nil, false
	}
	return s + "." + strings.Repeat("0", int(times[0])-len(digits)) + digits, times[2:], true
}
