package convert

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// parseFileLine reads a line of a file list. It accepts every line.
func parseFileLine(text string) parsed {
	body := strings.TrimRight(text, blanks)
	tail := strings.TrimSuffix(text[len(body):], "\n")
	lead := body[:len(body)-len(strings.TrimLeft(body, blanks))]
	body = body[len(lead):]
	s := &fileScanner{in: body, f: &pkgtoml.File{}}
	if s.macro() {
		return one(&pkgtoml.File{Macro: body}, lead+"{macro}"+tail)
	}
	if tangled(body) || !s.scan() {
		return one(&pkgtoml.File{Raw: body}, lead+"{raw}"+tail)
	}
	return one(s.f, lead+s.tmpl.String()+tail)
}

type fileScanner struct {
	in    string
	pos   int
	f     *pkgtoml.File
	attrs bool
	tmpl  strings.Builder
}

// macro tells whether the whole line is a macro that is no path.
func (s *fileScanner) macro() bool {
	if !strings.HasPrefix(s.in, "%") || len(s.in) < 2 {
		return false
	}
	switch s.in[1] {
	case '{':
		if macroEnd(s.in, 0) != len(s.in) {
			return false
		}
		return s.in[2] == '?' || s.in[2] == '!' || strings.ContainsAny(s.in, ": \t\n")
	case '(', '[', '?', '!':
		return true
	}
	word := ident(s.in[1:])
	if isDirective(word) || word == "" {
		return false
	}
	rest := s.in[1+len(word):]
	return rest == "" || isBlank(rest[0]) || strings.HasPrefix(rest, "(")
}

func isDirective(word string) bool {
	switch word {
	case "config", "attr", "verify", "lang", "caps", "defattr":
		return true
	}
	return slices.Contains(pkgtoml.FileFlags, word)
}

func (s *fileScanner) scan() bool {
	for s.pos < len(s.in) {
		at := skipBlanks(s.in, s.pos)
		s.tmpl.WriteString(s.in[s.pos:at])
		s.pos = at
		if word := s.directive(); word != "" {
			s.f.Order = append(s.f.Order, word)
			if !s.take(word) {
				return false
			}
			continue
		}
		end := wordEnd(s.in, at, false, true)
		s.f.Paths = append(s.f.Paths, s.in[at:end])
		s.tmpl.WriteString("{path" + strconv.Itoa(len(s.f.Paths)) + "}")
		s.pos = end
	}
	if s.f.Defattr != "" {
		return len(s.f.Paths) == 0 && len(s.f.Order) == 1
	}
	return len(s.f.Paths) > 0 && !strings.Contains(s.in, "\n")
}

func (s *fileScanner) directive() string {
	if s.pos+1 >= len(s.in) || s.in[s.pos] != '%' {
		return ""
	}
	word := ident(s.in[s.pos+1:])
	if !isDirective(word) {
		return ""
	}
	return word
}

// take reads a directive with its arguments.
func (s *fileScanner) take(word string) bool {
	after := s.pos + 1 + len(word)
	open := skipBlanks(s.in, after)
	hasArgs := open < len(s.in) && s.in[open] == '('
	if slices.Contains(pkgtoml.FileFlags, word) {
		if slices.Contains(s.f.Flags, word) {
			return false
		}
		s.f.Flags = append(s.f.Flags, word)
		s.tmpl.WriteString("%" + word)
		s.pos = after
		return after == len(s.in) || isBlank(s.in[after])
	}
	if word == "config" && !hasArgs {
		if s.f.Config != "" {
			return false
		}
		s.f.Config = "true"
		s.tmpl.WriteString("%config")
		s.pos = after
		return true
	}
	if !hasArgs {
		return false
	}
	shut := closeParen(s.in, open)
	if shut < 0 {
		return false
	}
	arg := s.in[open+1 : shut]
	s.tmpl.WriteString(s.in[s.pos : open+1])
	s.pos = shut + 1
	if !s.argument(word, arg) {
		return false
	}
	s.tmpl.WriteByte(')')
	return true
}

func closeParen(s string, open int) int {
	for i := open + 1; i < len(s); i++ {
		switch {
		case s[i] == '%' && bracketed(s, i):
			if end := macroEnd(s, i); end > 0 {
				i = end - 1
			}
		case s[i] == ')':
			return i
		}
	}
	return -1
}

func (s *fileScanner) argument(word, arg string) bool {
	f := s.f
	set := func(to *string, name string) bool {
		if *to != "" {
			return false
		}
		*to = arg
		s.tmpl.WriteString("{" + name + "}")
		return arg != ""
	}
	switch word {
	case "config":
		return arg != "true" && set(&f.Config, "config")
	case "lang":
		return set(&f.Lang, "lang")
	case "caps":
		return set(&f.Caps, "caps")
	case "defattr":
		return set(&f.Defattr, "defattr")
	case "verify":
		set(&f.Verify, "verify")
		had := f.HasVerify
		f.HasVerify = true
		return !had
	case "attr":
		if s.attrs {
			return false
		}
		s.attrs = true
		return s.attr(arg)
	}
	return false
}

// attr takes the fields of %attr(mode, user, group, dirmode) apart. A field of
// "-" says nothing and is left out.
func (s *fileScanner) attr(arg string) bool {
	if tangled(arg) {
		return false
	}
	fields := splitComma(arg)
	if len(fields) > 4 {
		return false
	}
	to := []*string{&s.f.Mode, &s.f.User, &s.f.Group, &s.f.DirMode}
	for i, raw := range fields {
		v := strings.Trim(raw, blanks)
		if v == "" {
			return false
		}
		at := strings.Index(raw, v)
		if i > 0 {
			s.tmpl.WriteByte(',')
			if sep := "," + raw[:at]; i == 1 && sep != "," {
				s.f.Separator = sep
			}
		}
		s.tmpl.WriteString(raw[:at] + "{" + attrNames[i] + "}" + raw[at+len(v):])
		if v != "-" {
			*to[i] = v
		}
	}
	if s.f.Mode+s.f.User+s.f.Group+s.f.DirMode == "" {
		s.f.Mode = "-" // or the entry would forget that there was one
	}
	return true
}

var attrNames = []string{"mode", "user", "group", "dirmode"}

// splitComma splits at commas outside of macros.
func splitComma(s string) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && bracketed(s, i) {
			if end := macroEnd(s, i); end > 0 {
				i = end - 1
				continue
			}
		}
		if s[i] == ',' {
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}
