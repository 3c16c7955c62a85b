package convert

import (
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
	"github.com/weld-linux/weld-bridge/internal/spec"
)

// lifter makes the typed part of a document from lines, and the arrangement of
// its entries beside it.
type lifter struct {
	file    *spec.File
	blocks  *blocks
	doc     *pkgtoml.Document
	index   *index
	gaps    []int // blank lines behind the entries of the changelog
	nodes   []node
	pending []int // comments that may belong to what comes next
	pkgs    map[string][]*pkgtoml.Package
	lastTag string
	ended   bool                             // a macro of the preamble has begun a section
	seen    map[string]bool                  // lists of the preamble that have begun
	behind  map[*pkgtoml.Macro]pkgtoml.Entry // the section that a macro stands behind
}

func lift(f *spec.File, plain bool) *lifter {
	l := &lifter{
		file: f, blocks: matchBlocks(f, plain), doc: &pkgtoml.Document{}, pkgs: map[string][]*pkgtoml.Package{},
		seen: map[string]bool{}, behind: map[*pkgtoml.Macro]pkgtoml.Entry{},
	}
	room := 4 * len(f.Sections)
	for i, s := range f.Sections {
		if l.blocks.items[i] {
			room += s.End - s.Body
		}
	}
	l.nodes = make([]node, 0, room+room/8)
	for i := range f.Sections {
		s := &f.Sections[i]
		switch {
		case s.Head < 0:
			l.items(s.Body, s.End, l.preambleLine)
		case s.Name == "package" && l.blocks.items[i]:
			l.packageSection(s)
		case s.Name == "files" && l.blocks.items[i]:
			l.filesSection(s, i)
		case (s.Name == "sourcelist" || s.Name == "patchlist") && l.blocks.items[i]:
			l.listSection(s)
		case s.Name == "changelog" && !l.doc.Changelog.Present && s.Head >= 0 && f.Lines[s.Head].Rest == "":
			l.changelogSection(s)
		default:
			l.textSection(s, i)
		}
	}
	l.flush()
	slices.SortStableFunc(l.doc.Lists, func(a, b *pkgtoml.SourceList) int { // as the document has them
		switch {
		case a.Patches == b.Patches:
			return 0
		case b.Patches:
			return -1
		}
		return 1
	})
	l.index = indexDocument(l.doc)
	l.anchorBehind()
	return l
}

// whole keeps a spec as it is.
func whole(text string) *lifter {
	line, body, _ := strings.Cut(text, "\n")
	s := &pkgtoml.Section{Header: line, Body: body}
	l := &lifter{file: &spec.File{}, doc: &pkgtoml.Document{Sections: []*pkgtoml.Section{s}}}
	l.nodes = []node{{op: opSection, sect: &section{kind: "section", entry: s}}}
	l.index = indexDocument(l.doc)
	return l
}

// items walks over lines that stand for themselves.
func (l *lifter) items(from, to int, line func(i int)) {
	for i := from; i < to; i++ {
		switch ln := &l.file.Lines[i]; ln.Kind {
		case spec.Blank:
			l.flush()
			l.nodes = append(l.nodes, node{op: opBlank, text: ln.Text})
		case spec.Comment:
			if strings.Count(ln.Text, "\n") > 1 {
				l.flush()
				line(i)
				continue
			}
			l.pending = append(l.pending, i)
		case spec.Text:
			line(i)
		default:
			l.conditional(i, line)
		}
	}
}

// flush lets the comments stand alone that no entry has taken.
func (l *lifter) flush() {
	for _, i := range l.pending {
		l.nodes = append(l.nodes, node{op: opComment, text: l.file.Lines[i].Text})
	}
	l.pending = l.pending[:0]
}

// comment takes the comments directly above a line.
func (l *lifter) comment() string {
	lines := make([]string, len(l.pending))
	for n, i := range l.pending {
		lines[n] = commentText(strings.TrimSuffix(l.file.Lines[i].Text, "\n"))
	}
	l.pending = l.pending[:0]
	if len(lines) == 1 && lines[0] == "" {
		return "#"
	}
	return strings.Join(lines, "\n")
}

// commentText takes the mark away where it will be put back.
func commentText(line string) string {
	if line == "#" {
		return ""
	}
	rest, ok := strings.CutPrefix(line, "# ")
	if !ok || rest == "" || strings.HasPrefix(strings.TrimLeft(rest, " \t"), "#") {
		return line
	}
	return rest
}

