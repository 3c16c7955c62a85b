package convert

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// tagText is the canonical beginning of a tag's line, with its colon.
func tagText(e pkgtoml.Entry) string {
	switch e := e.(type) {
	case *pkgtoml.Tag:
		if e.Lang != "" {
			return spelling(names[e.Key], e.Spelling) + "(" + e.Lang + "):"
		}
		return spelledTag(e.Key, e.Spelling)
	case *pkgtoml.Dep:
		if e.Qualifiers != "" {
			return spelling(names[e.Kind], e.Spelling) + "(" + e.Qualifiers + "):"
		}
		return spelledTag(e.Kind, e.Spelling)
	case *pkgtoml.Source:
		name := "Source"
		if e.Patch {
			name = "Patch"
		}
		return spelling(name, e.Spelling) + e.Number + ":"
	}
	return ""
}

func spelledTag(key, spelled string) string {
	if spelled == "" {
		return starts[key]
	}
	return spelling(names[key], spelled) + ":"
}

// spelling is how a tag is written: other letters than the usual ones decide
// nothing unless they are the same word.
func spelling(name, spelled string) string {
	if strings.EqualFold(name, spelled) {
		return spelled
	}
	return name
}

// usualLine spells a line where the layout does not say how. The line end that
// a backslash takes away is given back, or the next line would be taken in.
func usualLine(e pkgtoml.Entry, tag string) string {
	line := expand(defaultTemplate(e, tag), e)
	if strings.HasSuffix(line, "\\") {
		line += "\n"
	}
	return line
}

// defaultTemplate is the template of such a line.
func defaultTemplate(e pkgtoml.Entry, tag string) string {
	t := tag
	guarded := guard(e) != ""
	switch e := e.(type) {
	case *pkgtoml.Macro:
		t = macroTemplate(e)
	case *pkgtoml.File:
		t = fileTemplate(e)
	default:
		source, _ := e.(*pkgtoml.Source)
		switch {
		case source != nil && source.Listed:
			t = "{value}"
		case guarded:
			t = "{tag} {value}"
		case tag == "":
			t = "{tag:16}{value}"
		}
	}
	if guarded {
		return "%{{when}:" + t + "}"
	}
	return t
}

func isGuard(term string) bool {
	return strings.HasPrefix(term, "?") || strings.HasPrefix(term, "!?")
}

func macroTemplate(m *pkgtoml.Macro) string {
	switch m.Form {
	case pkgtoml.Global, pkgtoml.Define:
		return "%" + m.Form + " {name} {value}"
	case pkgtoml.Undefine, pkgtoml.Include:
		return "%" + m.Form + " {name}"
	case pkgtoml.Load:
		return "%{load:{name}}"
	case pkgtoml.Bcond:
		if m.Value == "true" || m.Value == "false" {
			return "{bcond} {name}"
		}
		return "%bcond {name} {value}"
	}
	return "{name}"
}

func fileTemplate(f *pkgtoml.File) string {
	switch {
	case f.Macro != "":
		return "{macro}"
	case f.Raw != "":
		return "{raw}"
	case f.Defattr != "":
		return "%defattr({defattr})"
	}
	return strings.Join(append(directiveTexts(f), "{paths}"), " ")
}

// attrSeparator stands between the fields of %attr: a comma, and perhaps blanks.
func attrSeparator(f *pkgtoml.File) string {
	if strings.Trim(f.Separator, " \t") == "," {
		return f.Separator
	}
	return ","
}

// directiveTexts are the directives of a file's line.
func directiveTexts(f *pkgtoml.File) []string {
	var out []string
	for _, d := range f.Directives() {
		switch {
		case d == "attr":
			fields := []string{"{mode}", "{user}", "{group}", "{dirmode}"}
			if f.DirMode == "" {
				fields = fields[:3]
			}
			d = "attr(" + strings.Join(fields, attrSeparator(f)) + ")"
		case d == "config" && f.Config == "true":
		case d == "config", d == "verify", d == "lang", d == "caps":
			d += "({" + d + "})"
		}
		out = append(out, "%"+d)
	}
	return out
}

// expand fills a template in. {name:N} pads to column N with blanks and {name:Nt}
// with tabs; at least one is written.
func expand(tmpl string, e pkgtoml.Entry) string {
	var b strings.Builder
	start := 0 // of the last line in b
	write := func(s string) {
		if n := strings.LastIndexByte(s, '\n'); n >= 0 {
			start = b.Len() + n + 1
		}
		b.WriteString(s)
	}
	for {
		open := strings.IndexByte(tmpl, '{')
		if open < 0 {
			break
		}
		shut := strings.IndexByte(tmpl[open:], '}')
		if shut < 0 {
			break
		}
		name, pad, padded := strings.Cut(tmpl[open+1:open+shut], ":")
		value, ok := variable(name, e)
		if !ok {
			write(tmpl[:open+1])
			tmpl = tmpl[open+1:]
			continue
		}
		write(tmpl[:open])
		tmpl = tmpl[open+shut+1:]
		write(value)
		if !padded {
			continue
		}
		if column, err := strconv.Atoi(strings.TrimSuffix(pad, "t")); err == nil && column <= 1000 {
			writePad(&b, b.Len()-start, column, strings.HasSuffix(pad, "t"))
		}
	}
	b.WriteString(tmpl)
	return b.String()
}

