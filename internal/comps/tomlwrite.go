package comps

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// TOML gives the document in TOML 1.0.
func (d *Document) TOML() []byte {
	w := new(tomlWriter)
	for i := range d.Items {
		w.item(&d.Items[i])
	}
	w.layout(&d.Layout)
	return w.out
}

// A tomlWriter appends tables to out.
type tomlWriter struct{ out []byte }

func (w *tomlWriter) printf(format string, args ...any) { w.out = fmt.Appendf(w.out, format, args...) }

// table begins a table, after an empty line.
func (w *tomlWriter) table(header string) {
	if len(w.out) > 0 {
		w.out = append(w.out, '\n')
	}
	w.printf("%s\n", header)
}

func (w *tomlWriter) item(i *Item) {
	switch i.Kind {
	case Comment:
		w.table("[[comment]]")
		w.printf("text = %s\n", quote(i.Text))
	case Langpacks:
		w.table("[langpacks]")
		for _, e := range i.Entries {
			w.printf("%s = %s\n", key(e.Name), quote(e.Install))
		}
	case Blacklist:
		w.table("[blacklist]")
		w.list("packages", i.Entries)
	case Whiteout:
		w.table("[whiteout]")
		w.list("ignore", i.Entries)
	default:
		w.table("[[" + string(i.Kind) + "]]")
		if i.Arch != "" {
			w.printf("arch = %s\n", quote(i.Arch))
		}
		comments := 0
		for j := range i.Fields {
			if f := &i.Fields[j]; f.Name == "comment" {
				comments++
				w.printf("comments.%d = %s\n", comments, quote(f.Text))
			} else {
				w.field(f)
			}
		}
	}
}

// listKeys are the keys of the lists.
var listKeys = map[string]string{"grouplist": "groups", "optionlist": "options"}

func (w *tomlWriter) field(f *Field) {
	switch fieldTypes[f.Name] {
	case boolField:
		w.printf("%s = %t\n", f.Name, f.Bool)
	case numberField:
		w.printf("%s = %d\n", f.Name, f.Number)
	case packagesField:
		w.packages(f.Entries)
	case groupsField:
		w.list(listKeys[f.Name], f.Entries)
	default:
		if f.Lang != "" {
			w.printf("%ss.%s = %s\n", f.Name, key(f.Lang), quote(f.Text))
			return
		}
		w.printf("%s = %s\n", f.Name, quote(f.Text))
	}
}

// packages writes a list for each type, or one list of all where types alternate.
func (w *tomlWriter) packages(entries []Entry) {
	if len(entries) == 0 {
		w.printf("packages = {}\n")
		return
	}
	type run struct {
		typ     string
		entries []Entry
	}
	var runs []run
	for _, e := range entries {
		n := len(runs)
		switch {
		case n == 0 && e.IsComment:
			runs = append(runs, run{typ: firstType(entries)})
			n++
		case !e.IsComment && (n == 0 || runs[n-1].typ != e.Type):
			if !known(e.Type) || slices.ContainsFunc(runs, func(r run) bool { return r.typ == e.Type }) {
				w.list("packages.mixed", entries)
				return
			}
			runs = append(runs, run{typ: e.Type})
			n++
		}
		e.Type = ""
		runs[n-1].entries = append(runs[n-1].entries, e)
	}
	for _, r := range runs {
		if r.typ == "" {
			r.typ = "untyped"
		}
		w.list("packages."+r.typ, r.entries)
	}
}

// firstType gives the type of the first package of a list.
func firstType(entries []Entry) string {
	for _, e := range entries {
		if !e.IsComment {
			if known(e.Type) {
				return e.Type
			}
			break
		}
	}
	return ""
}

// list writes an array, one entry a line.
func (w *tomlWriter) list(name string, entries []Entry) {
	if len(entries) == 0 {
		w.printf("%s = []\n", name)
		return
	}
	w.printf("%s = [\n", name)
	for i := range entries {
		w.printf("  %s,\n", entries[i].toml())
	}
	w.printf("]\n")
}

// toml gives an entry: its name, or a table where it has more than a name.
func (e *Entry) toml() string {
	if e.IsComment {
		return "{ comment = " + quote(e.Comment) + " }"
	}
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" = "+quote(value))
		}
	}
	add("name", e.Name)
	add("type", e.Type)
	add("requires", e.Requires)
	add("package", e.Package)
	if e.BaseArchOnly != nil {
		parts = append(parts, "basearchonly = "+strconv.FormatBool(*e.BaseArchOnly))
	}
	if e.Default != nil {
		parts = append(parts, "default = "+strconv.FormatBool(*e.Default))
	}
	add("arch", e.Arch)
	if len(parts) == 0 || len(parts) == 1 && e.Name != "" {
		return quote(e.Name)
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

func (w *tomlWriter) layout(l *Layout) {
	var lines []string
	add := func(name, value string) { lines = append(lines, name+" = "+value) }
	if l.Declaration != nil {
		add("declaration", quote(*l.Declaration))
	}
	if l.Doctype != nil {
		add("doctype", quote(*l.Doctype))
	}
	if l.CRLF {
		add("crlf", "true")
	}
	if l.NoFinalNewline {
		add("final_newline", "false")
	}
	if l.OpenLists {
		add("open_lists", "true")
	}
	if l.EmptyText != "" {
		add("empty_text", quote(l.EmptyText))
	}
	list := func(name string, values []string) {
		quoted := make([]string, len(values))
		for i, value := range values {
			quoted[i] = quote(value)
		}
		if len(quoted) > 0 {
			add(name, "["+strings.Join(quoted, ", ")+"]")
		}
	}
	list("first", l.First)
	list("indent", l.Indent)
	for _, s := range l.Spelling {
		lines = append(lines, "", "[[layout.spelling]]")
		add("line", strconv.Itoa(s.Line))
		add("canonical", quote(s.Canonical))
		add("written", quote(s.Written))
	}
	if lines == nil {
		return
	}
	w.table("# How the XML was written; without this table it comes out in canonical form.\n[layout]")
	w.printf("%s\n", strings.Join(lines, "\n"))
}

// key gives a key, quoted where it must be.
func key(s string) string {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '_' && r != '-' {
			return quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

// quote gives a string: plain where it can be, as a literal where it has quotes, and in several lines where it has those.
func quote(s string) string {
	control := func(r rune) bool { return r < 0x20 && r != '\n' && r != '\t' || r == 0x7f }
	switch {
	case strings.ContainsFunc(s, control):
	case strings.Contains(s, "\n"):
		if !strings.Contains(s, "''") && !strings.HasSuffix(s, "'") {
			return "'''\n" + s + "'''"
		}
	case !strings.ContainsAny(s, "\"\\\t"):
		return `"` + s + `"`
	case !strings.Contains(s, "'"):
		return "'" + s + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case control(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
