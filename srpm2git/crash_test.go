package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// TestKill kills imports at random points and wants the run after them to end where an undisturbed one does.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	judges.Need(t, "git")
	exe := filepath.Join(t.TempDir(), "srpm2git")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// testscript.Main runs the command of this name instead of the tests.
	if err := os.Symlink(self, exe); err != nil {
		t.Fatal(err)
	}
	in := t.TempDir()
	for i := range 12 {
		data, err := helloSRPM(fmt.Sprintf("1.%d", i))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(in, fmt.Sprintf("%d.src.rpm", i)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	start := func(dir string) *exec.Cmd {
		return exec.Command(exe, "import", "--mirrors", filepath.Join(dir, "m"), "--metadata", filepath.Join(dir, "meta"), in)
	}
	finish := func(dir string) string {
		if out, err := start(dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return state(t, dir)
	}
	began := time.Now()
	want := finish(t.TempDir())
	full := time.Since(began)
	rnd := rand.New(rand.NewSource(3))
	for range 4 {
		dir := t.TempDir()
		for range 2 {
			cmd := start(dir)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(rnd.Int63n(int64(full))))
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if got := finish(dir); got != want {
			t.Fatalf("after a crash:\n%s\nwithout:\n%s", got, want)
		}
	}
}

// state is what git says of both repositories.
func state(t *testing.T, dir string) string {
	t.Helper()
	var all bytes.Buffer
	for _, args := range []string{
		"--git-dir=" + dir + "/m/hello.git for-each-ref", "--git-dir=" + dir + "/m/hello.git fsck --strict --no-dangling",
		"-C " + dir + "/meta rev-parse main^{tree}", "-C " + dir + "/meta status --porcelain",
	} {
		out, err := exec.Command("git", strings.Fields(args)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
		all.Write(out)
	}
	return all.String()
}
