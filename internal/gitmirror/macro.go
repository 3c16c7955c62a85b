package gitmirror

import (
	"strconv"
	"strings"
)

// macros expands what can be expanded without running anything: names, conditional names, and a few builtins. What it does
// not know stays as it is written.
type macros map[string]string

// The bounds of what a hostile spec can make of a few macros: bytes of one expansion, macros inside of each other, and the work for one spec: bytes
// looked at, and expansionCost for each time.
const (
	maxExpansion = 1 << 20
	maxDepth     = 32
	maxWork      = 1 << 28

	expansionCost = 64
)

// expander expands macros for one spec.
type expander struct {
	m    macros
	work int
}

// expand returns s with macros expanded.
func (m *expander) expand(s string) string { return m.expandDepth(s, 0) }

func (m *expander) expandDepth(s string, depth int) string {
	if !strings.Contains(s, "%") || depth > maxDepth || m.work > maxWork {
		return s
	}
	m.work += len(s) + expansionCost
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '%' || i+1 >= len(s) {
			b.WriteByte(s[i])
			i++
			continue
		}
		switch c := s[i+1]; {
		case c == '%':
			b.WriteByte('%')
			i += 2
		case c == '{':
			end := closing(s, i+1, '{', '}')
			if end < 0 {
				b.WriteString(s[i:])
				return b.String()
			}
			b.WriteString(m.braced(s[i:end+1], s[i+2:end], depth))
			i = end + 1
		case c == '(' || c == '[':
			end := closing(s, i+1, c, map[byte]byte{'(': ')', '[': ']'}[c])
			if end < 0 {
				b.WriteString(s[i:])
				return b.String()
			}
			b.WriteString(s[i : end+1])
			i = end + 1
		default:
			text, n := m.bare(s[i:], depth)
			b.WriteString(text)
			i += n
		}
		if b.Len() > maxExpansion {
			return s
		}
	}
	return b.String()
}

// bare expands the %name or %?name that s begins with, and gives its length.
func (m *expander) bare(s string, depth int) (text string, n int) {
	optional := strings.HasPrefix(s, "%?")
	begin := 1 + btoi(optional)
	n = begin + nameLen(s[begin:])
	word := s[begin:n]
	body, ok := m.m[word]
	switch {
	case ok && word != "":
		return m.expandDepth(body, depth+1), n
	case word == "with" || word == "without":
		n += len(s[n:]) - len(strings.TrimLeft(s[n:], " \t"))
		n += nameLen(s[n:])
		return m.braced("", s[1:n], depth), n
	case optional && word != "":
		return "", n
	}
	return s[:n], n
}

// braced expands the inside of %{...}; whole is how it is written.
func (m *expander) braced(whole, in string, depth int) string {
	negate, optional := false, false
	rest := in
	for rest != "" && (rest[0] == '?' || rest[0] == '!') {
		optional = optional || rest[0] == '?'
		negate = negate != (rest[0] == '!')
		rest = rest[1:]
	}
	n := nameLen(rest)
	name, tail := rest[:n], rest[n:]
	body, defined := m.m[name]
	switch {
	case optional && n > 0 && (tail == "" || tail[0] == ':'):
		switch {
		case defined == negate:
			return ""
		case tail != "":
			return m.expandDepth(tail[1:], depth+1)
		case negate:
			return ""
		}
		return m.expandDepth(body, depth+1)
	case tail == "" && defined:
		return m.expandDepth(body, depth+1)
	case strings.HasPrefix(tail, " "):
		arg := strings.TrimSpace(m.expandDepth(tail, depth+1))
		switch name {
		case "with", "without", "defined", "undefined":
			key := arg
			if strings.HasPrefix(name, "with") {
				key = "with_" + arg
			}
			_, has := m.m[key]
			return strconv.Itoa(btoi(has == (name == "with" || name == "defined")))
		}
	case strings.HasPrefix(tail, ":"):
		if v, ok := m.call(name, m.expandDepth(tail[1:], depth+1), depth); ok {
			return v
		}
	}
	return whole
}

