package gnupatch

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// tree is a set of files in memory.
type tree map[string]string

func (t tree) Read(path string) ([]byte, bool, bool, error) {
	s, ok := t[path]
	return []byte(s), false, ok, nil
}

func (t tree) with(r *Result) tree {
	out := maps.Clone(t)
	for _, c := range r.Changes {
		if c.Removed {
			delete(out, c.Path)
		} else {
			out[c.Path] = string(c.Data)
		}
	}
	return out
}

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

// cases are judged by patch(1) where it is there.
var cases = []struct {
	name  string
	files tree
	patch string
	o     Options
	fails bool
}{
	{"plain", tree{"a": lines(1, 20)}, "--- x/a\n+++ x/a\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n", Options{Strip: 1}, false},
	{"offset", tree{"a": lines(-5, 20)}, "--- a\n+++ a\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n", Options{}, false},
	{"needs fuzz", tree{"a": strings.Replace(lines(1, 20), "line 3\n", "line III\n", 1)}, "--- a\n+++ a\n@@ -3,5 +3,5 @@\n line 3\n line 4\n-line 5\n+line V\n line 6\n line 7\n", Options{Fuzz: 1}, false},
	{"no fuzz", tree{"a": strings.Replace(lines(1, 20), "line 3\n", "line III\n", 1)}, "--- a\n+++ a\n@@ -3,5 +3,5 @@\n line 3\n line 4\n-line 5\n+line V\n line 6\n line 7\n", Options{}, true},
	{"at start", tree{"a": lines(1, 5)}, "--- a\n+++ a\n@@ -1,3 +1,4 @@\n+new\n line 1\n line 2\n line 3\n", Options{}, false},
	{"not at start", tree{"a": lines(0, 5)}, "--- a\n+++ a\n@@ -1,3 +1,4 @@\n+new\n line 1\n line 2\n line 3\n", Options{}, true},
	{"at end", tree{"a": lines(1, 5)}, "--- a\n+++ a\n@@ -3,3 +3,4 @@\n line 3\n line 4\n line 5\n+new\n", Options{}, false},
	{"end has moved", tree{"a": lines(1, 3) + "x\n" + lines(4, 8)}, "--- a\n+++ a\n@@ -6,3 +6,4 @@\n line 6\n line 7\n line 8\n+new\n", Options{}, false},
	{"not at end", tree{"a": lines(1, 9)}, "--- a\n+++ a\n@@ -6,3 +6,4 @@\n line 6\n line 7\n line 8\n+new\n", Options{}, true},
	{"two hunks", tree{"a": lines(1, 40)}, "--- a\n+++ a\n@@ -4,3 +4,4 @@\n line 4\n+n\n line 5\n line 6\n@@ -30,3 +31,2 @@\n line 30\n-line 31\n line 32\n", Options{}, false},
	{"two hunks off", tree{"a": lines(-9, 40)}, "--- a\n+++ a\n@@ -4,3 +4,4 @@\n line 4\n+n\n line 5\n line 6\n@@ -30,3 +31,2 @@\n line 30\n-line 31\n line 32\n", Options{}, false},
	{"no -p", tree{"a": lines(1, 20)}, "--- x/y/a\n+++ x/y/a\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n", Options{Strip: -1}, false},
	{"create", tree{}, "--- /dev/null\n+++ b/sub/new\n@@ -0,0 +1,2 @@\n+one\n+two\n", Options{Strip: 1}, false},
	{"create exists", tree{"new": "there\n"}, "--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+one\n", Options{Strip: 1}, true},
	{"delete", tree{"a": "one\n", "b": "x\n"}, "--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n", Options{Strip: 1}, false},
	{"empty stays", tree{"a": "one\n"}, "--- x/a\t2020-01-01 00:00:00\n+++ y/a\t2020-01-02 00:00:00\n@@ -1 +0,0 @@\n-one\n", Options{Strip: 1}, false},
	{"empty goes", tree{"a": "one\n"}, "--- x/a\t2020-01-01 00:00:00\n+++ y/a\t2020-01-02 00:00:00\n@@ -1 +0,0 @@\n-one\n", Options{Strip: 1, RemoveEmpty: true}, false},
	{"epoch", tree{"a": "one\n"}, "--- x/a\t2020-01-01 00:00:00.000000000 +0000\n+++ y/a\t1970-01-01 00:00:00.000000000 +0000\n@@ -1 +0,0 @@\n-one\n", Options{Strip: 1}, false},
	{"no newline", tree{"a": "one\ntwo"}, "--- a\n+++ a\n@@ -1,2 +1,2 @@\n one\n-two\n\\ No newline at end of file\n+three\n", Options{}, false},
	{"newline goes", tree{"a": "one\ntwo\n"}, "--- a\n+++ a\n@@ -1,2 +1,2 @@\n one\n-two\n+two\n\\ No newline at end of file\n", Options{}, false},
	{"no newline in file only", tree{"a": "one\ntwo"}, "--- a\n+++ a\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n", Options{}, true},
	{"mailed with CR", tree{"a": lines(1, 9)}, strings.ReplaceAll("--- a\n+++ a\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n", "\n", "\r\n"), Options{}, false},
	{"CR in the file", tree{"a": "one\r\ntwo\r\n"}, "--- a\n+++ a\n@@ -1,2 +1,2 @@\n one\r\n-two\r\n+three\r\n", Options{}, false},
	{"garbage around", tree{"a": lines(1, 9)}, "Hello,\nthis is it\n\ndiff -u a b\n--- a\n+++ a\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n-- \n2.39\n", Options{}, false},
	{"only garbage", tree{"a": lines(1, 9)}, "Hello,\nthis is it\n", Options{}, true},
	{"git rename", tree{"a": lines(1, 9)}, "diff --git a/a b/b\nsimilarity index 90%\nrename from a\nrename to b\n--- a/a\n+++ b/b\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n", Options{Strip: 1}, false},
	{"git new empty", tree{}, "diff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n", Options{Strip: 1}, false},
	{"git delete", tree{"a": "one\n"}, "diff --git a/a b/a\ndeleted file mode 100644\nindex 5626abf..0000000\n--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n", Options{Strip: 1}, false},
	{"context", tree{"a": lines(1, 12)}, "*** x/a\tMon\n--- x/a\tTue\n***************\n*** 3,7 ****\n  line 3\n  line 4\n! line 5\n  line 6\n  line 7\n--- 3,8 ----\n  line 3\n  line 4\n! line V\n! line Va\n  line 6\n  line 7\n", Options{Strip: 1}, false},
	{"context adds", tree{"a": lines(1, 12)}, "*** a\n--- a\n***************\n*** 3,6 ****\n--- 3,7 ----\n  line 3\n  line 4\n+ new\n  line 5\n  line 6\n", Options{}, false},
	{"context removes", tree{"a": lines(1, 12)}, "*** a\n--- a\n***************\n*** 3,7 ****\n  line 3\n  line 4\n- line 5\n  line 6\n  line 7\n--- 3,6 ----\n", Options{}, false},
	{"deeper name", tree{"src/a": lines(1, 9)}, "--- p-1.0/src/a.orig\n+++ p-1.0/src/a\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n", Options{Strip: 1}, false},
	{"index line does not count", tree{"src/a": lines(1, 9)}, "Index: src/a\n====\n--- a.orig\t2000\n+++ a\t2001\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n", Options{}, true},
	{"empty patch", tree{"a": lines(1, 9)}, "", Options{}, false},
	{"reverse", tree{"a": strings.Replace(lines(1, 9), "line 5", "line V", 1)}, "--- a\n+++ a\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n", Options{Reverse: true}, false},
	{"in a directory", tree{"d/a": lines(1, 9)}, "--- a\n+++ a\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n", Options{Dir: "d"}, false},
	{"lost blanks", tree{"a": "one\n\nthree\n\nfive\n"}, "--- a\n+++ a\n@@ -1,5 +1,5 @@\n one\n\n-three\n+3\n\n five\n", Options{}, false},
	{"twice the same file", tree{"a": lines(1, 30)}, "--- a\n+++ a\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n--- a\n+++ a\n@@ -20,3 +20,3 @@\n line 20\n-line 21\n+line XXI\n line 22\n", Options{}, false},
	{"comments", tree{"a": lines(1, 9)}, "# x\n--- a\n# y\n+++ a\n@@ -4,3 +4,3 @@\n line 4\n# z\n-line 5\n+line V\n# line 6\n line 6\n#\n", Options{}, false},
	{"comments in a context diff", tree{"a": lines(1, 12)}, "*** x/a\tMon\n--- x/a\tTue\n***************\n# w\n*** 3,7 ****\n# x\n  line 3\n  line 4\n! line 5\n# y\n  line 6\n  line 7\n# z\n--- 3,7 ----\n  line 3\n  line 4\n# !\n! line V\n  line 6\n  line 7\n", Options{Strip: 1}, false},
	{"missing file", tree{"b": "x\n"}, "--- a\n+++ a\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n", Options{}, true},
	{"malformed", tree{"a": lines(1, 9)}, "--- a\n+++ a\n@@ -4,3 +4,3 @@\n line 4\n*line 5\n", Options{}, true},
	{"out of the tree", tree{"a": lines(1, 9)}, "--- ../a\n+++ ../a\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+line V\n line 6\n", Options{}, true},
}

