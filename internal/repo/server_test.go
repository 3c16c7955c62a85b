package repo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

type testServer struct {
	*Server
	t   *testing.T
	url string
}

func startServer(t *testing.T, s *content.Store, change func(*ServerOptions)) *testServer {
	t.Helper()
	opts := ServerOptions{
		Publish: PublishOptions{Profile: profile(t, "fedora")}, Dir: t.TempDir(), CacheSize: 1 << 20,
		Log: func(text string) { t.Log(text) },
	}
	if change != nil {
		change(&opts)
	}
	server, err := NewServer(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &testServer{Server: server, t: t, url: "http://" + l.Addr().String()}
}

// get asks for a path; header holds names and values in turn.
func (s *testServer) get(path string, header ...string) (*http.Response, []byte) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, b
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func TestServeMetadata(t *testing.T) {
	store := testStore(t, rpmtest.Spec{Name: "a"})
	s := startServer(t, store, nil)
	for _, p := range []string{"", "/@fedora", "/@el7", "/@zypper"} {
		md := readMetadata(t, s.url+p+"/c/")
		if len(md.Packages) != 1 || md.Packages[0].Name != "a" {
			t.Errorf("%s: %+v", p, md)
		}
		rpm, body := s.get(p + "/c/" + md.Packages[0].LocationHref)
		if rpm.StatusCode != 200 || hexSum(body) != md.Packages[0].PkgID {
			t.Errorf("%s: %s, %d bytes", p, rpm.Status, len(body))
		}
	}
	first, body := s.get("/c/repodata/repomd.xml")
	if first.Header.Get("Cache-Control") != "no-cache" || first.Header.Get("ETag") != `"`+hexSum(body)+`"` {
		t.Errorf("%v", first.Header)
	}
	if resp, _ := s.get("/c/repodata/repomd.xml", "If-None-Match", first.Header.Get("ETag")); resp.StatusCode != http.StatusNotModified {
		t.Errorf("again: %s", resp.Status)
	}

	// An import shows at once; what an old repomd.xml names stays.
	importSpecs(t, store, rpmtest.Spec{Name: "b"})
	second, _ := s.get("/c/repodata/repomd.xml")
	if second.Header.Get("ETag") == first.Header.Get("ETag") {
		t.Error("the import does not show")
	}
	for _, line := range strings.Split(string(body), "\n") {
		if _, rest, ok := strings.Cut(line, `<location href="`); ok {
			href, _, _ := strings.Cut(rest, `"`)
			resp, b := s.get("/c/" + href)
			if resp.StatusCode != 200 || !strings.Contains(href, hexSum(b)) || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %s %v", href, resp.Status, resp.Header)
			}
		}
	}
}

func TestServeSigned(t *testing.T) {
	store := testStore(t, rpmtest.Spec{Name: "a"})
	signer := testSigner(t)
	s := startServer(t, store, func(o *ServerOptions) { o.Publish.Signer = signer })
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(signer.PublicKey()))
	if err != nil {
		t.Fatal(err)
	}
	// A publication between the two requests must not tear them apart.
	_, md := s.get("/c/repodata/repomd.xml")
	importSpecs(t, store, rpmtest.Spec{Name: "b"})
	for range 2 {
		_, asc := s.get("/c/repodata/repomd.xml.asc")
		if _, err := openpgp.CheckArmoredDetachedSignature(keys, bytes.NewReader(md), bytes.NewReader(asc), nil); err != nil {
			t.Error(err)
		}
		_, md = s.get("/c/repodata/repomd.xml")
	}
	s.get("/c/repodata/repomd.xml.asc")
	// zypper asks for the signature first.
	for i := range 3 {
		importSpecs(t, store, rpmtest.Spec{Name: "z", Version: fmt.Sprint(i)})
		_, asc := s.get("/c/repodata/repomd.xml.asc")
		importSpecs(t, store, rpmtest.Spec{Name: "y", Version: fmt.Sprint(i)})
		_, md = s.get("/c/repodata/repomd.xml")
		if _, err := openpgp.CheckArmoredDetachedSignature(keys, bytes.NewReader(md), bytes.NewReader(asc), nil); err != nil {
			t.Error(err)
		}
	}
	s.get("/c/repodata/repomd.xml")
	_, md = s.get("/c/repodata/repomd.xml")
	if _, key := s.get("/c/repodata/repomd.xml.key"); !bytes.Equal(key, signer.PublicKey()) {
		t.Errorf("key: %s", key)
	}
	_, list := s.get("/c/mirrorlist")
	fixed := strings.TrimPrefix(strings.TrimSpace(string(list)), s.url)
	resp, again := s.get(fixed + "repodata/repomd.xml")
	if !bytes.Equal(again, md) || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %v", fixed, resp.Header)
	}
	if _, link := s.get("/c/metalink"); !strings.Contains(string(link), hexSum(md)) || !strings.Contains(string(link), "<mm0:alternate>") {
		t.Errorf("metalink: %s", link)
	}
}

