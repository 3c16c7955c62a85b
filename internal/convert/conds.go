package convert

import (
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
	"github.com/weld-linux/weld-bridge/internal/spec"
)

// fate says what becomes of a line with a conditional.
type fate uint8

const (
	fateTyped fate = iota // becomes the condition of entries
	fateText              // stays in the text of a script
	fateRaw               // crosses sections: kept as a line of its own
)

// blocks holds the pairs of %if and %endif of a spec.
type blocks struct {
	file   *spec.File
	of     []int // line → block, -1 when it is none
	list   []block
	path   [][]branch      // line → the typed blocks around it, outermost first; shared
	owner  []int           // line → section
	items  []bool          // section → its lines are entries
	makers map[string]bool // macros of this spec that produce sections
}

type block struct {
	lines    []int // %if, branches, %endif
	fate     fate
	branches int  // how many %elif and %else it has
	last     bool // its %else is behind
}

// branch is a block and how many %elif and %else of it are behind.
type branch struct{ block, n int }

// matchBlocks pairs the conditionals and tells which of them follow the
// sections, so that they can become conditions. When plain, blocks of more than
// two branches do not.
func matchBlocks(f *spec.File, plain bool) *blocks {
	b := &blocks{file: f, of: make([]int, len(f.Lines)), owner: make([]int, len(f.Lines)), makers: map[string]bool{}}
	b.items = make([]bool, len(f.Sections))
	for s := range f.Sections {
		b.items[s] = spec.IsItems(f.Sections[s].Name) && understood(f, s)
		if f.Sections[s].Head >= 0 {
			b.owner[f.Sections[s].Head] = s
		}
		for i := f.Sections[s].Body; i < f.Sections[s].End; i++ {
			b.owner[i] = s
		}
	}
	b.findMakers()
	b.pair()
	for n := range b.list {
		if plain && b.list[n].branches > 1 {
			b.list[n].fate = fateRaw
		}
		b.textOnly(n)
	}
	for changed := true; changed; {
		b.paths()
		changed = b.crossing()
	}
	return b
}

// understood tells whether the header of a section can be taken apart and put
// together again.
func understood(f *spec.File, number int) bool {
	s := &f.Sections[number]
	if s.Head < 0 {
		return true
	}
	line := &f.Lines[s.Head]
	switch s.Name {
	case "sourcelist", "patchlist":
		return line.Rest == ""
	case "package", "files":
		h := parseHeader(s.Name, line.Rest)
		p := &pkgtoml.Package{Name: h.name, Full: h.full}
		e := pkgtoml.Entry(p)
		if s.Name == "files" {
			e = &pkgtoml.Files{From: h.from, Args: h.rest}
		}
		return exact(s.Name, p, e, strings.TrimSuffix(line.Text, "\n")) && (s.Name == "files" || h.rest == "" && h.name != "")
	}
	return false
}

func (b *blocks) pair() {
	var stack []int
	for i := range b.file.Lines {
		b.of[i] = -1
		kind := b.file.Lines[i].Kind
		switch kind {
		case spec.If:
			stack = append(stack, len(b.list))
			b.list = append(b.list, block{lines: []int{i}})
		case spec.Elif, spec.Else, spec.Endif:
		default:
			continue
		}
		if len(stack) == 0 { // rpm refuses it; a macro may have opened it
			b.of[i] = len(b.list)
			b.list = append(b.list, block{lines: []int{i}, fate: fateRaw})
			continue
		}
		top := stack[len(stack)-1]
		b.of[i] = top
		bl := &b.list[top]
		if kind != spec.If {
			bl.lines = append(bl.lines, i)
		}
		if kind == spec.Elif || kind == spec.Else {
			bl.branches++
			if bl.last {
				bl.fate = fateRaw
			}
			bl.last = bl.last || kind == spec.Else
		}
		if kind == spec.Endif {
			stack = stack[:len(stack)-1]
		}
	}
	for _, n := range stack {
		b.list[n].fate = fateRaw
	}
}