// call expands the builtin %{name:arg}.
func (m *expander) call(name, arg string, depth int) (value string, ok bool) {
	switch name {
	case "expand":
		return m.expandDepth(arg, depth+1), true
	case "quote":
		return arg, true
	case "S":
		return m.expandDepth("%{SOURCE"+arg+"}", depth+1), true
	case "P":
		return m.expandDepth("%{PATCH"+arg+"}", depth+1), true
	case "upper":
		return strings.ToUpper(arg), true
	case "lower":
		return strings.ToLower(arg), true
	case "basename":
		return arg[strings.LastIndexByte(arg, '/')+1:], true
	case "dirname":
		return arg[:max(strings.LastIndexByte(arg, '/'), 0)], true
	}
	return "", false
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// nameLen is the length of the macro name that s begins with.
func nameLen(s string) int {
	n := 0
	for n < len(s) && (s[n] == '_' || s[n] >= '0' && s[n] <= '9' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z') {
		n++
	}
	return n
}

// closing finds the bracket that closes the one at i.
func closing(s string, i int, open, end byte) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case open:
			depth++
		case end:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// condition evaluates the expression of an %if that has been expanded. ok is false when it cannot be known.
func condition(s string) (value, ok bool) {
	e := &expr{s: s}
	v := e.or()
	e.space()
	if e.bad || e.s != "" {
		return false, false
	}
	return v.truth(), true
}

// operand is a number or a text.
type operand struct {
	n    int64
	text string
	str  bool
}

func (o operand) truth() bool {
	if o.str {
		return o.text != ""
	}
	return o.n != 0
}

func truth(b bool) operand { return operand{n: int64(btoi(b))} }

// expr is what is left of an expression.
type expr struct {
	s     string
	bad   bool
	depth int
}

func (e *expr) space() { e.s = strings.TrimLeft(e.s, " \t") }

func (e *expr) take(op string) bool {
	e.space()
	rest, ok := strings.CutPrefix(e.s, op)
	if ok {
		e.s = rest
	}
	return ok
}

func (e *expr) or() operand {
	v := e.and()
	for e.take("||") {
		w := e.and()
		v = truth(v.truth() || w.truth())
	}
	return v
}

func (e *expr) and() operand {
	v := e.compare()
	for e.take("&&") {
		w := e.compare()
		v = truth(v.truth() && w.truth())
	}
	return v
}

func (e *expr) compare() operand {
	v := e.sum()
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if !e.take(op) {
			continue
		}
		w := e.sum()
		if v.str != w.str {
			e.bad = true
			return v
		}
		c := strings.Compare(v.text, w.text)
		if !v.str {
			c = btoi(v.n > w.n) - btoi(v.n < w.n)
		}
		switch op {
		case "==":
			return truth(c == 0)
		case "!=":
			return truth(c != 0)
		case "<=":
			return truth(c <= 0)
		case ">=":
			return truth(c >= 0)
		case "<":
			return truth(c < 0)
		}
		return truth(c > 0)
	}
	return v
}

func (e *expr) sum() operand {
	v := e.primary()
	for {
		switch {
		case e.take("+"):
			v.n += e.primary().n
		case e.take("-"):
			v.n -= e.primary().n
		case e.take("*"):
			v.n *= e.primary().n
		default:
			return v
		}
		e.bad = e.bad || v.str
	}
}

func (e *expr) primary() operand {
	e.space()
	if e.depth++; e.depth > 1000 || e.s == "" {
		e.bad = true
		return operand{}
	}
	defer func() { e.depth-- }()
	switch c := e.s[0]; {
	case c == '!' && !strings.HasPrefix(e.s, "!="):
		e.s = e.s[1:]
		return truth(!e.primary().truth())
	case c == '-':
		e.s = e.s[1:]
		v := e.primary()
		v.n = -v.n
		return v
	case c == '(':
		e.s = e.s[1:]
		v := e.or()
		if !e.take(")") {
			e.bad = true
		}
		return v
	case c == '"':
		end := strings.IndexByte(e.s[1:], '"')
		if end < 0 {
			e.bad = true
			return operand{}
		}
		v := operand{text: e.s[1 : 1+end], str: true}
		e.s = e.s[end+2:]
		return v
	case c >= '0' && c <= '9':
		n := 0
		for n < len(e.s) && e.s[n] >= '0' && e.s[n] <= '9' {
			n++
		}
		v, err := strconv.ParseInt(e.s[:n], 10, 64)
		e.bad = e.bad || err != nil
		e.s = e.s[n:]
		return operand{n: v}
	}
	e.bad = true
	return operand{}
}
