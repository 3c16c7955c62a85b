package pkgtoml

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// document reads the whole tree. It is the mirror image of Encode.
func (r *reader) document(d *Document, tree map[string]any) {
	t := r.table("", tree)
	if v, ok := t.take("macro"); ok {
		d.Macros = list(r, "macro", v, nil, r.macro)
	}
	r.mainPackage(d, t)
	for _, x := range []struct {
		key string
		to  *[]*Source
	}{{"sources", &d.Sources}, {"patches", &d.Patches}} {
		if v, ok := t.take(x.key); ok {
			lt := r.table(x.key, v)
			l, _ := lt.take("list")
			*x.to = list(r, x.key+".list", l, nil, r.source(x.key == "patches"))
			lt.done()
		}
	}
	for _, key := range []string{"sourcelist", "patchlist"} {
		v, _ := t.take(key)
		for i, x := range r.array(key, v) {
			lt := r.table(fmt.Sprintf("%s[%d]", key, i), x)
			sl := &SourceList{Patches: key == "patchlist"}
			lt.meta(&sl.Meta, nil)
			l, _ := lt.take("list")
			sl.List = list(r, lt.at("list"), l, sl.When, r.source(sl.Patches))
			for _, s := range sl.List {
				s.Listed = true
			}
			lt.done()
			d.Lists = append(d.Lists, sl)
		}
	}
	if v, ok := t.take("dependencies"); ok {
		dt := r.table("dependencies", v)
		r.deps(&d.Main, dt, "build_option")
		dt.done()
	}
	r.buildTable(d, t)
	if v, ok := t.take("scripts"); ok {
		st := r.table("scripts", v)
		d.Main.Scripts = r.scriptSet(st, ScriptKinds, r.order("scripts", v), nil)
		st.done()
	}
	d.Main.Triggers = r.triggers(t, nil)
	d.Main.Files = r.filesSections(t, nil)
	subs, _ := t.take("subpackage")
	for i, x := range r.array("subpackage", subs) {
		d.Subpackages = append(d.Subpackages, r.subpackage(fmt.Sprintf("subpackage[%d]", i), x))
	}
	r.changelog(d, t)
	others, _ := t.take("section")
	for i, x := range r.array("section", others) {
		st := r.table(fmt.Sprintf("section[%d]", i), x)
		s := &Section{Header: st.str("header"), Body: st.str("body")}
		st.meta(&s.Meta, nil)
		st.done()
		if !st.has("header") {
			r.fail(st.path, `needs "header"`)
		}
		d.Sections = append(d.Sections, s)
	}
	r.layout(d, t)
	t.done()
}

func (r *reader) macro(path string, v any) *Macro {
	t := r.entry(path, v)
	m := &Macro{At: t.str("at")}
	for _, form := range []string{Global, Define, Undefine, Bcond, Include, Load, Call, Raw} {
		if t.has(form) {
			if m.Form != "" {
				r.fail(path, "%q and %q are different macros: an entry has one", m.Form, form)
			}
			m.Form = form
		}
		if s := t.str(form); s != "" {
			m.Name = s
		}
	}
	switch m.Form {
	case "":
		t.known = append(t.known, "value", "default")
		t.done()
		r.fail(path, `expected one of "global", "define", "undefine", "bcond", "include", "load", "macro" and "raw"`)
	case Global, Define:
		m.Value = t.str("value")
	case Bcond:
		x, ok := t.take("default")
		if b, is := x.(bool); is {
			m.Value = fmt.Sprint(b)
		} else if m.Value = t.str("default"); !ok || m.Value == "" {
			r.fail(path, `a bcond needs "default": true, false or an expression`)
		}
	}
	t.done()
	m.checkName(r, path)
	return m
}

func (r *reader) source(patch bool) func(string, any) *Source {
	return func(path string, v any) *Source {
		if s, ok := v.(string); ok {
			return &Source{Patch: patch, File: s}
		}
		return r.sourceTable(path, v, patch)
	}
}

