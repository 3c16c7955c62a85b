package convert

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// An edit changes a document as a packager would. It tells which lines of the
// spec may go and come, and false when there is nothing to edit.
type edit struct {
	name  string
	apply func(r *rand.Rand, d *pkgtoml.Document) (want, bool)
}

// want is what the difference of the specs must be.
type want struct {
	added   []string // lines that must come, without their layout; nothing else may
	removed []string // lines that must go, likewise; besides them only comments, conditionals and blank lines may
	section string   // lines of these sections may go or come too: the name of a subpackage
	blanks  bool     // blank lines may come
}

var edits = []edit{
	{"bump version", bumpVersion},
	{"bump release", bumpRelease},
	{"add build requirement", addBuildRequirement},
	{"add requirement to subpackage", addSubRequirement},
	{"drop dependency", dropDependency},
	{"add patch", addPatch},
	{"drop patch", dropPatch},
	{"flip bcond", flipBcond},
	{"drop subpackage", dropSubpackage},
	{"add subpackage", addSubpackage},
	{"add file", addFile},
}

func bumpVersion(_ *rand.Rand, d *pkgtoml.Document) (want, bool) {
	i := slices.IndexFunc(d.Main.Tags, func(t *pkgtoml.Tag) bool { return t.Key == "version" })
	if i < 0 {
		return want{}, false
	}
	t := d.Main.Tags[i]
	w := want{removed: []string{"Version: " + t.Value}, added: []string{"Version: 99.1.2"}}
	t.Value = "99.1.2"
	return w, true
}

func bumpRelease(_ *rand.Rand, d *pkgtoml.Document) (want, bool) {
	i := slices.IndexFunc(d.Main.Tags, func(t *pkgtoml.Tag) bool { return t.Key == "release" })
	if i < 0 || d.Changelog.Auto || len(d.Changelog.Entries) == 0 {
		return want{}, false
	}
	t := d.Main.Tags[i]
	w := want{removed: []string{"Release: " + t.Value}, added: []string{"Release: 77%{?dist}"}, blanks: true}
	t.Value = "77%{?dist}"
	sep := d.Changelog.Separator
	if sep == "" {
		sep = dash
	}
	c := &pkgtoml.Change{Date: "2026-11-23", Author: "A Packager <a@example.org>", EVR: "1-77", Text: "- Say what is new"}
	w.added = append(w.added, "* Mon Nov 23 2026 A Packager <a@example.org>"+sep+"1-77", "- Say what is new")
	d.Changelog.Entries = slices.Insert(d.Changelog.Entries, 0, c)
	return w, true
}

func addBuildRequirement(_ *rand.Rand, d *pkgtoml.Document) (want, bool) {
	d.Main.Deps = append(d.Main.Deps, &pkgtoml.Dep{Kind: "build_requires", Deps: []string{"weld-devel >= 1"}})
	return want{added: []string{"BuildRequires: weld-devel >= 1"}}, true
}

func addSubRequirement(r *rand.Rand, d *pkgtoml.Document) (want, bool) {
	p := pick(r, declared(d))
	if p == nil {
		return want{}, false
	}
	p.Deps = append(p.Deps, &pkgtoml.Dep{Meta: pkgtoml.Meta{When: p.When}, Kind: "requires", Deps: []string{"weld-libs"}})
	return want{added: []string{"Requires: weld-libs"}}, true
}

func declared(d *pkgtoml.Document) []*pkgtoml.Package {
	var out []*pkgtoml.Package
	for _, p := range d.Subpackages {
		if !p.Undeclared {
			out = append(out, p)
		}
	}
	return out
}

func pick[T any](r *rand.Rand, list []T) (x T) {
	if len(list) == 0 {
		return x
	}
	return list[r.Intn(len(list))]
}

func dropDependency(r *rand.Rand, d *pkgtoml.Document) (want, bool) {
	if len(d.Main.Deps) == 0 {
		return want{}, false
	}
	n := r.Intn(len(d.Main.Deps))
	dep := d.Main.Deps[n]
	line := expand("{tag} {value}", dep)
	if g := guard(dep); g != "" {
		line = "%{" + g + ":" + line + "}"
	}
	w := want{removed: []string{line}}
	if len(dep.Deps) > 1 {
		dep.Deps = slices.Delete(slices.Clone(dep.Deps), 0, 1)
		line = expand("{tag} {value}", dep)
		if g := guard(dep); g != "" {
			line = "%{" + g + ":" + line + "}"
		}
		w.added = []string{line}
		return w, true
	}
	d.Main.Deps = slices.Delete(d.Main.Deps, n, n+1)
	return w, true
}

