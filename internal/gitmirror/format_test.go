package gitmirror

import (
	"os"
	"path/filepath"
	"testing"
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
