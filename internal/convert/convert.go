// Package convert turns a spec into a package document and back.
//
// ToSpec(FromSpec(b)) equals b for every b; FromSpec proves it before it
// returns. The document's typed part alone decides what the spec says. Its
// Layout is an outline of names: where the outline and the typed part disagree,
// entries that are gone are left out together with their comment and a
// condition that became empty, and new ones are put beside their siblings.
package convert

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
	"github.com/weld-linux/weld-bridge/internal/spec"
)

// Options choose how to convert. The zero value is right for most.
type Options struct {
	NoLayout bool // leave the Layout out
}

// FromSpec makes the document of a spec. name is what errors call the spec.
// The error is about the spec: an %if that is never closed.
func FromSpec(name string, b []byte, o Options) (*pkgtoml.Document, error) {
	var failed error
	for effort := range efforts {
		l, err := document(name, b, effort)
		if err != nil {
			return nil, err
		}
		back := toSpec(l.doc, l.index, len(b))
		if bytes.Equal(back, b) {
			if o.NoLayout {
				l.doc.Layout = nil
			}
			return l.doc, nil
		}
		failed = notSame(name, b, back)
	}
	return nil, failed
}

// Encode makes the document of a spec as FromSpec does, and its text. The proof
// is made with that text: it is decoded and written as a spec again.
func Encode(name string, b []byte, o Options) (*pkgtoml.Document, []byte, error) {
	if o.NoLayout {
		doc, err := FromSpec(name, b, o)
		if err != nil {
			return nil, nil, err
		}
		return doc, pkgtoml.Encode(doc), nil
	}
	var failed error
	for effort := range efforts {
		l, err := document(name, b, effort)
		if err != nil {
			return nil, nil, err
		}
		text := pkgtoml.Encode(l.doc)
		read, err := pkgtoml.Decode(name, text)
		if err != nil {
			failed = err
			continue
		}
		back := toSpec(read, indexDocument(read), len(b))
		if bytes.Equal(back, b) {
			return l.doc, text, nil
		}
		failed = notSame(name, b, back)
	}
	return nil, nil, failed
}

// efforts is how often a spec is tried: all typed; then without conditions of
// several branches; then as one piece of text.
const efforts = 3

// document makes the document of a spec, without proof.
func document(name string, b []byte, effort int) (*lifter, error) {
	text, layout := normalise(b)
	file := spec.ParseText(text)
	if err := unterminated(file); err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	var l *lifter
	if effort = max(effort, leastEffort(file)); effort < efforts-1 {
		l = lift(file, effort > 0)
	} else {
		l = whole(text)
	}
	l.doc.Layout = layout
	l.encodeLayout()
	return l, nil
}

// What conditions of a spec become conditions of entries, each of which says the
// whole path that it stands under. Real ones are 9 deep, have 6 branches, and are
// 1,000 lines in a spec.
const (
	maxDepth        = 100
	maxBranches     = 50
	maxConditionals = 20000
)

// leastEffort is where to begin with a spec: what has more conditions than any
// real one would take time and memory by their square.
func leastEffort(f *spec.File) int {
	var branches []int // of the conditions that are open
	effort, count := 0, 0
	for i := range f.Lines {
		switch f.Lines[i].Kind {
		case spec.If:
			branches = append(branches, 0)
		case spec.Elif, spec.Else:
			if n := len(branches); n > 0 {
				if branches[n-1]++; branches[n-1] > maxBranches {
					effort = 1
				}
			}
		case spec.Endif:
			branches = branches[:max(0, len(branches)-1)]
		default:
			continue
		}
		if count++; count > maxConditionals || len(branches) > maxDepth {
			return efforts - 1
		}
	}
	return effort
}