func TestApply(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, err := Apply(c.files, []byte(c.patch), c.o)
			if c.fails {
				if err == nil {
					t.Fatalf("applied: %v", r)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			judge(t, c.files, c.patch, c.o, c.files.with(r))
		})
	}
}

// TestConfirm holds the table against patch(1).
func TestConfirm(t *testing.T) {
	judges.Need(t, "patch")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := runPatch(t, c.files, c.patch, c.o)
			if (err != nil) != c.fails {
				t.Fatalf("patch says %v", err)
			}
		})
	}
}

// TestRandom makes files, changes and drift, and wants what patch(1) wants.
func TestRandom(t *testing.T) {
	judges.Need(t, "patch")
	if _, err := exec.LookPath("diff"); err != nil {
		t.Skip("diff is missing")
	}
	rnd := rand.New(rand.NewSource(7))
	n := 150
	if testing.Short() {
		n = 30
	}
	for i := range n {
		old := randomLines(rnd, 5+rnd.Intn(60))
		patch := diffOf(t, strings.Join(old, ""), strings.Join(mutate(rnd, old, 1+rnd.Intn(4)), ""), 1+rnd.Intn(3))
		if patch == "" {
			continue
		}
		files := tree{"a": strings.Join(mutate(rnd, old, rnd.Intn(4)), "")}
		o := Options{Fuzz: rnd.Intn(3)}
		want, wantErr := runPatch(t, files, patch, o)
		r, err := Apply(files, []byte(patch), o)
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("%d: we say %v, patch says %v\nfuzz %d\n%s\nfile:\n%s", i, err, wantErr, o.Fuzz, patch, files["a"])
		}
		if err == nil {
			if d := cmp.Diff(want, files.with(r)); d != "" {
				t.Fatalf("%d: %s\n%s", i, d, patch)
			}
		}
	}
}

