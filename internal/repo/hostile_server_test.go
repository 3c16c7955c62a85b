package repo

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestServeNotModified: an answer without content must not make a package.
func TestServeNotModified(t *testing.T) {
	s := startServer(t, testStore(t, rpmtest.Spec{Name: "a"}), nil)
	p := readMetadata(t, s.url+"/c/").Packages[0]
	path := "/c/" + p.LocationHref
	for name, header := range map[string][]string{
		"has it":           {"If-None-Match", `"` + p.PkgID + `"`},
		"impossible range": {"Range", fmt.Sprintf("bytes=%d-", p.SizePackage+10)},
	} {
		if resp, _ := s.get(path, header...); resp.StatusCode != http.StatusNotModified && resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	if resp, err := http.Head(s.url + path); err != nil || resp.ContentLength != p.SizePackage {
		t.Errorf("%v, %v", resp, err)
	}
	if n := s.packages.misses.Load(); n != 0 {
		t.Errorf("%d packages were made", n)
	}
	if _, b := s.get(path); hexSum(b) != p.PkgID {
		t.Errorf("%d bytes", len(b))
	}
	if resp, b := s.get(path, "Range", "bytes=1-2,4-5"); resp.StatusCode != http.StatusPartialContent || len(b) < 4 {
		t.Errorf("ranges: %s", resp.Status)
	}
}

// TestServeByTime: a state that is older by the times of its packages is not taken for unchanged.
func TestServeByTime(t *testing.T) {
	store := testStore(t, rpmtest.Spec{Name: "a"})
	s := startServer(t, store, nil)
	for _, path := range []string{"/c/repodata/repomd.xml", "/c/mirrorlist", "/c/metalink"} {
		first, _ := s.get(path)
		importSpecs(t, store, rpmtest.Spec{Name: "b" + hexSum([]byte(path))[:4], BuildTime: 1500000000})
		since := first.Header.Get("Last-Modified")
		if since == "" {
			since = time.Now().UTC().Format(http.TimeFormat)
		}
		second, _ := s.get(path, "If-Modified-Since", since)
		if second.StatusCode != http.StatusOK || second.Header.Get("ETag") == first.Header.Get("ETag") {
			t.Errorf("%s: %s", path, second.Status)
		}
	}
}

// TestServeBody: a request with a body that never comes is answered and its connection ends.
func TestServeBody(t *testing.T) {
	s := startServer(t, testStore(t, rpmtest.Spec{Name: "a"}), nil)
	for _, method := range []string{"GET", "POST"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "%s /c/mirrorlist HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", method)
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", method, err)
			continue
		}
		if _, err := io.ReadAll(resp.Body); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays: %v", method, err)
		}
	}
}

// TestServeLastGood: what cannot be made does not take away what is there.
func TestServeLastGood(t *testing.T) {
	comps := filepath.Join(t.TempDir(), "comps.xml")
	if err := os.WriteFile(comps, []byte("<comps/>"), 0o666); err != nil {
		t.Fatal(err)
	}
	store := testStore(t, rpmtest.Spec{Name: "a"})
	said := ""
	s := startServer(t, store, func(o *ServerOptions) {
		o.Publish.Extras, o.Log = []Extra{{Type: "group", Path: comps}}, func(text string) { said += text }
	})
	first, _ := s.get("/c/repodata/repomd.xml")
	if err := os.WriteFile(comps, []byte("<comps>"), 0o666); err != nil {
		t.Fatal(err)
	}
	importSpecs(t, store, rpmtest.Spec{Name: "b"})
	for range 2 {
		if resp, _ := s.get("/c/repodata/repomd.xml"); resp.StatusCode != 200 || resp.Header.Get("ETag") != first.Header.Get("ETag") {
			t.Errorf("%s", resp.Status)
		}
	}
	if strings.Count(said, "stays on show") != 1 || s.metrics.buildErrors.Load() != 1 {
		t.Errorf("%d times: %s", s.metrics.buildErrors.Load(), said)
	}
	if resp, _ := s.get("/@el7/c/repodata/repomd.xml"); resp.StatusCode != 500 || resp.Header.Get("ETag") != "" {
		t.Errorf("without a state before: %s %v", resp.Status, resp.Header)
	}
	if err := os.WriteFile(comps, []byte("<comps/>"), 0o666); err != nil {
		t.Fatal(err)
	}
	importSpecs(t, store, rpmtest.Spec{Name: "d"})
	if resp, _ := s.get("/c/repodata/repomd.xml"); resp.StatusCode != 200 || resp.Header.Get("ETag") == first.Header.Get("ETag") {
		t.Errorf("mended: %s", resp.Status)
	}
}