// textOnly finds the blocks that lie in the text of one section with text
// behind them.
func (b *blocks) textOnly(n int) {
	bl := &b.list[n]
	first, last := bl.lines[0], bl.lines[len(bl.lines)-1]
	if bl.fate != fateTyped || b.items[b.owner[first]] || b.owner[first] != b.owner[last] {
		return
	}
	if last < b.hoistStart(b.owner[first]) {
		bl.fate = fateText
		return
	}
	for i := first; i <= last; i++ {
		if l := &b.file.Lines[i]; l.Kind == spec.Text && !b.hoistable(l, b.owner[first]) {
			bl.fate = fateText
			return
		}
	}
}

// hoistable tells whether a line at the end of a text may stand for itself.
func (b *blocks) hoistable(l *spec.Line, section int) bool {
	switch l.Kind {
	case spec.Text:
		return b.makesSections(l.Text) || b.definesAhead(l.Text, section) || strings.HasPrefix(l.Text, "%dnl ")
	case spec.Header:
		return false
	}
	return true
}

// definesAhead tells whether a line at the end of a section is a definition for
// what follows: behind a description, and before sections that a spec without
// layout has earlier.
func (b *blocks) definesAhead(text string, section int) bool {
	if b.file.Sections[section].Name == "description" {
		return isMacroLine(text)
	}
	if section+1 == len(b.file.Sections) || !isDefinition(text) {
		return false
	}
	next := b.file.Sections[section+1].Name
	return next == "package" || next == "description"
}

// isMacroLine tells a line for rpm alone from text.
func isMacroLine(text string) bool {
	return isDefinition(text) || beginsWith(text, "%include", "%dnl")
}

// isDefinition tells whether a line defines a macro or takes one away.
func isDefinition(text string) bool {
	return beginsWith(text, "%global", "%define", "%undefine", "%bcond", "%bcond_with", "%bcond_without")
}

// beginsWith tells whether a line, without its indent, begins with one of the
// words and a blank.
func beginsWith(text string, words ...string) bool {
	t := strings.TrimLeft(text, " \t")
	if !strings.HasPrefix(t, "%") {
		return false
	}
	for _, word := range words {
		if len(t) > len(word) && strings.HasPrefix(t, word) && (t[len(word)] == ' ' || t[len(word)] == '\t') {
			return true
		}
	}
	return false
}

// sectionMacros are the macros of distributions that produce whole sections,
// so that they stand between sections and not in one.
var sectionMacros = map[string]bool{
	"gopkg": true, "gopkgfiles": true, "godevelpkg": true, "goaltpkg": true, "godevelfiles": true, "goaltfiles": true,
	"fontpkg": true, "fontmetapkg": true, "fontfiles": true, "ldconfig_scriptlets": true, "ldconfig_post": true, "ldconfig_postun": true,
	"pyproject_extras_subpkg": true, "python_extras_subpkg": true,
	"ghc_lib_subpackage": true, "ghc_lib_package": true, "ghc_devel_package": true,
	"mingw_debug_package": true, "javadoc_package": true,
}

// makesSections tells whether a line calls a macro that produces sections: one
// of the table, or one that the spec itself defines so.
func (b *blocks) makesSections(text string) bool {
	if !strings.HasPrefix(text, "%") {
		return false
	}
	name := ident(strings.TrimLeft(text[1:], "{?"))
	return sectionMacros[name] || b.makers[name]
}

// findMakers notes the macros that the spec defines and whose body has the
// header of a section.
func (b *blocks) findMakers() {
	for i := range b.file.Lines {
		l := &b.file.Lines[i]
		if l.Kind != spec.Text || strings.Count(l.Text, "\n") < 2 || !isMacroLine(l.Text) {
			continue
		}
		for _, header := range []string{"\n%package", "\n%description", "\n%files"} {
			if strings.Contains(l.Text, header) {
				_, rest, _ := strings.Cut(strings.TrimLeft(l.Text, " \t"), " ")
				if name := ident(strings.TrimLeft(rest, " \t")); name != "" {
					b.makers[name] = true
				}
			}
		}
	}
}

