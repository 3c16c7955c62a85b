package gitmirror

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestLayout holds the tree of upstream against what %setup leaves.
func TestLayout(t *testing.T) {
	one := string(gz(t, tarball(t, file{"p-1/a", "1"}, file{"p-1/d/b", "2"})))
	two := string(gz(t, tarball(t, file{"more/c", "3"}, file{"more/d", "4"})))
	again := string(gz(t, tarball(t, file{"p-1/e", "5"})))
	flat := string(tarball(t, file{"x", "1"}, file{"d/y", "2"}))
	for _, c := range []struct {
		name, prep, sources string
		files               []file
		want                string
	}{
		{"plain", "%setup -q", "Source0: one.tar.gz\n", []file{{"one.tar.gz", one}}, "a d/b"},
		{"created directory", "%setup -q -c", "Source0: one.tar.gz\n", []file{{"one.tar.gz", one}}, "p-1/a p-1/d/b"},
		{"inside", "%setup -q -a 1", "Source0: one.tar.gz\nSource1: two.tar.gz\n", []file{{"one.tar.gz", one}, {"two.tar.gz", two}}, "a d/b more/c more/d"},
		{"inside, attached", "%autosetup -a1 -p1", "Source0: one.tar.gz\nSource1: two.tar.gz\n", []file{{"one.tar.gz", one}, {"two.tar.gz", two}}, "a d/b more/c more/d"},
		{"second setup", "%setup -q\n%setup -q -T -D -a 1", "Source0: one.tar.gz\nSource1: two.tar.gz\n", []file{{"one.tar.gz", one}, {"two.tar.gz", two}}, "a d/b more/c more/d"},
		{"beside", "%setup -q -b 1", "Source0: one.tar.gz\nSource1: two.tar.gz\n", []file{{"one.tar.gz", one}, {"two.tar.gz", two}}, "more/c more/d p-1/a p-1/d/b"},
		{"beside, into the same", "%setup -q -b 1", "Source0: one.tar.gz\nSource1: again.tar.gz\n", []file{{"one.tar.gz", one}, {"again.tar.gz", again}}, "a d/b e"},
		{"itself inside", "%autosetup -a 0", "Source0: one.tar.gz\n", []file{{"one.tar.gz", one}}, "a d/b p-1/a p-1/d/b"},
		{"two directories", "%setup -q -n p-1/d -a 1", "Source0: one.tar.gz\nSource1: two.tar.gz\n", []file{{"one.tar.gz", one}, {"two.tar.gz", two}}, "a d/b d/more/c d/more/d"},
		{"created, two inside", "%setup -q -T -c -a 0 -a 1", "Source0: one.tar.gz\nSource1: two.tar.gz\n", []file{{"one.tar.gz", one}, {"two.tar.gz", two}}, "more/c more/d p-1/a p-1/d/b"},
		{"without the first", "%setup -q -T -b 1 -n more", "Source0: one.tar.gz\nSource1: two.tar.gz\n", []file{{"one.tar.gz", one}, {"two.tar.gz", two}}, "c d"},
		{"no top directory", "%setup -q -c", "Source0: flat.tar\n", []file{{"flat.tar", flat}}, "d/y x"},
		{"no archive", "cp %{SOURCE0} .", "Source0: a.c\nSource1: b.c\n", []file{{"a.c", "1"}, {"b.c", "2"}}, "a.c b.c"},
		{"no archive, setup", "%setup -q -c -T", "Source0: a.c\n", []file{{"a.c", "1"}}, "a.c"},
		{"empty archive", "%setup -q", "Source0: one.tar.gz\n", []file{{"one.tar.gz", ""}}, "one.tar.gz"},
		{"not an archive", "%setup -q", "Source0: one.tar.gz\n", []file{{"one.tar.gz", "oh no"}}, "one.tar.gz"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := "Name: p\nVersion: 1\nRelease: 1\nSummary: p\nLicense: MIT\n" + c.sources + "%description\np\n%prep\n" + c.prep + "\n"
			path := writeSRPM(t, rpmtest.Spec{Name: "p", Version: "1", Release: "1"}, append(c.files, file{"p.spec", spec}))
			p := newPlace(t)
			p.mustImport(path)
			got := strings.Join(strings.Fields(p.git("p", "ls-tree", "-r", "--name-only", "upstream")), " ")
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			wantSame(t, p.export("p"), path)
			p.git("p", "fsck", "--strict")
		})
	}
}
