package convert

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// outline writes the nodes of a lifted spec as a Layout's Order.
type outline struct {
	l      *lifter
	index  *index
	layout *pkgtoml.Layout
	styles map[string]int
	out    strings.Builder
	line   bytes.Buffer
	scope  *section
	glue   bool // the next token follows an opening bracket
}

// lineWidth is where lines of tokens are broken.
const lineWidth = 100

func (l *lifter) encodeLayout() {
	o := &outline{l: l, index: l.index, layout: l.doc.Layout, styles: map[string]int{}}
	o.hollow()
	o.spell(o.tagTemplate())
	o.scope = o.index.sections[0]
	o.index.names(o.scope)
	for i := 0; i < len(l.nodes); {
		i = o.node(i)
	}
	o.endLine()
	o.layout.Order = o.out.String()
	var unpatched []string
	for _, n := range patchesApplied(l.doc) {
		unpatched = append(unpatched, strconv.Itoa(n))
	}
	o.layout.Unpatched = strings.Join(unpatched, " ")
}

// hollow makes conditionals that hold no entry lines of their own: nothing in
// the typed part could say their expression.
func (o *outline) hollow() {
	nodes := o.l.nodes
	var open []int
	full := map[int]bool{}
	for i := range nodes {
		switch nodes[i].op {
		case opOpen:
			open = append(open, i)
		case opClose:
			open = open[:len(open)-1]
		case opLine, opSection:
			for _, j := range open {
				full[nodes[j].block] = true
			}
		}
	}
	for i := range nodes {
		n := &nodes[i]
		if n.block > 0 && !full[n.block] {
			n.op = opVerbatim
		}
	}
}

// align is a rule for what stands between a tag and its value: blanks or tabs
// up to a column, and at least one.
type align struct {
	column int
	tabs   bool
}

// usualAlign is the rule of a layout that does not say another.
var usualAlign = align{column: 16}

func (a align) template() string {
	switch {
	case a.tabs:
		return "{tag:" + strconv.Itoa(a.column) + "t}{value}"
	case a.column <= 1:
		return "{tag} {value}"
	}
	return "{tag:" + strconv.Itoa(a.column) + "}{value}"
}

// explains tells whether the rule gives sep behind a tag of that width.
func (a align) explains(width int, sep string) bool {
	if a.tabs {
		n := max(1, (a.column-width/8*8+7)/8)
		return len(sep) == n && strings.Trim(sep, "\t") == ""
	}
	return len(sep) == max(1, a.column-width) && strings.Trim(sep, " ") == ""
}

// separation gives the width of a tag and what stands behind it, for the lines
// that have nothing else to them.
func separation(n *node) (width int, sep string, ok bool) {
	if n.op != opLine || !strings.HasPrefix(n.tmpl, "{tag}") {
		return 0, "", false
	}
	sep, ok = strings.CutSuffix(n.tmpl[len("{tag}"):], "{value}")
	return len(tagText(n.entry)), sep, ok && sep != ""
}

// exactAlign is the narrowest rule that explains one line.
func exactAlign(width int, sep string) (align, bool) {
	switch {
	case sep == " ":
		return align{}, true
	case strings.Trim(sep, " ") == "":
		return align{column: width + len(sep)}, true
	case strings.Trim(sep, "\t") == "":
		return align{column: width/8*8 + 8*len(sep), tabs: true}, true
	}
	return align{}, false
}

// tagTemplate finds the rule that explains the most tags.
func (o *outline) tagTemplate() align {
	type gap struct {
		width int
		sep   string
	}
	gaps, count := map[gap]int{}, map[align]int{}
	var rules []align
	for i := range o.l.nodes {
		if width, sep, ok := separation(&o.l.nodes[i]); ok {
			gaps[gap{width, sep}]++
			if a, ok := exactAlign(width, sep); ok {
				if count[a]++; count[a] == 1 {
					rules = append(rules, a)
				}
			}
		}
	}
	slices.SortStableFunc(rules, func(a, b align) int { return count[b] - count[a] })
	if len(rules) > 8 {
		rules = rules[:8]
	}
	best, most := usualAlign, 0
	for _, a := range rules {
		n := 0
		for g, times := range gaps {
			if a.explains(g.width, g.sep) {
				n += times
			}
		}
		if n > most {
			best, most = a, n
		}
	}
	return best
}

