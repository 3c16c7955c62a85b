package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPackFullDisk: pack, unpack and gc say that the disk is full and lose nothing, and go through when there is room.
func TestPackFullDisk(t *testing.T) {
	disk := smallDisk(t, "32m")
	store, rpms := filepath.Join(disk, "store"), t.TempDir()
	mibPackages(t, rpms, 6)
	mustRun(t, "init", store)
	mustRun(t, "import", "--store", store, "--into", "c", rpms)
	filler := filepath.Join(disk, "filler")
	fill := func(leave int64) {
		t.Helper()
		var free unix.Statfs_t
		if err := unix.Statfs(disk, &free); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filler, make([]byte, int64(free.Bavail)*free.Bsize-leave), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for i, step := range [][]string{{"pack"}, {"unpack", "c"}} {
		before := packedRefs(t, store)
		fill(2 << 20)
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
	fill(2 << 20)
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