// writePad goes from column at to another.
func writePad(b *strings.Builder, at, column int, tabs bool) {
	if !tabs {
		b.WriteString(strings.Repeat(" ", max(1, column-at)))
		return
	}
	b.WriteByte('\t')
	for at = at/8*8 + 8; at < column; at += 8 {
		b.WriteByte('\t')
	}
}

// variable gives a template's value.
func variable(name string, e pkgtoml.Entry) (string, bool) {
	switch name {
	case "when":
		w := e.Common().When
		if len(w) == 0 {
			return "", true
		}
		return w[len(w)-1], true
	case "tag":
		return tagText(e), true
	}
	switch e := e.(type) {
	case *pkgtoml.Tag:
		return e.Value, name == "value"
	case *pkgtoml.Source:
		if name == "number" {
			return e.Number, true
		}
		return e.File, name == "value"
	case *pkgtoml.Dep:
		return depVariable(name, e)
	case *pkgtoml.Macro:
		return macroVariable(name, e)
	case *pkgtoml.File:
		return fileVariable(name, e)
	}
	return "", false
}

func depVariable(name string, d *pkgtoml.Dep) (string, bool) {
	if name == "value" {
		return strings.Join(d.Deps, separator(d)), true
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "value"))
	if err != nil || !strings.HasPrefix(name, "value") || n < 1 || n > len(d.Deps) {
		return "", false
	}
	return d.Deps[n-1], true
}

func macroVariable(name string, m *pkgtoml.Macro) (string, bool) {
	switch name {
	case "name":
		return m.Name, true
	case "bcond":
		if m.Value == "true" {
			return "%bcond_without", true
		}
		return "%bcond_with", true
	case "value":
		if m.Form == pkgtoml.Bcond {
			switch m.Value {
			case "true":
				return "1", true
			case "false":
				return "0", true
			}
		}
		return m.Value, true
	}
	return "", false
}

func fileVariable(name string, f *pkgtoml.File) (string, bool) {
	orDash := func(s string) (string, bool) {
		if s == "" {
			s = "-"
		}
		return s, true
	}
	switch name {
	case "paths":
		return strings.Join(f.Paths, " "), true
	case "config":
		return f.Config, true
	case "mode":
		return orDash(f.Mode)
	case "user":
		return orDash(f.User)
	case "group":
		return orDash(f.Group)
	case "dirmode":
		return orDash(f.DirMode)
	case "verify":
		return f.Verify, true
	case "lang":
		return f.Lang, true
	case "caps":
		return f.Caps, true
	case "defattr":
		return f.Defattr, true
	case "macro":
		return f.Macro, true
	case "raw":
		return f.Raw, true
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "path"))
	if err != nil || !strings.HasPrefix(name, "path") || n < 1 || n > len(f.Paths) {
		return "", false
	}
	return f.Paths[n-1], true
}

// says tells whether a rendered line says what the entry says and no more.
func says(line string, e pkgtoml.Entry) bool {
	var p parsed
	switch e := e.(type) {
	case *pkgtoml.File:
		p = parseFileLine(line)
	case *pkgtoml.Source:
		if e.Listed {
			return strings.Trim(line, blanks) == e.File && guard(e) == ""
		}
		p = parsePreamble(line)
	default:
		p = parsePreamble(line)
	}
	return same(p.entry, e)
}

// same compares what two entries say, without their comments and outer
// conditions.
func same(a, b pkgtoml.Entry) bool {
	if reflect.TypeOf(a) != reflect.TypeOf(b) {
		return false
	}
	switch a := a.(type) {
	case *pkgtoml.Tag:
		x, y := *a, *b.(*pkgtoml.Tag)
		return x.Key == y.Key && x.Value == y.Value && x.Lang == y.Lang && guard(&x) == guard(&y)
	case *pkgtoml.Dep:
		y := b.(*pkgtoml.Dep)
		return a.Kind == y.Kind && slices.Equal(a.Deps, y.Deps) && a.Separator == y.Separator && a.Qualifiers == y.Qualifiers && guard(a) == guard(y)
	case *pkgtoml.Source:
		y := b.(*pkgtoml.Source)
		return a.Patch == y.Patch && a.Number == y.Number && a.File == y.File && guard(a) == guard(y)
	case *pkgtoml.Macro:
		y := b.(*pkgtoml.Macro)
		return a.Form == y.Form && a.Name == y.Name && a.Value == y.Value && guard(a) == guard(y)
	case *pkgtoml.File:
		return sameFile(a, b.(*pkgtoml.File))
	}
	return false
}

func guard(e pkgtoml.Entry) string {
	if w := e.Common().When; len(w) > 0 && isGuard(w[len(w)-1]) {
		return w[len(w)-1]
	}
	return ""
}

// sameFile compares what the lines of two files say; the order of directives
// decides nothing.
func sameFile(a, b *pkgtoml.File) bool {
	x, y := slices.Sorted(slices.Values(a.Flags)), slices.Sorted(slices.Values(b.Flags))
	return slices.Equal(a.Paths, b.Paths) && slices.Equal(x, y) && a.Config == b.Config &&
		a.Mode == b.Mode && a.User == b.User && a.Group == b.Group && a.DirMode == b.DirMode && attrSeparator(a) == attrSeparator(b) &&
		a.HasVerify == b.HasVerify && a.Verify == b.Verify && a.Lang == b.Lang && a.Caps == b.Caps &&
		a.Defattr == b.Defattr && a.Macro == b.Macro && a.Raw == b.Raw && guard(a) == guard(b)
}
