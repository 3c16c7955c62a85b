package pkgtoml

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

type encoder struct {
	bytes.Buffer
}

// Encode writes the document.
func Encode(d *Document) []byte {
	e := &encoder{}
	e.Grow(sizeOf(d))
	writeList(e, "macro", d.Macros, 0, macroFields)
	e.mainPackage(d)
	writeTableList(e, "sources", d.Sources, sourceFields)
	writeTableList(e, "patches", d.Patches, sourceFields)
	for _, l := range d.Lists {
		e.sourceList(l)
	}
	e.dependencies(d)
	e.build(d)
	e.scripts("scripts", d.Main.Scripts)
	for _, t := range d.Main.Triggers {
		e.head("[[trigger]]")
		e.script(t, true)
	}
	e.files("files", d.Main.Files)
	for _, p := range d.Subpackages {
		e.subpackage(p)
	}
	e.changelog(&d.Changelog)
	for _, s := range d.Sections {
		e.head("[[section]]")
		e.key("header", quote(s.Header))
		e.meta(&s.Meta, nil)
		e.text("body", s.Body)
	}
	e.layout(d.Layout)
	return e.Bytes()
}

// sizeOf guesses how long a document becomes.
func sizeOf(d *Document) int {
	n := 2048 + 48*(len(d.Macros)+len(d.Sources)+len(d.Patches))
	for _, s := range d.Build {
		n += len(s.Body) + 32
	}
	for _, p := range append([]*Package{&d.Main}, d.Subpackages...) {
		n += 200 + 40*(len(p.Tags)+len(p.Deps))
		for _, s := range slices.Concat(p.Descriptions, p.Scripts, p.Triggers) {
			n += len(s.Body) + 48
		}
		for _, f := range p.Files {
			n += 64 + 48*len(f.List)
		}
	}
	for _, c := range d.Changelog.Entries {
		n += len(c.Text) + len(c.Author) + len(c.Raw) + 100
	}
	if d.Layout != nil {
		n += len(d.Layout.Order)
	}
	return n + n/4
}

func (e *encoder) head(h string) {
	if e.Len() > 0 {
		e.WriteByte('\n')
	}
	e.WriteString(h)
	e.WriteByte('\n')
}

func (e *encoder) key(k, v string) {
	e.WriteString(k)
	e.WriteString(" = ")
	e.WriteString(v)
	e.WriteByte('\n')
}

func (e *encoder) opt(k, v string) {
	if v != "" {
		e.key(k, quote(v))
	}
}

// text writes a value of several lines.
func (e *encoder) text(k, v string) { e.key(k, block(v)) }

// meta writes condition and comment as keys of a table. outer is the path that
// holds anyhow.
func (e *encoder) meta(m *Meta, outer []string) {
	if !slices.Equal(m.When, outer) {
		e.key("when", whenValue(m.When))
	}
	if m.Comment != "" {
		e.key("comment", commentValue(m.Comment, ""))
	}
}

func whenValue(when []string) string {
	if len(when) == 1 {
		return quote(when[0])
	}
	return inlineArray(when)
}

func inlineArray(list []string) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = quote(s)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func commentValue(c, indent string) string {
	lines := strings.Split(c, "\n")
	if len(lines) == 1 {
		return quote(c)
	}
	var b strings.Builder
	b.WriteString("[\n")
	for _, l := range lines {
		b.WriteString(indent + "  " + quote(l) + ",\n")
	}
	b.WriteString(indent + "]")
	return b.String()
}

func (e *encoder) mainPackage(d *Document) {
	e.head("[package]")
	e.tags(&d.Main, "build_system")
	e.descriptions(d.Main.Descriptions, nil)
}

// tags writes single-valued lines, each key once, in the order in which the
// keys first stand.
func (e *encoder) tags(p *Package, without string) {
	var keys []string
	byKey := map[string][]*Tag{}
	for _, t := range p.Tags {
		if _, ok := byKey[t.Key]; !ok {
			keys = append(keys, t.Key)
		}
		byKey[t.Key] = append(byKey[t.Key], t)
	}
	for _, k := range keys {
		key := k
		if k == "name" && p.Name != "" {
			key = nameTag
		}
		if k != without {
			writeShort(e, key, byKey[k], len(p.When), tagFields)
		}
	}
}

func (e *encoder) dependencies(d *Document) {
	e.deps("[dependencies]", &d.Main, func(kind string) bool { return kind != "build_option" })
}

