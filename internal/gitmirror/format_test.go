package gitmirror

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestOddFiles commits what patch(1) takes only if the patch says it right, and wants rpmbuild to make the same tree.
func TestOddFiles(t *testing.T) {
	p := newPlace(t)
	p.mustImport(helloSRPM(t, "1.0", "1"))
	p.work(func(dir string) {
		if err := os.Symlink("src/hello.c", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		for name, mode := range map[string]os.FileMode{"with blank": 0o644, "with\ttab": 0o644, `with "quotes" and \`: 0o644, "füße": 0o644, "run.sh": 0o755, "no-newline": 0o644} {
			body := "#!/bin/sh\n"
			if name == "no-newline" {
				body = "x"
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(body), mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, dir, "git", "add", "-A")
		run(t, dir, "git", "commit", "--quiet", "-m", "Odd files")
	})
	path, _ := p.srpm()
	judgeBuild(t, path, "TWO")
	q := newPlace(t)
	out := q.mustImport(path)
	if got, want := q.git("hello", "rev-parse", "distro^{tree}"), p.git("hello", "rev-parse", "distro^{tree}"); got != want {
		t.Errorf("the tree is another one: %+v\n%s", out[0].Patches, q.git("hello", "ls-tree", "-r", "distro"))
	}
}

// TestHowItIsApplied changes a patch's commit and adds one under specs that apply patches in different ways.
func TestHowItIsApplied(t *testing.T) {
	for _, c := range []struct{ name, prep, patch string }{
		{"%patch -p0", "%setup -q\n%patch -P 1 -p0", "--- src/a\n+++ src/a\n@@ -1 +1 @@\n-1\n+2\n"},
		{"%patch -p2", "%setup -q\n%patch -P 1 -p2", "--- x/y/src/a\n+++ x/y/src/a\n@@ -1 +1 @@\n-1\n+2\n"},
		{"%patch -R", "%setup -q\n%patch -P 1 -p1 -R", "--- x/src/a\n+++ x/src/a\n@@ -1 +1 @@\n-2\n+1\n"},
		{"%patch -d", "%setup -q\n%patch -P 1 -p1 -d src", "--- x/a\n+++ x/a\n@@ -1 +1 @@\n-1\n+2\n"},
		{"%autosetup -p0", "%autosetup -p0", "--- src/a\n+++ src/a\n@@ -1 +1 @@\n-1\n+2\n"},
		{"%autosetup -p2", "%autosetup -p2", "--- x/y/src/a\n+++ x/y/src/a\n@@ -1 +1 @@\n-1\n+2\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := "Name: hello\nVersion: 1.0\nRelease: 1\nSummary: p\nLicense: MIT\nSource0: p.tar\nPatch1: a.patch\n%description\np\n%prep\n" + c.prep + "\n"
			path := writeSRPM(t, rpmtest.Spec{Name: "hello", Version: "1.0", Release: "1"}, []file{
				{"p.tar", string(tarball(t, file{"hello-1.0/src/a", "1\n"}, file{"hello-1.0/src/b", "1\n"}, file{"hello-1.0/c", "1\n"}))},
				{"a.patch", c.patch},
				{"hello.spec", spec},
			})
			p := newPlace(t)
			p.mustImport(path)
			write := func(dir, name, text string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			p.work(func(dir string) {
				write(dir, "src/a", "2\nchanged\n")
				run(t, dir, "git", "commit", "--quiet", "-a", "--amend", "--no-edit")
				write(dir, "src/b", "added\n")
				run(t, dir, "git", "commit", "--quiet", "-a", "-m", "One more")
			})
			path, _ = p.srpm()
			q := newPlace(t)
			out := q.mustImport(path)
			if got, want := q.git("hello", "rev-parse", "distro^{tree}"), p.git("hello", "rev-parse", "distro^{tree}"); got != want {
				t.Errorf("the tree is another one: %+v", out[0].Patches)
			}
			judges.Need(t, "rpmbuild")
			top := t.TempDir()
			run(t, top, "rpm", "-i", "--define", "_topdir "+top, path)
			run(t, top, "rpmbuild", "-bp", "--nodeps", "--define", "_topdir "+top, filepath.Join(top, "SPECS", "hello.spec"))
			for name, want := range map[string]string{"src/a": "2\nchanged\n", "src/b": "added\n", "c": "1\n"} {
				got, err := os.ReadFile(filepath.Join(top, "BUILD", "hello-1.0", name))
				if err != nil || string(got) != want {
					t.Errorf("%s: %q, %v", name, got, err)
				}
			}
		})
	}
}
