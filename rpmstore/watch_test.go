package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestWatch: packages arrive whole, in pieces, by rename, in new directories, and damaged; the collection follows.
func TestWatch(t *testing.T) {
	store, drop, log := newStoreDir(t), t.TempDir(), filepath.Join(t.TempDir(), "log")
	rpmtest.Write(t, drop, rpmtest.Spec{Name: "before"})
	cmd := program(t, "import", "--store", store, "--into", "c", "--watch", "--settle", "200ms", "--rescan", "2s",
		"--then", "echo $WELD_COLLECTION >>"+log, drop)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	await(t, store, "before")

	rpmtest.Write(t, drop, rpmtest.Spec{Name: "whole"})
	deep := filepath.Join(drop, "new", "deep")
	if err := os.MkdirAll(deep, 0o777); err != nil {
		t.Fatal(err)
	}
	rpmtest.Write(t, deep, rpmtest.Spec{Name: "deep"})
	b := rpmtest.Build(t, rpmtest.Spec{Name: "renamed"})
	write(t, filepath.Join(drop, ".renamed"), b)
	if err := os.Rename(filepath.Join(drop, ".renamed"), filepath.Join(drop, "renamed.rpm")); err != nil {
		t.Fatal(err)
	}
	pieces, err := os.Create(filepath.Join(drop, "pieces.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	b = rpmtest.Build(t, rpmtest.Spec{Name: "pieces"})
	for len(b) > 0 {
		n := min(len(b), 500)
		if _, err := pieces.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
		time.Sleep(50 * time.Millisecond)
	}
	pieces.Close()
	b = rpmtest.Build(t, rpmtest.Spec{Name: "mended"})
	write(t, filepath.Join(drop, "mended.rpm"), b[:len(b)-5])
	for _, name := range []string{"whole", "deep", "renamed", "pieces"} {
		await(t, store, name)
	}
	time.Sleep(time.Second)
	write(t, filepath.Join(drop, "mended.rpm"), b)
	await(t, store, "mended")

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped: %v\n%s", err, out.String())
	}
	if said, err := os.ReadFile(log); err != nil || !strings.HasPrefix(string(said), "c\n") {
		t.Errorf("the command that follows said %q (%v)", said, err)
	}
	if !strings.Contains(out.String(), "mended.rpm: ") {
		t.Errorf("a damaged package is not named:\n%s", out.String())
	}
	checkStore(t, store, "watched")
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, store, name string) {
	t.Helper()
	for range 300 {
		cmd := program(t, "list", "--store", store, "--collection", "c")
		cmd.Stderr = io.Discard
		if out, err := cmd.Output(); err == nil && strings.Contains(string(out), name+"-1.0") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s does not arrive", name)
}

// TestWatchTriesAgain: a package that could not be stored is taken when it can be. The directory is a link.
func TestWatchTriesAgain(t *testing.T) {
	store, drop := newStoreDir(t), t.TempDir()
	link, report := filepath.Join(t.TempDir(), "link"), filepath.Join(t.TempDir(), "report")
	if err := os.Symlink(drop, link); err != nil {
		t.Fatal(err)
	}
	cmd := program(t, "import", "--store", store, "--into", "c", "--watch", "--settle", "100ms", "--rescan", "1s", "--report", report, link)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	rpmtest.Write(t, drop, rpmtest.Spec{Name: "first"})
	await(t, store, "first")
	objects, aside := filepath.Join(store, "objects"), filepath.Join(store, "aside")
	if err := errors.Join(os.Rename(objects, aside), os.WriteFile(objects, nil, 0o666)); err != nil {
		t.Fatal(err)
	}
	rpmtest.Write(t, drop, rpmtest.Spec{Name: "second"})
	for range 300 {
		if b, _ := os.ReadFile(report); strings.Contains(string(b), `"ok":false`) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := errors.Join(os.Remove(objects), os.Rename(aside, objects)); err != nil {
		t.Fatal(err)
	}
	await(t, store, "second")
	if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(report)
	if err != nil || strings.Count(string(b), `"ok":true`) != 2 || !strings.Contains(string(b), `"ok":false`) {
		t.Errorf("the report of all looks is %s (%v)", b, err)
	}
}