// TestTwoServers: servers with one cache do not remove each other's files.
func TestTwoServers(t *testing.T) {
	dir, store := t.TempDir(), testStore(t, rpmtest.Spec{Name: "a"})
	one := startServer(t, store, func(o *ServerOptions) { o.Dir = dir })
	two := startServer(t, store, func(o *ServerOptions) { o.Dir, o.Publish.Revision = dir, "two" })
	for i := range keepGenerations + 2 {
		for _, s := range []*testServer{one, two} {
			if md := readMetadata(t, s.url+"/c/"); len(md.Packages) != i+1 {
				t.Fatalf("%d packages", len(md.Packages))
			}
		}
		importSpecs(t, store, rpmtest.Spec{Name: "b", Version: fmt.Sprint(i)})
	}
	// Of the one that shows an old state, all is there however often the other changes.
	old, err := one.repos["fedora/c"].current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range keepGenerations + 2 {
		importSpecs(t, store, rpmtest.Spec{Name: "d", Version: fmt.Sprint(i)})
		two.get("/c/repodata/repomd.xml")
	}
	for _, name := range old.Files() {
		if resp, _ := one.get("/c/repodata/" + name); resp.StatusCode != 200 {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	fill := filepath.Join(dir, "packages", fillPrefix+"1")
	if err := os.WriteFile(fill, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "packages", "some-1-1.noarch.rpm")
	if err := os.WriteFile(foreign, make([]byte, 100), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := newPackageCache(filepath.Join(dir, "packages"), 1, 1); err != nil {
		t.Fatal(err)
	}
	if !isFile(fill) || !isFile(foreign) {
		t.Error("the cache removes what another server makes, or what is not its own")
	}
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(fill, hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	if _, err := newPackageCache(filepath.Join(dir, "packages"), 1, 1); err != nil || isFile(fill) {
		t.Errorf("what a killed server left stays: %v", err)
	}
}

// TestServeAfterStart: a client that knows the generation goes on where another server stopped.
func TestServeAfterStart(t *testing.T) {
	dir, store := t.TempDir(), testStore(t, rpmtest.Spec{Name: "a"})
	before := startServer(t, store, func(o *ServerOptions) { o.Dir = dir })
	_, list := before.get("/c/mirrorlist")
	path := strings.TrimPrefix(strings.TrimSpace(string(list)), before.url)
	after := startServer(t, store, func(o *ServerOptions) { o.Dir = dir })
	if resp, _ := after.get(path + "repodata/repomd.xml"); resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", path, resp.Status)
	}
	if resp, _ := after.get("/c/gen/" + hexSum(nil) + "/repodata/repomd.xml"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("no generation: %s", resp.Status)
	}
}

// deadlines notes whether a writer is given time after each reading and before the writing.
type deadlines struct {
	http.ResponseWriter
	read, late bool
	bytes      int
}

func (d *deadlines) SetWriteDeadline(time.Time) error { d.read = false; return nil }

func (d *deadlines) Write(b []byte) (int, error) {
	d.late = d.late || d.read
	d.bytes += len(b)
	return len(b), nil
}

func (d *deadlines) ReadFrom(r io.Reader) (int64, error) {
	b, err := io.ReadAll(r)
	n, _ := d.Write(b)
	return int64(n), err
}

// noted tells of each reading.
type noted struct {
	left int
	d    *deadlines
}

func (n *noted) Read(b []byte) (int, error) {
	n.d.read = true
	if n.left--; n.left < 0 {
		return 0, io.EOF
	}
	return copy(b, "piece"), nil
}

// TestSlowSource: the time that a package takes to be made is not taken from the client's.
func TestSlowSource(t *testing.T) {
	d := &deadlines{}
	n, err := newResponse(d).ReadFrom(&io.LimitedReader{R: &noted{left: 3, d: d}, N: 1 << 20})
	if n != 15 || err != nil || d.bytes != 15 || d.late {
		t.Errorf("%d bytes, %v, late: %v", n, err, d.late)
	}
}

func TestConnMemory(t *testing.T) {
	m := &clientMemory{limit: maxPerConn}
	for i := range 1000 {
		m.put(clientKey{agent: fmt.Sprint(i)}, pending{})
	}
	if len(m.last) > maxPerConn {
		t.Errorf("%d entries", len(m.last))
	}
}

// TestForeignPackages: package files that others put into a directory stay when it is published in.
func TestForeignPackages(t *testing.T) {
	store, dir := testStore(t, rpmtest.Spec{Name: "a"}), t.TempDir()
	foreign := filepath.Join(dir, "Packages", "x", "x-1-1.noarch.rpm")
	if err := os.MkdirAll(filepath.Dir(foreign), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	target := Target{Dir: dir, Keep: 1, Packages: true}
	opts := PublishOptions{Profile: profile(t, "fedora")}
	publish(t, store, target, opts)
	ours := filepath.Join(dir, "Packages", "a", "a-1.0-1.x86_64.rpm")
	if !isFile(ours) || !isFile(foreign) {
		t.Fatalf("ours %v, theirs %v", isFile(ours), isFile(foreign))
	}
	c, err := store.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Packages()
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Remove(t.Context(), "c", list); err != nil {
		t.Fatal(err)
	}
	publish(t, store, target, opts)
	if isFile(ours) || !isFile(foreign) {
		t.Errorf("then: ours %v, theirs %v", isFile(ours), isFile(foreign))
	}
}

// TestLostGeneration: an old generation of which files are lost is not kept, and does not stop a publication.
func TestLostGeneration(t *testing.T) {
	for name, lost := range map[string]string{"a file": "*-primary.xml.zst", "repomd.xml": "repomd.xml"} {
		t.Run(name, func(t *testing.T) {
			store, dir := testStore(t, rpmtest.Spec{Name: "a"}), t.TempDir()
			opts := PublishOptions{Profile: profile(t, "fedora"), Warn: func(s string) { t.Error(s) }}
			target := Target{Dir: dir, Keep: 3, Packages: true}
			publish(t, store, target, opts)
			files, err := filepath.Glob(filepath.Join(dir, RepodataDir, lost))
			if err != nil || len(files) != 1 || os.Remove(files[0]) != nil {
				t.Fatal(files, err)
			}
			importSpecs(t, store, rpmtest.Spec{Name: "b"})
			publish(t, store, target, opts)
			if list := readGenerations(filepath.Join(dir, RepodataDir)); len(list) != 1 {
				t.Errorf("%+v", list)
			}
			importSpecs(t, store, rpmtest.Spec{Name: "d"})
			publish(t, store, target, opts)
			if list := readGenerations(filepath.Join(dir, RepodataDir)); len(list) != 2 {
				t.Errorf("%+v", list)
			}
		})
	}
}

// TestHostileGenerations: what generations.json names are files beside it.
func TestHostileGenerations(t *testing.T) {
	id := hexSum(nil)
	for name, g := range map[string]pastGeneration{
		"traversal": {ID: id, Files: []string{"../../x"}}, "absolute": {ID: id, Files: []string{"/etc/passwd"}},
		"id": {ID: "../x"}, "short id": {ID: "ab"}, "repomd": {ID: id, Files: []string{"repomd.xml"}},
		"hidden": {ID: id, Files: []string{".lock"}}, "empty": {ID: id, Files: []string{""}}, "dots": {ID: id, Files: []string{".."}},
	} {
		b, err := json.Marshal([]pastGeneration{g})
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, generationsFile), b, 0o666); err != nil {
			t.Fatal(err)
		}
		if list := readGenerations(dir); list != nil {
			t.Errorf("%s: %+v", name, list)
		}
	}
}