func addPatch(_ *rand.Rand, d *pkgtoml.Document) (want, bool) {
	p := &pkgtoml.Source{Patch: true, File: "weld-fix.patch"}
	most := -1
	for _, x := range d.Patches {
		if n, err := strconv.Atoi(x.Number); err == nil {
			most = max(most, n)
		}
	}
	line := "Patch: weld-fix.patch"
	if most >= 0 || len(d.Patches) == 0 {
		p.Number = strconv.Itoa(most + 1)
		line = "Patch" + p.Number + ": weld-fix.patch"
	}
	d.Patches = append(d.Patches, p)
	return want{added: []string{line}}, true
}

func dropPatch(r *rand.Rand, d *pkgtoml.Document) (want, bool) {
	if len(d.Patches) == 0 {
		return want{}, false
	}
	n := r.Intn(len(d.Patches))
	p := d.Patches[n]
	w := want{removed: []string{strings.Replace(expand("{tag} {value}", p), "  ", " ", 1)}}
	d.Patches = slices.Delete(d.Patches, n, n+1)
	if number, err := strconv.Atoi(p.Number); err == nil && !patchNumbers(d.Patches)[number] {
		for _, s := range d.Build {
			for _, line := range strings.Split(s.Body, "\n") {
				if got, ok := patchNumber(line); ok && got == number && s.Kind == "prep" {
					w.removed = append(w.removed, line)
				}
			}
		}
	}
	return w, true
}

func flipBcond(r *rand.Rand, d *pkgtoml.Document) (want, bool) {
	var all []*pkgtoml.Macro
	for _, m := range d.Macros {
		if m.Form == pkgtoml.Bcond && (m.Value == "true" || m.Value == "false") {
			all = append(all, m)
		}
	}
	m := pick(r, all)
	if m == nil {
		return want{}, false
	}
	was := *m
	m.Value = strconv.FormatBool(m.Value == "false")
	w := want{}
	for _, tmpl := range []string{"{bcond} {name}", "%bcond {name} {value}"} {
		w.removed = append(w.removed, expand(tmpl, &was))
		w.added = append(w.added, expand(tmpl, m))
	}
	return w, true
}

func dropSubpackage(r *rand.Rand, d *pkgtoml.Document) (want, bool) {
	p := pick(r, declared(d))
	if p == nil {
		return want{}, false
	}
	for _, m := range d.Macros {
		if strings.Contains(m.At, clean(p.Name)) { // the macro would lose its place
			return want{}, false
		}
	}
	d.Subpackages = slices.DeleteFunc(d.Subpackages, func(x *pkgtoml.Package) bool { return x == p })
	return want{section: p.Name}, true
}

func addSubpackage(_ *rand.Rand, d *pkgtoml.Document) (want, bool) {
	p := &pkgtoml.Package{
		Name: "weld", Tags: []*pkgtoml.Tag{{Key: "summary", Value: "A summary"}},
		Deps:         []*pkgtoml.Dep{{Kind: "requires", Deps: []string{"weld-libs"}}},
		Descriptions: []*pkgtoml.Script{{Kind: "description", Body: "A description.\n"}},
		Files:        []*pkgtoml.Files{{List: []*pkgtoml.File{{Paths: []string{"/usr/bin/weld"}}}}},
	}
	d.Subpackages = append(d.Subpackages, p)
	return want{added: []string{
		"%package weld", "Summary: A summary", "Requires: weld-libs", "%description weld", "A description.", "%files weld", "/usr/bin/weld",
	}, blanks: true}, true
}

func addFile(_ *rand.Rand, d *pkgtoml.Document) (want, bool) {
	if len(d.Main.Files) == 0 {
		return want{}, false
	}
	f := d.Main.Files[0]
	f.List = append(f.List, &pkgtoml.File{
		Meta: pkgtoml.Meta{When: f.When}, Paths: []string{"/etc/weld.conf"}, Config: "noreplace", Mode: "0640", User: "root", Group: "weld",
		Order: []string{"config", "attr"},
	})
	return want{added: []string{"%config(noreplace) %attr(0640,root,weld) /etc/weld.conf"}}, true
}

