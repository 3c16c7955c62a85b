package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/remote/s3test"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// runOSTree runs the original on a store.
func runOSTree(t *testing.T, when, store string, args ...string) {
	t.Helper()
	judges.Need(t, "ostree")
	if out, err := exec.Command("ostree", append([]string{"--repo=" + store}, args...)...).CombinedOutput(); err != nil {
		t.Errorf("%s: ostree %v: %v\n%s", when, args, err, out)
	}
}

// TestPackOSTree: ostree finds nothing wrong with a store that has packed collections, whatever was done to it, and all of a collection after unpack.
func TestPackOSTree(t *testing.T) {
	one, rpms := packedStore(t)
	fsck := func(when, store string) {
		t.Helper()
		runOSTree(t, when, store, "fsck")
		mustRun(t, "fsck", "--store", store)
	}
	fsck("packed", one)
	more := t.TempDir()
	rpmtest.Write(t, more, rpmtest.Spec{Name: "more", Files: []rpmtest.File{{Path: "/more", Body: []byte("more")}}})
	mustRun(t, "import", "--store", one, "--into", "c", "--defer", more)
	fsck("imported into a packed collection", one)
	runOSTree(t, "imported", one, "prune")
	fsck("pruned by ostree", one)
	mustRun(t, "import", "--store", one, "--into", "live", "--defer", rpms, more)
	fsck("a live collection of the same commit", one)
	mustRun(t, "drop", "--store", one, "live")
	mustRun(t, "gc", "--store", one)
	fsck("dropped and collected", one)

	there := filepath.Join(t.TempDir(), "there")
	mustRun(t, "push", "--store", one, there)
	fsck("pushed", there)
	for name, args := range map[string][]string{"pull": {"pull", "file://" + there}, "merge": {"merge", one}} {
		here := newStoreDir(t)
		mustRun(t, append([]string{args[0], "--store", here}, args[1:]...)...)
		fsck(name, here)
		mustRun(t, "unpack", "--store", here, "c")
		fsck(name+" and unpack", here)
		tree := filepath.Join(t.TempDir(), "tree")
		runOSTree(t, name, here, "checkout", "-U", "collections/c", tree)
		if n := filesBelow(t, tree); n == 0 {
			t.Errorf("%s: nothing checked out", name)
		}
		mustRun(t, "gc", "--store", here)
		fsck(name+", unpack and gc", here)
		if left := packsOf(t, here); len(left) > 0 {
			t.Errorf("%s: unpacked, and packs are left: %v", name, left)
		}
		mustRun(t, "pack", "--store", here)
		arrived(t, name+" and packed again", one, here)
	}
}

// TestPackWeb: a web server over a store that was packed, and never pushed to, serves its collections, each by its own packs.
func TestPackWeb(t *testing.T) {
	one, _ := packedStore(t)
	web := httptest.NewServer(http.FileServer(http.Dir(one)))
	defer web.Close()
	pull := func(when, collection string, packs int) {
		t.Helper()
		here := newStoreDir(t)
		mustRun(t, "pull", "--store", here, web.URL, collection)
		if got := packsOf(t, here); len(got) != packs {
			t.Errorf("%s: %d packs came, want %d", when, len(got), packs)
		}
		if got, want := packedRefs(t, here)[collection], packedRefs(t, one)[collection]; got != want {
			t.Errorf("%s: %s is %s, want %s", when, collection, got, want)
		}
		checkPacked(t, here, when)
	}
	pull("packed", "c", 1)
	more := t.TempDir()
	mibPackages(t, more, 3)
	mustRun(t, "import", "--store", one, "--into", "c", "--defer", more)
	pull("increment loose", "c", 1)
	mustRun(t, "pack", "--store", one)
	pull("increment packed", "c", 2)
	other := t.TempDir()
	rpmtest.Write(t, other, rpmtest.Spec{Name: "other", Files: []rpmtest.File{{Path: "/other", Body: bytes.Repeat([]byte("other"), 1000)}}})
	mustRun(t, "import", "--store", one, "--into", "d", "--defer", other)
	mustRun(t, "pack", "--store", one)
	pull("another collection, which shares a little", "d", 2)
	pull("beside another collection", "c", 2)
	mustRun(t, "branch", "--store", one, "d", "e")
	pull("branch", "e", 2)
	mustRun(t, "gc", "--store", one)
	pull("after gc", "c", 1)
	pull("after gc", "d", 1)
	pulled := newStoreDir(t)
	mustRun(t, "pull", "--store", pulled, one)
	again := httptest.NewServer(http.FileServer(http.Dir(pulled)))
	defer again.Close()
	from := newStoreDir(t)
	mustRun(t, "pull", "--store", from, again.URL, "c", "d", "e")
	if diff := cmp.Diff(packedRefs(t, one), packedRefs(t, from)); diff != "" {
		t.Error(diff)
	}
}

