package repodata

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Checksum is a digest in hex with the name of its algorithm, "sha256".
type Checksum struct {
	Type, Value string
}

// Record describes one metadata file in repomd.xml. A size of -1 is unknown and not written.
type Record struct {
	Type         string // "primary", "group", ...
	Checksum     Checksum
	OpenChecksum Checksum // of the content before compression; the zero value where there is none
	HeaderSum    Checksum // of the header of a zchunk file; the zero value for others
	LocationHref string   // relative to the repository, "repodata/x-primary.xml.gz"
	LocationBase string
	Timestamp    int64 // seconds since 1970
	Size         int64
	OpenSize     int64
	HeaderSize   int64
	DatabaseVer  int // of a record whose type ends in _db
}

// DistroTag names a distribution, with its CPE name or "".
type DistroTag struct {
	CPEID, Name string
}

// Repomd is the content of repomd.xml.
type Repomd struct {
	Revision    string
	RepoID      Checksum // a name and the type of the name
	ContentHash Checksum
	ContentTags []string
	RepoTags    []string
	DistroTags  []DistroTag
	Records     []Record
}

// DatabaseVersion is the version of the sqlite schemas.
const DatabaseVersion = 10

// Record returns the record of the given type, or nil.
func (m *Repomd) Record(typ string) *Record {
	for i := range m.Records {
		if m.Records[i].Type == typ {
			return &m.Records[i]
		}
	}
	return nil
}

// Set puts r in the place of the record of its type, or at the end.
func (m *Repomd) Set(r Record) {
	if old := m.Record(r.Type); old != nil {
		*old = r
		return
	}
	m.Records = append(m.Records, r)
}

// Remove drops the record of the given type and reports whether there was one.
func (m *Repomd) Remove(typ string) bool {
	n := len(m.Records)
	m.Records = slices.DeleteFunc(m.Records, func(r Record) bool { return r.Type == typ })
	return len(m.Records) != n
}

var recordOrder = []string{
	"primary", "filelists", "other", "primary_db", "filelists_db", "other_db", "primary_zck", "filelists_zck", "other_zck",
}

func recordRank(typ string) int {
	if i := slices.Index(recordOrder, typ); i >= 0 {
		return i
	}
	return len(recordOrder)
}

// Sort puts the records into the order of createrepo_c: the package files, their databases, the rest by type.
func (m *Repomd) Sort() {
	slices.SortStableFunc(m.Records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(recordRank(a.Type), recordRank(b.Type)), strings.Compare(a.Type, b.Type),
			strings.Compare(a.LocationHref, b.LocationHref), strings.Compare(a.LocationBase, b.LocationBase))
	})
}

// Append appends m as XML.
func (m *Repomd) Append(dst []byte) []byte {
	dst = append(dst, xmlDecl...)
	dst = append(dst, `<repomd xmlns="`+nsRepo+`" xmlns:rpm="`+nsRPM+`">`+"\n"...)
	dst = appendElem(dst, "  ", "revision", m.Revision)
	dst = appendTyped(dst, "  ", "repoid", m.RepoID)
	dst = appendTyped(dst, "  ", "contenthash", m.ContentHash)
	if len(m.ContentTags)+len(m.RepoTags)+len(m.DistroTags) > 0 {
		dst = append(dst, "  <tags>\n"...)
		for _, tag := range m.ContentTags {
			dst = appendElem(dst, "    ", "content", tag)
		}
		for _, tag := range m.RepoTags {
			dst = appendElem(dst, "    ", "repo", tag)
		}
		for _, tag := range m.DistroTags {
			dst = append(dst, "    <distro"...)
			if tag.CPEID != "" {
				dst = appendAttr(dst, "cpeid", tag.CPEID)
			}
			dst = append(dst, '>')
			dst = appendText(dst, tag.Name)
			dst = append(dst, "</distro>\n"...)
		}
		dst = append(dst, "  </tags>\n"...)
	}
	for i := range m.Records {
		dst = m.Records[i].append(dst)
	}
	return append(dst, "</repomd>\n"...)
}

// Check reports what repomd.xml cannot say: text that XML cannot carry, and locations that are not UTF-8, by which clients
// would not find their file.
func (m *Repomd) Check() error {
	texts := append([]string{m.Revision, m.RepoID.Value, m.ContentHash.Value}, slices.Concat(m.ContentTags, m.RepoTags)...)
	for _, tag := range m.DistroTags {
		texts = append(texts, tag.CPEID, tag.Name)
	}
	for i := range m.Records {
		r := &m.Records[i]
		if !utf8.ValidString(r.LocationHref) {
			return fmt.Errorf("repomd.xml: location %q: %w", r.LocationHref, errNotUTF8)
		}
		texts = append(texts, r.Type, r.LocationHref, r.LocationBase)
	}
	for _, text := range texts {
		if unfit(text) {
			return fmt.Errorf("repomd.xml: %q: %w", text, ErrControl)
		}
	}
	return nil
}

var errNotUTF8 = errors.New("not UTF-8")

func appendTyped(dst []byte, indent, name string, sum Checksum) []byte {
	if sum.Value == "" {
		return dst
	}
	dst = append(dst, indent...)
	dst = append(dst, '<')
	dst = append(dst, name...)
	if sum.Type != "" {
		dst = appendAttr(dst, "type", sum.Type)
	}
	dst = append(dst, '>')
	dst = appendText(dst, sum.Value)
	dst = append(dst, '<', '/')
	dst = append(dst, name...)
	return append(dst, '>', '\n')
}