// commentLines is the inverse of commentText for all lines of a comment.
func commentLines(comment string) string {
	if comment == "" {
		return ""
	}
	var b strings.Builder
	for _, line := range strings.Split(comment, "\n") {
		switch {
		case line == "":
			b.WriteString("#\n")
		case strings.HasPrefix(strings.TrimLeft(line, " \t"), "#"):
			b.WriteString(line + "\n")
		default:
			b.WriteString("# " + line + "\n")
		}
	}
	return b.String()
}

// conditional notes the line of an %if, a branch or an %endif.
func (l *lifter) conditional(i int, raw func(int)) {
	ln := &l.file.Lines[i]
	n := l.blocks.of[i]
	if l.blocks.list[n].fate != fateTyped {
		raw(i)
		return
	}
	above := ln.Kind == spec.If && len(l.pending) > 0 && l.holdsOne(i)
	if !above {
		l.flush()
	}
	o := map[spec.Kind]op{spec.If: opOpen, spec.Elif: opElif, spec.Else: opElse, spec.Endif: opClose}[ln.Kind]
	l.nodes = append(l.nodes, node{op: o, text: ln.Text, block: n + 1, above: above})
}

// holdsOne tells whether an %if has one line before the next branch, so that
// what is said above the %if is said about that line.
func (l *lifter) holdsOne(i int) bool {
	lines := l.file.Lines
	if i+2 >= len(lines) || lines[i+1].Kind != spec.Text || l.blocks.of[i+2] != l.blocks.of[i] {
		return false
	}
	return l.blocks.items[l.blocks.owner[i]]
}

// entry notes the line of entries.
func (l *lifter) entry(i int, p parsed) {
	m := p.entry.Common()
	m.When = append(l.blocks.when(i), m.When...)
	m.Comment = l.comment()
	l.nodes = append(l.nodes, node{op: opLine, text: l.file.Lines[i].Text, entry: p.entry, tmpl: p.tmpl})
}

func (l *lifter) preambleLine(i int) {
	p := parsePreamble(l.file.Lines[i].Text)
	l.entry(i, p)
	switch e := p.entry.(type) {
	case *pkgtoml.Macro:
		e.At = l.anchor(e, l.file.Lines[i].Text)
		l.doc.Macros = append(l.doc.Macros, e)
	case *pkgtoml.Tag:
		l.doc.Main.Tags = append(l.doc.Main.Tags, e)
		l.lastTag = e.Key
	case *pkgtoml.Dep:
		l.doc.Main.Deps = append(l.doc.Main.Deps, e)
	case *pkgtoml.Source:
		l.source(e)
	}
}

// source notes a source or patch. rpm allows these in every preamble, and counts
// on.
func (l *lifter) source(s *pkgtoml.Source) {
	if s.Patch {
		l.doc.Patches = append(l.doc.Patches, s)
		l.seen["patches"] = true
		return
	}
	l.doc.Sources = append(l.doc.Sources, s)
	l.seen["sources"] = true
}

// anchor gives the place of a macro in a spec without layout: behind the tag
// above it, or behind the lists that it mentions. One that makes sections ends
// the preamble: no tag may come behind it.
func (l *lifter) anchor(m *pkgtoml.Macro, line string) string {
	text := m.Name + m.Value
	l.ended = l.ended || l.blocks.makesSections(line)
	switch {
	case l.ended:
		return "preamble"
	case l.seen["patches"] && (strings.Contains(text, "PATCH") || strings.Contains(text, "%{P:")):
		return "patches"
	case l.seen["sources"] && (strings.Contains(text, "SOURCE") || strings.Contains(text, "%{S:")):
		return "sources"
	}
	return l.lastTag
}

// anchorBehind gives the macros that stand behind sections their places. A
// definition stays before all sections that follow it here, where they come
// earlier in a spec without layout than the one that it stands behind.
func (l *lifter) anchorBehind() {
	if len(l.behind) == 0 {
		return
	}
	place := make(map[pkgtoml.Entry]int, len(l.index.sections))
	for n, s := range l.index.sections {
		place[s.entry] = n
	}
	first := len(place) // of the sections that follow
	for i := len(l.nodes) - 1; i >= 0; i-- {
		switch n := &l.nodes[i]; n.op {
		case opSection:
			first = min(first, place[n.sect.entry])
		case opLine:
			m, ok := n.entry.(*pkgtoml.Macro)
			e, behind := l.behind[m]
			if !ok || !behind {
				continue
			}
			at := place[e]
			if first < at && isDefinition(n.text) {
				at = first - 1
			}
			m.At = l.index.sections[at].token[1:]
		}
	}
}