// spell drops the templates that the default says already, and uses the rules
// for others that serve more than one line.
func (o *outline) spell(usual align) {
	if usual != usualAlign {
		o.layout.Tag = usual.template()
	}
	for i := range o.l.nodes {
		n := &o.l.nodes[i]
		if n.op != opLine {
			continue
		}
		if width, sep, ok := separation(n); ok {
			if usual.explains(width, sep) {
				n.tmpl = ""
			} else if a, ok := exactAlign(width, sep); ok {
				n.tmpl = a.template()
			}
			continue
		}
		text := usualLine(n.entry, o.layout.Tag)
		if len(text)+1 == len(n.text) && n.text[:len(text)] == text {
			n.tmpl = ""
		}
	}
}

func (o *outline) node(i int) int {
	n := &o.l.nodes[i]
	switch n.op {
	case opBlank, opComment:
		o.endLine()
		o.out.WriteString(n.text)
	case opVerbatim:
		o.endLine()
		for _, line := range strings.SplitAfter(strings.TrimSuffix(n.text, "\n"), "\n") {
			o.out.WriteString("!" + line)
		}
		o.out.WriteByte('\n')
	case opOpen, opElse, opElif, opClose:
		o.bracket(n, i)
	case opSection:
		return o.section(i)
	case opLine:
		return o.entries(i)
	}
	return i + 1
}

// bracket writes [ | |? ] where the line of the spec is as it is by default,
// else the line with {} for its expression.
func (o *outline) bracket(n *node, i int) {
	ln := &o.l.file.Lines[0]
	for j := range o.l.blocks.list[n.block-1].lines {
		if l := &o.l.file.Lines[o.l.blocks.list[n.block-1].lines[j]]; l.Text == n.text {
			ln = l
		}
	}
	plain := "%" + ln.Word
	if ln.Rest != "" && (n.op == opOpen || n.op == opElif) {
		plain += " " + ln.Rest
	}
	if plain+"\n" == n.text {
		switch n.op {
		case opOpen:
			mark := "["
			if n.above {
				mark = "^["
			}
			o.token(mark, true)
		case opElse:
			o.attach("|")
			o.glue = true
		case opElif:
			o.attach("|?")
			o.glue = true
		case opClose:
			o.attach("]")
		}
		return
	}
	text := strings.TrimSuffix(n.text, "\n")
	if n.op == opOpen || n.op == opElif {
		at := strings.Index(text, "%"+ln.Word) + len(ln.Word) + 1
		text = text[:at] + strings.Replace(text[at:], ln.Rest, "{}", 1)
	}
	o.endLine()
	if n.above {
		text = "^" + text
	}
	o.out.WriteString(text + "\n")
}

// token writes a word; glue joins the next one to it.
func (o *outline) token(t string, glue bool) {
	if o.line.Len()+len(t) >= lineWidth && !o.glue {
		o.endLine()
	}
	if o.line.Len() > 0 && !o.glue {
		o.line.WriteByte(' ')
	}
	o.line.WriteString(t)
	o.glue = glue
}

// attach writes a mark behind the word before it.
func (o *outline) attach(t string) {
	o.line.WriteString(t)
	o.glue = false
}

func (o *outline) endLine() {
	if o.line.Len() > 0 {
		o.out.Write(o.line.Bytes())
		o.out.WriteByte('\n')
		o.line.Reset()
	}
	o.glue = false
}

func (o *outline) style(tmpl string) string {
	if tmpl == "" {
		return ""
	}
	n, ok := o.styles[tmpl]
	if !ok {
		o.layout.Styles = append(o.layout.Styles, tmpl)
		n = len(o.layout.Styles)
		o.styles[tmpl] = n
	}
	return "~" + strconv.Itoa(n)
}

func (o *outline) section(i int) int {
	n := &o.l.nodes[i]
	s := o.index.byEntry[n.sect.entry]
	o.scope = s
	o.endLine()
	o.token(s.token+o.style(n.tmpl), false)
	o.endLine()
	if c, ok := s.entry.(*pkgtoml.Changelog); ok {
		o.layout.Gaps = o.index.findGaps(o.l.gaps, s, c)
	}
	return o.usual(i)
}

