package repodata

import (
	"strings"
	"unicode/utf8"
)

// The replacements that libxml2 makes in text and in attribute values.
var (
	textEscape = escapeTable{'&': "&amp;", '<': "&lt;", '>': "&gt;", '\r': "&#13;"}
	attrEscape = escapeTable{
		'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&quot;", '\n': "&#10;", '\t': "&#9;", '\r': "&#13;",
	}
)

type escapeTable [64]string

// appendText appends s as character data.
func appendText(dst []byte, s string) []byte { return appendEscaped(dst, s, &textEscape) }

// appendAttr appends ` name="s"`.
func appendAttr(dst []byte, name, s string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, '=', '"')
	dst = appendEscaped(dst, s, &attrEscape)
	return append(dst, '"')
}

// appendEscaped appends s with the replacements of table. What is not UTF-8 is taken as Latin-1.
func appendEscaped(dst []byte, s string, table *escapeTable) []byte {
	last, ascii := 0, true
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 64 {
			ascii = ascii && c < utf8.RuneSelf
			continue
		}
		if esc := table[c]; esc != "" {
			dst = append(dst, s[last:i]...)
			dst = append(dst, esc...)
			last = i + 1
		}
	}
	if !ascii && !utf8.ValidString(s) {
		if last != 0 {
			// The runs before were appended as they are: begin again with the converted string.
			dst = dst[:len(dst)-escapedLen(s[:last], table)]
		}
		return appendEscaped(dst, latin1(s), table)
	}
	return append(dst, s[last:]...)
}

func escapedLen(s string, table *escapeTable) int {
	n := len(s)
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 64 && table[c] != "" {
			n += len(table[c]) - 1
		}
	}
	return n
}

// latin1 converts s from Latin-1. The control characters of both halves are dropped, as createrepo_c does.
func latin1(s string) string {
	var b strings.Builder
	b.Grow(2 * len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isControl(c), c >= 0x80 && c < 0xc0:
		default:
			b.WriteRune(rune(c))
		}
	}
	return b.String()
}

// isControl reports a character that XML 1.0 cannot carry.
func isControl(c byte) bool { return c < 32 && c != '\t' && c != '\n' && c != '\r' }

// unfit reports whether s has a character that XML 1.0 cannot carry: a control character, U+FFFE or U+FFFF.
func unfit(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isControl(c):
			return true
		case c == '\xef' && i+2 < len(s) && s[i+1] == '\xbf' && s[i+2] >= '\xbe' && utf8.ValidString(s):
			return true
		}
	}
	return false
}

// EscapeText returns s as character data of XML.
func EscapeText(s string) string { return string(appendText(nil, s)) }
