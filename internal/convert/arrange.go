package convert

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// arranger makes nodes of a Layout's Order. Names that the document does not
// have any more are passed over, with the conditions that they leave empty;
// what the order does not name is put in afterwards.
type arranger struct {
	index  *index
	layout *pkgtoml.Layout
	nodes  []node
	placed map[pkgtoml.Entry]bool
	whole  map[*section]bool // all entries are placed
	last   map[string]int    // of a list in a section: the last entry that was placed
	scope  *section          // nil within a section that is gone
	listed bool              // entries of the scope are named
	open   []int             // blocks
	blocks int
}

// gone marks the place of something that the document does not have any more.
const opGone op = 200

// arranged gives the nodes of a document with a layout.
func (w *writer) arranged(layout *pkgtoml.Layout) []node {
	a := &arranger{index: w.index, layout: layout, placed: map[pkgtoml.Entry]bool{}, whole: map[*section]bool{}, last: map[string]int{}}
	a.scope = a.index.sections[0]
	order := layout.Order
	a.nodes = make([]node, 0, strings.Count(order, "\n")+a.index.entries()+16)
	for order != "" {
		line, rest, _ := strings.Cut(order, "\n")
		a.line(line)
		order = rest
	}
	a.endScope()
	if len(a.open) > 0 { // their ends are missing: the entries know their conditions
		a.nodes = slices.DeleteFunc(a.nodes, func(n node) bool { return n.block > 0 && slices.Contains(a.open, n.block) })
	}
	nodes := sweep(a.nodes)
	return insert(nodes, a)
}

func (a *arranger) line(line string) {
	t := strings.TrimLeft(line, " \t\f\v\r")
	switch {
	case t == "":
		a.add(node{op: opBlank, text: line + "\n"})
	case t[0] == '#':
		a.add(node{op: opComment, text: line + "\n"})
	case line[0] == '!':
		a.add(node{op: opVerbatim, text: line[1:] + "\n"})
	case a.spelled(line):
	default:
		a.words(line)
	}
}

func (a *arranger) add(n node) { a.nodes = append(a.nodes, n) }

// spelled reads the line of a conditional that is written out.
func (a *arranger) spelled(line string) bool {
	body, above := strings.CutPrefix(line, "^")
	t := strings.TrimLeft(body, " \t")
	if !strings.HasPrefix(t, "%") {
		return false
	}
	switch word := ident(t[1:]); {
	case strings.HasPrefix(word, "if"):
		a.begin(body, above)
	case strings.HasPrefix(word, "elif"):
		a.branch(opElif, body)
	case word == "else":
		a.branch(opElse, body)
	case word == "endif":
		a.shut(body)
	default:
		return false
	}
	return true
}

// maxNesting is how deep the conditions of an order may stand in each other.
const maxNesting = 1000

func (a *arranger) begin(spelled string, above bool) {
	if len(a.open) >= maxNesting {
		return
	}
	a.blocks++
	a.open = append(a.open, a.blocks)
	a.add(node{op: opOpen, block: a.blocks, text: spelled, above: above})
}

func (a *arranger) branch(o op, spelled string) {
	if len(a.open) > 0 {
		a.add(node{op: o, block: a.open[len(a.open)-1], text: spelled})
	}
}

func (a *arranger) shut(spelled string) {
	if n := len(a.open); n > 0 {
		a.add(node{op: opClose, block: a.open[n-1], text: spelled})
		a.open = a.open[:n-1]
	}
}

// words reads a line of tokens and brackets.
func (a *arranger) words(line string) {
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case isBlank(c):
			i++
		case c == '[':
			a.begin("", false)
			i++
		case strings.HasPrefix(line[i:], "^["):
			a.begin("", true)
			i += 2
		case strings.HasPrefix(line[i:], "|?"):
			a.branch(opElif, "")
			i += 2
		case c == '|':
			a.branch(opElse, "")
			i++
		case c == ']':
			a.shut("")
			i++
		default:
			end := i
			for end < len(line) && !isBlank(line[end]) && strings.IndexByte("[]|", line[end]) < 0 {
				end++
			}
			a.token(line[i:end])
			i = end
		}
	}
}

