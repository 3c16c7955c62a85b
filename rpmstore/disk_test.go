package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// smallDisk mounts a file system of its own, which only root can. Under CI it must be possible.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755,size="+size); err != nil {
		judges.Missing(t, "mount: %v: this test wants root", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// mustFail runs rpmstore, which must end with a status of its own and say these words.
func mustFail(t *testing.T, words string, args ...string) {
	t.Helper()
	out, err := program(t, args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), words) || strings.Contains(string(out), "goroutine ") {
		t.Errorf("rpmstore %s: %v, want an error with %q:\n%s", strings.Join(args, " "), err, words, out)
	}
}

func mibPackages(t *testing.T, dir string, count int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	rng := rand.NewChaCha8([32]byte{1})
	for i := range count {
		body := make([]byte, 1<<20)
		rng.Read(body)
		rpmtest.Write(t, dir, rpmtest.Spec{Name: fmt.Sprintf("p%d", i), Files: []rpmtest.File{{Path: "/usr/share/body", Body: body}}})
	}
}

// TestFullDisk fills the disk by every command that writes. The error says so, the store is sound, and with more room the same command goes through.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, "8m")
	store, few, many := filepath.Join(disk, "store"), t.TempDir(), t.TempDir()
	mibPackages(t, few, 2)
	mibPackages(t, many, 12)
	key := filepath.Join(t.TempDir(), "key.sec")
	writeKey(t, key)
	mustRun(t, "init", store)
	mustRun(t, "import", "--store", store, "--into", "c", few)
	before := refs(t, store)

	mustFail(t, "no space left", "import", "--store", store, "--into", "c", "-j1", many)
	checkStore(t, store, "import on a full disk")
	if after := refs(t, store); len(after) != len(before) {
		t.Errorf("references %v, were %v", after, before)
	}
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 8<<20), 0o666); err == nil {
		t.Fatal("the disk is not full")
	}
	full := refs(t, store)
	mustFail(t, "no space left", "sign", "--store", store, "--key", key, "--collection", "c")
	mustFail(t, "no space left", "branch", "--store", store, "c", "d")
	mustRun(t, "list", "--store", store)
	mustRun(t, "gc", "--store", store)
	checkStore(t, store, "sign and branch on a full disk")
	if after := refs(t, store); !maps.Equal(after, full) {
		t.Errorf("references %v, were %v", after, full)
	}

	os.Remove(filler)
	if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "import", "--store", store, "--into", "c", many)
	mustRun(t, "sign", "--store", store, "--key", key, "--collection", "c")
	mustRun(t, "branch", "--store", store, "c", "d")
	checkStore(t, store, "with more room")
	if stale, _ := filepath.Glob(filepath.Join(store, "tmp", "weld-staging-*")); len(stale) > 0 {
		t.Errorf("left behind: %v", stale)
	}
}

// TestReadOnlyDisk: what reads works, what writes says why it cannot.
func TestReadOnlyDisk(t *testing.T) {
	disk := smallDisk(t, "32m")
	store, rpms := filepath.Join(disk, "store"), t.TempDir()
	mibPackages(t, rpms, 2)
	mustRun(t, "init", store)
	mustRun(t, "import", "--store", store, "--into", "c", rpms)
	if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	const words = "read-only file system"
	mustFail(t, words, "import", "--store", store, "--into", "c", "--force", rpms)
	mustFail(t, words, "branch", "--store", store, "c", "d")
	mustFail(t, words, "drop", "--store", store, "c")
	mustFail(t, words, "gc", "--store", store)
	mustRun(t, "list", "--store", store)
	mustRun(t, "stats", "--store", store)
	mustRun(t, "fsck", "--store", store)
	mustRun(t, "export", "--store", store, "--collection", "c", "-o", filepath.Join(t.TempDir(), "out"))
}