// hoistStart gives the first line at the end of a text section that may be
// taken out of it: everything behind is conditionals, comments, blanks and the
// few macros that stand for themselves.
func (b *blocks) hoistStart(section int) int {
	s := &b.file.Sections[section]
	at := s.End
	for at > s.Body {
		l := &b.file.Lines[at-1]
		if !b.hoistable(l, section) || b.of[at-1] >= 0 && b.list[b.of[at-1]].fate != fateTyped {
			break
		}
		at--
	}
	return at
}

// paths notes, for each line, the typed blocks that it stands in.
func (b *blocks) paths() {
	if len(b.list) == 0 {
		return
	}
	if b.path == nil {
		b.path = make([][]branch, len(b.file.Lines))
	}
	var now []branch
	for i := range b.file.Lines {
		if n := b.of[i]; n >= 0 && b.list[n].fate == fateTyped {
			switch b.file.Lines[i].Kind {
			case spec.If:
				now = append(now[:len(now):len(now)], branch{n, 0})
			case spec.Endif:
				now = now[:len(now)-1]
			default:
				next := append([]branch(nil), now...)
				next[len(next)-1].n++
				now = next
			}
		}
		b.path[i] = now
	}
}

// around gives the typed blocks that a line stands in.
func (b *blocks) around(line int) []branch {
	if b.path == nil {
		return nil
	}
	return b.path[line]
}

// crossing finds blocks that do not follow the sections and gives them up. It
// tells whether it found one.
func (b *blocks) crossing() bool {
	if len(b.list) == 0 {
		return false
	}
	found := false
	for s := range b.file.Sections {
		sec := &b.file.Sections[s]
		start := sec.End
		items := b.items[s]
		if !items {
			start = b.hoistStart(s)
		}
		var outer []branch
		if sec.Head >= 0 {
			outer = b.around(sec.Head)
		}
		for i := sec.Body; i < start; i++ {
			if items && b.passes(i) {
				continue
			}
			found = b.giveUp(outer, b.around(i), items) || found
			if n := b.of[i]; !items && n >= 0 && b.list[n].fate == fateTyped {
				b.list[n].fate = fateRaw
				found = true
			}
		}
	}
	return found
}

// passes tells whether a line of an item section may stand outside of the
// conditions of its header.
func (b *blocks) passes(i int) bool {
	l := &b.file.Lines[i]
	if l.Kind == spec.Text {
		return isMacroLine(l.Text) || b.makesSections(l.Text)
	}
	return b.of[i] < 0 || b.list[b.of[i]].fate == fateTyped
}

// giveUp marks the blocks in which a line and the header of its section
// disagree.
func (b *blocks) giveUp(head, line []branch, items bool) bool {
	n := 0
	for n < len(head) && n < len(line) && head[n] == line[n] {
		n++
	}
	found := false
	for _, x := range head[n:] {
		b.list[x.block].fate = fateRaw
		found = true
	}
	if items {
		return found
	}
	for _, x := range line[n:] {
		b.list[x.block].fate = fateRaw
		found = true
	}
	return found
}

// when writes the path of a line in the terms of the document.
func (b *blocks) when(line int) []string {
	var out []string
	for _, x := range b.around(line) {
		lines := b.list[x.block].lines
		for i := 0; i < x.n; i++ {
			out = append(out, "else "+term(&b.file.Lines[lines[i]]))
		}
		if l := &b.file.Lines[lines[x.n]]; l.Kind != spec.Else {
			out = append(out, term(l))
		}
	}
	return out
}

func term(l *spec.Line) string {
	if l.Rest == "" {
		return l.Word
	}
	return l.Word + " " + l.Rest
}
