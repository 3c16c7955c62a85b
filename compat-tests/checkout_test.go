package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// TestCheckoutFromLookaside brings the sources of a checkout from a cache that HTTP serves, after one that has none of them.
func TestCheckoutFromLookaside(t *testing.T) {
	dir := t.TempDir()
	s := buildSample(t, filepath.Join(dir, "rpmbuild"))
	p := program{dir: dir}
	p.must(t, "srpm2git", "import", "--mirrors", "mirrors", "--metadata", "metadata", s.srpm)
	pkg := filepath.Join(dir, "metadata", "packages", "sample")
	sources := filepath.Join(dir, "rpmbuild", "SOURCES")
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		// /full/NAME/FILE/sha256/DIGEST/FILE; nothing is in /empty, and /broken has something else.
		parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch {
		case len(parts) == 6 && parts[0] == "full" && parts[1] == "sample" && parts[2] == parts[5]:
			http.ServeFile(w, r, filepath.Join(sources, parts[5]))
		case parts[0] == "broken":
			w.Write([]byte("<html>Welcome to the network of this hotel"))
		case parts[0] == "down":
			http.Error(w, "", http.StatusBadGateway)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)

	check := program{dir: pkg}
	for _, failing := range []struct{ cache, want string }{
		{"/empty", "sample-1.2.tar.gz: in no lookaside cache"},
		{"/broken", "not the"},
		{"/down", "502 Bad Gateway"},
	} {
		status, said := check.status(t, "toml2spec", "checkout", "--lookaside", server.URL+failing.cache)
		if status != 1 || !strings.Contains(said, failing.want) {
			t.Errorf("lookaside %s: status %d: %s", failing.cache, status, said)
		}
		if left, _ := filepath.Glob(filepath.Join(pkg, ".toml2spec-*")); len(left) > 0 {
			t.Errorf("lookaside %s: left %q", failing.cache, left)
		}
	}
	asked = nil
	check.must(t, "toml2spec", "checkout", "--lookaside", server.URL+"/empty", "--lookaside", server.URL+"/full/")
	sameSources(t, pkg, sources)
	if len(asked) != 4 { // archive and patch, each of both caches; the other source is in the metadata repository
		t.Errorf("asked for %q", asked)
	}
	buildsAgain(t, pkg, s.srpm)
}

// TestCheckoutFromMirror brings the sources of a checkout from a git mirror, that of a directory and one that is cloned.
func TestCheckoutFromMirror(t *testing.T) {
	dir := t.TempDir()
	s := buildSample(t, filepath.Join(dir, "rpmbuild"))
	p := program{dir: dir}
	p.must(t, "srpm2git", "import", "--mirrors", "mirrors", "--metadata", "metadata", s.srpm)
	for name, mirrors := range map[string]string{
		"directory": filepath.Join(dir, "mirrors"),
		"url":       "file://" + filepath.Join(dir, "mirrors"),
	} {
		t.Run(name, func(t *testing.T) {
			clone := filepath.Join(t.TempDir(), "clone")
			p.must(t, "git", "clone", "-q", filepath.Join(dir, "metadata"), clone)
			pkg := filepath.Join(clone, "packages", "sample")
			// What stands there for way C: the document alone.
			if err := os.Remove(filepath.Join(pkg, "sample.spec")); err != nil {
				t.Fatal(err)
			}
			program{dir: pkg}.must(t, "toml2spec", "checkout", "--mirrors", mirrors)
			sameSources(t, pkg, filepath.Join(dir, "rpmbuild", "SOURCES"))
			buildsAgain(t, pkg, s.srpm)
		})
	}
	t.Run("part of a clone", func(t *testing.T) {
		pkg := filepath.Join(t.TempDir(), "sample")
		p.must(t, "cp", "-r", filepath.Join(dir, "metadata", "packages", "sample"), pkg)
		status, said := program{dir: pkg}.status(t, "toml2spec", "checkout", "--mirrors", filepath.Join(dir, "mirrors"))
		if status != 1 || !strings.Contains(said, "needs the whole metadata repository") {
			t.Errorf("status %d: %s", status, said)
		}
	})
}

// sameSources compares the files of a checkout with those that the source package was made of.
func sameSources(t *testing.T, pkg, sources string) {
	t.Helper()
	for _, name := range []string{"sample.spec", "sample-1.2.tar.gz", "sample.conf", "sample-more.patch"} {
		if readFile(t, filepath.Join(pkg, name)) != readFile(t, filepath.Join(sources, name)) {
			t.Errorf("%s differs", name)
		}
	}
}

// buildsAgain makes the source package of a checkout, as koji and mock do, and compares the headers' digest of its files.
func buildsAgain(t *testing.T, pkg, srpm string) {
	t.Helper()
	judges.Need(t, "rpm")
	out := t.TempDir()
	p := program{dir: pkg}
	p.must(t, "rpmbuild", "-bs", "--nodeps", "--define", "_topdir "+out, "--define", "_sourcedir "+pkg, "sample.spec")
	made, err := one(filepath.Join(out, "SRPMS", "*.src.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	const files = "[%{filenames} %{filesizes} %{filedigests}\n]"
	if got, want := p.must(t, "rpm", "-qp", "--qf", files, made), p.must(t, "rpm", "-qp", "--qf", files, srpm); got != want {
		t.Errorf("source package has\n%swant\n%s", got, want)
	}
}
