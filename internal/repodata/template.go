package repodata

import (
	"encoding/binary"
	"errors"
)

// TemplateKinds are the files that a Template has elements for.
var TemplateKinds = [...]Kind{Primary, Filelists, Other}

// Template is what primary, filelists and other say of a package, with room for what depends on the file that it comes
// in: files of one package differ by their signatures. Filled in, it gives the bytes that Append gives for the package.
type Template struct {
	TimeBuild int64
	pieces    [numPieces][]byte
}

// Instance is what goes into the room of a template.
type Instance struct {
	PkgID                  string // hex SHA-256 of the file
	Size, Archive          int64  // of the file and of its uncompressed payload, in bytes
	HeaderStart, HeaderEnd int64
	Href, Base             string
}

// The pieces of a template: five of primary, and two of each of the others.
const (
	primaryPieces = 5
	startPieces   = 2
	numPieces     = primaryPieces + 2*startPieces
)

// marks notes where the room of a template begins and ends. A nil *marks notes nothing.
type marks struct {
	at [2 * numPieces]int
	n  int
}

func (m *marks) add(dst []byte) {
	if m != nil {
		m.at[m.n] = len(dst)
		m.n++
	}
}

// Template makes t the template of p, and dst, to which it appends, the memory of t. What an Instance holds is ignored in p.
func (t *Template) Template(dst []byte, p *Package) []byte {
	q := *p
	q.ChecksumType, q.TimeFile = "sha256", p.TimeBuild
	t.TimeBuild = p.TimeBuild
	var m marks
	start := len(dst)
	dst = appendPrimary(dst, &q, &m)
	afterPrimary := len(dst)
	dst = appendFilelists(dst, &q, &m)
	afterFilelists := len(dst)
	dst = appendOther(dst, &q, &m)
	i, from := 0, start
	piece := func(room int, end int) {
		if room >= 0 {
			end = m.at[2*room]
		}
		t.pieces[i] = dst[from:end:end]
		i++
		if room >= 0 {
			from = m.at[2*room+1]
		} else {
			from = end
		}
	}
	for room := range primaryPieces - 1 {
		piece(room, 0)
	}
	piece(-1, afterPrimary)
	piece(primaryPieces-1, 0)
	piece(-1, afterFilelists)
	piece(primaryPieces, 0)
	piece(-1, len(dst))
	return dst
}

// Append appends the element of kind k, one of TemplateKinds, for a file of the package.
func (t *Template) Append(dst []byte, k Kind, f *Instance) []byte {
	p := t.pieces[:]
	switch k {
	case Primary:
		dst = append(dst, p[0]...)
		dst = append(dst, f.PkgID...)
		dst = append(dst, p[1]...)
		dst = appendIntAttr(dst, "package", f.Size)
		dst = append(dst, p[2]...)
		dst = appendIntAttr(dst, "archive", f.Archive)
		dst = append(dst, "/>\n"...)
		dst = AppendLocation(dst, f.Href, f.Base)
		dst = append(dst, p[3]...)
		dst = appendIntAttr(dst, "start", f.HeaderStart)
		dst = appendIntAttr(dst, "end", f.HeaderEnd)
		return append(dst, p[4]...)
	case Filelists:
		p = p[primaryPieces:]
	default:
		p = p[primaryPieces+startPieces:]
	}
	dst = append(dst, p[0]...)
	dst = appendAttr(dst, "pkgid", f.PkgID)
	return append(dst, p[1]...)
}

// AppendBinary appends t in a form that Decode takes.
func (t *Template) AppendBinary(dst []byte) []byte {
	dst = binary.AppendVarint(dst, t.TimeBuild)
	for _, p := range t.pieces {
		dst = binary.AppendUvarint(dst, uint64(len(p)))
	}
	for _, p := range t.pieces {
		dst = append(dst, p...)
	}
	return dst
}

var errTemplate = errors.New("damaged template")

// Decode reads what AppendBinary wrote, all of b, whose memory it keeps.
func (t *Template) Decode(b []byte) error {
	built, n := binary.Varint(b)
	if n <= 0 {
		return errTemplate
	}
	b = b[n:]
	t.TimeBuild = built
	var sizes [numPieces]uint64
	for i := range sizes {
		if sizes[i], n = binary.Uvarint(b); n <= 0 {
			return errTemplate
		}
		b = b[n:]
	}
	for i, size := range sizes {
		if size > uint64(len(b)) {
			return errTemplate
		}
		t.pieces[i], b = b[:size:size], b[size:]
	}
	if len(b) != 0 {
		return errTemplate
	}
	return nil
}
