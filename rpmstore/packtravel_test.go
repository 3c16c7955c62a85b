package main

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/remote/s3test"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// packedStore imports samples and packs them.
func packedStore(t *testing.T) (store, rpms string) {
	t.Helper()
	rpms, store = t.TempDir(), newStoreDir(t)
	writeSamples(t, rpms, 24)
	mustRun(t, "import", "--store", store, "--into", "c", "--defer", rpms)
	mustRun(t, "pack", "--store", store)
	return store, rpms
}

// exports gives every package of collection c as the file that it comes out as.
func exports(t *testing.T, store string) map[string]string {
	t.Helper()
	s, err := content.Open(store, content.Options{NoIndex: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := s.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Packages()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, p := range list {
		var b bytes.Buffer
		if _, err := p.Export(t.Context(), content.Form{}, &b); err != nil {
			t.Errorf("%s: %v", p.NEVRA(), err)
		}
		files[p.NEVRA()] = b.String()
	}
	return files
}

// filesBelow counts files.
func filesBelow(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return n
}

func packsOf(t *testing.T, store string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(store, "packs", "*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// arrived tells whether packed collections, by default all, have come as packs.
func arrived(t *testing.T, what, want, got string, collections ...string) {
	t.Helper()
	a, b := packedRefs(t, want), packedRefs(t, got)
	if len(collections) > 0 {
		others := func(name, _ string) bool { return !slices.Contains(collections, name) }
		maps.DeleteFunc(a, others)
		maps.DeleteFunc(b, others)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
	if diff := cmp.Diff(exports(t, want), exports(t, got)); diff != "" {
		t.Errorf("%s: exports differ: %s", what, diff)
	}
	checkPacked(t, got, what)
	// What is published in several steps leaves trees of the steps between until gc, and never a file.
	if loose, err := filepath.Glob(filepath.Join(got, "objects", "*", "*.filez")); len(loose) > 0 || err != nil {
		t.Errorf("%s: %d loose files, %v", what, len(loose), err)
	}
	if left, err := filepath.Glob(filepath.Join(got, "packs", "new-*")); len(left) > 0 || err != nil {
		t.Errorf("%s: left behind: %v, %v", what, left, err)
	}
}

// again runs a push or a pull that has nothing to do.
func again(t *testing.T, want string, args ...string) {
	t.Helper()
	if out, err := program(t, args...).CombinedOutput(); err != nil || !bytes.Contains(out, []byte(want)) {
		t.Errorf("%v again: %v\n%s", args, err, out)
	}
}

// TestPackTravel: a packed collection goes as its packs to a bucket and a directory, and comes from there, and by a web server, as packs.
func TestPackTravel(t *testing.T) {
	one, rpms := packedStore(t)
	s3 := s3test.Start(t)
	s3.Setenv(t.Setenv)
	dir := filepath.Join(t.TempDir(), "there")
	web := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer web.Close()
	const nothing = " 0 packs, 0 objects, 0 bytes sent"
	for to, files := range map[string]string{"s3://" + s3.Bucket + "/repo": filepath.Join(s3.Dir, "repo"), dir: dir} {
		mustRun(t, "push", "--store", one, to)
		again(t, nothing, "push", "--store", one, to)
		if n, loose := len(packsOf(t, files)), filesBelow(t, filepath.Join(files, "objects")); n != 2 || loose != 0 {
			t.Errorf("%s: %d packs and %d objects", to, n, loose)
		}
	}
	arrived(t, "pushed", one, dir)
	ways := map[string][]string{
		"bucket": {"pull", "s3://" + s3.Bucket + "/repo"}, "directory": {"pull", dir}, "merge": {"merge", one}, "web": {"pull", web.URL, "c"},
	}
	pulled := map[string]string{}
	for name, from := range ways {
		here := newStoreDir(t)
		args := append([]string{from[0], "--store", here}, from[1:]...)
		mustRun(t, args...)
		arrived(t, name, one, here)
		packs := packsOf(t, here)
		mustRun(t, args...)
		if diff := cmp.Diff(packs, packsOf(t, here)); diff != "" {
			t.Errorf("%s again: %s", name, diff)
		}
		pulled[name] = here
	}
	// One more package, pushed by one of those who have pulled.
	rpmtest.Write(t, rpms, rpmtest.Spec{Name: "more", Files: []rpmtest.File{{Path: "/more", Body: []byte("more")}}})
	mustRun(t, "import", "--store", pulled["web"], "--into", "c", "--defer", rpms)
	mustRun(t, "pack", "--store", pulled["web"])
	for _, to := range []string{"s3://" + s3.Bucket + "/repo", dir} {
		mustRun(t, "push", "--store", pulled["web"], to)
		again(t, nothing, "push", "--store", pulled["web"], to)
	}
	for _, name := range []string{"bucket", "directory"} {
		mustRun(t, append([]string{"pull", "--store", pulled[name]}, ways[name][1:]...)...)
		if diff := cmp.Diff(exports(t, pulled["web"]), exports(t, pulled[name])); diff != "" {
			t.Errorf("%s: after one more: %s", name, diff)
		}
		checkPacked(t, pulled[name], name)
	}
	// The directory is a store: gc puts its packs together, and it can be read as before.
	mustRun(t, "gc", "--store", dir)
	here := newStoreDir(t)
	mustRun(t, "pull", "--store", here, web.URL, "c")
	if diff := cmp.Diff(exports(t, pulled["web"]), exports(t, here)); diff != "" {
		t.Errorf("after gc there: %s", diff)
	}
	// Into a live collection everything comes loose.
	live := newStoreDir(t)
	mustRun(t, "import", "--store", live, "--into", "c", filepath.Join(rpms, filepath.Base(firstRPM(t, rpms))))
	mustRun(t, "pull", "--store", live, "s3://"+s3.Bucket+"/repo")
	if refs := packedRefs(t, live); !strings.HasSuffix(refs["c"], "packed false") || len(packsOf(t, live)) > 0 {
		t.Errorf("pulled into a live collection: %v, %v", refs, packsOf(t, live))
	}
	checkPacked(t, live, "live")
}

func firstRPM(t *testing.T, dir string) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*.rpm"))
	if err != nil || len(list) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
	return list[0]
}