// packedShards imports samples once as one run, and in four shards, all packed.
func packedShards(t *testing.T) (one string, four []string) {
	t.Helper()
	one, four = shards(t)
	for i, s := range append(slices.Clone(four), one) {
		mustRun(t, "branch", "--store", s, "c", fmt.Sprint("own", i))
		mustRun(t, "pack", "--store", s)
	}
	return one, four
}

// TestPackedPushesAtOnce: four packed stores pushed at once into one collection, and each into one of its own, lose nothing.
func TestPackedPushesAtOnce(t *testing.T) {
	one, four := packedShards(t)
	s3 := s3test.Start(t)
	s3.Setenv(t.Setenv)
	for _, to := range []string{"s3://" + s3.Bucket + "/repo", filepath.Join(t.TempDir(), "there")} {
		var pushes []*exec.Cmd
		for _, s := range four {
			cmd := program(t, "push", "--store", s, to)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			pushes = append(pushes, cmd)
		}
		for _, cmd := range pushes {
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s: push: %v", to, err)
			}
		}
		here := newStoreDir(t)
		mustRun(t, "pull", "--store", here, to)
		arrived(t, to, one, here, "c")
		for i, s := range four {
			own := fmt.Sprint("own", i)
			if got, want := packedRefs(t, here)[own], packedRefs(t, s)[own]; got != want {
				t.Errorf("%s: %s is %s, want %s", to, own, got, want)
			}
		}
		for _, s := range four {
			again(t, " 0 packs, 0 objects, 0 bytes sent", "push", "--store", s, to)
		}
	}
}

// TestPackMergeOrders: shards of which some are packed, at several levels, some live, and that have packages in common, end the same in any order.
func TestPackMergeOrders(t *testing.T) {
	one, four := shards(t)
	mustRun(t, "merge", "--store", four[1], four[0]) // what both have is in the packs of both
	for i, level := range []string{"0", "", "3"} {
		args := []string{"pack", "--store", four[i]}
		if level != "" {
			args = append(args, "--level", level)
		}
		if out, err := program(t, args...).CombinedOutput(); bytes.Contains(out, []byte("no encoder")) {
			mustRun(t, "pack", "--store", four[i])
		} else if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	var first map[string]string
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}} {
		for way, prefix := range map[string]string{"stores": "", "places": "file://"} {
			when := fmt.Sprint(way, " ", order)
			here, args := newStoreDir(t), []string{}
			for _, i := range order {
				args = append(args, prefix+four[i])
			}
			mustRun(t, append([]string{"merge", "--store", here}, args...)...)
			if got := packedRefs(t, here); first == nil {
				first = got
			} else if diff := cmp.Diff(first, got); diff != "" {
				t.Errorf("%s: %s", when, diff)
			}
			if diff := cmp.Diff(exports(t, one), exports(t, here)); diff != "" {
				t.Errorf("%s: exports differ: %s", when, diff)
			}
			checkPacked(t, here, when)
			mustRun(t, "gc", "--store", here)
			checkPacked(t, here, when+" gc")
			sameRepodata(t, when, one, here)
		}
	}
}

