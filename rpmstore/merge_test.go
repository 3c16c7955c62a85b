package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/remote/s3test"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// writeSamples makes n packages of two versions, and one NEVRA with two contents.
func writeSamples(t *testing.T, dir string, n int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range n {
		spec := rpmtest.Spec{Name: fmt.Sprintf("p%d", i/2), Version: fmt.Sprint(i % 2), Files: []rpmtest.File{
			{Path: "/usr/share/doc/shared", Body: []byte(strings.Repeat("in all of them\n", 100))},
		}}
		for j := range 5 {
			body := make([]byte, 100+rng.IntN(5000))
			for k := range body {
				body[k] = byte(rng.IntN(64))
			}
			spec.Files = append(spec.Files, rpmtest.File{Path: fmt.Sprintf("/usr/share/p%d/%d", i, j), Body: body})
		}
		rpmtest.Write(t, dir, spec)
	}
}

func newStoreDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	mustRun(t, "init", dir)
	return dir
}

// shards imports samples once as one run, and in four shards.
func shards(t *testing.T) (one string, four []string) {
	t.Helper()
	rpms := t.TempDir()
	writeSamples(t, rpms, 24)
	one = newStoreDir(t)
	mustRun(t, "import", "--store", one, "--into", "c", rpms)
	for i := range 4 {
		s := newStoreDir(t)
		mustRun(t, "import", "--store", s, "--into", "c", "--shard", fmt.Sprintf("%d/4", i+1), rpms)
		four = append(four, s)
	}
	return one, four
}

func sameRefs(t *testing.T, what, want, got string) {
	t.Helper()
	if diff := cmp.Diff(refs(t, want), refs(t, got)); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
	checkStore(t, got, what)
}

// TestShards: stores made by shards, merged in any order, here and through a bucket, are the store of one run.
func TestShards(t *testing.T) {
	one, four := shards(t)
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 1, 0, 2}} {
		merged := newStoreDir(t)
		args := []string{"merge", "--store", merged}
		for _, i := range order {
			args = append(args, four[i])
		}
		mustRun(t, args...)
		sameRefs(t, fmt.Sprint("merged ", order), one, merged)
		mustRun(t, args...)
		sameRefs(t, "merged again", one, merged)
	}
	s3 := s3test.Start(t)
	s3.Setenv(t.Setenv)
	bucket := "s3://" + s3.Bucket + "/repo"
	var pushes []*exec.Cmd
	for _, s := range four { // at once
		cmd := program(t, "push", "--store", s, bucket)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pushes = append(pushes, cmd)
	}
	for _, cmd := range pushes {
		if err := cmd.Wait(); err != nil {
			t.Errorf("push: %v", err)
		}
	}
	pulled := newStoreDir(t)
	mustRun(t, "pull", "--store", pulled, bucket)
	sameRefs(t, "through the bucket", one, pulled)
	out, err := program(t, "push", "--store", one, bucket).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(" 0 objects, 0 bytes sent")) {
		t.Errorf("a push of what is there: %v\n%s", err, out)
	}
	ostreePull(t, s3, one)
}

// ostreePull lets ostree read what was pushed, over HTTP.
func ostreePull(t *testing.T, s3 *s3test.Server, store string) {
	web := httptest.NewServer(http.FileServer(http.Dir(s3.Dir)))
	defer web.Close()
	fromWeb := newStoreDir(t)
	mustRun(t, "pull", "--store", fromWeb, web.URL+"/repo", "c")
	sameRefs(t, "from a web server", store, fromWeb)
	if _, err := exec.LookPath("ostree"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ostree is not installed")
		}
		t.Skip("ostree is not installed")
	}
	repo := filepath.Join(t.TempDir(), "repo")
	for _, args := range [][]string{
		{"init", "--mode=archive"},
		{"remote", "add", "--no-gpg-verify", "bucket", web.URL + "/repo"},
		{"pull", "--mirror", "bucket", "collections/c"},
		{"fsck"},
	} {
		cmd := exec.Command("ostree", append([]string{"--repo=" + repo}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ostree %v: %v\n%s", args, err, out)
		}
	}
	sameRefs(t, "by ostree", store, repo)
}

