package comps

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// canonical gives the comps file in canonical form, as Layout varies it but for Spelling.
func (d *Document) canonical() ([]byte, error) {
	w := &xmlWriter{layout: &d.Layout, indent: d.Layout.Indent}
	if len(w.indent) != 3 {
		w.indent = canonicalIndent
	}
	first := func(canonical string, own *string) {
		if own != nil {
			canonical = *own
		}
		if canonical != "" {
			w.out = append(append(w.out, canonical...), '\n')
		}
	}
	first(declaration, d.Layout.Declaration)
	first(doctype, d.Layout.Doctype)
	w.out = append(w.out, "<comps>\n"...)
	for i := range d.Items {
		w.item(&d.Items[i])
	}
	w.out = append(w.out, "</comps>\n"...)
	if d.Layout.NoFinalNewline {
		w.out = w.out[:len(w.out)-1]
	}
	if d.Layout.CRLF {
		w.out = bytes.ReplaceAll(w.out, []byte("\n"), []byte("\r\n"))
	}
	return w.out, w.err
}

// An xmlWriter appends elements to out, and keeps the first error.
type xmlWriter struct {
	layout *Layout
	indent []string
	out    []byte
	err    error
}

// An attribute of an element; without a value it is left out.
type attribute struct{ name, value string }

// start appends indentation and the start tag but for its end.
func (w *xmlWriter) start(depth int, name string, attrs ...attribute) {
	w.out = append(w.out, w.indent[depth-1]...)
	w.out = append(append(w.out, '<'), name...)
	// An attribute that layout moves comes before the others.
	slices.SortStableFunc(attrs, func(a, b attribute) int { return w.rank(a) - w.rank(b) })
	for _, a := range attrs {
		if a.value != "" {
			w.out = append(append(append(w.out, ' '), a.name...), '=', '"')
			w.escape(a.value, true)
			w.out = append(w.out, '"')
		}
	}
}

func (w *xmlWriter) rank(a attribute) int {
	if slices.Contains(w.layout.First, a.name) {
		return 0
	}
	return 1
}

// text appends an element that holds text.
func (w *xmlWriter) text(depth int, name, text string, attrs ...attribute) {
	w.start(depth, name, attrs...)
	switch {
	case text != "" || w.layout.EmptyText == "open":
		w.out = append(w.out, '>')
		w.escape(text, false)
		w.out = append(append(append(w.out, "</"...), name...), ">\n"...)
	case w.layout.EmptyText == "space":
		w.out = append(w.out, " />\n"...)
	default:
		w.out = append(w.out, "/>\n"...)
	}
}

// list appends an element that holds others.
func (w *xmlWriter) list(depth int, name string, entries []Entry, one func(*Entry), attrs ...attribute) {
	w.start(depth, name, attrs...)
	if len(entries) == 0 && !w.layout.OpenLists {
		w.out = append(w.out, "/>\n"...)
		return
	}
	w.out = append(w.out, ">\n"...)
	for i := range entries {
		if entries[i].IsComment {
			w.comment(depth+1, entries[i].Comment)
		} else {
			one(&entries[i])
		}
	}
	w.end(depth, name)
}

func (w *xmlWriter) end(depth int, name string) {
	w.out = append(w.out, w.indent[depth-1]...)
	w.out = append(append(append(w.out, "</"...), name...), ">\n"...)
}

func (w *xmlWriter) comment(depth int, text string) {
	if strings.Contains(text, "--") || strings.HasSuffix(text, "-") {
		w.fail("comment %q cannot stand in XML", text)
	}
	w.out = append(w.out, w.indent[depth-1]...)
	w.out = append(w.out, "<!--"...)
	for _, r := range text {
		w.allowed(r, text)
	}
	w.out = append(append(w.out, text...), "-->\n"...)
}

func (w *xmlWriter) item(i *Item) {
	switch i.Kind {
	case Comment:
		w.comment(1, i.Text)
	case Langpacks, Blacklist, Whiteout:
		w.list(1, string(i.Kind), i.Entries, func(e *Entry) {
			w.start(2, tableElements[i.Kind], attribute{"name", e.Name}, attribute{"install", e.Install},
				attribute{"arch", e.Arch}, attribute{"requires", e.Requires}, attribute{"package", e.Package})
			w.out = append(w.out, "/>\n"...)
		})
	default:
		w.start(1, string(i.Kind), attribute{"arch", i.Arch})
		w.out = append(w.out, ">\n"...)
		for j := range i.Fields {
			w.field(&i.Fields[j])
		}
		w.end(1, string(i.Kind))
	}
}

func (w *xmlWriter) field(f *Field) {
	switch fieldTypes[f.Name] {
	case textField, translatedField:
		w.text(2, f.Name, f.Text, attribute{"xml:lang", f.Lang})
	case boolField:
		w.text(2, f.Name, strconv.FormatBool(f.Bool))
	case numberField:
		w.text(2, f.Name, strconv.FormatInt(f.Number, 10))
	case packagesField:
		w.list(2, f.Name, f.Entries, func(e *Entry) {
			w.text(3, "packagereq", e.Name, attribute{"type", e.Type}, attribute{"requires", e.Requires},
				attribute{"basearchonly", optional(e.BaseArchOnly)}, attribute{"arch", e.Arch})
		})
	case groupsField:
		w.list(2, f.Name, f.Entries, func(e *Entry) {
			w.text(3, "groupid", e.Name, attribute{"default", optional(e.Default)}, attribute{"arch", e.Arch})
		})
	default:
		w.comment(2, f.Text)
	}
}

func optional(b *bool) string {
	if b == nil {
		return ""
	}
	return strconv.FormatBool(*b)
}

// escape appends text.
func (w *xmlWriter) escape(s string, inAttribute bool) {
	if !utf8.ValidString(s) {
		w.fail("%q is not UTF-8", s)
	}
	for _, r := range s {
		switch {
		case r == '&':
			w.out = append(w.out, "&amp;"...)
		case r == '<':
			w.out = append(w.out, "&lt;"...)
		case r == '>':
			w.out = append(w.out, "&gt;"...)
		case r == '"' && inAttribute:
			w.out = append(w.out, "&quot;"...)
		case r == '\r' || inAttribute && (r == '\n' || r == '\t'):
			w.out = append(append(append(w.out, "&#"...), strconv.Itoa(int(r))...), ';')
		default:
			w.allowed(r, s)
			w.out = utf8.AppendRune(w.out, r)
		}
	}
}

// allowed notes a character that XML does not have.
func (w *xmlWriter) allowed(r rune, text string) {
	if !isXML(r) {
		w.fail("%q holds a character that XML does not have", text)
	}
}

// isXML says whether XML 1.0 has a character.
func isXML(r rune) bool {
	return r >= 0x20 && r != 0xfffe && r != 0xffff || r == '\t' || r == '\n' || r == '\r'
}

func (w *xmlWriter) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}