func (r *reader) sourceTable(path string, v any, patch bool) *Source {
	t := r.entry(path, v)
	s := &Source{Patch: patch, File: t.str("file"), Spelling: t.str("spelling")}
	if n, ok := t.take("number"); ok {
		switch n := n.(type) {
		case string:
			s.Number = n
		case int64:
			s.Number = strconv.FormatInt(n, 10)
		}
		if i, err := strconv.ParseUint(s.Number, 10, 31); err != nil || len(s.Number) > 9 || i > 1<<30 {
			r.fail(t.at("number"), "expected a whole number from 0, found %v", n)
		}
	}
	t.done()
	if !t.has("file") {
		r.fail(path, `needs "file"`)
	}
	return s
}

func (r *reader) tag(key string) func(string, any) *Tag {
	return func(path string, v any) *Tag {
		if s, ok := v.(string); ok {
			return &Tag{Key: key, Value: s}
		}
		t := r.entry(path, v)
		x := &Tag{Key: key, Lang: t.str("lang"), Spelling: t.str("spelling")}
		if n, ok := t.m["value"].(int64); ok {
			t.take("value")
			x.Value = strconv.FormatInt(n, 10)
			if key != "epoch" {
				r.fail(path, "expected a string, found a number: write \"%d\"", n)
			}
		} else {
			x.Value = t.str("value")
		}
		t.done()
		if !t.has("value") {
			r.fail(path, `needs "value"`)
		}
		return x
	}
}

func (r *reader) dep(kind string) func(string, any) *Dep {
	return func(path string, v any) *Dep {
		if s, ok := v.(string); ok {
			if isBlank(s) {
				r.fail(path, "an empty dependency")
			}
			return &Dep{Kind: kind, Deps: []string{s}}
		}
		t := r.entry(path, v)
		key, with := "dep", "qualifiers"
		if kind == "build_option" {
			key, with = "option", "section"
		}
		x := &Dep{
			Kind: kind, Deps: t.strings("deps"), Separator: t.str("separator"), Qualifiers: t.str(with), Spelling: t.str("spelling"),
		}
		if s := t.str(key); t.has(key) {
			if t.has("deps") {
				r.fail(path, `%q and "deps": an entry has one`, key)
			}
			x.Deps = []string{s}
		}
		t.done()
		switch {
		case len(x.Deps) == 0:
			r.fail(path, "needs %q", key)
		case slices.ContainsFunc(x.Deps, isBlank):
			r.fail(path, "an empty dependency")
		case strings.Trim(x.Separator, blanks+",\\") != "":
			r.fail(t.at("separator"), "expected blanks and commas, found %q", x.Separator)
		}
		return x
	}
}

func (r *reader) deps(p *Package, t *table, without string) {
	for _, n := range DepNames {
		if n.Key == without {
			continue
		}
		key := n.Key
		if key == "build_option" {
			key = "options"
		}
		if v, ok := t.take(key); ok {
			p.Deps = append(p.Deps, list(r, t.at(key), v, p.When, r.dep(n.Key))...)
		}
	}
}

// tags reads the tags of a package in the order of the document.
func (r *reader) tags(p *Package, t *table, order []string) {
	for _, n := range TagNames {
		if n.Key != "build_system" || p.Name != "" {
			t.known = append(t.known, n.Key)
		}
	}
	for _, key := range order {
		k := key
		if p.Name != "" {
			switch key {
			case "name":
				continue
			case nameTag:
				t.known = append(t.known, nameTag)
				k = "name"
			}
		}
		if k == "build_system" && p.Name == "" || !isTag(k) {
			continue
		}
		if v, ok := t.m[key]; ok {
			p.Tags = append(p.Tags, short(r, t.at(key), v, p.When, r.tag(k))...)
		}
	}
}

func (r *reader) mainPackage(d *Document, t *table) {
	v, _ := t.take("package")
	pt := r.table("package", v)
	r.tags(&d.Main, pt, r.order("package", v))
	d.Main.Descriptions = r.descriptions(pt, nil)
	pt.done()
}

func (r *reader) descriptions(t *table, outer []string) []*Script {
	v, ok := t.take("description")
	if !ok {
		return nil
	}
	return r.scriptValue(t.at("description"), "description", v, outer)
}