// section notes a header.
func (l *lifter) section(s *spec.Section, kind string, pkg *pkgtoml.Package, e pkgtoml.Entry) {
	ln := &l.file.Lines[s.Head]
	m := e.Common()
	m.When = l.blocks.when(s.Head)
	m.Comment = l.comment()
	sect := &section{kind: kind, pkg: pkg, entry: e}
	line := strings.TrimSuffix(ln.Text, "\n")
	tmpl := ""
	if sect.header() != line {
		if tmpl = headerTemplate(line, kind); sect.spell(tmpl) != line {
			tmpl = ""
		}
	}
	l.nodes = append(l.nodes, node{op: opSection, sect: sect, tmpl: tmpl})
}

// exact tells whether a section's header can be given back.
func exact(kind string, pkg *pkgtoml.Package, e pkgtoml.Entry, line string) bool {
	s := &section{kind: kind, pkg: pkg, entry: e}
	return s.header() == line || s.spell(headerTemplate(line, kind)) == line
}

// find gives the package that a header names: one that is declared under the
// same conditions before others.
func (l *lifter) find(h headerArgs, when []string) *pkgtoml.Package {
	if h.name == "" {
		return &l.doc.Main
	}
	key := packageKey(h.name, h.full)
	for _, p := range l.pkgs[key] {
		if len(p.When) <= len(when) && slices.Equal(p.When, when[:len(p.When)]) {
			return p
		}
	}
	if all := l.pkgs[key]; len(all) > 0 {
		return all[0]
	}
	p := &pkgtoml.Package{Name: h.name, Full: h.full, Undeclared: true}
	l.pkgs[key] = append(l.pkgs[key], p)
	l.doc.Subpackages = append(l.doc.Subpackages, p)
	return p
}

func packageKey(name string, full bool) string {
	if full {
		return "-n " + name
	}
	return name
}

func (l *lifter) packageSection(s *spec.Section) {
	ln := &l.file.Lines[s.Head]
	h := parseHeader(s.Name, ln.Rest)
	p := &pkgtoml.Package{Name: h.name, Full: h.full}
	key := packageKey(h.name, h.full)
	l.pkgs[key] = append(l.pkgs[key], p)
	l.doc.Subpackages = append(l.doc.Subpackages, p)
	l.section(s, "package", p, p)
	l.items(s.Body, s.End, func(i int) { l.packageLine(s, p, i) })
}

func (l *lifter) packageLine(s *spec.Section, p *pkgtoml.Package, i int) {
	got := parsePreamble(l.file.Lines[i].Text)
	if m, ok := got.entry.(*pkgtoml.Macro); ok && l.outside(s, i) {
		l.entry(i, got)
		l.behind[m] = p
		l.doc.Macros = append(l.doc.Macros, m)
		return
	}
	l.entry(i, got)
	switch e := got.entry.(type) {
	case *pkgtoml.Macro:
		p.Macros = append(p.Macros, e)
	case *pkgtoml.Tag:
		p.Tags = append(p.Tags, e)
	case *pkgtoml.Dep:
		p.Deps = append(p.Deps, e)
	case *pkgtoml.Source:
		l.source(e)
	}
}

// outside tells whether a line of a section no longer stands under the
// conditions of its header, or is a macro that begins sections of its own.
func (l *lifter) outside(s *spec.Section, i int) bool {
	head, line := l.blocks.around(s.Head), l.blocks.around(i)
	if len(line) < len(head) || !slices.Equal(head, line[:len(head)]) {
		return true
	}
	return l.blocks.makesSections(l.file.Lines[i].Text)
}

func (l *lifter) filesSection(s *spec.Section, number int) {
	ln := &l.file.Lines[s.Head]
	h := parseHeader(s.Name, ln.Rest)
	files := &pkgtoml.Files{From: h.from, Args: h.rest}
	pkg := &l.doc.Main
	if h.rest == "" {
		pkg = l.find(h, l.blocks.when(s.Head))
	}
	pkg.Files = append(pkg.Files, files)
	l.section(s, "files", pkg, files)
	tail := l.blocks.hoistStart(number)
	l.items(s.Body, s.End, func(i int) {
		if ln := &l.file.Lines[i]; ln.Kind == spec.Text && (i >= tail && isDefinition(ln.Text) || l.outside(s, i)) {
			l.between(files, i)
			return
		}
		p := parseFileLine(l.file.Lines[i].Text)
		l.entry(i, p)
		files.List = append(files.List, p.entry.(*pkgtoml.File))
	})
}