// ToSpec writes the spec of a document. The error is about a value that a spec
// cannot say where it stands: one of several lines, a text that holds the header
// of a section or an %if without end.
func ToSpec(d *pkgtoml.Document, o Options) ([]byte, error) {
	if o.NoLayout {
		plain := *d
		plain.Layout = nil
		d = &plain
	}
	x := indexDocument(d)
	out := toSpec(d, x, roughSize(d))
	text, _ := normalise(out)
	return out, check(x, text)
}

// toSpec writes a spec of about size bytes.
func toSpec(d *pkgtoml.Document, x *index, size int) []byte {
	layout := d.Layout
	var nodes []node
	w := &writer{doc: d, index: x}
	w.out.Grow(size + size/16)
	if layout == nil {
		nodes = w.canonical()
		layout = &pkgtoml.Layout{}
	} else {
		nodes = w.arranged(layout)
	}
	w.layout = layout
	w.gone = gonePatches(d, layout)
	return denormalise(w.write(nodes), layout)
}

// roughSize guesses the size of a document's spec.
func roughSize(d *pkgtoml.Document) int {
	n := 4096
	if d.Layout != nil {
		n += len(d.Layout.Order)
	}
	for _, s := range d.Build {
		n += len(s.Body)
	}
	for _, c := range d.Changelog.Entries {
		n += len(c.Text) + len(c.Author) + len(c.Raw) + 40
	}
	n += 40 * (len(d.Macros) + len(d.Main.Deps) + len(d.Sources) + len(d.Patches))
	for _, p := range append([]*pkgtoml.Package{&d.Main}, d.Subpackages...) {
		n += 40 * (len(p.Tags) + len(p.Deps) + 4)
		for _, s := range p.Descriptions {
			n += len(s.Body)
		}
		for _, s := range p.Scripts {
			n += len(s.Body)
		}
		for _, f := range p.Files {
			n += 30 * len(f.List)
		}
	}
	return n
}

// notSame names the first line in which a spec and what came back differ.
func notSame(name string, spec, back []byte) error {
	n := 0
	for n < len(spec) && n < len(back) && spec[n] == back[n] {
		n++
	}
	start := bytes.LastIndexByte(spec[:n], '\n') + 1
	line := func(b []byte) []byte {
		b, _, _ = bytes.Cut(b[min(start, len(b)):], []byte("\n"))
		return b[:min(len(b), 80)]
	}
	return fmt.Errorf("%s:%d: the document gives back %q for %q", name, 1+bytes.Count(spec[:n], []byte("\n")), line(back), line(spec))
}

// normalise makes UTF-8 text with LF line ends of any bytes, and notes what it
// took away.
func normalise(b []byte) (string, *pkgtoml.Layout) {
	l := &pkgtoml.Layout{}
	if rest, ok := bytes.CutPrefix(b, []byte("\xef\xbb\xbf")); ok && utf8.Valid(b) {
		l.BOM, b = true, rest
	}
	text := string(b)
	if !utf8.ValidString(text) {
		l.Encoding = "latin-1"
		runes := make([]rune, len(b))
		for i, c := range b {
			runes[i] = rune(c)
		}
		text = string(runes)
	}
	if n := strings.Count(text, "\n"); n > 0 && strings.Count(text, "\r\n") == n {
		l.Newline = "crlf"
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	if !strings.HasSuffix(text, "\n") {
		l.EOF = "bare"
		text += "\n"
	}
	return text, l
}

// denormalise is the inverse of normalise. Text that latin-1 cannot say is
// written as UTF-8.
func denormalise(b []byte, l *pkgtoml.Layout) []byte {
	if l.EOF == "bare" {
		b = bytes.TrimSuffix(b, []byte("\n"))
	}
	if l.Newline == "crlf" {
		b = bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
	}
	if l.Encoding == "latin-1" {
		if narrow, ok := latin1(string(b)); ok {
			b = narrow
		}
	}
	if l.BOM {
		b = append([]byte("\xef\xbb\xbf"), b...)
	}
	return b
}

func latin1(text string) ([]byte, bool) {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return out, true
}
