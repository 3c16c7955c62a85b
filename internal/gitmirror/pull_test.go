package gitmirror

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// upstream writes upstream.toml of hello.
func (p *place) upstream(text string) {
	p.t.Helper()
	dir := filepath.Join(p.metadata, "packages/hello")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "upstream.toml"), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) tryPull() (*Pulled, error) {
	return (&Puller{Mirrors: p.mirrors, Metadata: p.metadata}).Pull(context.Background(), "hello")
}

// pull pulls and compares what it says with "commits tag,tag".
func (p *place) pull(want string) {
	p.t.Helper()
	out, err := p.tryPull()
	if err != nil {
		p.t.Fatal(err)
	}
	if got := fmt.Sprintf("%d %s", out.Commits, strings.Join(out.Tags, ",")); got != want {
		p.t.Fatalf("pulled %q, want %q", got, want)
	}
}

func put(t *testing.T, dir string, files ...file) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPullGit(t *testing.T) {
	judges.Need(t, "git")
	up := filepath.Join(t.TempDir(), "up")
	put(t, up, file{"a", "1\n"}, file{"d/b", "2\n"})
	git := func(args ...string) { run(t, up, "git", args...) }
	git("init", "--quiet", "-b", "main")
	git("add", "-A")
	git("commit", "--quiet", "-m", "one")
	git("tag", "v1.0")
	git("tag", "-a", "-m", "annotated", "v1.1")
	git("tag", "unrelated")
	execPath := strings.TrimSpace(run(t, up, "git", "--exec-path"))
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(execPath, "git-http-backend"), Dir: up, InheritEnv: []string{"PATH"},
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(up), "GIT_HTTP_EXPORT_ALL=1"},
	})
	defer server.Close()
	p := newPlace(t)
	p.upstream("kind = \"git\"\nurl = \"" + server.URL + "/up/.git\"\ntags = \"v{version}\"\n")
	p.pull("1 1.0,1.1")
	p.pull("0 ")
	put(t, up, file{"a", "1\n2\n"})
	git("commit", "--quiet", "-a", "-m", "two")
	git("tag", "v1.2")
	git("tag", "-f", "v1.0")
	out, err := p.tryPull()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&Pulled{Kind: "git", Commits: 1, Tags: []string{"1.2"}, Moved: []string{"1.0"}}, out); d != "" {
		t.Error(d)
	}
	if got, want := p.git("hello", "rev-parse", "upstream"), run(t, up, "git", "rev-parse", "main"); got != want {
		t.Errorf("upstream is %s, want %s", got, want)
	}
	p.git("hello", "fsck", "--strict")
	before := p.git("hello", "for-each-ref")
	git("commit", "--quiet", "--amend", "-m", "rewritten")
	if _, err := p.tryPull(); err == nil || !strings.Contains(err.Error(), "holds other commits") {
		t.Errorf("a rewritten branch: %v", err)
	}
	server.Close()
	if _, err := p.tryPull(); err == nil {
		t.Error("no server, no error")
	}
	if d := cmp.Diff(before, p.git("hello", "for-each-ref")); d != "" {
		t.Error(d)
	}
}

