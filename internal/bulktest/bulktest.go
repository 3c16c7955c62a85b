// Package bulktest proves of a command that works on many items that a bad one fails alone: the others are done, the status is 3, and the
// report names each bad one with its cause.
package bulktest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/bulk"
)

// Good is how many good items stand beside the bad ones: 20, or WELD_MANY.
func Good(t testing.TB) int {
	t.Helper()
	many := os.Getenv("WELD_MANY")
	if many == "" {
		return 20
	}
	n, err := strconv.Atoi(many)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Strange puts into dir what has an item's name and cannot be read as a file, and gives the paths.
func Strange(t testing.TB, dir, ext string) []string {
	t.Helper()
	made := map[string]func(path string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o755) },
		"dangling":  func(path string) error { return os.Symlink("none", path) },
		"linkdir":   func(path string) error { return os.Symlink(t.TempDir(), path) },
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"socket": func(path string) error {
			l, err := net.Listen("unix", path)
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return err
		},
		"unreadable":  func(path string) error { return os.WriteFile(path, []byte("secret"), 0) },
		"unenterable": func(path string) error { return os.Mkdir(path, 0) },
	}
	return write(t, dir, ext, made)
}

// Damaged puts damaged forms of a good item into dir and gives the paths. They are such that any format with a digest over its content
// sees it.
func Damaged(t testing.TB, dir, ext string, good []byte) []string {
	t.Helper()
	made := map[string]func(path string) error{}
	for name, content := range map[string][]byte{
		"empty":     nil,
		"other":     []byte("<html>404 not found</html>\n"),
		"truncated": good[:len(good)-9],
		"half":      good[:len(good)/2],
		"flipped":   append(bytes.Clone(good[:len(good)-9]), flip(good[len(good)-9:])...),
		"zeros":     make([]byte, len(good)),
	} {
		made[name] = func(path string) error { return os.WriteFile(path, content, 0o644) }
	}
	return write(t, dir, ext, made)
}

func flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[0] ^= 1
	return b
}

func write(t testing.TB, dir, ext string, made map[string]func(path string) error) (paths []string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(made)) {
		path := filepath.Join(dir, "bad-"+name+ext)
		if err := made[name](path); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// Dir makes a directory that Run's command may write to.
func Dir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// nobody is who runs commands that root would run, since root may read everything.
const nobody = 65534

// Unprivileged makes a command run as somebody who may not read everything. What it writes goes to directories of Dir.
func Unprivileged(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	dir := Dir(t)
	cmd.Env = append(cmd.Environ(), "XDG_CACHE_HOME="+dir)
	if os.Geteuid() != 0 {
		return
	}
	program := filepath.Join(dir, filepath.Base(cmd.Path)) // from where everybody may run it
	b, err := os.ReadFile(cmd.Path)
	if err == nil {
		err = os.WriteFile(program, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = program
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// Run runs a command unprivileged and wants it to do good items and to fail on the bad ones, and only on them.
func Run(t testing.TB, cmd *exec.Cmd, good int, bad []string) {
	t.Helper()
	report := filepath.Join(Dir(t), "report")
	cmd.Args = append(cmd.Args, "--report", report)
	Unprivileged(t, cmd)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 3 {
		t.Fatalf("%v, want exit status 3\n%s", err, out)
	}
	Check(t, report, good, bad)
}

// Check reads a report.
func Check(t testing.TB, report string, good int, bad []string) {
	t.Helper()
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	failed := map[string]bool{}
	for line := range bytes.Lines(text) {
		var r bulk.Result
		switch err := json.Unmarshal(line, &r); {
		case err != nil:
			t.Fatalf("%s: %v", line, err)
		case r.OK:
			done++
		case !slices.Contains(bad, r.Input):
			t.Errorf("failed, and is good: %s", line)
		case r.Stage == "" || r.Class == "" || r.Class == "panic" || r.Message == "":
			t.Errorf("it is not said why: %s", line)
		default:
			failed[r.Input] = true
			t.Logf("%s: %s, %s: %s", filepath.Base(r.Input), r.Stage, r.Class, r.Message)
		}
	}
	if done != good {
		t.Errorf("%d done, want %d", done, good)
	}
	for _, path := range bad {
		if !failed[path] {
			t.Errorf("%s: not named", path)
		}
	}
}
