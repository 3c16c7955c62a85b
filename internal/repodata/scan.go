package repodata

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	scanBuffer  = 256 << 10
	maxHeader   = 64 << 10  // bytes before the first package
	maxFragment = 256 << 20 // bytes of one package element
)

// Scanner pulls the packages out of a primary, filelists, filelists-ext or other file. It holds one package element
// at a time.
type Scanner struct {
	r      io.Reader
	kind   Kind
	buf    []byte // unread input is buf[start:end]
	start  int
	end    int
	eof    bool
	offset int64 // of buf[start] in the input
	count  int
	seen   int
	opened bool
	done   bool
	raw    []byte
}

// NewScanner returns a scanner of the uncompressed file r of kind k.
func NewScanner(r io.Reader, k Kind) *Scanner {
	return &Scanner{r: r, kind: k, buf: make([]byte, scanBuffer), count: -1}
}

// Count returns the number of packages that the root element promises, or -1 before the first Next and where there is
// none.
func (s *Scanner) Count() int { return s.count }

// Raw returns the element that Next found last, without what stands around it. It is valid until the next call.
func (s *Scanner) Raw() []byte { return s.raw }

// NextRaw moves to the next package element, which Raw then returns. It returns io.EOF after the last.
func (s *Scanner) NextRaw() error {
	if !s.opened {
		if err := s.open(); err != nil {
			return fmt.Errorf("%s: %w", s.kind, err)
		}
		s.opened = true
	}
	s.advance(len(s.raw))
	s.raw = nil
	if s.done {
		return io.EOF
	}
	if err := s.fragment(); err != nil {
		if err == io.EOF {
			return err
		}
		return fmt.Errorf("%s: package %d at byte %d: %w", s.kind, s.seen+1, s.offset, err)
	}
	s.seen++
	return nil
}

// Next reads the next package into p, which is emptied first: a primary file fills what primary holds, a filelists
// file the identity and the files, an other file the identity and the changelogs. It returns io.EOF after the last.
// The strings of p stay valid.
func (s *Scanner) Next(p *Package) error {
	if err := s.NextRaw(); err != nil {
		return err
	}
	p.Reset()
	if err := Parse(s.kind, string(s.raw), p); err != nil {
		return fmt.Errorf("%s: package %d at byte %d: %w", s.kind, s.seen, s.offset, err)
	}
	return nil
}

func (s *Scanner) advance(n int) {
	s.start += n
	s.offset += int64(n)
}