func TestPullSubversion(t *testing.T) {
	for _, name := range []string{"svn", "svnadmin", "svnserve", "svnrdump"} {
		judges.Need(t, name)
	}
	dir := t.TempDir()
	repo, wc := filepath.Join(dir, "repo"), filepath.Join(dir, "wc")
	svn := func(args ...string) {
		run(t, dir, "svn", append(args, "--non-interactive", "--config-dir", filepath.Join(dir, "conf"))...)
	}
	run(t, dir, "svnadmin", "create", repo)
	url := "file://" + repo
	svn("mkdir", "-q", "-m", "layout", url+"/trunk", url+"/tags", url+"/branches")
	svn("checkout", "-q", url+"/trunk", wc)
	put(t, wc, file{"a.c", program}, file{"d/run.sh", "#!/bin/sh\n"})
	if err := os.Symlink("a.c", filepath.Join(wc, "link")); err != nil {
		t.Fatal(err)
	}
	svn("add", "-q", filepath.Join(wc, "a.c"), filepath.Join(wc, "d"), filepath.Join(wc, "link"))
	svn("propset", "-q", "svn:executable", "on", filepath.Join(wc, "d/run.sh"))
	svn("commit", "-q", "-m", "first", wc)
	svn("copy", "-q", "-m", "release", url+"/trunk", url+"/tags/v1.0")
	put(t, wc, file{"a.c", strings.Replace(program, "two", "zwei", 1)})
	svn("move", "-q", filepath.Join(wc, "d"), filepath.Join(wc, "e"))
	svn("commit", "-q", "-m", "second", wc)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command("svnserve", "-d", "--foreground", "--listen-host", "127.0.0.1", "--listen-port", fmt.Sprint(port), "-r", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	waitFor(t, port)

	p := newPlace(t)
	p.upstream(fmt.Sprintf("kind = \"svn\"\nurl = \"svn://127.0.0.1:%d/repo\"\ntags = \"v{version}\"\n", port))
	p.pull("2 1.0")
	p.pull("0 ")
	if d := cmp.Diff("100644 a.c\n100755 e/run.sh\n120000 link\n", p.git("hello", "ls-tree", "-r", "--format=%(objectmode) %(path)", "upstream")); d != "" {
		t.Error(d)
	}
	if got := p.git("hello", "show", "upstream:a.c"); !strings.Contains(got, "zwei") {
		t.Error(got)
	}
	if got, want := p.git("hello", "show", "upstream/1.0:a.c"), program; got != want {
		t.Error(got)
	}
	if err := os.Remove(filepath.Join(wc, "link")); err != nil {
		t.Fatal(err)
	}
	svn("update", "-q", wc)
	svn("delete", "-q", "--force", filepath.Join(wc, "link"))
	svn("commit", "-q", "-m", "third", wc)
	p.pull("1 ")
	if got := p.git("hello", "log", "--format=%s", "upstream"); got != "third\nsecond\nfirst\n" {
		t.Error(got)
	}
	p.git("hello", "fsck", "--strict")
}

func waitFor(t *testing.T, port int) {
	t.Helper()
	for range 100 {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server does not listen")
}

func TestPullMercurial(t *testing.T) {
	judges.Need(t, "hg")
	up := filepath.Join(t.TempDir(), "up")
	put(t, up, file{"a.c", program}, file{"d/run.sh", "#!/bin/sh\n"})
	hg := func(args ...string) { run(t, up, "hg", args...) }
	hg("init")
	if err := os.Chmod(filepath.Join(up, "d/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	hg("commit", "-A", "-q", "-m", "first", "-d", "1600000000 0")
	hg("tag", "v1.0", "-d", "1600000001 0")
	put(t, up, file{"a.c", strings.Replace(program, "two", "zwei", 1)})
	hg("commit", "-q", "-m", "second\n\nwith more", "-d", "1600000002 0")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command("hg", "serve", "-R", up, "-a", "127.0.0.1", "-p", fmt.Sprint(port))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	waitFor(t, port)

	p := newPlace(t)
	p.upstream(fmt.Sprintf("kind = \"hg\"\nurl = \"http://127.0.0.1:%d/\"\ntags = \"v{version}\"\n", port))
	p.pull("3 1.0")
	p.pull("0 ")
	if d := cmp.Diff("100644 .hgtags\n100644 a.c\n100755 d/run.sh\n", p.git("hello", "ls-tree", "-r", "--format=%(objectmode) %(path)", "upstream")); d != "" {
		t.Error(d)
	}
	if got := p.git("hello", "log", "--format=%s %an %at", "-1", "upstream"); got != "second h 1600000002\n" {
		t.Error(got)
	}
	put(t, up, file{"a.c", program})
	hg("commit", "-q", "-m", "third", "-d", "1600000003 0")
	p.pull("1 ")
	p.git("hello", "fsck", "--strict")
}

func TestPullTarball(t *testing.T) {
	dir := t.TempDir()
	archive := string(helloTar(t, "1.0"))
	key, err := openpgp.NewEntity("u", "", "u@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	var sig, ring bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&sig, key, strings.NewReader(archive), nil); err != nil {
		t.Fatal(err)
	}
	if err := key.Serialize(&ring); err != nil {
		t.Fatal(err)
	}
	put(t, dir, file{"hello-1.0.tar.gz", archive}, file{"hello-1.0.tar.gz.asc", sig.String()}, file{"hello-1.1.tar.gz", string(helloTar(t, "1.1"))})
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	p := newPlace(t)
	base := "kind = \"tarball\"\nurl = \"" + server.URL + "/hello-{version}.tar.gz\"\n"
	put(t, filepath.Join(p.metadata, "packages/hello"), file{"keys.gpg", ring.String()})
	for _, c := range []struct{ more, want string }{
		{"version = \"1.0\"\nsha256 = \"" + strings.Repeat("0", 64) + "\"\n", "has SHA-256"},
		{"version = \"2.0\"\n", "not there"},
		{"version = \"1.1\"\nsignature = \"" + server.URL + "/hello-1.0.tar.gz.asc\"\nkeyring = \"keys.gpg\"\n", "signature of the archive"},
		{"version = \"1.0\"\ncolour = \"red\"\n", `unknown key "colour"`},
	} {
		p.upstream(base + c.more)
		if _, err := p.tryPull(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	p.upstream(base + "version = \"1.0\"\nsha256 = \"" + sha256Hex([]byte(archive)) + "\"\nsignature = \"" + server.URL + "/hello-{version}.tar.gz.asc\"\nkeyring = \"keys.gpg\"\n")
	p.pull("1 1.0")
	p.pull("0 ")
	p.upstream(base + "version = \"1.1\"\n")
	p.pull("1 1.1")
	p.git("hello", "fsck", "--strict")

	// An import of the same archives finds the same commits.
	q := newPlace(t)
	q.mustImport(helloSRPM(t, "1.0", "1"), helloSRPM(t, "1.1", "1"))
	if got, want := q.git("hello", "rev-parse", "upstream"), p.git("hello", "rev-parse", "upstream"); got != want {
		t.Errorf("an import makes %s, a pull %s", got, want)
	}
}

func TestPullPatches(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, file{"hello-1.0.tar.gz", string(helloTar(t, "1.0"))})
	words := []string{"one", "two", "three"}
	for i, w := range words {
		old := fmt.Sprintf("\tputs(%q);\n", w)
		put(t, dir, file{
			fmt.Sprintf("patches/hello10-%03d", i+1),
			fmt.Sprintf("A report about %s.\n\n*** ../hello-1.0-patched/src/hello.c\t2020-10-%02d 10:00:00.000000000 +0000\n--- src/hello.c\t2020-10-%02d 11:00:00.000000000 +0000\n***************\n*** %d ****\n! %s--- %d ----\n! %s",
				w, i+1, i+1, i+3, old, i+3, strings.ToUpper(old[:1])+strings.Replace(old[1:], w, strings.ToUpper(w), 1)),
		})
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	p := newPlace(t)
	p.upstream("kind = \"patches\"\nurl = \"" + server.URL + "/hello-{version}.tar.gz\"\nversion = \"1.0\"\npatches = \"" + server.URL + "/patches/hello10-{n:3}\"\n")
	third := filepath.Join(dir, "patches/hello10-003")
	if err := os.Rename(third, third+".later"); err != nil {
		t.Fatal(err)
	}
	p.pull("3 1.0,1.0.1,1.0.2")
	p.pull("0 ")
	if err := os.Rename(third+".later", third); err != nil {
		t.Fatal(err)
	}
	p.pull("1 1.0.3")
	p.pull("0 ")
	if got := p.git("hello", "show", "upstream/1.0.3:src/hello.c"); strings.Count(got, "puts(") != 3 || !strings.Contains(got, "THREE") || !strings.Contains(got, "ONE") {
		t.Error(got)
	}
	if got := p.git("hello", "log", "--format=%s %at", "upstream"); got != "hello 1.0.3 1601722800\nhello 1.0.2 1601636400\nhello 1.0.1 1601550000\nhello 1.0 1600000000\n" {
		t.Error(got)
	}
	p.git("hello", "fsck", "--strict")
}

func FuzzSvndiff(f *testing.F) {
	f.Add([]byte("source"), []byte("SVN\x00\x00\x06\x08\x05\x02\x06\x00\x82\x41\x01ab"))
	f.Fuzz(func(t *testing.T, source, delta []byte) {
		out, err := svndiff(source, delta)
		if err == nil && len(out) > 64*(len(delta)+len(source)+1)*64 && len(out) > 1<<24 {
			t.Fatalf("%d bytes out of %d", len(out), len(delta))
		}
	})
}

func FuzzDump(f *testing.F) {
	f.Add([]byte("SVN-fs-dump-format-version: 2\n\nRevision-number: 1\nProp-content-length: 32\nContent-length: 32\n\nK 7\nsvn:log\nV 5\nhello\nPROPS-END\n\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		d := &svnDump{newBufReader(data)}
		for range 1000 {
			if _, err := d.next(); err != nil {
				return
			}
		}
	})
}