func TestServePackage(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	spec := rpmtest.Spec{Name: "big", Files: []rpmtest.File{{Path: "/big", Body: body}}, Compressor: "none"}
	store := testStore(t, spec)
	want := rpmtest.Build(t, spec)
	s := startServer(t, store, nil)
	const path = "/c/Packages/b/big-1.0-1.x86_64.rpm"
	etag := `"` + hexSum(want) + `"`
	for _, test := range []struct {
		name   string
		header []string
		code   int
		want   []byte
	}{
		{"range while it is made", []string{"Range", "bytes=1000-1999"}, 206, want[1000:2000]},
		{"whole", nil, 200, want},
		{"the end", []string{"Range", "bytes=-10"}, 206, want[len(want)-10:]},
		{"outside", []string{"Range", fmt.Sprintf("bytes=%d-", len(want))}, 416, nil},
		{"range of the same file", []string{"Range", "bytes=0-3", "If-Range", etag}, 206, want[:4]},
		{"range of another file", []string{"Range", "bytes=0-3", "If-Range", `"x"`}, 200, want},
		{"not modified", []string{"If-None-Match", etag}, 304, []byte{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, got := s.get(path, test.header...)
			if resp.StatusCode != test.code || test.want != nil && !bytes.Equal(got, test.want) || test.code < 300 && resp.Header.Get("ETag") != etag {
				t.Errorf("%s, %d bytes, %v", resp.Status, len(got), resp.Header)
			}
		})
	}
	resp, err := http.Head(s.url + path)
	if err != nil || resp.ContentLength != int64(len(want)) {
		t.Errorf("HEAD: %v, %v", resp, err)
	}
	resp, got := s.get(path, "Range", "bytes=0-1,4-5")
	if resp.StatusCode != 206 || !strings.Contains(resp.Header.Get("Content-Type"), "multipart/byteranges") || !bytes.Contains(got, want[4:6]) {
		t.Errorf("two ranges: %s, %v", resp.Status, resp.Header)
	}
	if s.packages.misses.Load() != 1 {
		t.Errorf("made %d times", s.packages.misses.Load())
	}
}

func TestServeBadRequests(t *testing.T) {
	store := testStore(t, rpmtest.Spec{Name: "a"})
	secret := filepath.Join(t.TempDir(), "secret")
	s := startServer(t, store, nil)
	for _, path := range []string{
		"/none/", "/c/nothing", "/c/repodata/", "/c/repodata/none", "/c/repodata/../generations.json", "/c/repodata/generations.json",
		"/c/repodata/..%2f..%2f" + secret, "/c/repodata/%2e%2e/%2e%2e/packages", "/c/Packages/a/b.rpm", "/c/Packages/../../x", "/c/gen/abc/repodata/repomd.xml",
		"/@none/c/", "/c/package/none", "/c/repodata/.new-1", "/c/repodata/repomd.xml.asc", "/favicon.ico", "/../../etc/passwd", "/c/repodata/%00",
	} {
		resp, body := s.get(path)
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s, %.80q", path, resp.Status, body)
		}
	}
	resp, err := http.Post(s.url+"/c/", "text/plain", nil)
	if err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v, %v", resp, err)
	}
}

func TestServePages(t *testing.T) {
	store := testStore(t, rpmtest.Spec{
		Name: "a", Description: "<script>alert(1)</script>", URL: "javascript:alert(1)",
		Changelog: []rpmtest.Change{{Time: 1000000, Author: "me", Text: "- made it"}},
	})
	s := startServer(t, store, nil)
	for path, want := range map[string][]string{
		"/":                         {"/c/", "1"},
		"/c":                        {"<h1>c</h1>"},
		"/c/":                       {"a-1.0-1.x86_64.rpm", "baseurl=" + s.url + "/c/"},
		"/c/?q=zzz":                 {"No package matches"},
		"/c/?q=A+1.0":               {"a-1.0-1.x86_64.rpm"},
		"/c/package/a-1.0-1.x86_64": {"&lt;script&gt;", "made it", "SHA-256"},
		"/c/weld.repo":              {"[c]"},
		"/metrics":                  {"repogen_requests_total"},
	} {
		resp, body := s.get(path)
		if resp.StatusCode != 200 {
			t.Errorf("%s: %s", path, resp.Status)
		}
		for _, text := range want {
			if !strings.Contains(string(body), text) {
				t.Errorf("%s has no %q:\n%s", path, text, body)
			}
		}
		if strings.Contains(string(body), "<script>") || strings.Contains(string(body), `href="javascript:`) {
			t.Errorf("%s runs what a package says", path)
		}
	}
	s.get("/c/repodata/repomd.xml")
	importSpecs(t, store, rpmtest.Spec{Name: "b"})
	if _, body := s.get("/c/"); !strings.Contains(string(body), "added") {
		t.Error("the page does not show the change")
	}
}

