package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestPackCrash kills pack, unpack and gc at random points. Every package can be made again after each, and the rerun ends in the same
// state. WELD_CRASH sets how often.
func TestPackCrash(t *testing.T) {
	killRounds(t, 9, packSteps, checkPacked)
}

func packSteps(t *testing.T) *crashPlan {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(2, 2))
	for v := range 3 {
		for i := range 6 {
			spec := rpmtest.Spec{Name: fmt.Sprintf("p%d", i), Version: strconv.Itoa(v)}
			for j := range 15 {
				body := make([]byte, 6000)
				for k := range body {
					body[k] = byte(rng.IntN(64))
				}
				spec.Files = append(spec.Files, rpmtest.File{Path: fmt.Sprintf("/usr/share/p%d/%d", i, j), Body: body})
			}
			rpms := filepath.Join(dir, "rpms", strconv.Itoa(v))
			if err := os.MkdirAll(rpms, 0o777); err != nil {
				t.Fatal(err)
			}
			rpmtest.Write(t, rpms, spec)
		}
	}
	plan := &crashPlan{dir: filepath.Join(dir, "store"), refs: packedRefs}
	mustRun(t, "init", plan.dir)
	run := func(kill bool, name string, args ...string) { plan.run(t, kill, name, inStore("{}", args)...) }
	run(false, "import", "import", "--into", "a", "--defer", filepath.Join(dir, "rpms", "0"))
	run(false, "import", "import", "--into", "b", "--defer", filepath.Join(dir, "rpms", "1"))
	run(true, "pack", "pack", "--collection", "a")
	run(true, "pack more", "pack")
	run(true, "gc repacks", "gc")
	run(true, "unpack", "unpack", "a")
	run(true, "gc after unpack", "gc")
	run(false, "import", "import", "--into", "b", "--defer", filepath.Join(dir, "rpms", "2"))
	run(true, "pack increment", "pack", "--all-but", "a")
	return plan
}

// packedRefs gives the commit of every collection, and whether it is packed.
func packedRefs(t *testing.T, dir string) map[string]string {
	t.Helper()
	s, err := content.Open(dir, content.Options{NoIndex: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	names, err := s.Collections()
	if err != nil {
		t.Fatal(err)
	}
	refs := map[string]string{}
	for _, name := range names {
		c, err := s.Collection(name)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := s.IsPacked(name)
		if err != nil {
			t.Fatal(err)
		}
		refs[name] = fmt.Sprintf("%s packed %v", c.Commit, packed)
	}
	return refs
}

// checkPacked verifies both tiers and makes every package again.
func checkPacked(t *testing.T, dir, when string) {
	t.Helper()
	checkStore(t, dir, when)
	s, err := content.Open(dir, content.Options{NoIndex: true})
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	defer s.Close()
	if _, err := s.Fsck(context.Background(), func(err error) { t.Errorf("%s: %v", when, err) }); err != nil {
		t.Errorf("%s: %v", when, err)
	}
}
