package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// killed are the source RPMs of the tests that kill: versions of one package, and small others.
func killed(t *testing.T, small int) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	write := func(name string, data []byte, err error) {
		t.Helper()
		path := filepath.Join(dir, name+".src.rpm")
		if err == nil {
			err = os.WriteFile(path, data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	for i := range 6 {
		data, err := helloSRPM(fmt.Sprintf("1.%d", i))
		write(fmt.Sprintf("hello-%d", i), data, err)
	}
	for i := range small {
		name := fmt.Sprintf("small%02d", i)
		spec := "Name: " + name + "\nVersion: 1\nRelease: 1\nSummary: Small\nLicense: MIT\n%description\nSmall.\n"
		data, err := rpmtest.Encode(rpmtest.Spec{
			Name: name, Version: "1", Release: "1", Source: true, Summary: "Small", Description: "Small.", License: "MIT",
			Files: []rpmtest.File{{Path: name + ".spec", Body: []byte(spec), Flags: rpmfile.FileSpec}},
		})
		write(name, data, err)
	}
	return paths
}

// program is the command under test.
func program(t *testing.T) string {
	t.Helper()
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
	return exe
}

// kills is how often a test kills; WELD_KILLS says otherwise.
func kills(t *testing.T) int {
	t.Helper()
	n := 3
	if s := os.Getenv("WELD_KILLS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// killAtRandom starts runs of a command to a new directory each, kills each a few times, and wants the run after that to end where an
// undisturbed one does.
func killAtRandom(t *testing.T, command func(dir string, rnd *rand.Rand) *exec.Cmd) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewSource(seed))
	finish := func(dir string) string {
		if out, err := command(dir, rnd).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return state(t, dir)
	}
	want := finish(t.TempDir())
	began := time.Now()
	finish(t.TempDir())
	full := time.Since(began)
	for left := kills(t); left > 0; {
		dir := t.TempDir()
		for range min(left, 1+rnd.Intn(3)) {
			cmd := command(dir, rnd)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(rnd.Int63n(int64(full))))
			_ = cmd.Process.Kill()
			if err := cmd.Wait(); err != nil { // it was not faster
				left--
			}
		}
		if d := cmp.Diff(want, finish(dir)); d != "" {
			t.Fatalf("after a crash, and without:\n%s", d)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKill kills imports, with one job and with two, of arguments in any order.
func TestKill(t *testing.T) {
	exe, paths := program(t), killed(t, 62) // more than are published at once
	killAtRandom(t, func(dir string, rnd *rand.Rand) *exec.Cmd {
		args := []string{"import", "-j" + strconv.Itoa(1+rnd.Intn(2)), "--mirrors", filepath.Join(dir, "m"), "--metadata", filepath.Join(dir, "meta")}
		for _, i := range rnd.Perm(len(paths)) {
			args = append(args, paths[i])
		}
		return exec.Command(exe, args...)
	})
}

// TestKillMerge kills merges of shards.
func TestKillMerge(t *testing.T) {
	exe, paths := program(t), killed(t, 14)
	var shards []string
	for i := range 3 {
		dir := t.TempDir()
		args := []string{"import", "--shard", fmt.Sprintf("%d/3", i+1), "--mirrors", filepath.Join(dir, "mirrors"), "--metadata", filepath.Join(dir, "metadata")}
		if out, err := exec.Command(exe, append(args, paths...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		shards = append(shards, dir)
	}
	one := t.TempDir()
	args := []string{"import", "--mirrors", filepath.Join(one, "m"), "--metadata", filepath.Join(one, "meta")}
	if out, err := exec.Command(exe, append(args, paths...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := state(t, one)
	killAtRandom(t, func(dir string, rnd *rand.Rand) *exec.Cmd {
		args := []string{"merge", "--mirrors", filepath.Join(dir, "m"), "--metadata", filepath.Join(dir, "meta")}
		for _, i := range rnd.Perm(len(shards)) {
			args = append(args, shards[i])
		}
		return exec.Command(exe, args...)
	})
	dir := t.TempDir()
	if out, err := exec.Command(exe, append([]string{"merge", "--mirrors", filepath.Join(dir, "m"), "--metadata", filepath.Join(dir, "meta")}, shards...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if d := cmp.Diff(want, state(t, dir)); d != "" {
		t.Errorf("merged, and imported at once:\n%s", d)
	}
}

// state is what git says of all repositories.
func state(t *testing.T, dir string) string {
	t.Helper()
	var all bytes.Buffer
	git := func(args ...string) {
		t.Helper()
		out, err := exec.Command("git", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		all.Write(out)
	}
	mirrors, err := filepath.Glob(filepath.Join(dir, "m", "*.git"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mirrors {
		fmt.Fprintln(&all, filepath.Base(m))
		if err := filepath.WalkDir(filepath.Join(m, "refs"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			h, err := os.ReadFile(path)
			fmt.Fprintf(&all, "%s %s", strings.TrimPrefix(path, m), h)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	git("--git-dir="+filepath.Join(dir, "m", "hello.git"), "for-each-ref")
	git("--git-dir="+filepath.Join(dir, "m", "hello.git"), "fsck", "--strict", "--no-dangling")
	git("-C", filepath.Join(dir, "meta"), "for-each-ref")
	git("-C", filepath.Join(dir, "meta"), "fsck", "--strict", "--no-dangling")
	git("-C", filepath.Join(dir, "meta"), "status", "--porcelain")
	return all.String()
}
