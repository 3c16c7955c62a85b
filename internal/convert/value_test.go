package convert

import (
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// changes gives, for each value of a document, what changes that value alone.
func changes(d *pkgtoml.Document) []func() {
	var out []func()
	text := func(s *string, to string) {
		if *s != "" {
			out = append(out, func() { *s = to })
		}
	}
	when := func(e pkgtoml.Entry) {
		m := e.Common()
		out = append(out, func() { m.When = append([]string{"if 9"}, m.When...) })
		if m.Comment != "" {
			out = append(out, func() { m.Comment = "changed" })
		}
	}
	for _, m := range d.Macros {
		text(&m.Value, "false")
		if m.Form != pkgtoml.Raw && m.Form != pkgtoml.Call {
			text(&m.Name, "changed")
			when(m)
		}
	}
	for _, s := range append(d.Sources, d.Patches...) {
		text(&s.File, "changed.file")
		if !s.Patch { // %prep applies it by its number
			text(&s.Number, "77")
		}
		when(s)
	}
	for _, s := range d.Build {
		text(&s.Body, "changed\n")
	}
	for _, c := range d.Changelog.Entries {
		text(&c.Author, "changed <a@b>")
		text(&c.EVR, "9-9")
		text(&c.Text, "- changed")
		text(&c.Date, "2020-02-02")
	}
	for _, p := range append([]*pkgtoml.Package{&d.Main}, d.Subpackages...) {
		for _, t := range p.Tags {
			text(&t.Value, "changed")
			if len(p.When) == 0 {
				when(t)
			}
		}
		for _, x := range p.Deps {
			text(&x.Deps[0], "changed >= 9")
			text(&x.Qualifiers, "post")
			if len(p.When) == 0 {
				when(x)
			}
		}
		for _, s := range append(p.Scripts, p.Descriptions...) {
			text(&s.Body, "changed\n")
			text(&s.Interpreter, "/bin/changed")
		}
		for _, f := range p.Files {
			for _, x := range f.List {
				if len(x.Paths) > 0 {
					text(&x.Paths[0], "/changed")
					text(&x.Mode, "0123")
					text(&x.User, "changed")
					out = append(out, func() { x.Config = "noreplace" }, func() { x.Lang = "eo" })
				}
			}
		}
	}
	return out
}

// TestLayoutDecidesNothing changes one value after the other below an unchanged
// layout: the spec must say what the document says.
func TestLayoutDecidesNothing(t *testing.T) {
	for _, c := range cases {
		if c.crossing {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			doc, err := FromSpec(c.name, []byte(c.spec), Options{})
			if err != nil {
				t.Fatal(err)
			}
			text := pkgtoml.Encode(doc)
			for i := range changes(doc) {
				fresh, err := pkgtoml.Decode(c.name, text)
				if err != nil {
					t.Fatal(err)
				}
				changes(fresh)[i]()
				if err := saysSo(fresh); err != nil {
					t.Errorf("change %d: %v", i, err)
				}
			}
		})
	}
}

// saysSo tells whether the spec of a document reads back as that document,
// layout apart.
func saysSo(doc *pkgtoml.Document) error {
	spec, err := ToSpec(doc, Options{})
	if err != nil {
		return err
	}
	again, err := FromSpec("again", spec, Options{NoLayout: true})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, spec)
	}
	plain := *doc
	plain.Layout = nil
	if d := cmp.Diff(string(pkgtoml.Encode(&plain)), string(pkgtoml.Encode(again))); d != "" {
		return fmt.Errorf("%s\n%s", d, spec)
	}
	return nil
}

// TestCorpusChanges makes one change in each spec of a corpus.
func TestCorpusChanges(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	paths := corpus(t)
	bad := 0
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := FromSpec(path, b, Options{})
		if err != nil {
			continue
		}
		all := changes(doc)
		if len(all) == 0 {
			continue
		}
		all[r.Intn(len(all))]()
		if err := saysSo(doc); err != nil {
			bad++
			text, _, _ := strings.Cut(err.Error(), "\n\n")
			t.Logf("%s: %.600s", path, text)
		}
	}
	t.Logf("%d of %d changes are not said", bad, len(paths))
	if bad*200 > len(paths) {
		t.Errorf("%d of %d changes are not said", bad, len(paths))
	}
}
