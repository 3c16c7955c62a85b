package convert

import (
	"sort"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// outline writes the nodes of a lifted spec as a Layout's Order.
type outline struct {
	l      *lifter
	index  *index
	layout *pkgtoml.Layout
	place  map[pkgtoml.Entry]spot
	styles map[string]int
	out    strings.Builder
	line   strings.Builder
	scope  *section
	glue   bool // the next token follows an opening bracket
}

// spot is where an entry stands in the document.
type spot struct {
	sect *section
	list int
	n    int
}

// lineWidth is where lines of tokens are broken.
const lineWidth = 100

func (l *lifter) encodeLayout() {
	o := &outline{l: l, index: indexDocument(l.doc), layout: l.doc.Layout, place: map[pkgtoml.Entry]spot{}, styles: map[string]int{}}
	for _, s := range o.index.sections {
		for i, list := range s.lists {
			for n, e := range list.items {
				o.place[e] = spot{s, i, n}
			}
		}
	}
	o.hollow()
	o.layout.Tag = o.tagTemplate()
	o.spell()
	o.scope = o.index.sections[0]
	for i := 0; i < len(l.nodes); {
		i = o.node(i)
	}
	o.endLine()
	o.layout.Order = o.out.String()
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

// tagTemplate finds the template that spells the most tags.
func (o *outline) tagTemplate() string {
	count := map[string]int{}
	total := 0
	var seen []string
	for i := range o.l.nodes {
		n := &o.l.nodes[i]
		if n.op != opLine || !strings.HasPrefix(n.tmpl, "{tag}") || len(n.entry.Common().When) > 0 && n.tmpl[0] == '%' {
			continue
		}
		total++
		for _, t := range tagTemplates(n) {
			if count[t]++; count[t] == 1 {
				seen = append(seen, t)
			}
		}
	}
	sort.Strings(seen)
	best := ""
	for _, t := range seen {
		if best == "" || count[t] > count[best] {
			best = t
		}
	}
	if best == "{tag:16}{value}" {
		return ""
	}
	return best
}

// tagTemplates gives the rules that explain how a tag is aligned.
func tagTemplates(n *node) []string {
	sep, ok := strings.CutSuffix(strings.TrimPrefix(n.tmpl, "{tag}"), "{value}")
	width := len(tagText(n.entry))
	switch {
	case !ok || sep == "":
		return nil
	case strings.Trim(sep, " ") == "":
		out := []string{"{tag:" + strconv.Itoa(width+len(sep)) + "}{value}"}
		if len(sep) == 1 {
			out = append(out, "{tag} {value}")
			for _, column := range []int{15, 16, 17, 18, 19, 20, 24} {
				if width+1 > column {
					out = append(out, "{tag:"+strconv.Itoa(column)+"}{value}")
				}
			}
		}
		return out
	case strings.Trim(sep, "\t") == "":
		end := width/8*8 + 8*len(sep)
		out := []string{"{tag:" + strconv.Itoa(end) + "t}{value}"}
		if len(sep) == 1 {
			for column := 8; column < end; column += 8 {
				out = append(out, "{tag:"+strconv.Itoa(column)+"t}{value}")
			}
		}
		return out
	}
	return nil
}

// spell drops the templates that the default says already and prefers short
// ones for the others.
func (o *outline) spell() {
	w := &writer{doc: o.l.doc, index: o.index, layout: o.layout}
	for i := range o.l.nodes {
		n := &o.l.nodes[i]
		if n.op != opLine {
			continue
		}
		line := strings.TrimSuffix(n.text, "\n")
		if expand(defaultTemplate(n.entry, w.layout.Tag), n.entry) == line {
			n.tmpl = ""
			continue
		}
		for _, t := range shorter(n) {
			if expand(t, n.entry) == line {
				n.tmpl = t
				break
			}
		}
	}
}

// shorter gives templates that may say the same as that of a node and serve
// more than one line.
func shorter(n *node) []string {
	if strings.HasPrefix(n.tmpl, "{tag}") {
		if t := tagTemplates(n); len(t) > 1 {
			return t[1:2]
		} else {
			return t
		}
	}
	return nil
}

func (o *outline) node(i int) int {
	n := &o.l.nodes[i]
	switch n.op {
	case opBlank, opComment:
		o.endLine()
		o.out.WriteString(n.text)
	case opVerbatim:
		o.endLine()
		o.out.WriteString("!" + n.text)
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
		o.out.WriteString(o.line.String() + "\n")
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
		_, body, _ := strings.Cut(n.text, "\n")
		o.layout.Gaps = findGaps(body, c, o.index.tokens)
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
	end, seen := i+1, 0
	for j := i + 1; j < len(o.l.nodes) && o.l.nodes[j].op != opSection; j++ {
		n := &o.l.nodes[j]
		if n.op == opLine && (o.place[n.entry].sect != s || n.tmpl != "") {
			return i + 1
		}
		if n.op == opLine {
			seen++
			end = j + 1
		}
		if n.op == opClose && seen == count && end == j {
			end = j + 1
		}
	}
	if seen != count {
		return i + 1
	}
	var actual strings.Builder
	for _, n := range o.l.nodes[i+1 : end] {
		if n.op == opBlank || n.op == opComment || n.op == opVerbatim || n.above {
			return i + 1
		}
		if n.op == opLine {
			actual.WriteString(commentLines(n.entry.Common().Comment))
		}
		actual.WriteString(n.text)
	}
	w := &writer{doc: o.l.doc, index: o.index, layout: o.layout}
	when := s.entry.Common().When
	nodes := usualNodes(s)
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

// usualNodes are the entries of a section in the order of the document.
func usualNodes(s *section) []node {
	var out []node
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
		a, b := o.place[last], o.place[m.entry]
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
	t := o.index.tokens[e]
	if o.place[e].sect != o.scope {
		return "^" + t
	}
	return t
}

// short is the token of last without the prefix that it has in common with
// first.
func (o *outline) short(first, last pkgtoml.Entry) string {
	a, b := o.index.tokens[first], o.index.tokens[last]
	if n := prefixLen(a); n == prefixLen(b) && a[:n] == b[:n] {
		return b[n:]
	}
	return b
}

// prefixLen is the length of "br:" in "br:gcc".
func prefixLen(t string) int { return strings.IndexByte(t, ':') + 1 }
