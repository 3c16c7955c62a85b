package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// fillDisk makes a file that leaves so many bytes free.
func fillDisk(t *testing.T, disk, filler string, leave int64) {
	t.Helper()
	var free unix.Statfs_t
	if err := unix.Statfs(disk, &free); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filler, make([]byte, int64(free.Bavail)*free.Bsize-leave), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestPackFullDisk: pack, unpack and gc say that the disk is full and lose nothing, and go through when there is room.
func TestPackFullDisk(t *testing.T) {
	disk := smallDisk(t, "32m")
	store, rpms := filepath.Join(disk, "store"), t.TempDir()
	mibPackages(t, rpms, 6)
	mustRun(t, "init", store)
	mustRun(t, "import", "--store", store, "--into", "c", rpms)
	filler := filepath.Join(disk, "filler")
	for i, step := range [][]string{{"pack"}, {"unpack", "c"}} {
		before := packedRefs(t, store)
		fillDisk(t, disk, filler, 2<<20)
		args := append(step[:1:1], append([]string{"--store", store}, step[1:]...)...)
		mustFail(t, "no space left", args...)
		checkPacked(t, store, fmt.Sprint(step, " on a full disk"))
		if after := packedRefs(t, store); !maps.Equal(after, before) {
			t.Errorf("%v: collections %v, were %v", step, after, before)
		}
		os.Remove(filler)
		mustRun(t, args...)
		if i == 0 {
			mustRun(t, "gc", "--store", store)
		}
		checkPacked(t, store, fmt.Sprint(step, " with room"))
	}

	// Two packs, which gc puts together.
	mustRun(t, "pack", "--store", store)
	more := t.TempDir()
	mibPackages(t, more, 7)
	mustRun(t, "import", "--store", store, "--into", "c", more)
	mustRun(t, "pack", "--store", store)
	fillDisk(t, disk, filler, 2<<20)
	mustFail(t, "no space left", "gc", "--store", store)
	checkPacked(t, store, "gc on a full disk")
	os.Remove(filler)
	mustRun(t, "gc", "--store", store)
	checkPacked(t, store, "gc with room")
	if packs, _ := filepath.Glob(filepath.Join(store, "packs", "*.pack")); len(packs) != 1 {
		t.Errorf("packs %v", packs)
	}
	if left, _ := filepath.Glob(filepath.Join(store, "packs", "new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestPackTravelFullDisk: push, pull and merge of a packed collection say that the disk is full, leave no part of a pack, and go through when
// there is room.
func TestPackTravelFullDisk(t *testing.T) {
	one, rpms, disk := newStoreDir(t), t.TempDir(), smallDisk(t, "24m")
	mibPackages(t, rpms, 6)
	mustRun(t, "import", "--store", one, "--into", "c", "--defer", rpms)
	mustRun(t, "pack", "--store", one)
	far := filepath.Join(t.TempDir(), "far")
	mustRun(t, "push", "--store", one, far)
	filler := filepath.Join(disk, "filler")
	for name, step := range map[string][]string{
		"push": {"push", "--store", one, filepath.Join(disk, "push")}, "pull": {"pull", "--store", filepath.Join(disk, "pull"), "file://" + far},
		"merge": {"merge", "--store", filepath.Join(disk, "merge"), one},
	} {
		store := filepath.Join(disk, name)
		if name != "push" {
			mustRun(t, "init", store)
		}
		fillDisk(t, disk, filler, 3<<20)
		mustFail(t, "no space left", step...)
		if name != "push" {
			if refs := packedRefs(t, store); len(refs) > 0 {
				t.Errorf("%s: %v", name, refs)
			}
		}
		for _, pattern := range []string{"packs/new-*", "tmp/put-*"} {
			if left, _ := filepath.Glob(filepath.Join(store, pattern)); len(left) > 0 {
				t.Errorf("%s: left behind: %v", name, left)
			}
		}
		os.Remove(filler)
		mustRun(t, step...)
		if diff := cmp.Diff(exports(t, one), exports(t, store)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		checkPacked(t, store, name)
		if err := os.RemoveAll(store); err != nil {
			t.Fatal(err)
		}
	}
}