// TestEdits makes each edit in specs of a corpus and compares line by line.
func TestEdits(t *testing.T) {
	dir := os.Getenv("WELD_SPECS")
	if dir == "" {
		t.Skip("WELD_SPECS names no directory of specs")
	}
	count := 100
	if n, err := strconv.Atoi(os.Getenv("WELD_EDITS")); err == nil {
		count = n
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.spec"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no specs in %s: %v", dir, err)
	}
	_, err = exec.LookPath("rpmspec")
	rpm := err == nil && os.Geteuid() == 0
	if !rpm && judges.CI() {
		t.Fatal("rpmspec, the judge, cannot be started as nobody")
	}
	for _, e := range edits {
		t.Run(e.name, func(t *testing.T) {
			r := rand.New(rand.NewSource(1))
			done, bad, read := 0, 0, 0
			for _, i := range r.Perm(len(files)) {
				if done == count {
					break
				}
				name := filepath.Base(files[i])
				w, before, after, err := tryEdit(r, e, files[i])
				if before == nil {
					continue
				}
				done++
				if x, ok := readable(t, rpm && err == nil, name, before); ok {
					read++
					y, ok := rpmReads(t, name, after)
					if err = agrees(e.name, w, x, y); !ok && e.name != "flip bcond" {
						err = errors.New("rpm does not read it any more")
					}
				}
				if err != nil {
					bad++
					t.Logf("%s: %v", filepath.Base(files[i]), err)
				}
			}
			t.Logf("%d of %d exact, %d of them compared by rpm", done-bad, done, read)
			if bad*100 > done {
				t.Errorf("%d of %d edits changed something else", bad, done)
			}
		})
	}
}

// tryEdit makes an edit in one spec. It gives what was wanted and the specs before
// and after, or no spec when there was nothing to edit.
func tryEdit(r *rand.Rand, e edit, path string) (w want, before, after []byte, err error) {
	before, err = os.ReadFile(path)
	if err != nil {
		return w, []byte{}, nil, err
	}
	doc, err := FromSpec(filepath.Base(path), before, Options{})
	if err != nil {
		return w, before, nil, err
	}
	if doc, err = pkgtoml.Decode(path, pkgtoml.Encode(doc)); err != nil {
		return w, before, nil, err
	}
	w, ok := e.apply(r, doc)
	if !ok {
		return w, nil, nil, nil
	}
	if after, err = ToSpec(doc, Options{}); err != nil {
		return w, before, after, err
	}
	if err := w.check(before, after); err != nil {
		return w, before, after, err
	}
	for _, s := range doc.Build { // the lines that went with a patch
		for _, l := range w.removed {
			if s.Kind == "prep" && strings.HasPrefix(strings.TrimSpace(l), "%patch") {
				s.Body = strings.Replace("\n"+s.Body, "\n"+l+"\n", "\n", 1)[1:]
			}
		}
	}
	return w, before, after, readsBack(path, after, doc)
}

var emptied = regexp.MustCompile(`(?m)^%if[^\n]*\n%endif[^\n]*\n`)

// readsBack tells whether the edited spec says what the edited document says.
func readsBack(path string, out []byte, doc *pkgtoml.Document) error {
	again, err := FromSpec(path, out, Options{})
	if err != nil {
		return err
	}
	got, want := *again, *doc
	got.Layout, want.Layout = nil, nil
	for _, d := range []*pkgtoml.Document{&got, &want} {
		for _, dep := range d.Main.Deps {
			dep.Comment = "" // what was said above an %if is said above its only line now
			if len(dep.Deps) == 1 {
				dep.Separator = ""
			}
		}
		for _, s := range d.Build { // a condition that held the line of a patch alone goes with it
			s.Body = strings.TrimRight(emptied.ReplaceAllString(s.Body, ""), "\n")
		}
	}
	if a, b := pkgtoml.Encode(&got), pkgtoml.Encode(&want); !bytes.Equal(a, b) {
		r, m := diffLines(b, a)
		return fmt.Errorf("read back: %q became %q", r, m)
	}
	return nil
}

