package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// circumstance is who runs a tool, where and when.
type circumstance struct {
	dir          string
	env          []string
	uid          uint32 // 0: whoever runs the test
	bin, libexec string // tools and encoders, where that user can reach them
}

// circumstances gives two that differ in all that must not matter. Another user takes root.
func circumstances(t *testing.T) [2]circumstance {
	t.Helper()
	one := circumstance{
		dir: openDir(t), env: []string{"HOME=/nonexistent", "USER=alice", "LOGNAME=alice", "TZ=UTC", "LC_ALL=C"},
		bin: binDir, libexec: os.Getenv("WELD_LIBEXEC"),
	}
	two := circumstance{
		dir: openDir(t), env: []string{"HOME=/", "USER=bob", "LOGNAME=bob", "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "HOSTNAME=elsewhere"},
		bin: one.bin, libexec: one.libexec,
	}
	if os.Geteuid() == 0 {
		two.uid = 65534
		two.bin, two.libexec = openCopy(t, one.bin), openCopy(t, one.libexec)
		if err := os.Chown(two.dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	return [2]circumstance{one, two}
}

// openDir makes a directory that every user can enter, unlike t.TempDir's parents.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weld")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs one of our tools under the circumstance.
func (c circumstance) run(t *testing.T, tool string, args ...string) string {
	t.Helper()
	cmd := program{dir: c.dir, env: append(c.env, "WELD_LIBEXEC="+c.libexec)}.command(filepath.Join(c.bin, tool), args...)
	if c.uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.uid, Gid: c.uid}}
	}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, errOut.String())
	}
	return out.String()
}

// openCopy copies a directory of programs to where every user can run them.
func openCopy(t *testing.T, from string) string {
	t.Helper()
	dir := filepath.Join(openDir(t), "copy")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	openAll(t, dir)
	return dir
}

// TestDeterminism runs every converter twice on the same input: other directory, user, environment and time.
func TestDeterminism(t *testing.T) {
	judges.Need(t, "git", "ostree")
	input := openDir(t)
	s := buildSample(t, input)
	inputs := append([]string{s.srpm, s.spec}, s.rpms...)
	openAll(t, input)
	var results [2]map[string]string
	for i, c := range circumstances(t) {
		results[i] = convertAll(t, c, s)
		later := time.Now().Add(time.Hour)
		for _, path := range inputs {
			if err := os.Chtimes(path, later, later); err != nil {
				t.Fatal(err)
			}
		}
	}
	for what, one := range results[0] {
		if one == "" {
			t.Errorf("%s: empty", what)
		}
		if two := results[1][what]; one != two {
			t.Errorf("%s differs:\n%s\n%s", what, one, two)
		}
	}
}

// convertAll runs the converters and gives, by name, what must be the same everywhere.
func convertAll(t *testing.T, c circumstance, s sample) map[string]string {
	t.Helper()
	r := make(map[string]string)
	c.run(t, "spec2toml", "-o", "sample.toml", s.spec)
	r["TOML"] = digestTree(t, filepath.Join(c.dir, "sample.toml"))
	c.run(t, "toml2spec", "-o", "sample.spec", "sample.toml")
	r["spec"] = digestTree(t, filepath.Join(c.dir, "sample.spec"))

	c.run(t, "srpm2git", "import", "--mirrors", "mirrors", "--metadata", "metadata", s.srpm)
	for _, repository := range gitRepositories(t, c.dir) {
		rel, _ := filepath.Rel(c.dir, repository)
		r["refs of "+rel] = (program{}).must(t, "git", "-c", "safe.directory=*", "-C", repository, "for-each-ref")
	}
	c.run(t, "srpm2git", "export", "--mirrors", "mirrors", "--metadata", "metadata", "-o", "srpms", "sample")
	r["exported SRPM"] = digestTree(t, filepath.Join(c.dir, "srpms"))

	c.run(t, "rpmstore", "init", "store")
	c.run(t, "rpmstore", append([]string{"import", "--store", "store", "--into", "main"}, s.rpms...)...)
	r["refs of the store"] = storeRefs(t, filepath.Join(c.dir, "store"))
	c.run(t, "rpmstore", "export", "--store", "store", "--collection", "main", "-o", "rpms")
	r["exported RPMs"] = digestTree(t, filepath.Join(c.dir, "rpms"))

	for _, profile := range []string{"fedora", "el7", "zypper"} {
		c.run(t, "repogen", "publish", "--store", "store", "--collection", "main", "-o", "repo-"+profile, "--profile", profile)
		r["repository "+profile] = digestTree(t, filepath.Join(c.dir, "repo-"+profile))
	}
	return r
}

// openAll lets every user read and run what is in a directory.
func openAll(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, 0o755)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// digestTree names each file below path, or path itself, with its digest.
func digestTree(t *testing.T, path string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(path, file)
		lines = append(lines, fmt.Sprintf("%x %s", sha256.Sum256([]byte(readFile(t, file))), rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// gitRepositories finds the git directories below dir.
func gitRepositories(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "HEAD" && !d.IsDir() {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), "objects")); err == nil {
				found = append(found, filepath.Dir(path))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 2 {
		t.Fatalf("%d git repositories below %s, want a mirror and the metadata", len(found), dir)
	}
	return found
}

// storeRefs gives all refs of an OSTree repository with their commits.
func storeRefs(t *testing.T, store string) string {
	t.Helper()
	var lines []string
	for _, ref := range strings.Fields((program{}).must(t, "ostree", "refs", "--repo", store)) {
		lines = append(lines, ref+" "+strings.TrimSpace((program{}).must(t, "ostree", "rev-parse", "--repo", store, ref)))
	}
	return strings.Join(lines, "\n")
}