// between notes a macro that stands between sections.
func (l *lifter) between(e pkgtoml.Entry, i int) {
	p := parsePreamble(l.file.Lines[i].Text)
	m, ok := p.entry.(*pkgtoml.Macro)
	if !ok {
		m = &pkgtoml.Macro{Form: pkgtoml.Raw, Name: strings.TrimSuffix(l.file.Lines[i].Text, "\n")}
		p = one(m, "{name}")
	}
	l.entry(i, p)
	l.behind[m] = e
	l.doc.Macros = append(l.doc.Macros, m)
}

func (l *lifter) listSection(s *spec.Section) {
	list := &pkgtoml.SourceList{Patches: s.Name == "patchlist"}
	l.doc.Lists = append(l.doc.Lists, list)
	l.section(s, s.Name, nil, list)
	l.items(s.Body, s.End, func(i int) {
		text := l.file.Lines[i].Text
		body := strings.Trim(text, blanks)
		e := &pkgtoml.Source{Patch: list.Patches, Listed: true, File: body}
		at := strings.Index(text, body)
		l.entry(i, one(e, text[:at]+"{value}"+strings.TrimSuffix(text[at+len(body):], "\n")))
		list.List = append(list.List, e)
	})
}

// rawSection keeps a section that cannot be understood.
func (l *lifter) rawSection(s *spec.Section, number int) {
	ln := &l.file.Lines[s.Head]
	end := l.bodyEnd(s, l.blocks.hoistStart(number))
	e := &pkgtoml.Section{Header: strings.TrimSuffix(ln.Text, "\n"), Body: l.text(s.Body, end)}
	l.doc.Sections = append(l.doc.Sections, e)
	l.section(s, "section", nil, e)
	l.items(end, s.End, func(i int) { l.between(e, i) })
}

func (l *lifter) text(from, to int) string {
	if from >= to {
		return ""
	}
	last := &l.file.Lines[to-1]
	return l.file.Text[l.file.Lines[from].Pos : last.Pos+len(last.Text)]
}

// textSection reads a section that is text.
func (l *lifter) textSection(s *spec.Section, number int) {
	ln := &l.file.Lines[s.Head]
	h := parseHeader(s.Name, ln.Rest)
	script := h.script
	script.Kind, script.Args = s.Name, h.rest
	if s.Name == "description" && !h.full && strings.HasPrefix(h.name, "%") && h.script.Head == "" && len(l.pkgs[h.name]) == 0 {
		script.Head, h.name = h.name, ""
	}
	pkg := &l.doc.Main
	if h.rest == "" {
		pkg = l.find(h, l.blocks.when(s.Head))
	}
	line := strings.TrimSuffix(ln.Text, "\n")
	var to *[]*pkgtoml.Script
	switch {
	case !exact(s.Name, pkg, &script, line):
	case s.Name == "description":
		to = &pkg.Descriptions
	case slices.Contains(pkgtoml.BuildKinds, s.Name):
		to = &l.doc.Build
	case slices.Contains(pkgtoml.ScriptKinds, s.Name):
		to = &pkg.Scripts
	case pkgtoml.IsTrigger(s.Name):
		to = &pkg.Triggers
	}
	if to == nil {
		l.rawSection(s, number)
		return
	}
	end := l.bodyEnd(s, l.blocks.hoistStart(number))
	script.Body = l.text(s.Body, end)
	*to = append(*to, &script)
	l.section(s, s.Name, pkg, &script)
	l.items(end, s.End, func(i int) { l.between(&script, i) })
}

// bodyEnd gives the line where the text of a section ends. What follows, from
// hoist on, is conditions and macros with the comments above them, and the
// comment of the next header.
func (l *lifter) bodyEnd(s *spec.Section, hoist int) int {
	anchor := s.End
	for i := hoist; i < s.End; i++ {
		if k := l.file.Lines[i].Kind; k != spec.Blank && k != spec.Comment {
			anchor = i
			break
		}
	}
	end := anchor
	if anchor < len(l.file.Lines) {
		for end > hoist && l.file.Lines[end-1].Kind == spec.Comment {
			end--
		}
		if end == s.Body || end < anchor && l.file.Lines[end-1].Kind != spec.Blank {
			end = anchor
		}
	}
	for end > s.Body && l.file.Lines[end-1].Kind == spec.Blank {
		end--
	}
	return end
}
