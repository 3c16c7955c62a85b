package repo

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/repodata"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

func repomdOf(t testing.TB, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, RepodataDir, "repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func hrefs(t *testing.T, dir string) (list []string) {
	t.Helper()
	for _, p := range readMetadata(t, dir).Packages {
		list = append(list, p.LocationBase+p.LocationHref)
	}
	return list
}

func TestCreateTwice(t *testing.T) {
	dir := sampleDir(t)
	var want []byte
	for range 2 {
		out := t.TempDir()
		create(t, dir, func(o *CreateOptions) { o.OutputDir, o.Layout.SQLite, o.Layout.FilelistsExt = out, true, true })
		if want == nil {
			want = repomdOf(t, out)
		} else if diff := cmp.Diff(string(want), string(repomdOf(t, out))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	a := rpmtest.Write(t, dir, rpmtest.Spec{Name: "a", Summary: "one"})
	rpmtest.Write(t, dir, rpmtest.Spec{Name: "b"})
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(a, past, past); err != nil {
		t.Fatal(err)
	}
	update := func(o *CreateOptions) { o.Update = true }
	future := func(o *CreateOptions) { o.Now = time.Now().Add(time.Hour) }
	create(t, dir, future)
	before := repomdOf(t, dir)

	if r := create(t, dir, update); !r.Unchanged || r.Reused != 2 {
		t.Errorf("nothing changed: %+v", r)
	}
	if !bytes.Equal(before, repomdOf(t, dir)) {
		t.Error("repomd.xml was written again")
	}

	rpmtest.Write(t, dir, rpmtest.Spec{Name: "c"})
	if r := create(t, dir, update); r.Unchanged || r.Reused != 2 || r.Packages != 3 {
		t.Errorf("one more: %+v", r)
	}

	// Another file of the same name, size and time: only its content tells.
	old, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	changed := rpmtest.Build(t, rpmtest.Spec{Name: "a", Summary: "two"})
	if len(changed) != len(old) || bytes.Equal(changed, old) {
		t.Fatal("the test wants packages of one size")
	}
	if err := os.WriteFile(a, changed, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(a, past, past); err != nil {
		t.Fatal(err)
	}
	if r := create(t, dir, update); r.Unchanged || r.Reused != 2 {
		t.Errorf("one replaced: %+v", r)
	}
	if got := readMetadata(t, dir).Packages[0].Summary; got != "two" {
		t.Errorf("summary of the replaced package is %q", got)
	}
	if r := create(t, dir, func(o *CreateOptions) { o.Update, o.SkipStat, o.DiscardExtra = true, true, true }); !r.Unchanged {
		t.Errorf("with --skip-stat: %+v", r)
	}
}

func TestCreateLists(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"p/a", "p/b"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			t.Fatal(err)
		}
		rpmtest.Write(t, filepath.Join(dir, sub), rpmtest.Spec{Name: "x"})
		rpmtest.Write(t, filepath.Join(dir, sub), rpmtest.Spec{Name: "y", Version: sub[2:]})
	}
	if err := os.Symlink(filepath.Join(dir, "p"), filepath.Join(dir, "p", "loop")); err != nil {
		t.Fatal(err)
	}
	all := []string{
		"p/a/x-1.0-1.x86_64.rpm", "p/b/x-1.0-1.x86_64.rpm", "p/a/y-a-1.x86_64.rpm", "p/b/y-b-1.x86_64.rpm",
	}
	for name, test := range map[string]struct {
		set  func(*CreateOptions)
		want []string
	}{
		"all":             {nil, all},
		"empty list":      {func(o *CreateOptions) { o.Listed = true }, nil},
		"list":            {func(o *CreateOptions) { o.Listed, o.Packages = true, []string{"./p/b/x-1.0-1.x86_64.rpm"} }, []string{"./p/b/x-1.0-1.x86_64.rpm"}},
		"exclude a name":  {func(o *CreateOptions) { o.Excludes = []string{"x*"} }, all[2:]},
		"exclude a place": {func(o *CreateOptions) { o.Excludes = []string{"p/a/*"} }, []string{all[1], all[3]}},
		"exclude a dir":   {func(o *CreateOptions) { o.Excludes = []string{"b"} }, []string{all[0], all[2]}},
		"keep-last":       {func(o *CreateOptions) { o.KeepLast = true }, all[1:]},
		"locations": {
			func(o *CreateOptions) { o.Excludes, o.CutDirs, o.Prefix, o.BaseURL = []string{"x*"}, 1, "q", "/base" },
			[]string{"file:///baseq/a/y-a-1.x86_64.rpm", "file:///baseq/b/y-b-1.x86_64.rpm"},
		},
		"split": {func(o *CreateOptions) { o.Excludes, o.Split = []string{"x*"}, true }, []string{"media:#1" + all[2], "media:#1" + all[3]}},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			create(t, dir, func(o *CreateOptions) {
				o.OutputDir = out
				if test.set != nil {
					test.set(o)
				}
			})
			if diff := cmp.Diff(test.want, hrefs(t, out)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	rpmtest.Write(t, dir, rpmtest.Spec{Name: "good"})
	rpmtest.Write(t, dir, rpmtest.Spec{Name: "bad", Summary: "\x01"})
	if err := os.WriteFile(filepath.Join(dir, "cut.rpm"), rpmtest.Build(t, rpmtest.Spec{})[:300], 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "none.rpm"), []byte("text"), 0o666); err != nil {
		t.Fatal(err)
	}
	var warnings []string
	r := create(t, dir, func(o *CreateOptions) {
		o.Workers = 1
		o.Warn = func(s string) { warnings = append(warnings, s) }
	})
	if r.Failed != 3 || r.Packages != 1 || len(warnings) != 3 || !strings.Contains(warnings[0], "bad-1.0-1.x86_64.rpm: summary") {
		t.Errorf("%+v, %q", r, warnings)
	}
	if got := hrefs(t, dir); len(got) != 1 {
		t.Error(got)
	}
	src, err := openSource(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := src.packages(context.Background(), repodata.Other)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := repodata.NewScanner(f, repodata.Other)
	if err := sc.NextRaw(); err != nil || sc.Count() != 1 {
		t.Errorf("the header promises %d packages, %v", sc.Count(), err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	work, err := openWorkspace(normalDir(dir), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryCreate(dir, nil); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("a second run began: %v", err)
	}
	// A run that was killed leaves its workspace without a lock.
	if err := work.lock.Close(); err != nil {
		t.Fatal(err)
	}
	create(t, dir, nil)
	// createrepo_c takes no lock that could tell whether it still runs.
	if err := os.Mkdir(filepath.Join(dir, workDir), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := tryCreate(dir, nil); err == nil {
		t.Error("the workspace of another program was taken")
	}
	create(t, dir, func(o *CreateOptions) { o.IgnoreLock = true })
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestRetention(t *testing.T) {
	for name, test := range map[string]struct {
		r    Retention
		want int // old primaries that stay, of three
	}{
		"none":        {Retention{}, 0},
		"all":         {Retention{Keep: 1}, 2},
		"classic one": {Retention{Keep: 1, Classic: true}, 1},
		"young":       {Retention{ByAge: true, MaxAge: time.Hour}, 2},
		"old":         {Retention{ByAge: true, MaxAge: -time.Second}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for i := range 3 {
				rpmtest.Write(t, dir, rpmtest.Spec{Name: string(rune('a' + i))})
				create(t, dir, func(o *CreateOptions) {
					o.Retention, o.Now = test.r, testTime.Add(time.Duration(i)*time.Minute)
				})
			}
			files, err := filepath.Glob(filepath.Join(dir, RepodataDir, "*-primary.xml.gz"))
			if err != nil || len(files)-1 != test.want {
				t.Errorf("%d old primaries, want %d (%v)", len(files)-1, test.want, err)
			}
		})
	}
}

func TestGlob(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true},
		{"*.rpm", "a.rpm", true},
		{"*.rpm", "a.rpmx", false},
		{"a*b*c", "aXbYbZc", true},
		{"?", "é", true},
		{"p/*", "p/q/r", true},
		{"a", "ab", false},
		{"", "a", false},
		{"a?c", "abc", true},
		{"[a]", "a", false},
	} {
		if got := globMatch(test.pattern, test.name); got != test.want {
			t.Errorf("%q on %q: %v", test.pattern, test.name, got)
		}
	}
}

func TestCompact(t *testing.T) {
	for in, want := range map[string]string{
		"<a>\n  <b x=\"1\"/>\n  <c> </c>\n</a>\n":   "<a><b x=\"1\"/><c> </c></a>\n",
		"<a>\n  <s>\n</s>\n  <d>x\n  y</d>\n</a>\n": "<a><s>\n</s><d>x\n  y</d></a>\n",
	} {
		if got := string(compact(nil, []byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
