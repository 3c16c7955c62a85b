package gitmirror

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

func TestImport(t *testing.T) {
	p := newPlace(t)
	srpm := helloSRPM(t, "1.0", "1")
	out := p.mustImport(srpm)[0]
	if d := cmp.Diff([]PatchUse{{Name: "louder.patch", Number: 1, Applied: "auto"}}, out.Patches); d != "" {
		t.Error(d)
	}
	if out.Verbatim != nil || out.Notes != nil {
		t.Errorf("verbatim %q, notes %q", out.Verbatim, out.Notes)
	}
	wantSame(t, p.export("hello"), srpm)
	wantSame(t, p.export("hello-1.0-1.weld1"), srpm)
	wantSame(t, p.export("hello-1.0-1.weld1.src"), srpm)
	if v, err := p.exporter().Verify(context.Background(), "hello"); err != nil || v.Versions != 1 {
		t.Errorf("verify: %v %v", v, err)
	}
	for _, repo := range []string{"hello", ""} {
		if out := p.git(repo, "fsck", "--strict"); strings.Contains(out, "error") || strings.Contains(out, "warning") {
			t.Error(out)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"show upstream/1.0:src/hello.c", program},
		{"show distro:src/hello.c", strings.Replace(program, "two", "TWO", 1)},
		{"log -1 --format=%an<%ae>%at|%s|%cn distro", "Jürgen Tester<j@example.com>1614675600|Say it louder|srpm2git\n"},
		{"log -1 --format=%at upstream", "1600000000\n"},
		{"log -1 --format=%(trailers:key=Patch-applied,valueonly) distro", "auto\n\n"},
		{"rev-parse srpm/hello-1.0-1.weld1^{commit}", p.git("hello", "rev-parse", "distro")},
		{"ls-tree --name-only main:packages/hello", "hello.conf\nhello.spec\npackage.toml\nsources.lock\n"},
	} {
		repo := "hello"
		if strings.HasPrefix(c.args, "ls-tree") {
			repo = ""
		}
		if d := cmp.Diff(c.want, p.git(repo, strings.Fields(c.args)...)); d != "" {
			t.Errorf("%s: %s", c.args, d)
		}
	}
	if s := run(t, p.metadata, "git", "status", "--porcelain"); s != "" {
		t.Errorf("metadata is not clean: %s", s)
	}
	clone := filepath.Join(t.TempDir(), "clone")
	run(t, t.TempDir(), "git", "clone", "--quiet", filepath.Join(p.mirrors, "hello.git"), clone)
	if s := run(t, clone, "git", "for-each-ref", "refs/srpm2git"); s != "" {
		t.Errorf("a clone brings %s", s)
	}
	if again := p.mustImport(srpm)[0]; !again.Skipped {
		t.Error("the second import did it again")
	}
}

// TestDeterminism imports the same packages twice, in another order.
func TestDeterminism(t *testing.T) {
	one, two := helloSRPM(t, "1.0", "1"), helloSRPM(t, "1.1", "1")
	other := writeSRPM(t, rpmtest.Spec{Name: "other", Version: "2", Release: "1"}, []file{{"other.spec", "Name: other\nVersion: 2\nRelease: 1\n"}})
	a, b := newPlace(t), newPlace(t)
	a.mustImport(one, two, other)
	b.mustImport(other, one)
	b.mustImport(two)
	if d := cmp.Diff(a.snapshot(), b.snapshot()); d != "" {
		t.Error(d)
	}
}

