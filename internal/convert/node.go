package convert

import (
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// op says what a node of an arrangement is.
type op uint8

const (
	opBlank   op = iota // a line of blanks: text
	opComment           // a comment that belongs to no entry: text
	opOpen              // a condition begins; its expression is that of the entries within
	opElse
	opElif
	opClose
	opLine     // the line of one or more entries
	opSection  // the header of a section and its text
	opVerbatim // a conditional that holds no entry: text
)

// node is one line, or one section of text, in the order of the spec.
type node struct {
	op    op
	text  string        // the line as it stands in the spec; of a node made from a layout: blanks and comments only
	entry pkgtoml.Entry // of a line
	sect  *section
	tmpl  string // how the line is spelled; "" is the default
	block int    // pairs opOpen, opElse, opElif and opClose; from 1
	above bool   // of opOpen: the comment of the first entry stands above it
}

// stands tells whether a node stands for itself and belongs to no entry.
func (n *node) stands() bool { return n.op == opBlank || n.op == opComment || n.op == opVerbatim }

// section is a section of a document together with its entries.
type section struct {
	token string // "%files:core"
	kind  string
	pkg   *pkgtoml.Package // nil in the preamble and the changelog
	entry pkgtoml.Entry    // who holds condition and comment; nil in the preamble
	lists []entryList
	names map[string]pkgtoml.Entry // see index.names
}

type entryList struct {
	name  string
	items []pkgtoml.Entry
}

// spot is where an entry stands in the document, and its name there.
type spot struct {
	sect  *section
	list  int
	n     int
	token string // within the section
}

// index gives names to everything in a document: to sections at once, to the
// entries of a section when they are asked for.
type index struct {
	sections []*section // in canonical order; the preamble first
	byToken  map[string]*section
	repeats  map[string]int             // how often a section's name was asked for, beyond the first time
	byEntry  map[pkgtoml.Entry]*section // by the section's own entry
	spots    map[pkgtoml.Entry]spot     // of entries whose section is named
}

func indexDocument(d *pkgtoml.Document) *index {
	x := &index{
		byToken: map[string]*section{}, repeats: map[string]int{}, byEntry: map[pkgtoml.Entry]*section{},
	}
	x.preamble(d)
	x.spots = make(map[pkgtoml.Entry]spot, x.sections[0].entries())
	for _, l := range d.Lists {
		kind := "sourcelist"
		if l.Patches {
			kind = "patchlist"
		}
		x.add(&section{kind: kind, entry: l, lists: []entryList{{"l", entries(l.List)}}})
	}
	x.scripts(&d.Main, d.Main.Descriptions)
	for _, p := range d.Subpackages {
		if !p.Undeclared {
			x.add(&section{kind: "package", pkg: p, entry: p, lists: packageLists(p)})
		}
		x.scripts(p, p.Descriptions)
	}
	x.scripts(&d.Main, d.Build)
	x.scripts(&d.Main, d.Main.Scripts)
	x.scripts(&d.Main, d.Main.Triggers)
	for _, p := range d.Subpackages {
		x.scripts(p, p.Scripts)
		x.scripts(p, p.Triggers)
	}
	x.files(&d.Main)
	for _, p := range d.Subpackages {
		x.files(p)
	}
	for _, s := range d.Sections {
		x.add(&section{kind: "section", entry: s})
	}
	if d.Changelog.Present {
		x.add(&section{kind: "changelog", entry: &d.Changelog, lists: []entryList{{"c", entries(d.Changelog.Entries)}}})
	}
	return x
}

func entries[T pkgtoml.Entry](list []T) []pkgtoml.Entry {
	out := make([]pkgtoml.Entry, len(list))
	for i, e := range list {
		out[i] = e
	}
	return out
}

func (x *index) preamble(d *pkgtoml.Document) {
	s := &section{kind: "preamble", lists: []entryList{{"m", entries(d.Macros)}}}
	s.lists = append(s.lists, tagLists(&d.Main)...)
	s.lists = append(s.lists, entryList{"s", entries(d.Sources)}, entryList{"p", entries(d.Patches)})
	s.lists = append(s.lists, depLists(&d.Main)...)
	x.add(s)
}

func packageLists(p *pkgtoml.Package) []entryList {
	lists := append([]entryList{{"m", entries(p.Macros)}}, tagLists(p)...)
	return append(lists, depLists(p)...)
}

func tagLists(p *pkgtoml.Package) []entryList {
	var out []entryList
	at := map[string]int{}
	for _, t := range p.Tags {
		i, ok := at[t.Key]
		if !ok {
			i = len(out)
			at[t.Key] = i
			out = append(out, entryList{name: t.Key})
		}
		out[i].items = append(out[i].items, t)
	}
	return out
}

func depLists(p *pkgtoml.Package) []entryList {
	var out []entryList
	for _, n := range pkgtoml.DepNames {
		l := entryList{name: n.Token}
		for _, d := range p.Deps {
			if d.Kind == n.Key {
				l.items = append(l.items, d)
			}
		}
		if len(l.items) > 0 {
			out = append(out, l)
		}
	}
	return out
}

func (x *index) scripts(p *pkgtoml.Package, list []*pkgtoml.Script) {
	for _, s := range list {
		x.add(&section{kind: s.Kind, pkg: p, entry: s})
	}
}

func (x *index) files(p *pkgtoml.Package) {
	for _, f := range p.Files {
		x.add(&section{kind: "files", pkg: p, entry: f, lists: []entryList{{"f", entries(f.List)}}})
	}
}

// add names a section and its entries. A name that is taken gets #2, #3, ….
func (x *index) add(s *section) {
	name := "%" + s.kind
	if s.pkg != nil && s.pkg.Name != "" {
		name += ":" + clean(s.pkg.Name)
	}
	s.token = name
	if x.byToken[name] != nil {
		x.repeats[name]++
		s.token += "#" + strconv.Itoa(x.repeats[name]+1)
	}
	x.byToken[s.token] = s
	x.sections = append(x.sections, s)
	if s.entry != nil {
		x.byEntry[s.entry] = s
	}
}

// entries counts the entries of a section.
func (s *section) entries() int {
	n := 0
	for _, l := range s.lists {
		n += len(l.items)
	}
	return n
}

// entries counts those of all sections but the changelog, which are no nodes.
func (x *index) entries() int {
	n := len(x.sections)
	for _, s := range x.sections {
		if s.kind != "changelog" {
			n += s.entries()
		}
	}
	return n
}

// names gives the entries of a section by their tokens. A token that is taken
// gets #2, #3, ….
func (x *index) names(s *section) map[string]pkgtoml.Entry {
	if s.names != nil {
		return s.names
	}
	total := s.entries()
	s.names = make(map[string]pkgtoml.Entry, total)
	var again map[string]int // how often a token was asked for, beyond the first time
	for i, l := range s.lists {
		for n, e := range l.items {
			t := entryKey(l.name, e)
			if s.names[t] != nil {
				if again == nil {
					again = map[string]int{}
				}
				again[t]++
				t += "#" + strconv.Itoa(again[t]+1)
			}
			s.names[t] = e
			x.spots[e] = spot{s, i, n, t}
		}
	}
	for _, l := range s.lists {
		for _, e := range l.items {
			if d, ok := e.(*pkgtoml.Dep); ok && len(d.Deps) > 1 {
				t := lastKey(l.name, d)
				if _, taken := s.names[t]; !taken {
					s.names[t] = e
				}
			}
		}
	}
	return s.names
}

// lastKey names a line of several dependencies by the last one, so that it is
// found when the first one is gone.
func lastKey(list string, d *pkgtoml.Dep) string { return list + ":" + clean(d.Deps[len(d.Deps)-1]) }

// entryKey names an entry by what rarely changes about it.
func entryKey(list string, e pkgtoml.Entry) string {
	switch e := e.(type) {
	case *pkgtoml.Macro:
		return "m:" + clean(e.Name)
	case *pkgtoml.Tag:
		if e.Lang != "" {
			return e.Key + ":" + clean(e.Lang)
		}
		return e.Key
	case *pkgtoml.Dep:
		return list + ":" + clean(e.Deps[0])
	case *pkgtoml.Source:
		if e.Number != "" {
			return list + ":" + e.Number
		}
		return list + ":" + clean(base(e.File))
	case *pkgtoml.File:
		if len(e.Paths) > 0 && e.Paths[0] != "" {
			return "f:" + clean(base(e.Paths[0]))
		}
		return "f:" + clean(base(e.Macro+e.Raw+e.Defattr))
	case *pkgtoml.Change:
		if e.Raw != "" {
			return "c:" + clean(e.Raw)
		}
		return "c:" + clean(e.Date)
	}
	return list
}

// base is the last part of the first path.
func base(path string) string {
	path, _, _ = strings.Cut(path, " ")
	path = strings.TrimRight(path, "/")
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		path = path[i+1:]
	}
	return path
}

// isClean tells whether clean would change nothing.
func isClean(text string) bool {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(tokenMarks, c) >= 0 {
			return false
		}
	}
	return text != "" && len(text) <= tokenMax && text[len(text)-1] != '.' && !strings.Contains(text, "..")
}

const (
	tokenMarks = "[]|~&,#'\"\\" // mean something in a Layout's Order, or would need an escape
	tokenMax   = 40
)

// clean makes a token of the first word of a text.
func clean(text string) string {
	if i := strings.IndexAny(text, " \t\n\r\f\v\x00"); i >= 0 {
		text = text[:i]
	}
	if isClean(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		if i >= tokenMax {
			break
		}
		switch {
		case strings.ContainsRune(tokenMarks, r), r < ' ', r >= 0x7f && r < 0xa0:
			r = '_'
		case r == '.' && strings.HasSuffix(b.String(), "."):
			r = '_'
		}
		b.WriteRune(r)
	}
	t := strings.TrimRight(b.String(), ".") // ".." makes a run
	if t == "" {
		return "_"
	}
	return t
}