func (e *encoder) deps(head string, p *Package, want func(string) bool) {
	for _, n := range DepNames {
		var list []*Dep
		for _, dep := range p.Deps {
			if dep.Kind == n.Key {
				list = append(list, dep)
			}
		}
		if len(list) == 0 || !want(n.Key) {
			continue
		}
		if head != "" {
			e.head(head)
			head = ""
		}
		key := n.Key
		if key == "build_option" {
			key = "options"
		}
		writeList(e, key, list, len(p.When), depFields)
	}
}

func (e *encoder) descriptions(list []*Script, outer []string) {
	if len(list) == 0 {
		return
	}
	if plainText(list, outer) {
		e.text("description", list[0].Body)
		return
	}
	e.key("description", scriptsValue(list, outer))
}

// plainText tells whether the one script of a list is nothing but its body.
func plainText(list []*Script, outer []string) bool {
	if len(list) != 1 {
		return false
	}
	s := list[0]
	return len(scriptAttributes(s)) == 0 && s.Comment == "" && slices.Equal(s.When, outer)
}

func scriptAttributes(s *Script) []field {
	var out []field
	for _, f := range []field{
		{"interpreter", s.Interpreter},
		{"mode", s.Mode},
		{"lang", s.Lang},
		{"file", s.File},
		{"flags", s.Flags},
		{"head", s.Head},
		{"on", s.On},
		{"args", s.Args},
	} {
		if f.value != "" {
			out = append(out, field{f.key, quote(f.value)})
		}
	}
	if s.Priority != "" {
		out = append(out, field{"priority", quote(s.Priority)})
	}
	return out
}

func scriptTable(s *Script, outer []string) string {
	f := scriptAttributes(s)
	if !slices.Equal(s.When, outer) {
		f = append(f, field{"when", whenValue(s.When)})
	}
	if s.Comment != "" {
		f = append(f, field{"comment", commentValue(s.Comment, "  ")})
	}
	return inlineTable(append(f, field{"text", block(s.Body)}))
}

func arrayOf(items []string) string {
	return "[\n  " + strings.Join(items, ",\n  ") + ",\n]"
}

func inlineTable(f []field) string {
	n := 2
	for _, x := range f {
		n += len(x.key) + len(x.value) + 5
	}
	var b strings.Builder
	b.Grow(n)
	b.WriteByte('{')
	for i, x := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte(' ')
		b.WriteString(x.key)
		b.WriteString(" = ")
		b.WriteString(x.value)
	}
	b.WriteString(" }")
	return b.String()
}

// script writes a script as the keys of its own table.
func (e *encoder) script(s *Script, kind bool) { e.scriptIn(s, kind, nil) }

func (e *encoder) scriptIn(s *Script, kind bool, outer []string) {
	if kind {
		e.key("kind", quote(s.Kind))
	}
	for _, f := range scriptAttributes(s) {
		e.key(f.key, f.value)
	}
	e.meta(&s.Meta, outer)
	e.text("text", s.Body)
}

func (e *encoder) build(d *Document) {
	var system []*Tag
	for _, t := range d.Main.Tags {
		if t.Key == "build_system" {
			system = append(system, t)
		}
	}
	headed := false
	head := func() {
		if !headed {
			e.head("[build]")
			headed = true
		}
	}
	if len(system) > 0 {
		head()
		writeShort(e, "system", system, 0, tagFields)
	}
	if slices.ContainsFunc(d.Main.Deps, func(x *Dep) bool { return x.Kind == "build_option" }) {
		head()
		e.deps("", &d.Main, func(kind string) bool { return kind == "build_option" })
	}
	e.scriptSet("build", d.Build, head, nil)
}

func (e *encoder) scripts(table string, list []*Script) {
	headed := false
	e.scriptSet(table, list, func() {
		if !headed {
			e.head("[" + table + "]")
			headed = true
		}
	}, nil)
}

// scriptSet writes the scripts by kind in their order: those that are text only
// as keys of the table, and behind the last of these the others as tables of
// their own.
func (e *encoder) scriptSet(table string, list []*Script, head func(), outer []string) {
	byKind := map[string][]*Script{}
	var kinds []string
	for _, s := range list {
		if byKind[s.Kind] == nil {
			kinds = append(kinds, s.Kind)
		}
		byKind[s.Kind] = append(byKind[s.Kind], s)
	}
	last := -1
	for i, k := range kinds {
		if plainText(byKind[k], outer) {
			last = i
		}
	}
	for _, k := range kinds[:last+1] {
		head()
		if plainText(byKind[k], outer) {
			e.text(k, byKind[k][0].Body)
		} else {
			e.key(k, scriptsValue(byKind[k], outer))
		}
	}
	for _, k := range kinds[last+1:] {
		e.scriptTables(table+"."+k, byKind[k], outer)
	}
}