// TestPullNamesDamage: a damaged object there is named, its package is not published, the others are, and the rerun completes.
func TestPullNamesDamage(t *testing.T) {
	one, _ := shards(t)
	there := filepath.Join(t.TempDir(), "there")
	mustRun(t, "push", "--store", one, there)
	object, whole := "", []byte(nil)
	objects, err := filepath.Glob(filepath.Join(there, "objects", "*", "*.filez"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if b, err := os.ReadFile(o); err == nil && len(b) > len(whole) && len(b) > 2000 {
			object, whole = o, b
		}
	}
	for name, damaged := range map[string][]byte{
		"flipped": append(append(bytes.Clone(whole[:len(whole)/2]), whole[len(whole)/2]^1), whole[len(whole)/2+1:]...), "cut": whole[:len(whole)-9], "empty": nil, "gone": {1},
	} {
		t.Run(name, func(t *testing.T) {
			defer os.WriteFile(object, whole, 0o666)
			if os.WriteFile(object, damaged, 0o666); name == "gone" {
				os.Remove(object)
			}
			here := newStoreDir(t)
			cmd := program(t, "pull", "--store", here, there)
			out, _ := cmd.CombinedOutput()
			sum := filepath.Base(filepath.Dir(object)) + strings.TrimSuffix(filepath.Base(object), ".filez")
			if cmd.ProcessState.ExitCode() != 3 || !bytes.Contains(out, []byte(sum)) || !bytes.Contains(out, []byte("23 done, 0 skipped, 1 failed")) {
				t.Errorf("status %d:\n%s", cmd.ProcessState.ExitCode(), out)
			}
			checkStore(t, here, name)
			os.WriteFile(object, whole, 0o666)
			mustRun(t, "pull", "--store", here, there)
			sameRefs(t, "mended", one, here)
		})
	}
}

// TestPushDamagedHere: a package that is damaged here is left out and named.
func TestPushDamagedHere(t *testing.T) {
	one, _ := shards(t)
	objects, err := filepath.Glob(filepath.Join(one, "objects", "*", "*.filez"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		b, err := os.ReadFile(o)
		if err != nil || len(b) < 3000 {
			continue
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(o, b, 0o666); err != nil {
			t.Fatal(err)
		}
		break
	}
	there := filepath.Join(t.TempDir(), "there")
	cmd := program(t, "push", "--store", one, there)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 || !bytes.Contains(out, []byte("23 done, 0 skipped, 1 failed")) {
		t.Errorf("status %d:\n%s", cmd.ProcessState.ExitCode(), out)
	}
	checkStore(t, there, "pushed")
}

// TestInterrupted: push and pull that were killed at random are complete after a rerun.
func TestInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	one, _ := shards(t)
	s3 := s3test.Start(t)
	s3.Setenv(t.Setenv)
	here, bucket := newStoreDir(t), "s3://"+s3.Bucket+"/r"
	for _, args := range [][]string{{"push", "--store", one, bucket}, {"pull", "--store", here, bucket}} {
		for range 5 {
			cmd := program(t, args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(20+rand.IntN(300)) * time.Millisecond)
			cmd.Process.Kill()
			cmd.Wait()
		}
		mustRun(t, args...)
	}
	sameRefs(t, "after interruptions", one, here)
}

// TestConflicts: two packages of one NEVRA end the same in both orders.
func TestConflicts(t *testing.T) {
	var stores []string
	for i := range 2 {
		rpms := t.TempDir()
		rpmtest.Write(t, rpms, rpmtest.Spec{Name: "p", BuildTime: uint32(1700000000 + i), Files: []rpmtest.File{{Path: "/x", Body: []byte{byte(i)}}}})
		s := newStoreDir(t)
		mustRun(t, "import", "--store", s, "--into", "c", rpms)
		stores = append(stores, s)
	}
	for rule, packages := range map[string]int{"both": 2, "newest": 1} {
		a, b := newStoreDir(t), newStoreDir(t)
		for _, s := range stores {
			mustRun(t, "merge", "--store", a, "--conflicts", rule, s)
		}
		mustRun(t, "merge", "--store", b, "--conflicts", rule, stores[1], stores[0])
		sameRefs(t, rule, a, b)
		out, err := program(t, "list", "--store", a).CombinedOutput()
		if err != nil || !strings.Contains(string(out), fmt.Sprint("c\t", packages, "\n")) {
			t.Errorf("%s: %v\n%s", rule, err, out)
		}
	}
}
