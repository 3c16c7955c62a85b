package ostree

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// judge runs the real ostree. Without it a test is skipped, except under CI, where it fails.
func judge(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(judges.Need(t, "ostree"), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ostree %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// sampleTree makes a directory with what can go wrong in a tree: sizes around those of framing offsets, many names, links,
// attributes, modes.
func sampleTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	write := func(name string, size int, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(rng.IntN(16))
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("empty", 0, 0o644)
	write("a/suid", 10, 0o755|os.ModeSetuid)
	write("a/closed", 10, 0)
	write("a/"+strings.Repeat("n", 250), 10, 0o644)
	write("zwölf/naïve + ~^:", 300, 0o444)
	write("big", smallFile+12345, 0o644)
	for i := range 6 {
		write(fmt.Sprintf("few/%d", i), i, 0o644)
	}
	for i := range 1700 {
		write(fmt.Sprintf("many/file-%d", i), i%7, 0o644)
	}
	for i := range 900 {
		if err := os.MkdirAll(filepath.Join(dir, "dirs", fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link": "a/suid", "a/dangling": "/no/where", "long": strings.Repeat("../x/", 300)} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, attrs := range map[string][]string{"empty": {"user.b", "user.a"}, "zwölf": {"user.dir"}} {
		for _, a := range attrs {
			if err := unix.Setxattr(filepath.Join(dir, name), a, []byte(strings.Repeat(a, 70)), 0); err != nil {
				t.Logf("no extended attributes here: %v", err)
			}
		}
	}
	return dir
}

// putDir writes a directory of the file system, owned by root, as `ostree commit` does.
func putDir(t *testing.T, w *Writer, dir string) (tree, meta Checksum) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var d DirTree
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			sub, meta := putDir(t, w, path)
			d.Dirs = append(d.Dirs, TreeDir{e.Name(), sub, meta})
			continue
		}
		d.Files = append(d.Files, TreeFile{e.Name(), putPath(t, w, path)})
	}
	d.Sort()
	if tree, err = w.PutTree(d); err != nil {
		t.Fatal(err)
	}
	if meta, err = w.PutMeta(DirMeta{Mode: statMode(t, dir), Xattrs: readXattrs(t, dir)}); err != nil {
		t.Fatal(err)
	}
	return tree, meta
}

func putPath(t *testing.T, w *Writer, path string) Checksum {
	t.Helper()
	info := FileInfo{Mode: statMode(t, path)}
	if info.IsSymlink() {
		target, err := os.Readlink(path)
		if err != nil {
			t.Fatal(err)
		}
		info.Target = target
		sum, err := w.PutBytes(info, nil)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	info.Xattrs = readXattrs(t, path)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	sum, err := w.PutFile(info, st.Size(), f)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func statMode(t *testing.T, path string) uint32 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Mode
}

func readXattrs(t *testing.T, path string) (xattrs []Xattr) {
	t.Helper()
	for _, name := range []string{"user.a", "user.b", "user.dir"} {
		buf := make([]byte, 4096)
		if n, err := unix.Lgetxattr(path, name, buf); err == nil {
			xattrs = append(xattrs, Xattr{name, buf[:n]})
		}
	}
	return xattrs
}

// newRepo makes a repository that holds the sample tree under the reference "sample".
func newRepo(t *testing.T, tree string) (*Repo, Checksum) {
	t.Helper()
	ctx := context.Background()
	repo, err := Init(filepath.Join(t.TempDir(), "repo"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := repo.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	root, meta := putDir(t, w, tree)
	commit, err := w.PutCommit(Commit{Subject: "sample", Tree: root, Meta: meta})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := repo.SwapRef(ctx, "sample", Checksum{}, commit); err != nil {
		t.Fatal(err)
	}
	return repo, commit
}

// TestJudgeCommit: ostree gives the same names to the same files, and we read what it writes.
func TestJudgeCommit(t *testing.T) {
	dir := sampleTree(t)
	ours, commit := newRepo(t, dir)
	theirs := filepath.Join(t.TempDir(), "theirs")
	judge(t, "init", "--repo="+theirs, "--mode=archive")
	judge(t, "commit", "--repo="+theirs, "-b", "x/y", "-s", "sample", "--owner-uid=0", "--owner-gid=0", "--timestamp=@77", dir)
	repo, err := Open(theirs)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := repo.Ref("x/y")
	if err != nil {
		t.Fatal(err)
	}
	want, err := repo.ReadCommit(sum)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ours.ReadCommit(commit)
	if err != nil {
		t.Fatal(err)
	}
	if got.Tree != want.Tree || got.Meta != want.Meta {
		t.Errorf("tree %s %s, ostree says %s %s", got.Tree, got.Meta, want.Tree, want.Meta)
	}
	if want.Time != 77 || want.Subject != "sample" || !bytes.Equal(want.Marshal(), mustRead(t, theirs, Object{TypeCommit, sum})) {
		t.Errorf("commit %+v is not read or not written back as ostree wrote it", want)
	}
	if _, err := repo.Fsck(t.Context(), func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
}

func mustRead(t *testing.T, repo string, o Object) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repo, "objects", o.path()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestJudgeRead: ostree checks, lists, checks out and pulls what we write.
func TestJudgeRead(t *testing.T) {
	dir := sampleTree(t)
	repo, commit := newRepo(t, dir)
	judge(t, "fsck", "--repo="+repo.Dir())
	if log := judge(t, "log", "--repo="+repo.Dir(), "sample"); !strings.Contains(log, commit.String()) {
		t.Errorf("ostree log gives %q", log)
	}
	list := judge(t, "ls", "-C", "-R", "--repo="+repo.Dir(), "sample")
	if n := strings.Count(list, "\n"); n < 2600 {
		t.Errorf("ostree ls -C gives %d lines", n)
	}
	out := filepath.Join(t.TempDir(), "out")
	judge(t, "checkout", "-U", "--repo="+repo.Dir(), "sample", out)
	if diff, err := exec.Command("diff", "-r", "--no-dereference", dir, out).CombinedOutput(); err != nil {
		t.Errorf("diff: %v\n%.2000s", err, diff)
	}

	server := httptest.NewServer(http.FileServer(http.Dir(repo.Dir())))
	defer server.Close()
	pulled := filepath.Join(t.TempDir(), "pulled")
	judge(t, "init", "--repo="+pulled, "--mode=archive")
	judge(t, "remote", "add", "--repo="+pulled, "--no-gpg-verify", "origin", server.URL)
	judge(t, "pull", "--repo="+pulled, "origin", "sample")
	judge(t, "fsck", "--repo="+pulled)
	if got := strings.TrimSpace(judge(t, "rev-parse", "--repo="+pulled, "origin:sample")); got != commit.String() {
		t.Errorf("pulled %s, want %s", got, commit)
	}
}

// TestJudgeLock: ostree prune waits for our shared lock, and what we prune leaves it content.
func TestJudgeLock(t *testing.T) {
	repo, _ := newRepo(t, sampleTree(t))
	release, err := repo.LockShared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	judge(t, "--version")
	judge(t, "config", "--repo="+repo.Dir(), "set", "core.lock-timeout-secs", "1")
	out, err := exec.Command("ostree", "prune", "--repo="+repo.Dir(), "--refs-only").CombinedOutput()
	if err == nil || !bytes.Contains(bytes.ToLower(out), []byte("lock")) {
		t.Errorf("ostree prune under a shared lock: %v %s", err, out)
	}
	release()
	judge(t, "prune", "--repo="+repo.Dir(), "--refs-only")
	judge(t, "refs", "--repo="+repo.Dir(), "--create=copy", "sample")
	judge(t, "refs", "--repo="+repo.Dir(), "--delete", "sample")
	if p, err := repo.Prune(t.Context(), false, nil); err != nil || p.Objects != 0 || p.Kept == 0 {
		t.Errorf("pruned %+v, %v", p, err)
	}
	judge(t, "fsck", "--repo="+repo.Dir())
	judge(t, "refs", "--repo="+repo.Dir(), "--delete", "copy")
	if p, err := repo.Prune(t.Context(), false, nil); err != nil || p.Objects == 0 || p.Kept != 0 {
		t.Errorf("pruned %+v, %v", p, err)
	}
}
