package pkgtoml

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// quote writes a string on one line: as a literal where that spares escapes.
func quote(s string) string {
	if plain(s) {
		return `"` + s + `"`
	}
	if !strings.Contains(s, "'") && literal(s) && !strings.Contains(s, "\n") {
		return "'" + s + "'"
	}
	return `"` + escape(s, false) + `"`
}

// value writes a string on one line, or as a block when it has several.
func value(s string) string {
	if strings.Contains(s, "\n") {
		return block(s)
	}
	return quote(s)
}

// block writes a text between ”' lines; what a literal cannot hold, with
// escapes.
func block(s string) string {
	if s == "" {
		return `""`
	}
	if literal(s) && !strings.Contains(s, "'''") && !strings.HasSuffix(s, "'") {
		return "'''\n" + s + "'''"
	}
	return "\"\"\"\n" + escape(s, true) + `"""`
}

// plain tells whether a string needs no escape between double quotes.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '"' || c == '\\' || c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// literal tells whether a literal string can hold s at all.
func literal(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' && c != '\n' || c == 0x7f {
			return false
		}
	}
	return true
}

func escape(s string, lines bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n' && lines, c == '\t', c >= ' ' && c < utf8.RuneSelf && c != 0x7f, c >= utf8.RuneSelf:
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		default:
			fmt.Fprintf(&b, `\u%04X`, c)
		}
	}
	return b.String()
}
