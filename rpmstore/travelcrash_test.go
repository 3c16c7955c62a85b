package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/remote/s3test"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestInterrupted: push to a bucket and pull from it, killed again and again at random, are complete after a rerun, for live and for packed collections.
func TestInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	live, _ := shards(t)
	packed, _ := packedStore(t)
	for name, one := range map[string]string{"live": live, "packed": packed} {
		t.Run(name, func(t *testing.T) {
			s3 := s3test.Start(t)
			s3.Setenv(t.Setenv)
			here, bucket := newStoreDir(t), "s3://"+s3.Bucket+"/r"
			for _, args := range [][]string{{"push", "--store", one, bucket}, {"pull", "--store", here, bucket}} {
				for range 5 {
					killed(t, 300*time.Millisecond, args...)
				}
				mustRun(t, args...)
			}
			mustRun(t, "gc", "--store", here)
			sameRefs(t, "after interruptions", one, here)
			if name == "packed" {
				arrived(t, "after interruptions", one, here)
			}
		})
	}
}

// TestTravelCrash kills push, pull and merge of packed collections at random points. All stores are sound after each, the rerun ends in
// the same state, and gc leaves nothing of what was interrupted. WELD_CRASH sets how often.
func TestTravelCrash(t *testing.T) {
	killRounds(t, 8, travelSteps, checkTravel)
}

// travelStores are the directories of a travel plan.
var travelStores = []string{"one", "there", "here", "merged"}

func travelSteps(t *testing.T) *crashPlan {
	t.Helper()
	one, rpms := packedStore(t)
	plan := &crashPlan{dir: filepath.Join(t.TempDir(), "dir"), refs: travelRefs}
	copyTree(t, one, filepath.Join(plan.dir, "one"))
	for _, name := range []string{"here", "merged"} {
		mustRun(t, "init", filepath.Join(plan.dir, name))
	}
	plan.run(t, true, "push", "push", "--store", "{}/one", "{}/there")
	plan.run(t, true, "pull", "pull", "--store", "{}/here", "file://{}/there")
	plan.run(t, true, "merge", "merge", "--store", "{}/merged", "{}/one")
	for _, name := range []string{"some", "more"} {
		rpmtest.Write(t, rpms, rpmtest.Spec{Name: name, Files: []rpmtest.File{{Path: "/" + name, Body: []byte(strings.Repeat(name, 1000))}}})
	}
	plan.run(t, false, "import", "import", "--store", "{}/one", "--into", "c", "--defer", rpms)
	plan.run(t, true, "push loose", "push", "--store", "{}/one", "{}/there")
	plan.run(t, true, "pull loose", "pull", "--store", "{}/here", "file://{}/there")
	plan.run(t, false, "pack", "pack", "--store", "{}/one")
	rpmtest.Write(t, rpms, rpmtest.Spec{Name: "last"})
	plan.run(t, false, "import", "import", "--store", "{}/one", "--into", "c", "--defer", rpms)
	plan.run(t, false, "pack", "pack", "--store", "{}/one")
	plan.run(t, true, "push more", "push", "--store", "{}/one", "{}/there")
	plan.run(t, true, "merge more", "merge", "--store", "{}/merged", "{}/there")
	return plan
}

func isStore(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "config"))
	return err == nil
}

func travelRefs(t *testing.T, dir string) map[string]string {
	t.Helper()
	refs := map[string]string{}
	for _, name := range travelStores {
		if store := filepath.Join(dir, name); isStore(store) {
			for ref, commit := range packedRefs(t, store) {
				refs[name+" "+ref] = commit
			}
		}
	}
	return refs
}

// checkTravel looks at all stores, and after a rerun that nothing is left of a run that died.
func checkTravel(t *testing.T, dir, when string) {
	t.Helper()
	for _, name := range travelStores {
		store := filepath.Join(dir, name)
		if !isStore(store) {
			continue
		}
		checkPacked(t, store, when+": "+name)
		if !strings.HasSuffix(when, "again") {
			continue
		}
		before := packedRefs(t, store)
		mustRun(t, "gc", "--store", store)
		checkPacked(t, store, when+": gc: "+name)
		if after := packedRefs(t, store); !maps.Equal(after, before) {
			t.Errorf("%s: %s: gc made %v of %v", when, name, after, before)
		}
		for _, pattern := range []string{"tmp/*", "packs/.*.tmp*", "packs/new-*", "packs/refs/.*", "objects/*/.*"} {
			left, err := filepath.Glob(filepath.Join(store, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range left {
				if filepath.Base(path) != "cache" {
					t.Errorf("%s: left behind: %s", when, path)
				}
			}
		}
	}
}
