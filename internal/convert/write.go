package convert

import (
	"bytes"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// writer writes the nodes of an arrangement as a spec.
type writer struct {
	doc    *pkgtoml.Document
	index  *index
	layout *pkgtoml.Layout
	gaps   gapRule
	gone   map[int]bool // patches that %prep must not apply any more
	out    bytes.Buffer
	stack  []frame
}

// frame is a condition that is open.
type frame struct {
	term  string // as it was opened: "if A", "elif B"
	other bool   // past its %else
	block int    // of the layout; 0 when the writer opened it by itself
	// joined is an %elif: its %if is the frame below, and has the %endif.
	joined bool
}

// is tells whether the frame is the term of a path.
func (f frame) is(term string) bool {
	rest, other := strings.CutPrefix(term, "else ")
	return f.other == other && f.term == rest
}

func isElif(term string) bool { return strings.HasPrefix(strings.TrimPrefix(term, "else "), "elif") }

func (w *writer) write(nodes []node) []byte {
	w.gaps = parseGaps(w.layout.Gaps)
	for i := range nodes {
		n := &nodes[i]
		switch n.op {
		case opBlank, opComment, opVerbatim:
			if i == 0 || !nodes[i-1].stands() {
				w.settle(nodes[i:])
			}
			w.out.WriteString(n.text)
		case opOpen:
			w.open(nodes[i:])
		case opElse, opElif:
			w.turn(nodes[i:])
		case opClose:
			w.close(n)
		case opLine:
			w.to(outerPath(n.entry))
			w.line(n, w.commentAbove(nodes, i))
		case opSection:
			w.to(n.sect.entry.Common().When)
			w.section(n)
		}
	}
	w.to(nil)
	return w.out.Bytes()
}

// commentAbove tells whether the comment of the entry at i stands above the
// %if before it and is written already.
func (w *writer) commentAbove(nodes []node, i int) bool {
	return i > 0 && nodes[i-1].op == opOpen && nodes[i-1].above && len(w.stack) > 0 && w.stack[len(w.stack)-1].block == nodes[i-1].block
}

func (w *writer) line(n *node, commented bool) {
	if !commented {
		w.out.WriteString(commentLines(n.entry.Common().Comment))
	}
	w.out.WriteString(w.spelled(n))
	w.out.WriteByte('\n')
}

// spelled renders the line of a node: by its own template where that says what the
// entries say, else by default.
func (w *writer) spelled(n *node) string {
	if n.tmpl != "" {
		if s := expand(n.tmpl, n.entry); says(s, n.entry) {
			return s
		}
	}
	return usualLine(n.entry, w.layout.Tag)
}

func (w *writer) section(n *node) {
	s := n.sect
	w.out.WriteString(commentLines(s.entry.Common().Comment))
	w.out.WriteString(s.spell(n.tmpl))
	w.out.WriteByte('\n')
	switch e := s.entry.(type) {
	case *pkgtoml.Script:
		body := e.Body
		if e.Kind == "prep" {
			body = w.dropPatches(body)
		}
		w.text(body)
	case *pkgtoml.Section:
		w.text(e.Body)
	case *pkgtoml.Changelog:
		w.changelog(e)
	}
}

// text writes a text, with a line end.
func (w *writer) text(s string) {
	w.out.WriteString(s)
	if s != "" && !strings.HasSuffix(s, "\n") {
		w.out.WriteByte('\n')
	}
}

// outerPath is the path of an entry without %{?name:…}, which is part of its
// line.
func outerPath(e pkgtoml.Entry) []string {
	w := e.Common().When
	if len(w) > 0 && isGuard(w[len(w)-1]) {
		return w[:len(w)-1]
	}
	return w
}

// to closes and opens conditions until the path stands open.
func (w *writer) to(path []string) {
	n := w.common(path)
	// A branch of the innermost block that is left can be reached by %else.
	if n < len(w.stack) && n < len(path) && !w.stack[n].other && path[n] == "else "+w.stack[n].term {
		w.cut(n + 1)
		w.otherwise(n, path, "", "")
		n = len(w.stack)
	} else {
		n = w.leave(n)
	}
	for n < len(path) {
		n = w.openTerm(n, path, 0, "")
	}
}

// leave closes all but n frames, and more where what is left hangs on an %elif:
// that is left with its %if. It gives the number of frames that stay.
func (w *writer) leave(n int) int {
	for n > 0 && n < len(w.stack) && w.stack[n].joined {
		n--
	}
	w.cut(n)
	return n
}

// common counts the terms of the path that are open.
func (w *writer) common(path []string) int {
	n := 0
	for n < len(w.stack) && n < len(path) && w.stack[n].is(path[n]) {
		n++
	}
	return n
}

// otherwise goes from the first branch of frame n to the next: an %elif if the
// path goes on with one.
func (w *writer) otherwise(n int, path []string, elif, other string) {
	w.stack[n].other = true
	if n+1 < len(path) && isElif(path[n+1]) {
		t := strings.TrimPrefix(path[n+1], "else ")
		w.conditional(t, elif)
		w.stack = append(w.stack, frame{term: t, block: w.stack[n].block, joined: true})
		if strings.HasPrefix(path[n+1], "else ") {
			w.otherwise(n+1, path, "", other)
		}
		return
	}
	w.verbatim("%else", other)
}

// openTerm opens the term n of a path and gives the number of what is open.
func (w *writer) openTerm(n int, path []string, block int, spelled string) int {
	t := strings.TrimPrefix(path[n], "else ")
	if isElif(t) { // without the %if that it belongs to: say it as that
		t = strings.TrimPrefix(t, "el")
		w.conditional(t, spelled)
		w.stack = append(w.stack, frame{term: "el" + t, block: block, other: false})
	} else {
		w.conditional(t, spelled)
		w.stack = append(w.stack, frame{term: t, block: block})
	}
	if strings.HasPrefix(path[n], "else ") {
		w.otherwise(n, path, "", "")
	}
	return len(w.stack)
}

// conditional writes a line %TERM, spelled with {} for its expression.
func (w *writer) conditional(term, spelled string) {
	word, expr, _ := strings.Cut(term, " ")
	line := "%" + word + " " + expr
	if expr == "" {
		line = "%" + word
	}
	if before, after, ok := strings.Cut(spelled, "{}"); ok {
		s := before + expr + after
		if strings.Trim(before, blanks) == "%"+word && strings.Trim(after, blanks) == "" {
			line = s
		}
	}
	w.out.WriteString(line)
	w.out.WriteByte('\n')
}

func (w *writer) verbatim(line, spelled string) {
	if spelled != "" {
		line = spelled
	}
	w.out.WriteString(line)
	w.out.WriteByte('\n')
}

// cut closes all but n frames.
func (w *writer) cut(n int) {
	for len(w.stack) > n {
		w.pop()
	}
}

// pop closes the innermost frame. An %elif is closed by the %endif of its %if.
func (w *writer) pop() {
	top := w.stack[len(w.stack)-1]
	w.stack = w.stack[:len(w.stack)-1]
	if !top.joined {
		w.verbatim("%endif", "")
	}
}

// settle closes what the writer has opened by itself before a blank line or a
// comment, unless the next entry goes on in it.
func (w *writer) settle(rest []node) {
	n := len(w.stack)
	for n > 0 && w.stack[n-1].block == 0 {
		n--
	}
	if n == len(w.stack) {
		return
	}
	path := nextPath(rest)
	w.leave(max(n, w.common(path)))
}

// nextPath is the path of the next entry, unless the layout opens or closes a
// condition before it.
func nextPath(nodes []node) []string {
	for i := range nodes {
		switch n := &nodes[i]; n.op {
		case opLine:
			return outerPath(n.entry)
		case opSection:
			return n.sect.entry.Common().When
		case opOpen, opElse, opElif, opClose:
			return nil
		}
	}
	return nil
}

// open begins a condition of the layout: its expression is that of the first
// entry in it that stands under one more condition than is open.
func (w *writer) open(nodes []node) {
	n := &nodes[0]
	depth := w.depth()
	path := insidePath(nodes, n.block, depth)
	if path == nil {
		return
	}
	w.cutTo(path[:depth])
	if len(w.stack) != depth {
		return
	}
	t := strings.TrimPrefix(path[depth], "else ")
	if n.above {
		if e := firstLine(nodes); e != nil {
			w.out.WriteString(commentLines(e.Common().Comment))
		}
	}
	w.conditional(t, n.text)
	w.stack = append(w.stack, frame{term: t, block: n.block})
}

// firstLine gives the entry of the line that follows an opOpen.
func firstLine(nodes []node) pkgtoml.Entry {
	if len(nodes) > 1 && nodes[1].op == opLine {
		return nodes[1].entry
	}
	return nil
}

// depth is the number of terms that are open where the layout opens a block.
func (w *writer) depth() int {
	n := len(w.stack)
	for n > 0 && w.stack[n-1].block == 0 {
		n--
	}
	return n
}

// cutTo leaves what agrees with a path.
func (w *writer) cutTo(path []string) { w.leave(w.common(path)) }

// insidePath gives the path of an entry inside of a block that is longer than
// depth and agrees with what is around it.
func insidePath(nodes []node, block, depth int) []string {
	for i := 1; i < len(nodes); i++ {
		n := &nodes[i]
		var path []string
		switch n.op {
		case opClose:
			if n.block == block {
				return nil
			}
			continue
		case opLine:
			path = outerPath(n.entry)
		case opSection:
			path = n.sect.entry.Common().When
		default:
			continue
		}
		if len(path) > depth {
			return path
		}
	}
	return nil
}

// turn goes to the next branch of a block, if that is where the next entry
// stands.
func (w *writer) turn(nodes []node) {
	n := &nodes[0]
	at := slices.IndexFunc(w.stack, func(f frame) bool { return f.block == n.block })
	if at < 0 {
		return
	}
	last := at
	for last+1 < len(w.stack) && w.stack[last+1].block == n.block {
		last++
	}
	w.cut(last + 1)
	if w.stack[last].other {
		return
	}
	path := insidePath(nodes, n.block, last)
	if path != nil && (w.common(path) != last || path[last] != "else "+w.stack[last].term) {
		return
	}
	switch {
	case n.op == opElse && (path == nil || len(path) == last+1 || !isElif(path[last+1])):
		w.stack[last].other = true
		w.verbatim("%else", n.text)
	case n.op == opElif && path != nil && len(path) > last+1 && isElif(path[last+1]):
		w.stack[last].other = true
		t := strings.TrimPrefix(path[last+1], "else ")
		w.conditional(t, n.text)
		w.stack = append(w.stack, frame{term: t, block: n.block, joined: true})
	}
}

func (w *writer) close(n *node) {
	at := slices.IndexFunc(w.stack, func(f frame) bool { return f.block == n.block })
	if at < 0 {
		return
	}
	w.cut(at + 1)
	w.stack = w.stack[:at]
	w.verbatim("%endif", n.text)
}
