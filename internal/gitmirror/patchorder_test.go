package gitmirror

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSyncPatches(t *testing.T) {
	const auto, macro = "%prep\n%autosetup -p1\n", "%prep\n%setup -q\n%patch -P 1 -p1\n%patch2 -p1\n"
	for _, c := range []struct{ name, text, files, want string }{
		{"nothing new", "Patch1: a\nPatch2: b\n" + auto, "a b", ""},
		{"behind the last", "Patch1: a\nPatch2: b\n" + auto, "a b x", "Patch1: a\nPatch2: b\nPatch3: x\n" + auto},
		{"two", "Patch1: a\n" + auto, "a x y", "Patch1: a\nPatch2: x\nPatch3: y\n" + auto},
		{"in the middle", "Patch1: a\nPatch2: b\n" + auto, "a x b", "Patch1: a\nPatch3: x\nPatch2: b\n" + auto},
		{"first", "Source0: s\nPatch1: a\n" + auto, "x a", "Source0: s\nPatch2: x\nPatch1: a\n" + auto},
		{"the only one", "Source0:  s\n\n%description\n" + auto, "x", "Source0:  s\nPatch0:   x\n\n%description\n" + auto},
		{
			"numbers that are not written", "Patch: a\nPatch: b\nPatch: c\n" + auto, "a x b c",
			"Patch: a\nPatch3: x\nPatch1: b\nPatch: c\n" + auto,
		},
		{
			"behind a condition", "Patch1: a\n%if 1\nPatch2: b\n%endif\nPatch3: c\n" + auto, "a b x c",
			"Patch1: a\n%if 1\nPatch2: b\n%endif\nPatch4: x\nPatch3: c\n" + auto,
		},
		{
			"inside a condition", "%if 1\nPatch1: a\nPatch2: b\n%endif\n" + auto, "a x b",
			"%if 1\nPatch1: a\nPatch3: x\nPatch2: b\n%endif\n" + auto,
		},
		{
			"by hand, in the middle", "Patch1: a\nPatch2: b\n" + macro, "a x b",
			"Patch1: a\nPatch3: x\nPatch2: b\n%prep\n%setup -q\n%patch -P 1 -p1\n%patch -P 3 -p1\n%patch2 -p1\n",
		},
		{
			"by hand, first", "Patch1: a\nPatch2: b\n" + macro, "x a b",
			"Patch3: x\nPatch1: a\nPatch2: b\n%prep\n%setup -q\n%patch -P 3 -p1\n%patch -P 1 -p1\n%patch2 -p1\n",
		},
		{"dropped", "Patch1: a\nPatch2: b\n" + macro, "b", "Patch2: b\n%prep\n%setup -q\n%patch2 -p1\n"},
		{"replaced", "Patch1: a\nPatch2: b\n" + auto, "x b", "Patch3: x\nPatch2: b\n" + auto},
		{"other order", "Patch1: a\nPatch2: b\nPatch3: c\n" + auto, "c a b", "Patch3: c\nPatch1: a\nPatch2: b\n" + auto},
		{"other order without numbers", "Patch: a\nPatch: b\n" + auto, "b a", "Patch1: b\nPatch0: a\n" + auto},
		{
			"other order by hand", "Patch1: a\nPatch2: b\n" + macro, "b a",
			"Patch1: a\nPatch2: b\n%prep\n%setup -q\n%patch2 -p1\n%patch -P 1 -p1\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var files []patchFile
			for name := range strings.FieldsSeq(c.files) {
				files = append(files, patchFile{name: name})
			}
			got, err := syncPatches([]byte(c.text), files, map[string]bool{"a": true, "b": true, "c": true})
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				c.want = c.text
			}
			if d := cmp.Diff(c.want, string(got)); d != "" {
				t.Error(d)
			}
		})
	}
	_, err := syncPatches([]byte("%if 1\nPatch1: a\n%endif\nPatch2: b\n"+auto), []patchFile{{name: "b"}, {name: "a"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "cannot follow") {
		t.Errorf("error %v", err)
	}
}

// TestCommitInTheMiddle puts a commit between two that were imported, of which the second stands on it.
func TestCommitInTheMiddle(t *testing.T) {
	for _, c := range []struct{ name, prep string }{
		{"autosetup", "%autosetup -p1"},
		{"patch", "%setup -q\n%patch -P 1 -p1\n%patch -P 2 -p1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			const last = "--- a/README\n+++ b/README\n@@ -1 +1 @@\n-This is hello 1.0\n+This is last 1.0\n"
			spec := strings.NewReplacer("VERSION", "1.0", "RELEASE", "1", "%autosetup -p1", c.prep, "Patch1:         louder.patch\n",
				"Patch1:         louder.patch\nPatch2:         last.patch\n").Replace(helloSpec)
			p := newPlace(t)
			p.mustImport(helloSRPM(t, "1.0", "1", file{"last.patch", last}, file{"hello.spec", spec}))
			p.work(func(dir string) {
				run(t, dir, "git", "reset", "--quiet", "--hard", "HEAD^")
				replaceIn(t, filepath.Join(dir, "README"), "hello", "middle")
				run(t, dir, "git", "commit", "--quiet", "-a", "-m", "In the middle")
				if err := os.WriteFile(filepath.Join(dir, "README"), []byte("This is last 1.0\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				run(t, dir, "git", "commit", "--quiet", "-a", "-m", "Again\n\nPatch-name: last.patch\nPatch-number: 2")
			})
			path, _ := p.srpm()
			q := newPlace(t)
			q.mustImport(path)
			if got := q.git("hello", "rev-parse", "distro^{tree}"); got != p.git("hello", "rev-parse", "distro^{tree}") {
				t.Error("the tree is another one")
			}
			text, err := os.ReadFile(filepath.Join(p.metadata, "packages/hello/hello.spec"))
			if want := "louder.patch\nPatch3:         In-the-middle.patch\nPatch2:         last.patch\n"; err != nil || !strings.Contains(string(text), want) {
				t.Errorf("%v\n%s", err, text)
			}
			judgeBuild(t, path, "TWO")
		})
	}
}