// TestPackJoin: a package that two packed stores have with different notes is joined, by push and by merge, whichever comes first, though no pack
// there is here.
func TestPackJoin(t *testing.T) {
	rpms := t.TempDir()
	writeSamples(t, rpms, 6)
	var stores []string
	for i, note := range []string{"a=1", "b=2"} {
		s := newStoreDir(t)
		mustRun(t, "import", "--store", s, "--into", "c", "--defer", "--meta", note, rpms)
		if i == 1 {
			rpmtest.Write(t, rpms, rpmtest.Spec{Name: "more"})
			mustRun(t, "import", "--store", s, "--into", "c", "--defer", rpms)
		}
		mustRun(t, "pack", "--store", s)
		stores = append(stores, s)
	}
	s3 := s3test.Start(t)
	s3.Setenv(t.Setenv)
	var first map[string]string
	for name, order := range map[string][]string{"one": stores, "two": {stores[1], stores[0]}} {
		dir, bucket, merged := filepath.Join(t.TempDir(), "there"), "s3://"+s3.Bucket+"/"+name, newStoreDir(t)
		for _, s := range order {
			mustRun(t, "push", "--store", s, dir)
			mustRun(t, "push", "--store", s, bucket)
			mustRun(t, "merge", "--store", merged, s)
		}
		pulled := newStoreDir(t)
		mustRun(t, "pull", "--store", pulled, bucket)
		for _, s := range []string{dir, merged, pulled} {
			got := packedRefs(t, s)
			if first == nil {
				first = got
			}
			if diff := cmp.Diff(first, got); diff != "" {
				t.Errorf("%s %s: %s", name, s, diff)
			}
			checkPacked(t, s, name)
		}
	}
}

// TestPackPushGrows: the reference there names the packs that are needed, and none of those that earlier pushes needed.
func TestPackPushGrows(t *testing.T) {
	one, _ := packedStore(t)
	there := filepath.Join(t.TempDir(), "there")
	mustRun(t, "push", "--store", one, there)
	for i := range 4 {
		more := t.TempDir()
		rpmtest.Write(t, more, rpmtest.Spec{Name: fmt.Sprint("more", i)})
		mustRun(t, "import", "--store", one, "--into", "c", "--defer", more)
		mustRun(t, "pack", "--store", one)
		to := there
		if i%2 > 0 {
			to = "file://" + there
		}
		mustRun(t, "push", "--store", one, to)
	}
	b, err := os.ReadFile(filepath.Join(there, "packs", "refs", "collections%2Fc"))
	if err != nil {
		t.Fatal(err)
	}
	named := strings.Fields(string(b))[1:]
	if len(named) != 1+5 {
		t.Errorf("%d packs are named, want the one of the upper trees and 5", len(named))
	}
	here := newStoreDir(t)
	mustRun(t, "pull", "--store", here, "file://"+there)
	arrived(t, "pulled", one, here)
	before := packedRefs(t, there)
	mustRun(t, "gc", "--store", there)
	if after := packedRefs(t, there); !maps.Equal(before, after) {
		t.Errorf("gc made %v of %v", after, before)
	}
	checkPacked(t, there, "gc")
}

// TestPackReplace: with --replace a packed collection becomes what it is on the other side, by push and by pull.
func TestPackReplace(t *testing.T) {
	all, _ := packedStore(t)
	rpms, few, there := t.TempDir(), newStoreDir(t), filepath.Join(t.TempDir(), "there")
	writeSamples(t, rpms, 6)
	rpmtest.Write(t, rpms, rpmtest.Spec{Name: "more"})
	mustRun(t, "import", "--store", few, "--into", "c", "--defer", rpms)
	mustRun(t, "pack", "--store", few)
	mustRun(t, "push", "--store", all, there)
	here := newStoreDir(t)
	mustRun(t, "pull", "--store", here, "file://"+there)
	mustRun(t, "push", "--replace", "--store", few, there)
	mustRun(t, "pull", "--replace", "--store", here, "file://"+there)
	for _, s := range []string{there, here} {
		if diff := cmp.Diff(packedRefs(t, few), packedRefs(t, s)); diff != "" {
			t.Error(diff)
		}
		mustRun(t, "gc", "--store", s)
		checkPacked(t, s, "replaced")
		if diff := cmp.Diff(exports(t, few), exports(t, s)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestPackMirror: copies of a store's files, without directories that are empty, are stores to pull from.
func TestPackMirror(t *testing.T) {
	one, _ := packedStore(t)
	mirror := filepath.Join(t.TempDir(), "mirror")
	copyTree(t, one, mirror)
	if err := os.RemoveAll(filepath.Join(mirror, "objects")); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{mirror, "file://" + mirror} {
		here := newStoreDir(t)
		mustRun(t, "pull", "--store", here, from)
		arrived(t, from, one, here)
	}
}