// scriptsValue writes scripts of one kind beside their key.
func scriptsValue(list []*Script, outer []string) string {
	tables := make([]string, len(list))
	for i, s := range list {
		tables[i] = scriptTable(s, outer)
	}
	if len(tables) == 1 {
		return tables[0]
	}
	return arrayOf(tables)
}

func (e *encoder) scriptTables(table string, list []*Script, outer []string) {
	for _, s := range list {
		if len(list) == 1 {
			e.head("[" + table + "]")
		} else {
			e.head("[[" + table + "]]")
		}
		e.scriptIn(s, false, outer)
	}
}

func (e *encoder) files(table string, list []*Files) { e.filesIn(table, list, nil) }

func (e *encoder) filesIn(table string, list []*Files, outer []string) {
	for _, f := range list {
		if len(list) == 1 {
			e.head("[" + table + "]")
		} else {
			e.head("[[" + table + "]]")
		}
		if len(f.From) > 0 {
			e.key("from", inlineArray(f.From))
		}
		e.opt("args", f.Args)
		e.meta(&f.Meta, outer)
		writeListAlways(e, "list", f.List, len(f.When), fileFields)
	}
}

func (e *encoder) subpackage(p *Package) {
	e.head("[[subpackage]]")
	if p.Full {
		e.key("full_name", quote(p.Name))
	} else {
		e.key("name", quote(p.Name))
	}
	if p.Undeclared {
		e.key("declared", "false")
	}
	e.meta(&p.Meta, nil)

	e.tags(p, "")
	writeList(e, "macro", p.Macros, len(p.When), macroFields)
	e.deps("", p, func(string) bool { return true })
	e.descriptions(p.Descriptions, p.When)
	headed := false
	e.scriptSet("subpackage.scripts", p.Scripts, func() {
		if !headed {
			e.head("[subpackage.scripts]")
			headed = true
		}
	}, p.When)
	for _, t := range p.Triggers {
		e.head("[[subpackage.trigger]]")
		e.scriptIn(t, true, p.When)
	}
	e.filesIn("subpackage.files", p.Files, p.When)
}

func (e *encoder) sourceList(l *SourceList) {
	if l.Patches {
		e.head("[[patchlist]]")
	} else {
		e.head("[[sourcelist]]")
	}
	e.meta(&l.Meta, nil)
	writeListAlways(e, "list", l.List, len(l.When), sourceFields)
}

func (e *encoder) changelog(c *Changelog) {
	if !c.Present {
		return
	}
	e.head("[changelog]")
	if c.Auto {
		e.key("auto", "true")
	}
	if c.Separator != "" {
		e.key("separator", quote(c.Separator))
	}
	e.meta(&c.Meta, nil)
	for _, x := range c.Entries {
		e.head("[[changelog.entry]]")
		if x.Raw != "" {
			e.text("raw", x.Raw)
			continue
		}
		if _, err := time.Parse(time.DateOnly, x.Date); err == nil {
			e.key("date", x.Date)
		} else {
			e.key("date", quote(x.Date))
		}
		e.opt("author", x.Author)
		if x.Separator != "" {
			e.key("separator", quote(x.Separator))
		}
		e.opt("evr", x.EVR)
		if x.Text != "" {
			e.key("text", value(x.Text))
		}
	}
}

func (e *encoder) layout(l *Layout) {
	if l == nil {
		return
	}
	e.head("[layout]")
	e.opt("newline", l.Newline)
	e.opt("encoding", l.Encoding)
	e.opt("eof", l.EOF)
	if l.BOM {
		e.key("bom", "true")
	}
	e.opt("tag", l.Tag)
	if len(l.Styles) > 0 {
		items := make([]string, len(l.Styles))
		for i, s := range l.Styles {
			items[i] = quote(s)
		}
		e.key("styles", arrayOf(items))
	}
	e.opt("gaps", l.Gaps)
	e.opt("unpatched", l.Unpatched)
	e.text("order", l.Order)
}