// scriptValue reads a script that is a string, a table, or an array of tables.
func (r *reader) scriptValue(path, kind string, v any, outer []string) []*Script {
	if s, ok := v.(string); ok {
		return []*Script{{Meta: Meta{When: outer}, Kind: kind, Body: s}}
	}
	if m, ok := v.(map[string]any); ok {
		return []*Script{r.script(path, kind, m, outer)}
	}
	switch v.(type) {
	case []any, []map[string]any:
	default:
		r.fail(path, "expected a string or a table, found %s", kindOf(v))
		return nil
	}
	var out []*Script
	for i, x := range r.array(path, v) {
		out = append(out, r.script(fmt.Sprintf("%s[%d]", path, i), kind, x, outer))
	}
	return out
}

func (r *reader) script(path, kind string, v any, outer []string) *Script {
	t := r.table(path, v)
	s := &Script{
		Kind: kind, Interpreter: t.str("interpreter"), Mode: t.str("mode"), Lang: t.str("lang"), File: t.str("file"),
		Flags: t.str("flags"), Head: t.str("head"), On: t.str("on"), Args: t.str("args"), Priority: t.str("priority"), Body: t.str("text"),
	}
	if kind == "" {
		s.Kind = t.str("kind")
		if !IsTrigger(s.Kind) {
			r.fail(t.at("kind"), "%q is no kind of trigger", s.Kind)
		}
	}
	scriptMeta(t, &s.Meta, outer)
	t.done()
	s.checkKeys(r, t)
	return s
}

// scriptMeta reads the meta of what belongs to a subpackage: its own path, if it
// has one, stands for itself.
func scriptMeta(t *table, m *Meta, outer []string) {
	if t.has("when") {
		t.meta(m, nil)
		if len(m.When) == 0 {
			m.When = nil
		}
		return
	}
	t.meta(m, outer)
}

// scriptSet reads the scripts of a table in the order of its keys.
func (r *reader) scriptSet(t *table, kinds, order, outer []string) []*Script {
	var out []*Script
	t.known = append(t.known, kinds...)
	for _, k := range order {
		if v, ok := t.m[k]; ok && slices.Contains(kinds, k) {
			out = append(out, r.scriptValue(t.at(k), k, v, outer)...)
		}
	}
	return out
}

func (r *reader) triggers(t *table, outer []string) []*Script {
	v, ok := t.take("trigger")
	if !ok {
		return nil
	}
	return r.scriptValue(t.at("trigger"), "", v, outer)
}

func (r *reader) buildTable(d *Document, t *table) {
	v, ok := t.take("build")
	if !ok {
		return
	}
	bt := r.table("build", v)
	if s, ok := bt.take("system"); ok {
		d.Main.Tags = append(d.Main.Tags, short(r, "build.system", s, nil, r.tag("build_system"))...)
	}
	if o, ok := bt.take("options"); ok {
		d.Main.Deps = append(d.Main.Deps, list(r, "build.options", o, nil, r.dep("build_option"))...)
	}
	d.Build = r.scriptSet(bt, BuildKinds, r.order("build", v), nil)
	bt.done()
}

func (r *reader) filesSections(t *table, outer []string) []*Files {
	v, ok := t.take("files")
	if !ok {
		return nil
	}
	if m, ok := v.(map[string]any); ok {
		return []*Files{r.filesSection(t.at("files"), m, outer)}
	}
	var out []*Files
	for i, x := range r.array(t.at("files"), v) {
		out = append(out, r.filesSection(fmt.Sprintf("%s[%d]", t.at("files"), i), x, outer))
	}
	return out
}

func (r *reader) filesSection(path string, v any, outer []string) *Files {
	t := r.table(path, v)
	f := &Files{From: t.strings("from"), Args: t.str("args")}
	scriptMeta(t, &f.Meta, outer)
	l, _ := t.take("list")
	f.List = list(r, t.at("list"), l, f.When, r.file)
	t.done()
	return f
}

