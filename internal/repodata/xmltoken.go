package repodata

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// tokens cuts a piece of XML into tags and text. It knows what repository metadata uses: elements, attributes,
// the predefined entities and character references, comments, CDATA and processing instructions. No DTD is read.
type tokens struct {
	src string
	pos int

	kind  tokenKind
	name  string // of a tag, without its prefix
	attrs string // of a start tag, raw
	empty bool   // the start tag is its own end
	text  string // of text, decoded
}

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokStart
	tokEnd
	tokText
)

var errSyntax = errors.New("malformed XML")

// next reads one token. Text that is only white space between tags is reported too.
func (t *tokens) next() error {
	for {
		if t.pos >= len(t.src) {
			t.kind = tokEOF
			return nil
		}
		rest := t.src[t.pos:]
		if rest[0] != '<' {
			return t.textToken(rest)
		}
		switch {
		case strings.HasPrefix(rest, "<!--"):
			if !t.skip(rest, "-->") {
				return t.errorf("unterminated comment")
			}
		case strings.HasPrefix(rest, "<![CDATA["):
			n := strings.Index(rest, "]]>")
			if n < 0 {
				return t.errorf("unterminated CDATA")
			}
			t.kind, t.text = tokText, rest[len("<![CDATA["):n]
			t.pos += n + 3
			return nil
		case strings.HasPrefix(rest, "<?"):
			if !t.skip(rest, "?>") {
				return t.errorf("unterminated processing instruction")
			}
		case strings.HasPrefix(rest, "<!"):
			if !t.skip(rest, ">") {
				return t.errorf("unterminated declaration")
			}
		default:
			return t.tag(rest)
		}
	}
}

func (t *tokens) skip(rest, end string) bool {
	n := strings.Index(rest, end)
	if n < 0 {
		return false
	}
	t.pos += n + len(end)
	return true
}

func (t *tokens) textToken(rest string) error {
	n := strings.IndexByte(rest, '<')
	if n < 0 {
		n = len(rest)
	}
	text, err := unescape(rest[:n], false)
	if err != nil {
		return t.errorf("%v", err)
	}
	t.kind, t.text = tokText, text
	t.pos += n
	return nil
}

// tag reads a start or an end tag at rest.
func (t *tokens) tag(rest string) error {
	end := tagEnd(rest)
	if end < 0 {
		return t.errorf("unterminated tag")
	}
	body := rest[1:end]
	t.pos += end + 1
	t.kind, t.empty = tokStart, false
	if strings.HasPrefix(body, "/") {
		t.kind = tokEnd
		body = body[1:]
	} else if strings.HasSuffix(body, "/") {
		t.empty = true
		body = body[:len(body)-1]
	}
	n := strings.IndexAny(body, " \t\r\n")
	if n < 0 {
		n = len(body)
	}
	t.name, t.attrs = body[:n], body[n:]
	if i := strings.IndexByte(t.name, ':'); i >= 0 {
		t.name = t.name[i+1:]
	}
	if t.name == "" {
		return t.errorf("tag without a name")
	}
	return nil
}

// tagEnd finds the '>' that ends the tag at the start of s; one within quotes does not.
func tagEnd(s string) int {
	end := strings.IndexByte(s, '>')
	if end < 0 || strings.Count(s[:end], `"`)%2 == 0 && strings.IndexByte(s[:end], '\'') < 0 {
		return end
	}
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i
		}
	}
	return -1
}

// eachAttr calls f for every attribute of the start tag. Names keep their prefix.
func (t *tokens) eachAttr(f func(name, value string)) error {
	s := t.attrs
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if s == "" {
			return nil
		}
		eq := strings.IndexByte(s, '=')
		if eq <= 0 {
			return t.errorf("attribute without a value in <%s>", t.name)
		}
		name := strings.TrimRight(s[:eq], " \t\r\n")
		s = strings.TrimLeft(s[eq+1:], " \t\r\n")
		if s == "" || s[0] != '"' && s[0] != '\'' {
			return t.errorf("attribute %s of <%s> is not quoted", name, t.name)
		}
		end := strings.IndexByte(s[1:], s[0])
		if end < 0 {
			return t.errorf("attribute %s of <%s> is not terminated", name, t.name)
		}
		value, err := unescape(s[1:1+end], true)
		if err != nil {
			return t.errorf("%v", err)
		}
		f(name, value)
		s = s[end+2:]
	}
}