func TestVersions(t *testing.T) {
	p := newPlace(t)
	one, rel2, two := helloSRPM(t, "1.0", "1"), helloSRPM(t, "1.0", "2"), helloSRPM(t, "1.1", "1")
	p.mustImport(one, rel2, two)
	for arg, want := range map[string]string{"hello-1.0-1.weld1": one, "hello-1.0-2.weld1": rel2, "hello": two} {
		wantSame(t, p.export(arg), want)
	}
	if got := p.git("hello", "log", "--format=%s", "--first-parent", "distro"); got !=
		"Say it louder\nBegin hello-1.1-1.weld1\nSay it louder\nBegin hello-1.0-2.weld1\nSay it louder\nhello 1.0\n" {
		t.Errorf("history of distro:\n%s", got)
	}
	if got := p.git("hello", "log", "--format=%s", "upstream"); got != "hello 1.1\nhello 1.0\n" {
		t.Errorf("history of upstream:\n%s", got)
	}
	before := p.snapshot()
	if _, err := p.tryImport(helloSRPM(t, "0.9", "1")); err == nil || !strings.Contains(err.Error(), "is older than hello-1.1-1.weld1") {
		t.Errorf("an older version: %v", err)
	}
	if _, err := p.tryImport(helloSRPM(t, "1.1", "1", file{"hello.conf", "other\n"})); err == nil || !strings.Contains(err.Error(), "was imported from another file") {
		t.Errorf("another file of the same version: %v", err)
	}
	if d := cmp.Diff(before, p.snapshot()); d != "" {
		t.Errorf("refused imports changed something: %s", d)
	}
	// A branch of its own takes it.
	im := p.importer()
	im.Branch = "f1"
	if err := im.Open(); err != nil {
		t.Fatal(err)
	}
	old := helloSRPM(t, "0.9", "1")
	if _, err := im.Import(context.Background(), old); err != nil {
		t.Fatal(err)
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	wantSame(t, p.export("hello-0.9-1.weld1"), old)
	if got := p.git("hello", "log", "--format=%s", "distro-f1"); got != "Say it louder\nhello 0.9\n" {
		t.Errorf("history of distro-f1:\n%s", got)
	}
}

func TestBadInput(t *testing.T) {
	good := helloSRPM(t, "1.0", "1")
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	binary := rpmtest.Write(t, t.TempDir(), rpmtest.Spec{Name: "bin", Version: "1", Release: "1"})
	write := func(data []byte) string {
		path := filepath.Join(t.TempDir(), "x.src.rpm")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	evil := func(name string, files ...file) string { return helloSRPM(t, "1.0", "1", files...) }
	for _, c := range []struct{ name, path, want string }{
		{"empty", write(nil), "lead at 0x0: unexpected EOF"},
		{"text", write([]byte(strings.Repeat("not an RPM ", 50))), "lead"},
		{"cut in the header", write(data[:600]), "unexpected EOF"},
		{"cut in the payload", write(data[:len(data)-40]), "unexpected EOF"},
		{"binary", binary, "binary package"},
		{"dot dot", evil("", file{"hello-1.0.tar.gz", string(gz(t, tarball(t, file{"hello-1.0/../../x", "x"})))}), "hello-1.0.tar.gz: \"hello-1.0/../../x\": name leads out of the archive"},
		{"bad version", writeVersion(t, "1/../../x", "1"), `"1/../../x" is not a version or release`},
		{"bad release", writeVersion(t, "1", "1\n2"), `"1\n2" is not a version or release`},
		{"bad name", writeSRPM(t, rpmtest.Spec{Name: "../x", Version: "1", Release: "1"}, nil), "is not a package name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			_, err := p.tryImport(c.path)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %v, want one line with %q", err, c.want)
			}
			left, _ := glob(p.mirrors, "*")
			if len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// writeVersion writes a source RPM whose version or release is no part of a file's name.
func writeVersion(t *testing.T, version, release string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.src.rpm")
	data := rpmtest.Build(t, rpmtest.Spec{Name: "x", Version: version, Release: release, Source: true})
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHostile imports archives that must come back, but not all of which may stand in a tree.
func TestHostile(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []file
		tree  string
	}{
		{"git", []file{{"h/a", "1"}, {"h/.git/config", "x"}, {"h/.GIT/hooks/x", "x"}, {"h/git~1", "y"}}, "a\n"},
		{"twice", []file{{"h/a", "1"}, {"h/a", "2"}, {"h/b", "1"}}, "a\nb\n"},
		{"file as directory", []file{{"h/a", "1"}, {"h/a/b", "2"}}, "a\n"},
		{"absolute", []file{{"/h/a", "1"}}, "a\n"},
		{"long name", []file{{"h/a", "1"}, {"h/" + strings.Repeat("n", 256), "2"}}, "a\n"},
		{"hostile submodule", []file{{"h/a", "1"}, {"h/.gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = -u./payload\n"}, {"h/b/.gitmodules", "[submodule \"x\"]\n"}}, "a\nb/.gitmodules\n"},
		{"odd names", []file{{"h/\xff\x01 b", "1"}, {"h/c\nd", "1"}}, "\"c\\nd\"\n\"\\377\\001 b\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			srpm := helloSRPM(t, "1.0", "1", file{"hello-1.0.tar.gz", string(gz(t, tarball(t, c.files...)))})
			out := p.mustImport(srpm)[0]
			wantSame(t, p.export("hello"), srpm)
			if out.Verbatim != nil {
				t.Errorf("verbatim %q", out.Verbatim)
			}
			p.git("hello", "fsck", "--strict")
			if d := cmp.Diff(c.tree, p.git("hello", "ls-tree", "-r", "--name-only", "upstream")); d != "" {
				t.Error(d)
			}
			if c.name != "odd names" && len(out.Notes) == 0 {
				t.Error("nothing says what was left out")
			}
			p.git("hello", "gc", "--quiet", "--prune=now")
			wantSame(t, p.export("hello"), srpm)
		})
	}
}

// TestAnnouncedBomb has a member that announces more than is read.
func TestAnnouncedBomb(t *testing.T) {
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "h/zeros", Mode: 0o644, Size: 10 << 30, ModTime: archiveTime, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	b.Write(make([]byte, 64<<20))
	p := newPlace(t)
	began := time.Now()
	_, err := p.tryImport(helloSRPM(t, "1.0", "1", file{"hello-1.0.tar.gz", string(gz(t, b.Bytes()))}))
	if err == nil || !strings.Contains(err.Error(), `"h/zeros": archive unpacks to more than`) {
		t.Errorf("error %v after %v", err, time.Since(began))
	}
}

func TestBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	zeros := gz(t, make([]byte, 8<<20))
	bomb := strings.Repeat(string(zeros), 200) // 1.6 GB of zeros in 1.6 MB
	p := newPlace(t)
	srpm := helloSRPM(t, "1.0", "1", file{"hello-1.0.tar.gz", bomb})
	p.mustImport(srpm) // zeros are no tar: kept as they are
	wantSame(t, p.export("hello"), srpm)
}