func randomLines(rnd *rand.Rand, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%c%d\n", 'a'+rnd.Intn(4), rnd.Intn(6))
	}
	return out
}

func mutate(rnd *rand.Rand, in []string, n int) []string {
	out := append([]string(nil), in...)
	for range n {
		at := rnd.Intn(len(out) + 1)
		switch rnd.Intn(3) {
		case 0:
			out = append(out[:at], append([]string{fmt.Sprintf("new%d\n", rnd.Intn(9))}, out[at:]...)...)
		case 1:
			if at < len(out) {
				out = append(out[:at], out[at+1:]...)
			}
		default:
			if at < len(out) {
				out[at] = fmt.Sprintf("mod%d\n", rnd.Intn(9))
			}
		}
	}
	return out
}

func diffOf(t *testing.T, a, b string, context int) string {
	t.Helper()
	dir := t.TempDir()
	for name, s := range map[string]string{"a": a, "b": b} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("diff", fmt.Sprintf("-U%d", context), "--label", "a", "--label", "a", "a", "b")
	cmd.Dir = dir
	out, _ := cmd.Output()
	return string(out)
}

func judge(t *testing.T, files tree, patch string, o Options, got tree) {
	t.Helper()
	if _, err := exec.LookPath("patch"); err != nil {
		return
	}
	want, err := runPatch(t, files, patch, o)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// runPatch is what patch(1) makes of files, called as rpm calls it.
func runPatch(t *testing.T, files tree, patch string, o Options) (tree, error) {
	t.Helper()
	dir := t.TempDir()
	for name, s := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-s", fmt.Sprintf("--fuzz=%d", o.Fuzz), "--no-backup-if-mismatch", "-f"}
	if o.Strip >= 0 {
		args = append(args, fmt.Sprintf("-p%d", o.Strip))
	}
	if o.RemoveEmpty {
		args = append(args, "-E")
	}
	if o.Reverse {
		args = append(args, "-R")
	}
	if o.Dir != "" {
		args = append(args, "-d", o.Dir)
	}
	cmd := exec.Command("patch", args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(patch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	got := tree{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		got[rel] = string(data)
		return err
	})
	return got, err
}

func TestBinary(t *testing.T) {
	patch := "diff --git a/x b/x\nindex 1..2 100644\nGIT binary patch\nliteral 4\nLcmZQzU|?VX\n\n"
	if _, err := Apply(tree{"x": "a"}, []byte(patch), Options{Strip: 1}); !errors.Is(err, ErrBinary) {
		t.Fatal(err)
	}
}

func FuzzApply(f *testing.F) {
	for _, c := range cases {
		f.Add(c.patch, c.files["a"], c.o.Strip, c.o.Fuzz)
	}
	f.Fuzz(func(t *testing.T, patch, file string, strip, fuzz int) {
		r, err := Apply(tree{"a": file}, []byte(patch), Options{Strip: strip & 3, Fuzz: fuzz & 3})
		if err != nil {
			return
		}
		for _, c := range r.Changes {
			if !safe(c.Path) {
				t.Fatalf("changes %q", c.Path)
			}
		}
	})
}
