package convert

import (
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// lies makes a layout's order name what is not there, leave out what is, and
// say it twice or elsewhere.
func lies(r *rand.Rand, order string) string {
	lines := slices.DeleteFunc(strings.SplitAfter(order, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "!") || strings.HasPrefix(line, "#") // these are lines of their own
	})
	n := len(lines)
	if n == 0 {
		return ""
	}
	switch r.Intn(6) {
	case 0: // cut
		cut := strings.Join(lines, "")
		return cut[:r.Intn(len(cut)+1)]
	case 1: // holes
		return strings.Join(slices.DeleteFunc(lines, func(string) bool { return r.Intn(3) == 0 }), "")
	case 2: // another order
		r.Shuffle(n, func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	case 3: // twice
		i := r.Intn(n)
		lines = slices.Insert(lines, r.Intn(n), lines[i:min(n, i+r.Intn(5))]...)
	case 4: // brackets
		for range 3 {
			i := r.Intn(n)
			at := r.Intn(len(lines[i]) + 1)
			lines[i] = lines[i][:at] + []string{" [", "] ", " | ", "^[", "|?", "..", "&", "~1", " %nothing ", " br:nothing "}[r.Intn(10)] + lines[i][at:]
		}
	case 5: // nothing but what is not there
		return strings.NewReplacer("a", "x", "e", "y").Replace(strings.Join(lines, ""))
	}
	return strings.Join(lines, "")
}

// said lists what a document says, whatever its order and its comments.
func said(d *pkgtoml.Document) []string {
	var out []string
	say := func(where string, e pkgtoml.Entry, what ...any) {
		out = append(out, fmt.Sprintln(append([]any{where, strings.Join(e.Common().When, " / ")}, what...)...))
	}
	text := func(s string) string { return strings.TrimRight(s, "\n") }
	for _, m := range d.Macros {
		say("macro", m, m.Form, m.Name, m.Value)
	}
	for _, s := range slices.Concat(d.Sources, d.Patches) {
		say("source", s, s.Patch, s.Number, s.File)
	}
	for _, s := range d.Build {
		say(s.Kind, s, s.Mode, text(s.Body))
	}
	for _, c := range d.Changelog.Entries {
		say("change", &d.Changelog, c.Date, c.Author, c.EVR, c.Text, c.Raw)
	}
	for _, p := range append([]*pkgtoml.Package{&d.Main}, d.Subpackages...) {
		for _, m := range p.Macros {
			say("macro", m, m.Form, m.Name, m.Value)
		}
		for _, t := range p.Tags {
			say(p.Name, t, t.Key, t.Value, t.Lang)
		}
		for _, x := range p.Deps {
			say(p.Name, x, x.Kind, x.Deps, x.Qualifiers)
		}
		for _, s := range slices.Concat(p.Descriptions, p.Scripts, p.Triggers) {
			say(p.Name, s, s.Kind, s.Interpreter, s.On, s.Lang, text(s.Body))
		}
		for _, f := range p.Files {
			say(p.Name, f, "files", f.From)
			for _, x := range f.List {
				say(p.Name, x, x.Paths, x.Config, x.Flags, x.Mode, x.User, x.Group, x.Verify, x.Lang, x.Macro, x.Raw)
			}
		}
	}
	slices.Sort(out)
	return out
}

// lying checks that a document under a layout that lies is said as a whole.
func lying(name string, b []byte, r *rand.Rand) error {
	doc, err := FromSpec(name, b, Options{})
	if err != nil || len(doc.Sections) > 0 || strings.Contains(doc.Layout.Order, "^m:") { // order decides what these are
		return nil
	}
	order := lies(r, doc.Layout.Order)
	doc.Layout.Order, doc.Layout.Unpatched = order, "0 1 2 3 4 5 6 7 8 9"
	spec, err := ToSpec(doc, Options{})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, order)
	}
	again, err := FromSpec(name, spec, Options{})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, order)
	}
	if d := cmp.Diff(said(doc), said(again)); d != "" {
		return fmt.Errorf("%s\n%s\n%s", d, order, spec)
	}
	return nil
}

func TestLyingLayout(t *testing.T) {
	for _, c := range cases {
		if c.crossing {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			for seed := range 100 {
				if err := lying(c.name, []byte(c.spec), rand.New(rand.NewSource(int64(seed)))); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

// TestCorpusLyingLayout counts the specs of a corpus that a layout that lies
// makes say something else.
func TestCorpusLyingLayout(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	paths := corpus(t)
	bad := 0
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := lying(path, b, r); err != nil {
			bad++
			t.Logf("%s: %.1500s", path, err.Error())
		}
	}
	t.Logf("%d of %d", bad, len(paths))
}
