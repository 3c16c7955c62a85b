package gitmirror

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// tryRebuild imports one file to a branch with Rebuild set.
func (p *place) tryRebuild(branch, path string) error {
	p.t.Helper()
	im := p.importer()
	im.Branch, im.Rebuild = branch, true
	if err := im.Open(); err != nil {
		p.t.Fatal(err)
	}
	if _, err := im.Import(context.Background(), path); err != nil {
		return err
	}
	return im.Close()
}

func TestRebuild(t *testing.T) {
	one, two, three, four := helloSRPM(t, "1.0", "1"), helloSRPM(t, "1.0", "2"), helloSRPM(t, "1.1", "1"), helloSRPM(t, "1.2", "1")
	want := newPlace(t)
	want.mustImport(one, two, three, four)
	for _, c := range []struct {
		name         string
		first, later []string
	}{
		{"one in the middle", []string{one, two, four}, []string{three}},
		{"the first", []string{two, three, four}, []string{one}},
		{"a release", []string{one, three, four}, []string{two}},
		{"two, newer first", []string{one, four}, []string{three, two}},
		{"nothing to rebuild", []string{one, two, three}, []string{four}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			p.mustImport(c.first...)
			for _, path := range c.later {
				if err := p.tryRebuild("", path); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(want.snapshot(), p.snapshot()); d != "" {
				t.Error(d)
			}
			wantSame(t, p.export("hello-1.0-2.weld1"), two)
			p.git("hello", "gc", "--quiet", "--prune=now")
			wantSame(t, p.export("hello-1.1-1.weld1"), three)
			p.git("hello", "fsck", "--strict")
		})
	}
}

// TestRebuildBranches has an older version come to one of two branches.
func TestRebuildBranches(t *testing.T) {
	one, two, three := helloSRPM(t, "1.0", "1"), helloSRPM(t, "1.1", "1"), helloSRPM(t, "1.2", "1")
	want, p := newPlace(t), newPlace(t)
	for _, c := range []struct {
		p            *place
		branch, path string
	}{{want, "a", one}, {want, "a", two}, {want, "b", three}, {p, "a", two}, {p, "b", three}, {p, "a", one}} {
		if err := c.p.tryRebuild(c.branch, c.path); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(want.snapshot(), p.snapshot()); d != "" {
		t.Error(d)
	}
}

func TestRebuildRefuses(t *testing.T) {
	p := newPlace(t)
	one := helloSRPM(t, "1.0", "1")
	p.mustImport(helloSRPM(t, "1.1", "1"))
	p.work(func(dir string) {
		replaceIn(t, filepath.Join(dir, "README"), "hello", "HELLO")
		run(t, dir, "git", "commit", "--quiet", "-a", "-m", "Work of a person")
	})
	before := p.snapshot()
	if err := p.tryRebuild("", one); err == nil || !strings.Contains(err.Error(), "which no import made") {
		t.Errorf("error %v", err)
	}
	if d := cmp.Diff(before, p.snapshot()); d != "" {
		t.Error(d)
	}
}

// TestRebuildCrash has the metadata left behind by a crash after the references have moved.
func TestRebuildCrash(t *testing.T) {
	one, two := helloSRPM(t, "1.0", "1"), helloSRPM(t, "1.1", "1")
	want, p := newPlace(t), newPlace(t)
	want.mustImport(one, two)
	p.mustImport(two)
	im := p.importer()
	im.Rebuild = true
	if err := im.Open(); err != nil {
		t.Fatal(err)
	}
	if _, err := im.Import(context.Background(), one); err != nil {
		t.Fatal(err)
	}
	// No Close: the metadata are not committed.
	p.mustImport(one)
	if d := cmp.Diff(want.snapshot(), p.snapshot()); d != "" {
		t.Error(d)
	}
	if _, err := os.Stat(filepath.Join(p.metadata, "packages", "hello", "sources.lock")); err != nil {
		t.Error(err)
	}
}

// TestForceOlder imports an older version again: the metadata stay those of the newest.
func TestForceOlder(t *testing.T) {
	one, two := helloSRPM(t, "1.0", "1"), helloSRPM(t, "1.1", "1")
	p := newPlace(t)
	p.mustImport(one, two)
	before := p.whole()
	im := p.importer()
	im.Force = true
	if err := im.Open(); err != nil {
		t.Fatal(err)
	}
	if _, err := im.Import(context.Background(), one); err != nil {
		t.Fatal(err)
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, p.whole()); d != "" {
		t.Error(d)
	}
}

// TestSearchAgain has an encoder that was not there at the first import.
func TestSearchAgain(t *testing.T) {
	libexec := os.Getenv("WELD_LIBEXEC")
	if libexec == "" {
		t.Skip("WELD_LIBEXEC is not set")
	}
	dir := t.TempDir()
	judges.Need(t, "xz")
	put(t, dir, file{"t.tar", string(tarball(t, file{"hello-1.0/src/hello.c", program}))})
	run(t, dir, "xz", "-9", "t.tar")
	archive, err := os.ReadFile(filepath.Join(dir, "t.tar.xz"))
	if err != nil {
		t.Fatal(err)
	}
	srpm := helloSRPM(t, "1.0", "1", file{"hello-1.0.tar.gz", string(archive)})
	p, want := newPlace(t), newPlace(t)
	t.Setenv("WELD_LIBEXEC", dir)
	out := p.mustImport(srpm)[0]
	if len(out.Verbatim) != 1 || !strings.Contains(out.Verbatim[0], "liblzma") {
		t.Fatalf("verbatim %q", out.Verbatim)
	}
	wantSame(t, p.export("hello"), srpm)
	t.Setenv("WELD_LIBEXEC", libexec)
	im := p.importer()
	im.Force = true
	if err := im.Open(); err != nil {
		t.Fatal(err)
	}
	if out, err = im.Import(context.Background(), srpm); err != nil || len(out.Verbatim) != 0 {
		t.Fatalf("%v %v", out, err)
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	wantSame(t, p.export("hello"), srpm)
	want.mustImport(srpm)
	if d := cmp.Diff(want.git("hello", "rev-parse", "refs/srpm2git/pristine^{tree}"), p.git("hello", "rev-parse", "refs/srpm2git/pristine^{tree}")); d != "" {
		t.Error(d)
	}
}