// TestFilling follows a file while it is made: its start arrives before its end is there, its end only after the check.
func TestFilling(t *testing.T) {
	for _, good := range []bool{true, false} {
		t.Run(fmt.Sprint(good), func(t *testing.T) {
			file, err := os.Create(filepath.Join(t.TempDir(), "f"))
			if err != nil {
				t.Fatal(err)
			}
			f := &filling{cache: &packageCache{}, size: 8, refs: 2}
			f.changed = sync.NewCond(&f.mu)
			f.begin(file)
			r := &fillReader{ctx: context.Background(), fill: f}
			defer r.Close()
			buf := make([]byte, 8)
			f.Write([]byte("abcd"))
			if n, err := r.Read(buf); n != 4 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			f.Write([]byte("efgh"))
			if n, err := r.Read(buf); n != 4-heldBack || err != nil {
				t.Fatalf("before the check: %d, %v", n, err)
			}
			var bad error
			if !good {
				bad = errors.New("another digest")
			}
			go func() {
				time.Sleep(10 * time.Millisecond)
				f.finish(bad)
				f.release()
			}()
			n, err := r.Read(buf)
			if good != (n == heldBack && err == nil) || !good && !errors.Is(err, bad) {
				t.Errorf("after the check: %d, %v", n, err)
			}
		})
	}
}

// TestAbort cuts the answer off when what was made is not what was promised.
func TestAbort(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := newResponse(w)
		f := &filling{cache: &packageCache{}, size: 1 << 20, refs: 1, done: true, err: errors.New("another digest")}
		f.changed = sync.NewCond(&f.mu)
		watched := &watchedReader{ReadSeekCloser: &fillReader{ctx: r.Context(), fill: f}}
		out.Header().Set("Content-Type", "application/x-rpm")
		http.ServeContent(out, r, "", time.Time{}, watched)
		(&Server{opts: ServerOptions{Log: func(string) {}}}).fail(out, r, watched.err)
	}))
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("the client saw a whole answer")
	}
}

// TestServeDamaged serves a package whose content in the store is not what it was: no client takes what comes for the package, and
// nothing of it is kept.
func TestServeDamaged(t *testing.T) {
	body := make([]byte, 4<<20)
	rand.NewChaCha8([32]byte{1}).Read(body)
	s := testStore(t, rpmtest.Spec{Name: "a", Files: []rpmtest.File{{Path: "/usr/share/a", Body: body}}}, rpmtest.Spec{Name: "b"})
	objects, err := filepath.Glob(filepath.Join(s.Repo().Dir(), "objects", "*", "*.filez"))
	if err != nil {
		t.Fatal(err)
	}
	spoiled := 0
	for _, path := range objects {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) < 1<<20 {
			continue
		}
		b[len(b)-1000] ^= 1
		if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, b, 0o644)); err != nil {
			t.Fatal(err)
		}
		spoiled++
	}
	if spoiled == 0 {
		t.Fatal("the store holds no large object")
	}
	var dir string
	srv := startServer(t, s, func(o *ServerOptions) { dir = o.Dir })
	for range 2 {
		resp, err := http.Get(srv.url + "/c/Packages/a/a-1.0-1.x86_64.rpm")
		if err != nil {
			continue
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK && err == nil {
			t.Errorf("the client saw a whole answer of %d bytes", len(b))
		}
	}
	// A part is not given unchecked either, although all of it could be.
	req, err := http.NewRequest(http.MethodGet, srv.url+"/c/Packages/a/a-1.0-1.x86_64.rpm", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=0-99")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusPartialContent && err == nil {
			t.Errorf("the client saw a part of %d bytes", len(b))
		}
	}
	kept, err := os.ReadDir(filepath.Join(dir, "packages"))
	if err != nil || len(kept) != 0 {
		t.Errorf("kept: %v, %v", kept, err)
	}
	if resp, _ := srv.get("/c/Packages/b/b-1.0-1.x86_64.rpm"); resp.StatusCode != http.StatusOK {
		t.Errorf("the other package: %s", resp.Status)
	}
}

func TestPackageCacheLimit(t *testing.T) {
	dir := t.TempDir()
	c, err := newPackageCache(dir, 100, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		name := fmt.Sprintf("%064x", i)
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 40), 0o666); err != nil {
			t.Fatal(err)
		}
		c.insert(name, 40)
		if file := c.cached(fmt.Sprintf("%064x", 0)); file != nil {
			file.Close()
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name()[63] != '0' || entries[1].Name()[63] != '4' || c.used != 80 {
		t.Errorf("%v, %d bytes, %v", entries, c.used, err)
	}
	if again, err := newPackageCache(dir, 50, 1); err != nil || again.used != 40 {
		t.Errorf("opened again: %d bytes, %v", again.used, err)
	}
}

func TestStop(t *testing.T) {
	store := testStore(t, rpmtest.Spec{Name: "a"})
	server, err := NewServer(store, ServerOptions{Publish: PublishOptions{Profile: profile(t, "fedora")}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- server.Serve(ctx, l) }()
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not stop")
	}
}