// fill reads more input behind what is there.
func (s *Scanner) fill() error {
	if s.eof {
		return io.ErrUnexpectedEOF
	}
	if s.start > 0 {
		copy(s.buf, s.buf[s.start:s.end])
		s.end -= s.start
		s.start = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for tries := 0; tries < 100; tries++ {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err == io.EOF {
			s.eof = true
			if n == 0 {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			return nil
		}
	}
	return io.ErrNoProgress
}

// open reads the root element.
func (s *Scanner) open() error {
	want := [NumKinds]string{"metadata", "filelists", "filelists-ext", "otherdata"}[s.kind]
	for {
		t := tokens{src: string(s.buf[s.start:s.end])}
		for t.next() == nil && t.kind != tokEOF {
			if t.kind != tokStart {
				continue
			}
			// createrepo_c itself writes filelists-ext under either name.
			if t.name != want && (s.kind != FilelistsExt || t.name != "filelists") {
				return fmt.Errorf("root element is <%s>, not <%s>", t.name, want)
			}
			err := t.eachAttr(func(name, value string) {
				if name == "packages" {
					if n, err := strconv.Atoi(value); err == nil && n >= 0 {
						s.count = n
					}
				}
			})
			s.advance(t.pos)
			s.done = t.empty
			return err
		}
		if s.end-s.start > maxHeader {
			return fmt.Errorf("no <%s> in the first %d bytes", want, maxHeader)
		}
		if err := s.fill(); err != nil {
			return fmt.Errorf("no <%s>: %w", want, err)
		}
	}
}

var (
	packageStart = []byte("<package")
	packageEnd   = []byte("</package>")
)

// fragment finds the next package element and leaves it in raw.
func (s *Scanner) fragment() error {
	for {
		rest := s.buf[s.start:s.end]
		i := bytes.IndexByte(rest, '<')
		if i < 0 {
			s.advance(len(rest))
			if err := s.fill(); err != nil {
				return fmt.Errorf("the root element is not closed: %w", err)
			}
			continue
		}
		s.advance(i)
		rest = rest[i:]
		if len(rest) < 4 || len(rest) < len(packageStart)+1 && bytes.HasPrefix(packageStart, rest) {
			if err := s.fill(); err != nil {
				return err
			}
			continue
		}
		switch {
		case rest[1] == '/':
			s.done = true
			return io.EOF
		case bytes.HasPrefix(rest, []byte("<!--")):
			n, err := s.find([]byte("-->"), 4)
			if err != nil {
				return err
			}
			s.advance(n)
		case bytes.HasPrefix(rest, packageStart):
			n, err := s.element()
			if err != nil {
				return err
			}
			s.raw = s.buf[s.start : s.start+n]
			return nil
		default:
			return fmt.Errorf("%w: %.20q instead of <package>", errSyntax, rest)
		}
	}
}

// element returns the length of the package element at the start of the unread input.
func (s *Scanner) element() (int, error) {
	from := len(packageStart)
	for {
		n, err := s.find(packageEnd, from)
		if err != nil {
			return 0, err
		}
		// An end tag within a comment or CDATA is text.
		frag := s.buf[s.start : s.start+n]
		if bytes.Contains(frag, []byte("<!")) && openSection(frag) {
			from = n
			continue
		}
		return n, nil
	}
}

// openSection reports whether the last comment or CDATA section of frag has no end.
func openSection(frag []byte) bool {
	for {
		i := bytes.Index(frag, []byte("<!"))
		if i < 0 {
			return false
		}
		frag = frag[i:]
		end := []byte(">")
		if bytes.HasPrefix(frag, []byte("<!--")) {
			end = []byte("-->")
		} else if bytes.HasPrefix(frag, []byte("<![CDATA[")) {
			end = []byte("]]>")
		}
		n := bytes.Index(frag, end)
		if n < 0 {
			return true
		}
		frag = frag[n+len(end):]
	}
}

// find returns the end of the first occurrence of what at or behind from, relative to the unread input.
func (s *Scanner) find(what []byte, from int) (int, error) {
	for {
		rest := s.buf[s.start:s.end]
		if from < len(rest) {
			if i := bytes.Index(rest[from:], what); i >= 0 {
				return from + i + len(what), nil
			}
			from = max(from, len(rest)-len(what)+1)
		}
		if len(rest) > maxFragment {
			return 0, fmt.Errorf("element of more than %d bytes", maxFragment)
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
}

// Parse reads one package element of a file of kind k into p, which keeps what it has besides.
func Parse(k Kind, element string, p *Package) error {
	t := tokens{src: element}
	if err := t.next(); err != nil {
		return err
	}
	if t.kind != tokStart || t.name != "package" {
		return fmt.Errorf("%w: no <package>", errSyntax)
	}
	if t.empty {
		return nil
	}
	if k != Primary {
		if err := t.eachAttr(func(name, value string) { p.setAttr(name, value) }); err != nil {
			return err
		}
	}
	for {
		if err := t.next(); err != nil {
			return err
		}
		switch t.kind {
		case tokEOF:
			return t.errorf("<package> is not closed")
		case tokEnd:
			if t.name == "package" {
				return nil
			}
			if t.name != "format" {
				return t.errorf("unexpected </%s>", t.name)
			}
		case tokStart:
			if err := p.parseChild(k, &t); err != nil {
				return err
			}
		}
	}
}

func (p *Package) setAttr(name, value string) {
	switch name {
	case "pkgid":
		p.PkgID = value
	case "name":
		p.Name = value
	case "arch":
		p.Arch = value
	}
}

// parseChild reads one child of package or of format.
func (p *Package) parseChild(k Kind, t *tokens) error {
	switch t.name {
	case "version":
		return p.parseVersion(t)
	case "file":
		return p.parseFile(k, t)
	case "changelog":
		return p.parseChangelog(t)
	}
	if k == Primary {
		return p.parsePrimaryChild(t)
	}
	if k == FilelistsExt && t.name == "checksum" {
		if err := t.eachAttr(func(name, value string) {
			if name == "type" {
				p.FilesChecksumType = value
			}
		}); err != nil {
			return err
		}
	}
	_, err := t.content()
	return err
}

func (p *Package) parsePrimaryChild(t *tokens) error {
	if field := p.textField(t.name); field != nil {
		var err error
		if t.name == "checksum" {
			err = t.eachAttr(func(name, value string) {
				if name == "type" {
					p.ChecksumType = value
				}
			})
		}
		if err != nil {
			return err
		}
		*field, err = t.content()
		return err
	}
	switch t.name {
	case "format":
		return nil // its children are read like those of package
	case "time":
		return p.parseInts(t, map[string]*int64{"file": &p.TimeFile, "build": &p.TimeBuild})
	case "size":
		return p.parseInts(t, map[string]*int64{
			"package": &p.SizePackage, "installed": &p.SizeInstalled, "archive": &p.SizeArchive,
		})
	case "header-range":
		return p.parseInts(t, map[string]*int64{"start": &p.HeaderStart, "end": &p.HeaderEnd})
	case "location":
		if err := t.eachAttr(func(name, value string) {
			switch name {
			case "href":
				p.LocationHref = value
			case "xml:base":
				p.LocationBase = value
			}
		}); err != nil {
			return err
		}
	default:
		for kind, name := range depNames {
			if t.name == name {
				return p.parseDeps(DepKind(kind), t)
			}
		}
	}
	_, err := t.content()
	return err
}

// textField returns where the text of the primary element name goes.
func (p *Package) textField(name string) *string {
	switch name {
	case "name":
		return &p.Name
	case "arch":
		return &p.Arch
	case "checksum":
		return &p.PkgID
	case "summary":
		return &p.Summary
	case "description":
		return &p.Description
	case "packager":
		return &p.Packager
	case "url":
		return &p.URL
	case "license":
		return &p.License
	case "vendor":
		return &p.Vendor
	case "group":
		return &p.Group
	case "buildhost":
		return &p.BuildHost
	case "sourcerpm":
		return &p.SourceRPM
	}
	return nil
}

func (p *Package) parseVersion(t *tokens) error {
	err := t.eachAttr(func(name, value string) {
		switch name {
		case "epoch":
			p.Epoch = value
		case "ver":
			p.Version = value
		case "rel":
			p.Release = value
		}
	})
	if err != nil {
		return err
	}
	_, err = t.content()
	return err
}

func (p *Package) parseInts(t *tokens, fields map[string]*int64) error {
	var bad error
	err := t.eachAttr(func(name, value string) {
		if f := fields[name]; f != nil && value != "" {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				bad = t.errorf("%s %q of <%s> is not a number", name, value, t.name)
				return
			}
			*f = n
		}
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return err
	}
	_, err = t.content()
	return err
}

func (p *Package) parseFile(k Kind, t *tokens) error {
	var f File
	err := t.eachAttr(func(name, value string) {
		switch {
		case name == "type" && value == "dir":
			f.Type = FileDir
		case name == "type" && value == "ghost":
			f.Type = FileGhost
		case name == "hash":
			f.Digest = value
		}
	})
	if err != nil {
		return err
	}
	path, err := t.content()
	if err != nil {
		return err
	}
	i := strings.LastIndexByte(path, '/') + 1
	f.Dir, f.Base = path[:i], path[i:]
	if k == Primary {
		p.PrimaryFiles = append(p.PrimaryFiles, f)
	} else {
		p.Files = append(p.Files, f)
	}
	return nil
}

func (p *Package) parseChangelog(t *tokens) error {
	var c Changelog
	var bad error
	err := t.eachAttr(func(name, value string) {
		switch name {
		case "author":
			c.Author = value
		case "date":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				bad = t.errorf("date %q of <changelog> is not a number", value)
			}
			c.Date = n
		}
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return err
	}
	c.Text, err = t.content()
	if err == nil {
		p.Changelogs = append(p.Changelogs, c)
	}
	return err
}

func (p *Package) parseDeps(k DepKind, t *tokens) error {
	if t.empty {
		return nil
	}
	list := t.name
	for {
		if err := t.next(); err != nil {
			return err
		}
		switch t.kind {
		case tokEOF:
			return t.errorf("<%s> is not closed", list)
		case tokEnd:
			if t.name != list {
				return t.errorf("</%s> closes <%s>", t.name, list)
			}
			return nil
		case tokStart:
			if err := p.parseEntry(k, t); err != nil {
				return err
			}
		}
	}
}

func (p *Package) parseEntry(k DepKind, t *tokens) error {
	var d Dep
	err := t.eachAttr(func(name, value string) {
		switch name {
		case "name":
			d.Name = value
		case "flags":
			d.Flags = value
		case "epoch":
			d.Epoch = value
		case "ver":
			d.Version = value
		case "rel":
			d.Release = value
		case "pre":
			d.Pre = value != "" && value != "0"
		}
	})
	if err != nil {
		return err
	}
	entry := t.name == "entry"
	if _, err := t.content(); err != nil {
		return err
	}
	if entry && d.Name != "" {
		p.Deps[k] = append(p.Deps[k], d)
	}
	return nil
}

// ParseIdentity reads the attributes of one package element of filelists, filelists-ext or other into p.
func ParseIdentity(element []byte, p *Package) error {
	t := tokens{src: string(element[:min(len(element), 1024)])}
	err := t.next()
	if err != nil && len(element) > len(t.src) {
		t = tokens{src: string(element)}
		err = t.next()
	}
	if err != nil {
		return err
	}
	return t.eachAttr(func(name, value string) { p.setAttr(name, value) })
}

// ParseHead reads the first children of one package element of primary into p, up to its location.
func ParseHead(element []byte, p *Package) error {
	end := bytes.Index(element, []byte("<format"))
	if end < 0 {
		end = len(element)
	}
	// What follows the head is cut off, so the element is closed here.
	return Parse(Primary, string(append(element[:end:end], packageEnd...)), p)
}
