package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/repodata"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestPublishKilled kills publish at random moments: clients always see a whole generation, and the next run works.
func TestPublishKilled(t *testing.T) {
	const kills = 200
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	fillStore(t, store, map[string]int{"old": 20, "new": 30})
	program, err := exec.LookPath("repogen")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	publish := func(collection string) *exec.Cmd {
		return exec.Command(program, "publish", "--store", store, "--collection", collection, "-o", out)
	}
	start := time.Now()
	if b, err := publish("old").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	whole := time.Since(start)
	collections := []string{"new", "old"}
	hit, runs := 0, 0
	for ; hit < kills && runs < 20*kills; runs++ {
		cmd := publish(collections[runs%2])
		start := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(rand.N(whole), func() { cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err != nil {
			hit++
		} else {
			whole = time.Since(start) // later runs find more done than the first
		}
		checkWhole(t, out)
	}
	t.Logf("%d of %d runs were killed", hit, runs)
	if b, err := publish("new").CombinedOutput(); err != nil {
		t.Fatalf("after all that: %v\n%s", err, b)
	}
	checkWhole(t, out)
	if left, err := filepath.Glob(filepath.Join(out, ".repodata*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func fillStore(t *testing.T, dir string, collections map[string]int) {
	t.Helper()
	ctx := context.Background()
	if err := content.Init(dir); err != nil {
		t.Fatal(err)
	}
	store, err := content.Open(dir, content.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for name, n := range collections {
		session, err := store.Session(ctx, name, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			b := rpmtest.Build(t, rpmtest.Spec{Name: fmt.Sprintf("%s%d", name, i)})
			if _, err := session.Import(ctx, bytes.NewReader(b), int64(len(b)), content.ImportOptions{Defer: true}); err != nil {
				t.Fatal(err)
			}
		}
		if err := session.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkWhole follows repomd.xml to every file that it names.
func checkWhole(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "repodata", "repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	md, err := repodata.ReadRepomd(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range md.Records {
		b, err := os.ReadFile(filepath.Join(dir, r.LocationHref))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != r.Checksum.Value {
			t.Fatalf("%s has another checksum", r.LocationHref)
		}
	}
}