func (a *arranger) token(t string) {
	tmpl := ""
	if n := strings.LastIndexByte(t, '~'); n >= 0 {
		if i, err := strconv.Atoi(t[n+1:]); err == nil && i >= 1 && i <= len(a.layout.Styles) {
			tmpl = a.layout.Styles[i-1]
		}
		t = t[:n]
	}
	if strings.HasPrefix(t, "%") {
		a.section(t, tmpl)
		return
	}
	scope := a.scope
	if rest, ok := strings.CutPrefix(t, "^"); ok {
		t, scope = rest, a.index.sections[0]
	} else {
		a.listed = true
	}
	if scope == nil {
		a.add(node{op: opGone})
		return
	}
	a.entries(scope, t, tmpl)
}

func (a *arranger) section(t, tmpl string) {
	a.endScope()
	s := a.index.byToken[t]
	if s != nil && s.entry != nil && a.placed[s.entry] {
		s = nil
	}
	a.scope, a.listed = s, false
	if s == nil || s.entry == nil {
		a.scope = nil
		a.add(node{op: opGone, sect: &section{}})
		return
	}
	a.placed[s.entry] = true
	a.add(node{op: opSection, sect: s, tmpl: tmpl})
}

// endScope puts the entries of a section that the order does not name behind
// its header.
func (a *arranger) endScope() {
	s := a.scope
	if s == nil || a.listed || s.kind == "changelog" || s.entry == nil {
		return
	}
	at := len(a.nodes)
	for at > 0 && !(a.nodes[at-1].op == opSection && a.nodes[at-1].sect == s) {
		at--
	}
	more := usualNodes(s)
	a.whole[s] = true
	tail := slices.Clone(a.nodes[at:])
	a.nodes = append(append(a.nodes[:at], more...), tail...)
}

// entries places what a token names: one entry, a run, or the entries of a
// line.
func (a *arranger) entries(s *section, t, tmpl string) {
	first, last, mark := cutRun(t)
	from := a.find(s, first, "")
	to := from
	switch {
	case mark == "..":
		to = a.find(s, last, first)
	case mark != "" && from == nil:
		from = a.find(s, last, first)
	}
	if from == nil && to == nil {
		a.add(node{op: opGone})
		return
	}
	known := from
	if known == nil {
		known = to
	}
	where := a.index.spots[known]
	items := s.lists[where.list].items
	begin, end := where.n, where.n
	if from == nil {
		begin = min(a.after(s, where.list), where.n)
	}
	if to != nil {
		end = max(a.index.spots[to].n, begin)
	}
	var run []pkgtoml.Entry
	for n := begin; n <= end; n++ {
		if !a.placed[items[n]] {
			run = append(run, items[n])
			a.placed[items[n]] = true
		}
	}
	a.last[a.key(s, where.list)] = end + 1
	if len(run) == 0 {
		return
	}
	for _, e := range run {
		a.add(node{op: opLine, entry: e, tmpl: tmpl})
	}
}

func (a *arranger) key(s *section, list int) string { return s.token + " " + strconv.Itoa(list) }

// after is the place behind the last entry of a list that was placed.
func (a *arranger) after(s *section, list int) int { return a.last[a.key(s, list)] }

// cutRun splits "br:a..b", a run of lines, and "br:a&d", one line.
func cutRun(t string) (first, last, mark string) {
	for _, mark := range []string{"..", "&"} {
		if a, b, ok := strings.Cut(t, mark); ok {
			return a, b, mark
		}
	}
	return t, "", ""
}

// find gives the entry of a token, which may lack the prefix that another has.
func (a *arranger) find(s *section, t, other string) pkgtoml.Entry {
	find := a.index.names(s)
	if n := prefixLen(other); n > 0 {
		if e, ok := find[other[:n]+t]; ok {
			return e
		}
	}
	if e, ok := find[t]; ok {
		return e
	}
	return nil
}