// children calls child at every start tag within the element whose start tag was just read, up to its end tag. What is within an
// element called flat counts as a child of the outer one.
func (t *tokens) children(flat string, child func() error) error {
	if t.empty {
		return nil
	}
	name := t.name
	for {
		if err := t.next(); err != nil {
			return err
		}
		switch {
		case t.kind == tokEOF:
			return t.errorf("<%s> is not closed", name)
		case t.kind == tokEnd && t.name == name:
			return nil
		case t.kind == tokText || flat != "" && t.name == flat:
			// white space, or what holds children
		case t.kind == tokEnd:
			return t.errorf("unexpected </%s>", t.name)
		default:
			if err := child(); err != nil {
				return err
			}
		}
	}
}

// content reads the text of the element whose start tag was just read, up to its end tag. Elements within are
// skipped with their text.
func (t *tokens) content() (string, error) {
	if t.empty {
		return "", nil
	}
	name, depth, text := t.name, 0, ""
	var joined strings.Builder // of several pieces
	for {
		if err := t.next(); err != nil {
			return "", err
		}
		switch t.kind {
		case tokEOF:
			return "", t.errorf("<%s> is not closed", name)
		case tokText:
			switch {
			case depth > 0:
			case text == "":
				text = t.text
			default:
				joined.WriteString(t.text)
			}
		case tokStart:
			if !t.empty {
				depth++
			}
		case tokEnd:
			if depth == 0 {
				if t.name != name {
					return "", t.errorf("</%s> closes <%s>", t.name, name)
				}
				if joined.Len() > 0 {
					text += joined.String()
				}
				return text, nil
			}
			depth--
		}
	}
}

func (t *tokens) errorf(format string, args ...any) error {
	return fmt.Errorf("byte %d: %w: %s", t.pos, errSyntax, fmt.Sprintf(format, args...))
}

// unescape decodes entities and, as XML asks, line ends (and in attributes white space).
func unescape(s string, attr bool) (string, error) {
	special := "&\r"
	if attr {
		special = "&\r\n\t"
	}
	i := strings.IndexAny(s, special)
	if i < 0 {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for {
		b = append(b, s[:i]...)
		s = s[i:]
		if s[0] == '&' {
			r, n, err := entity(s)
			if err != nil {
				return "", err
			}
			b = append(b, string(r)...)
			s = s[n:]
		} else {
			crlf := s[0] == '\r' && len(s) > 1 && s[1] == '\n'
			if attr {
				b = append(b, ' ')
			} else {
				b = append(b, '\n')
			}
			s = s[1:]
			if crlf {
				s = s[1:]
			}
		}
		if i = strings.IndexAny(s, special); i < 0 {
			return string(append(b, s...)), nil
		}
	}
}

// entity decodes the reference at the start of s and returns its length.
func entity(s string) (rune, int, error) {
	end := strings.IndexByte(s[:min(len(s), 16)], ';')
	if end < 0 {
		return 0, 0, errors.New("unterminated entity")
	}
	name := s[1:end]
	switch name {
	case "amp":
		return '&', end + 1, nil
	case "lt":
		return '<', end + 1, nil
	case "gt":
		return '>', end + 1, nil
	case "quot":
		return '"', end + 1, nil
	case "apos":
		return '\'', end + 1, nil
	}
	digits, base := name, 0
	if rest, ok := strings.CutPrefix(name, "#x"); ok {
		digits, base = rest, 16
	} else if rest, ok := strings.CutPrefix(name, "#"); ok {
		digits, base = rest, 10
	}
	if base != 0 {
		if n, err := strconv.ParseUint(digits, base, 32); err == nil && isChar(n) {
			return rune(n), end + 1, nil
		}
	}
	return 0, 0, fmt.Errorf("unknown entity %q", s[:end+1])
}

// isChar reports whether XML 1.0 can carry the character: what a reference smuggles in would come out as it is.
func isChar(n uint64) bool {
	return n == '\t' || n == '\n' || n == '\r' || n >= ' ' && n < 0xd800 || n > 0xdfff && n < 0xfffe || n > 0xffff && n <= 0x10ffff
}