func (r *Record) append(dst []byte) []byte {
	dst = append(dst, "  <data"...)
	dst = appendAttr(dst, "type", r.Type)
	dst = append(dst, ">\n"...)
	dst = appendTyped(dst, "    ", "checksum", r.Checksum)
	dst = appendTyped(dst, "    ", "open-checksum", r.OpenChecksum)
	dst = appendTyped(dst, "    ", "header-checksum", r.HeaderSum)
	dst = append(dst, "    <location"...)
	dst = appendAttr(dst, "href", r.LocationHref)
	if r.LocationBase != "" {
		dst = appendAttr(dst, "xml:base", r.LocationBase)
	}
	dst = append(dst, "/>\n"...)
	num := func(name string, n int64) {
		dst = appendElem(dst, "    ", name, strconv.FormatInt(n, 10))
	}
	num("timestamp", r.Timestamp)
	num("size", r.Size)
	if r.OpenSize >= 0 {
		num("open-size", r.OpenSize)
	}
	if r.HeaderSum.Value != "" {
		num("header-size", r.HeaderSize)
	}
	if strings.HasSuffix(r.Type, "_db") {
		num("database_version", int64(r.DatabaseVer))
	}
	return append(dst, "  </data>\n"...)
}

// maxRepomd bounds the size of a repomd.xml in bytes.
const maxRepomd = 16 << 20

// ReadRepomd reads a repomd.xml.
func ReadRepomd(r io.Reader) (*Repomd, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxRepomd+1))
	if err != nil {
		return nil, fmt.Errorf("repomd.xml: %w", err)
	}
	if len(b) > maxRepomd {
		return nil, fmt.Errorf("repomd.xml: more than %d bytes", maxRepomd)
	}
	return ParseRepomd(string(b))
}

// ParseRepomd reads the text of a repomd.xml. Elements it does not know are skipped.
func ParseRepomd(text string) (*Repomd, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("repomd.xml: %w: not UTF-8", errSyntax)
	}
	m := new(Repomd)
	t := &tokens{src: text}
	if err := m.parse(t); err != nil {
		return nil, fmt.Errorf("repomd.xml: %w", err)
	}
	return m, nil
}

func (m *Repomd) parse(t *tokens) error {
	for {
		if err := t.next(); err != nil {
			return err
		}
		switch {
		case t.kind == tokStart && t.name == "repomd":
			return t.children("tags", func() error { return m.parseChild(t) })
		case t.kind == tokStart:
			return t.errorf("root element is <%s>, not <repomd>", t.name)
		case t.kind == tokEnd:
			return t.errorf("unexpected </%s>", t.name)
		case t.kind == tokEOF:
			return t.errorf("no <repomd>")
		}
	}
}

func (m *Repomd) parseChild(t *tokens) error {
	var err error
	switch t.name {
	case "data":
		var r Record
		if r, err = parseRecord(t); err == nil {
			m.Records = append(m.Records, r)
		}
	case "revision":
		m.Revision, err = t.content()
	case "repoid":
		m.RepoID, err = parseTyped(t)
	case "contenthash":
		m.ContentHash, err = parseTyped(t)
	case "content":
		var s string
		s, err = t.content()
		m.ContentTags = append(m.ContentTags, s)
	case "repo":
		var s string
		s, err = t.content()
		m.RepoTags = append(m.RepoTags, s)
	case "distro":
		var tag DistroTag
		err = t.eachAttr(func(name, value string) {
			if name == "cpeid" {
				tag.CPEID = value
			}
		})
		if err == nil {
			tag.Name, err = t.content()
		}
		m.DistroTags = append(m.DistroTags, tag)
	default:
		_, err = t.content()
	}
	return err
}

func parseTyped(t *tokens) (sum Checksum, err error) {
	err = t.eachAttr(func(name, value string) {
		if name == "type" {
			sum.Type = value
		}
	})
	if err == nil {
		sum.Value, err = t.content()
	}
	return sum, err
}

func parseRecord(t *tokens) (Record, error) {
	r := Record{OpenSize: -1, HeaderSize: -1}
	err := t.eachAttr(func(name, value string) {
		if name == "type" {
			r.Type = value
		}
	})
	if err != nil {
		return r, err
	}
	if r.Type == "" {
		return r, t.errorf("<data> without a type")
	}
	err = t.children("", func() error { return r.parseChild(t) })
	return r, err
}

func (r *Record) parseChild(t *tokens) (err error) {
	switch name := t.name; name {
	case "checksum":
		r.Checksum, err = parseTyped(t)
	case "open-checksum":
		r.OpenChecksum, err = parseTyped(t)
	case "header-checksum":
		r.HeaderSum, err = parseTyped(t)
	case "location":
		err = t.eachAttr(func(name, value string) {
			switch name {
			case "href":
				r.LocationHref = value
			case "xml:base":
				r.LocationBase = value
			}
		})
		if err == nil {
			_, err = t.content()
		}
	case "timestamp", "size", "open-size", "header-size", "database_version":
		var text string
		if text, err = t.content(); err != nil {
			return err
		}
		// Classic createrepo wrote fractions of seconds.
		whole, _, _ := strings.Cut(strings.TrimSpace(text), ".")
		n, err := strconv.ParseInt(whole, 10, 64)
		if err != nil {
			return t.errorf("<%s> %q is not a number", name, text)
		}
		r.setNumber(name, n)
	default:
		_, err = t.content()
	}
	return err
}

func (r *Record) setNumber(name string, n int64) {
	switch name {
	case "timestamp":
		r.Timestamp = n
	case "size":
		r.Size = n
	case "open-size":
		r.OpenSize = n
	case "header-size":
		r.HeaderSize = n
	case "database_version":
		r.DatabaseVer = int(n)
	}
}