// usual skips the entries of a section that stand as they do by default.
func (o *outline) usual(i int) int {
	s := o.scope
	count := 0
	for _, l := range s.lists {
		count += len(l.items)
	}
	if count == 0 || s.kind == "changelog" {
		return i + 1
	}
	nodes := usualNodes(s)
	end, seen := i+1, 0
	for j := i + 1; j < len(o.l.nodes) && seen < count && o.l.nodes[j].op != opSection; j++ {
		n := &o.l.nodes[j]
		if n.op == opBlank || n.op == opComment || n.op == opVerbatim || n.above {
			return i + 1
		}
		if n.op == opLine {
			if n.entry != nodes[seen].entry || n.tmpl != "" {
				return i + 1
			}
			seen++
		}
		end = j + 1
	}
	for end < len(o.l.nodes) && o.l.nodes[end].op == opClose && o.opened(o.l.nodes[i+1:end], o.l.nodes[end].block) {
		end++
	}
	if seen != count {
		return i + 1
	}
	if !slices.ContainsFunc(o.l.nodes[i+1:end], func(n node) bool { return n.op != opLine }) {
		return end
	}
	var actual strings.Builder
	for _, n := range o.l.nodes[i+1 : end] {
		if n.op == opLine {
			actual.WriteString(commentLines(n.entry.Common().Comment))
		}
		actual.WriteString(n.text)
	}
	w := &writer{doc: o.l.doc, index: o.index, layout: o.layout}
	when := s.entry.Common().When
	w.to(when)
	w.out.Reset()
	for j := range nodes {
		w.to(outerPath(nodes[j].entry))
		w.line(&nodes[j], false)
	}
	w.to(when)
	if w.out.String() != actual.String() {
		return i + 1
	}
	return end
}

// opened tells whether a block begins in the nodes.
func (o *outline) opened(nodes []node, block int) bool {
	return slices.ContainsFunc(nodes, func(n node) bool { return n.op == opOpen && n.block == block })
}

// usualNodes are the entries of a section in the order of the document.
func usualNodes(s *section) []node {
	count := 0
	for _, l := range s.lists {
		count += len(l.items)
	}
	out := make([]node, 0, count)
	for _, l := range s.lists {
		for _, e := range l.items {
			out = append(out, node{op: opLine, entry: e})
		}
	}
	return out
}

// entries writes the token of a line, or of a run of lines that follow each
// other in the document as they do in the spec.
func (o *outline) entries(i int) int {
	o.index.names(o.scope)
	n := &o.l.nodes[i]
	first := n.entry
	t := o.name(first)
	last := first
	j := i + 1
	for ; j < len(o.l.nodes); j++ {
		m := &o.l.nodes[j]
		if m.op != opLine || m.tmpl != n.tmpl {
			break
		}
		a, b := o.index.spots[last], o.index.spots[m.entry]
		if a.sect != b.sect || a.list != b.list || a.n+1 != b.n {
			break
		}
		last = m.entry
	}
	switch d, ok := first.(*pkgtoml.Dep); {
	case last != first:
		t += ".." + o.short(first, last)
	case ok && len(d.Deps) > 1:
		prefix := t[:prefixLen(t)]
		t += "&" + strings.TrimPrefix(lastKey(strings.TrimSuffix(prefix, ":"), d), prefix)
	}
	o.token(t+o.style(n.tmpl), false)
	return j
}

// name is an entry's token as it is written here: with ^ before it where it
// belongs to the preamble and stands in another section.
func (o *outline) name(e pkgtoml.Entry) string {
	at := o.index.spots[e]
	if at.sect != o.scope {
		return "^" + at.token
	}
	return at.token
}

// short is the token of last without the prefix that it has in common with
// first.
func (o *outline) short(first, last pkgtoml.Entry) string {
	a, b := o.index.spots[first].token, o.index.spots[last].token
	if n := prefixLen(a); n == prefixLen(b) && a[:n] == b[:n] {
		return b[n:]
	}
	return b
}

// prefixLen is the length of "br:" in "br:gcc".
func prefixLen(t string) int { return strings.IndexByte(t, ':') + 1 }
