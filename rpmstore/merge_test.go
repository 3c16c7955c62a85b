package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/remote/s3test"
	"github.com/weld-linux/weld-bridge/internal/repo"
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

// sameRepodata publishes from both stores.
func sameRepodata(t *testing.T, what, want, got string) {
	t.Helper()
	published := func(store string) map[string]string {
		s, err := content.Open(store, content.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		c, err := s.Collection("c")
		if err != nil {
			t.Fatal(err)
		}
		profile, err := repo.FindProfile("fedora")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if _, err := repo.Publish(t.Context(), c, repo.Target{Dir: dir, Keep: 1}, repo.PublishOptions{Profile: profile}); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{}
		list, err := filepath.Glob(filepath.Join(dir, repo.RepodataDir, "*"))
		if err != nil || len(list) == 0 {
			t.Fatalf("no repodata (%v)", err)
		}
		for _, path := range list {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files[filepath.Base(path)] = string(b)
		}
		return files
	}
	if diff := cmp.Diff(published(want), published(got)); diff != "" {
		t.Errorf("repodata %s: %s", what, diff)
	}
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
		sameRepodata(t, fmt.Sprint("merged ", order), one, merged)
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
	sameRepodata(t, "through the bucket", one, pulled)
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
	judges.Need(t, "ostree")
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
	s3 := s3test.Start(t)
	s3.Setenv(t.Setenv)
	bucket, there := "s3://"+s3.Bucket+"/repo", filepath.Join(s3.Dir, "repo")
	mustRun(t, "push", "--store", one, bucket)
	web := httptest.NewServer(http.FileServer(http.Dir(there)))
	defer web.Close()
	object, whole := largestObject(t, there)
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, damage := range map[string]func() error{
		"flipped":   func() error { return os.WriteFile(object, flipped, 0o666) },
		"cut":       func() error { return os.WriteFile(object, whole[:len(whole)-9], 0o666) },
		"empty":     func() error { return os.WriteFile(object, nil, 0o666) },
		"gone":      func() error { return nil },
		"directory": func() error { return os.Mkdir(object, 0o777) },
	} {
		for way, from := range map[string][]string{
			"pull": {"pull", bucket}, "merge": {"merge", there}, "web": {"pull", web.URL, "c"},
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				mend := func() {
					if err := errors.Join(os.RemoveAll(object), os.WriteFile(object, whole, 0o666)); err != nil {
						t.Fatal(err)
					}
				}
				defer mend()
				if err := errors.Join(os.Remove(object), damage()); err != nil {
					t.Fatal(err)
				}
				here := newStoreDir(t)
				args := append([]string{from[0], "--store", here}, from[1:]...)
				cmd := program(t, args...)
				out, _ := cmd.CombinedOutput()
				sum := filepath.Base(filepath.Dir(object)) + strings.TrimSuffix(filepath.Base(object), ".filez")
				if cmd.ProcessState.ExitCode() != 3 || !bytes.Contains(out, []byte(sum)) || !bytes.Contains(out, []byte("23 done, 0 skipped, 1 failed")) {
					t.Errorf("status %d:\n%s", cmd.ProcessState.ExitCode(), out)
				}
				checkStore(t, here, name)
				mend()
				mustRun(t, args...)
				sameRefs(t, "mended", one, here)
			})
		}
	}
}

// largestObject gives a file object that stands in one package alone.
func largestObject(t *testing.T, repo string) (path string, content []byte) {
	t.Helper()
	objects, err := filepath.Glob(filepath.Join(repo, "objects", "*", "*.filez"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if b, err := os.ReadFile(o); err == nil && len(b) > len(content) && len(b) > 2000 {
			path, content = o, b
		}
	}
	return path, content
}

// TestPushDamagedHere: a package that is damaged here is left out and named.
func TestPushDamagedHere(t *testing.T) {
	one, _ := shards(t)
	object, b := largestObject(t, one)
	b[len(b)/2] ^= 1
	if err := os.WriteFile(object, b, 0o666); err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(t.TempDir(), "there")
	cmd := program(t, "push", "--store", one, there)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 || !bytes.Contains(out, []byte("23 done, 0 skipped, 1 failed")) {
		t.Errorf("status %d:\n%s", cmd.ProcessState.ExitCode(), out)
	}
	checkStore(t, there, "pushed")
}

// TestPushDamagedThere: a package that is damaged there, so that nothing can be joined with it, stays as it is, is named, and the others
// are published.
func TestPushDamagedThere(t *testing.T) {
	rpms, there := t.TempDir(), filepath.Join(t.TempDir(), "there")
	rpmtest.Write(t, rpms, rpmtest.Spec{Name: "noted"})
	noted, plain := newStoreDir(t), newStoreDir(t)
	mustRun(t, "import", "--store", noted, "--into", "c", "--meta", "note=1", rpms)
	mustRun(t, "push", "--store", noted, there)
	rpmtest.Write(t, rpms, rpmtest.Spec{Name: "another"})
	mustRun(t, "import", "--store", plain, "--into", "c", rpms)
	objects, err := filepath.Glob(filepath.Join(there, "objects", "*", "*.filez"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		rel, err := filepath.Rel(there, o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(plain, rel)); err != nil { // the note
			write(t, o, []byte("damaged"))
		}
	}
	cmd := program(t, "push", "--store", plain, there)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 || !bytes.Contains(out, []byte("rpmstore: "+there+": noted-1.0-1.x86_64@")) {
		t.Errorf("status %d:\n%s", cmd.ProcessState.ExitCode(), out)
	}
	list, err := program(t, "list", "--store", there, "--collection", "c").CombinedOutput()
	if err != nil || !bytes.Contains(list, []byte("another-1.0")) || !bytes.Contains(list, []byte("noted-1.0")) {
		t.Errorf("%v\n%s", err, list)
	}
}

// TestMergeBadStore: of several stores one that cannot be read fails alone.
func TestMergeBadStore(t *testing.T) {
	_, four := shards(t)
	merged := newStoreDir(t)
	refs, err := filepath.Glob(filepath.Join(four[1], "refs", "heads", "collections", "*"))
	if err != nil || len(refs) != 1 {
		t.Fatalf("%v, %v", refs, err)
	}
	write(t, refs[0], []byte("damaged\n"))
	none := filepath.Join(t.TempDir(), "none")
	cmd := program(t, append([]string{"merge", "--store", merged, none}, four...)...)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 || !bytes.Contains(out, []byte("rpmstore: "+four[1]+": ")) || !bytes.Contains(out, []byte(none+": no store")) || !bytes.Contains(out, []byte(" 2 failed")) {
		t.Errorf("status %d:\n%s", cmd.ProcessState.ExitCode(), out)
	}
	checkStore(t, merged, "merged")
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
