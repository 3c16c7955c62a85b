// Package rpmver orders versions as rpm does.
//
// An EVR is epoch, version and release. Comparison follows rpm's rpmvercmp: runs of digits
// compare as numbers, runs of letters as text, a tilde sorts before everything and a caret
// after the end but before anything that goes on.
package rpmver

import (
	"strings"
)

// EVR is an epoch, version and release. An empty Epoch compares as 0.
type EVR struct {
	Epoch, Version, Release string
}

// Parse splits "[epoch:]version[-release]" as rpm does: the epoch is the digits before the
// first colon, the release what follows the last hyphen.
func Parse(s string) EVR {
	var e EVR
	if i := strings.IndexByte(s, ':'); i >= 0 && digits(s[:i]) {
		e.Epoch, s = s[:i], s[i+1:]
	}
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		s, e.Release = s[:i], s[i+1:]
	}
	e.Version = s
	return e
}

// String gives "[epoch:]version[-release]", leaving out what is empty.
func (e EVR) String() string {
	s := e.Version
	if e.Epoch != "" {
		s = e.Epoch + ":" + s
	}
	if e.Release != "" {
		s += "-" + e.Release
	}
	return s
}

// Compare gives -1, 0 or +1 as e is older than, equal to or newer than o.
func (e EVR) Compare(o EVR) int {
	if c := Compare(epoch(e.Epoch), epoch(o.Epoch)); c != 0 {
		return c
	}
	if c := Compare(e.Version, o.Version); c != 0 {
		return c
	}
	return Compare(e.Release, o.Release)
}

func epoch(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

func digits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// Compare orders two versions or two releases: -1, 0 or +1.
func Compare(a, b string) int {
	for {
		a, b = skipSeparators(a), skipSeparators(b)
		if c, done := compareMark(&a, &b); done {
			return c
		} else if c == again {
			continue
		}
		if a == "" || b == "" {
			break
		}
		if c := compareSegment(&a, &b); c != 0 {
			return c
		}
	}
	switch {
	case a == "" && b == "":
		return 0
	case a == "":
		return -1
	}
	return 1
}

const again = 2

// compareMark settles a tilde or a caret at the front of either side.
func compareMark(a, b *string) (result int, done bool) {
	at, bt := strings.HasPrefix(*a, "~"), strings.HasPrefix(*b, "~")
	ac, bc := strings.HasPrefix(*a, "^"), strings.HasPrefix(*b, "^")
	switch {
	case at && bt, !at && !bt && ac && bc:
		*a, *b = (*a)[1:], (*b)[1:]
		return again, false
	case at:
		return -1, true
	case bt:
		return 1, true
	case ac && *b == "":
		return 1, true
	case bc && *a == "":
		return -1, true
	case ac:
		return -1, true
	case bc:
		return 1, true
	}
	return 0, false
}

// compareSegment takes one run of digits or of letters off both sides and compares them.
func compareSegment(a, b *string) int {
	numeric := isDigit((*a)[0])
	kind := isLetter
	if numeric {
		kind = isDigit
	}
	x, y := takeRun(a, kind), takeRun(b, kind)
	if y == "" {
		// Different kinds: a number is newer than letters.
		if numeric {
			return 1
		}
		return -1
	}
	if numeric {
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if len(x) != len(y) {
			if len(x) > len(y) {
				return 1
			}
			return -1
		}
	}
	return strings.Compare(x, y)
}

func takeRun(s *string, kind func(byte) bool) string {
	n := 0
	for n < len(*s) && kind((*s)[n]) {
		n++
	}
	run := (*s)[:n]
	*s = (*s)[n:]
	return run
}

func skipSeparators(s string) string {
	for s != "" && !isDigit(s[0]) && !isLetter(s[0]) && s[0] != '~' && s[0] != '^' {
		s = s[1:]
	}
	return s
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