func (r *reader) file(path string, v any) *File {
	if s, ok := v.(string); ok {
		return &File{Paths: []string{s}}
	}
	t := r.entry(path, v)
	order := r.order(path, v)
	f := &File{
		Mode: t.str("mode"), User: t.str("user"), Group: t.str("group"), DirMode: t.str("dirmode"), Verify: t.str("verify"),
		HasVerify: t.has("verify"), Separator: t.str("separator"), Lang: t.str("lang"), Caps: t.str("caps"), Defattr: t.str("defattr"), Macro: t.str("macro"), Raw: t.str("raw"),
	}
	for _, k := range order {
		switch k {
		case "mode", "user", "group", "dirmode", "separator":
			k = "attr"
		}
		f.Order = append(f.Order, k)
	}
	f.Paths = t.strings("paths")
	if p := t.str("path"); t.has("path") {
		f.Paths = []string{p}
	}
	if b, ok := t.m["config"].(bool); ok {
		t.known = append(t.known, "config")
		if b {
			f.Config = "true"
		}
	} else {
		f.Config = t.str("config")
	}
	for _, flag := range FileFlags {
		if t.boolean(flag) {
			f.Flags = append(f.Flags, flag)
		}
	}
	t.done()
	f.checkKeys(r, t)
	return f
}

func (r *reader) subpackage(path string, v any) *Package {
	t := r.table(path, v)
	p := &Package{Name: t.str("name")}
	if n := t.str("full_name"); n != "" {
		if t.has("name") {
			r.fail(path, `"name" and "full_name": a subpackage has one`)
		}
		p.Name, p.Full = n, true
	}
	p.Undeclared = !t.boolean("declared") && t.has("declared")
	t.meta(&p.Meta, nil)
	if m, ok := t.take("macro"); ok {
		p.Macros = list(r, t.at("macro"), m, p.When, r.macro)
	}
	r.tags(p, t, r.order(path, v))
	r.deps(p, t, "")
	p.Descriptions = r.descriptions(t, p.When)
	if s, ok := t.take("scripts"); ok {
		st := r.table(t.at("scripts"), s)
		p.Scripts = r.scriptSet(st, ScriptKinds, r.order(st.path, s), p.When)
		st.done()
	}
	p.Triggers = r.triggers(t, p.When)
	p.Files = r.filesSections(t, p.When)
	t.done()
	if p.Name == "" {
		r.fail(path, `needs "name" or "full_name"`)
	}
	return p
}

// localDate is the zone that the decoder gives to a date without a time.
const localDate = "date-local"

func (r *reader) changelog(d *Document, t *table) {
	v, ok := t.take("changelog")
	if !ok {
		return
	}
	ct := r.table("changelog", v)
	c := &d.Changelog
	c.Present, c.Auto, c.Separator = true, ct.boolean("auto"), ct.str("separator")
	ct.meta(&c.Meta, nil)
	l, _ := ct.take("entry")
	for i, x := range r.array("changelog.entry", l) {
		et := r.table(fmt.Sprintf("changelog.entry[%d]", i), x)
		e := &Change{Author: et.str("author"), Separator: et.str("separator"), EVR: et.str("evr"), Text: et.str("text"), Raw: et.str("raw")}
		switch date, _ := et.take("date"); date := date.(type) {
		case time.Time:
			e.Date = date.Format(time.DateOnly)
			if date.Location().String() != localDate {
				r.fail(et.at("date"), "expected a date, found a time")
			}
		case string:
			e.Date = date
		case nil:
			if e.Raw == "" {
				r.fail(et.path, `needs "date"`)
			}
		default:
			r.fail(et.at("date"), "expected a date, found %s", kindOf(date))
		}
		et.done()
		e.check(r, et)
		c.Entries = append(c.Entries, e)
	}
	ct.done()
	if c.Auto && len(c.Entries) > 0 {
		r.fail("changelog.auto", "rpmautospec writes the entries: leave \"auto\" or the entries out")
	}
}

func (r *reader) layout(d *Document, t *table) {
	v, ok := t.take("layout")
	if !ok {
		return
	}
	lt := r.table("layout", v)
	d.Layout = &Layout{
		Order: lt.str("order"), Tag: lt.str("tag"), Styles: lt.strings("styles"), Newline: lt.str("newline"),
		Encoding: lt.str("encoding"), EOF: lt.str("eof"), BOM: lt.boolean("bom"), Gaps: lt.str("gaps"), Unpatched: lt.str("unpatched"),
	}
	lt.done()
}