// check compares two specs with what was wanted.
func (w want) check(before, after []byte) error {
	removed, added := diffLines(before, after)
	for _, l := range w.added {
		if i := slices.IndexFunc(added, func(s string) bool { return gist(s) == gist(l) }); i >= 0 {
			added = slices.Delete(added, i, i+1)
		} else if len(w.added) < 3 || !strings.Contains(l, "bcond") {
			if strings.HasPrefix(l, "%bcond") && slices.ContainsFunc(w.added, func(s string) bool { return s != l }) {
				continue
			}
			return fmt.Errorf("%q did not come", l)
		}
	}
	for _, l := range added {
		if strings.TrimSpace(l) != "" || !w.blanks {
			return fmt.Errorf("%q came", l)
		}
	}
	for _, l := range w.removed {
		if i := slices.IndexFunc(removed, func(s string) bool { return gist(s) == gist(l) }); i >= 0 {
			removed = slices.Delete(removed, i, i+1)
		} else if !strings.HasPrefix(l, "%bcond") {
			return fmt.Errorf("%q did not go", l)
		}
	}
	if w.section != "" {
		return w.sectionGone(before, after)
	}
	for _, l := range removed {
		s := strings.TrimSpace(l)
		if s != "" && !strings.HasPrefix(s, "#") && !strings.HasPrefix(s, "%if") && !strings.HasPrefix(s, "%else") && !strings.HasPrefix(s, "%endif") {
			return fmt.Errorf("%q went", l)
		}
	}
	return nil
}

// sectionGone compares what is left with the sections of a subpackage taken
// out of the spec.
func (w want) sectionGone(before, after []byte) error {
	removed, added := diffLines(before, after)
	for _, l := range added {
		if strings.TrimSpace(l) != "" {
			return fmt.Errorf("%q came", l)
		}
	}
	gone := map[string]bool{}
	name := ""
	for _, l := range strings.Split(string(before), "\n") {
		h := classifyHeader(l)
		if h != "" {
			name = h
		}
		if name == w.section {
			gone[l] = true
		}
	}
	for _, l := range removed {
		s := strings.TrimSpace(l)
		if s != "" && !gone[l] && !strings.HasPrefix(s, "#") && !strings.HasPrefix(s, "%if") && !strings.HasPrefix(s, "%else") && !strings.HasPrefix(s, "%endif") {
			return fmt.Errorf("%q went", l)
		}
	}
	for _, l := range strings.Split(string(after), "\n") {
		if classifyHeader(l) == w.section {
			return fmt.Errorf("%q is left", l)
		}
	}
	return nil
}

// classifyHeader gives the name in the header of a section, "-" for none.
func classifyHeader(line string) string {
	if !strings.HasPrefix(line, "%") {
		return ""
	}
	kind := strings.ToLower(headerWord(line))
	known := slices.Concat(pkgtoml.BuildKinds, pkgtoml.ScriptKinds, []string{"package", "files", "description", "changelog"})
	if !slices.Contains(known, kind) && !pkgtoml.IsTrigger(kind) {
		return ""
	}
	if rest := line[1+len(kind):]; rest != "" && !isBlank(rest[0]) {
		return ""
	}
	if h := parseHeader(kind, headerRest(line)); h.name != "" {
		return h.name
	}
	return "-"
}

func gist(line string) string {
	line = strings.Join(strings.Fields(line), " ")
	line = strings.ReplaceAll(line, " :", ":")
	return strings.ReplaceAll(strings.ReplaceAll(line, ": ", ":"), " ", "")
}

// diffLines gives the lines that are only in a and only in b.
func diffLines(a, b []byte) (removed, added []string) {
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	if len(x)*len(y) > 1<<26 {
		return x, y
	}
	table := make([][]int32, len(x)+1)
	for i := range table {
		table[i] = make([]int32, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			i, j = i+1, j+1
		case j == len(y) || i < len(x) && table[i+1][j] >= table[i][j+1]:
			removed = append(removed, x[i])
			i++
		default:
			added = append(added, y[j])
			j++
		}
	}
	return removed, added
}

func TestDiffLines(t *testing.T) {
	removed, added := diffLines([]byte("a\nb\nc\n"), []byte("a\nx\nc\nd\n"))
	if !slices.Equal(removed, []string{"b"}) || !slices.Equal(added, []string{"x", "d"}) {
		t.Errorf("removed %q, added %q", removed, added)
	}
	if r, a := diffLines(bytes.Repeat([]byte("a\n"), 5), bytes.Repeat([]byte("a\n"), 4)); len(r) != 1 || len(a) != 0 {
		t.Errorf("removed %q, added %q", r, a)
	}
}
