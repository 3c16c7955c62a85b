package convert

import "strings"

// wordEnd gives the end of the word that starts at i: blanks end it, but not
// within %{…}, %(…), %[…], nor within ( ) or quotes where these are asked for.
func wordEnd(s string, i int, parens, quotes bool) int {
	depth := 0
	for i < len(s) {
		switch c := s[i]; {
		case c == '%' && bracketed(s, i):
			if end := macroEnd(s, i); end > 0 {
				i = end
				continue
			}
		case parens && c == '(':
			depth++
		case parens && c == ')' && depth > 0:
			depth--
		case quotes && c == '"':
			if n := strings.IndexByte(s[i+1:], '"'); n >= 0 {
				i += n + 2
				continue
			}
		case depth == 0 && isBlank(c):
			return i
		}
		i++
	}
	return i
}

// bracketed tells whether the % at i begins a %{…}, %(…) or %[…].
func bracketed(s string, i int) bool {
	return i+1 < len(s) && (s[i+1] == '{' || s[i+1] == '(' || s[i+1] == '[')
}

// tangleMin and tangleMax bound the time that a line takes: each bracket that
// stays open costs a look at all that follows.
const (
	tangleMin = 512 // bytes of a line that is looked at
	tangleMax = 16
)

// tangled tells whether a line has so many open brackets that it is not worth
// taking apart.
func tangled(s string) bool {
	if len(s) < tangleMin {
		return false
	}
	opens := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || !bracketed(s, i) {
			continue
		}
		end := macroEnd(s, i)
		if end < 0 {
			if opens++; opens > tangleMax {
				return true
			}
			continue
		}
		i = end - 1
	}
	return false
}

// macroEnd gives the end of the %{…}, %(…) or %[…] that starts at i, or -1.
func macroEnd(s string, i int) int {
	open := s[i+1]
	shut := map[byte]byte{'{': '}', '(': ')', '[': ']'}[open]
	depth := 0
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case open:
			depth++
		case shut:
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

func isBlank(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}

func skipBlanks(s string, i int) int {
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	return i
}

const blanks = " \t\n\r\f\v"

func isIdent(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= '0' && c <= '9'
}

// ident gives the identifier at the start of s.
func ident(s string) string {
	n := 0
	for n < len(s) && isIdent(s[n]) {
		n++
	}
	return s[:n]
}

// splitDeps takes a list of dependencies apart when that is beyond doubt; else
// it is one. The separators between them are returned too.
func splitDeps(s string) (deps, seps []string) {
	type word struct{ start, end int }
	var words []word
	for i := 0; i < len(s); {
		i = skipSep(s, i)
		if i >= len(s) {
			break
		}
		end := depWordEnd(s, i)
		words = append(words, word{i, end})
		i = end
	}
	if len(words) == 0 || words[0].start != 0 || words[len(words)-1].end != len(s) {
		return []string{s}, nil
	}
	var spans []word
	for i := 0; i < len(words); i++ {
		w := words[i]
		if !depName(s[w.start:w.end], i == 0) {
			return []string{s}, nil
		}
		if i+2 < len(words) && isOperator(s[words[i+1].start:words[i+1].end]) {
			i += 2
			w.end = words[i].end
		}
		spans = append(spans, w)
	}
	for i, w := range spans {
		deps = append(deps, s[w.start:w.end])
		if i > 0 {
			seps = append(seps, s[spans[i-1].end:w.start])
		}
		if strings.Contains(deps[i], ", ") && s[w.start] != '(' {
			return []string{s}, nil
		}
	}
	return deps, seps
}

func skipSep(s string, i int) int {
	for i < len(s) && (isBlank(s[i]) || s[i] == ',') {
		i++
	}
	return i
}

// depWordEnd is wordEnd for dependencies: a comma ends the word too, but not
// within brackets of any kind.
func depWordEnd(s string, i int) int {
	depth, parens := 0, 0 // as the comma sees it, and as the blank does
	for skip := i; i < len(s); i++ {
		c := s[i]
		if c == '%' && i >= skip && bracketed(s, i) {
			skip = max(skip, macroEnd(s, i))
		}
		switch c {
		case '(', '{', '[':
			depth++
		case ')', '}', ']':
			depth--
		case ',':
			if depth <= 0 {
				return i
			}
		}
		switch {
		case i < skip:
		case c == '(':
			parens++
		case c == ')' && parens > 0:
			parens--
		case parens == 0 && isBlank(c):
			return i
		}
	}
	return i
}

func isOperator(w string) bool {
	switch w {
	case "<", ">", "=", "<=", ">=", "==", "=<", "=>":
		return true
	}
	return false
}

// depName tells whether a word is surely the name of a dependency.
func depName(w string, first bool) bool {
	if isOperator(w) || w == "\\" || strings.HasPrefix(w, "#") {
		return false
	}
	c := w[0]
	if c|0x20 >= 'a' && c|0x20 <= 'z' || c == '/' || c == '(' || c == '_' || c >= '0' && c <= '9' {
		return true
	}
	if c != '%' || strings.ContainsAny(w, blanks) {
		return false
	}
	if !strings.HasPrefix(w, "%{") || len(w) < 4 || !isIdent(w[2]) {
		return false
	}
	end := macroEnd(w, 0)
	return end > 0 && end < len(w) && !strings.ContainsRune(w[:end], ':')
}
