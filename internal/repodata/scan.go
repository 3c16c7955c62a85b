package repodata

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
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
	err := s.fragment()
	if err == nil && !utf8.Valid(s.raw) {
		err = fmt.Errorf("%w: not UTF-8", errSyntax)
	}
	if err != nil {
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

// element returns the length of the package element at the start of the unread input. An end tag within a comment or a CDATA
// section is text.
func (s *Scanner) element() (int, error) {
	from, end := len(packageStart), 0
	for {
		if end-len(packageEnd) < from {
			var err error
			if end, err = s.find(packageEnd, from); err != nil {
				return 0, err
			}
		}
		i := bytes.Index(s.buf[s.start+from:s.start+end], []byte("<!"))
		if i < 0 {
			return end, nil
		}
		section := s.buf[s.start+from+i : s.start+end]
		var err error
		if from, err = s.find(sectionEnd(section), from+i+len("<!")); err != nil {
			return 0, err
		}
	}
}

// sectionEnd gives what ends the comment, CDATA section or declaration at the start of s.
func sectionEnd(s []byte) []byte {
	switch {
	case bytes.HasPrefix(s, []byte("<!--")):
		return []byte("-->")
	case bytes.HasPrefix(s, []byte("<![CDATA[")):
		return []byte("]]>")
	}
	return []byte(">")
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
