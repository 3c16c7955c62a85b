package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/remote"
	"github.com/weld-linux/weld-bridge/internal/remote/s3test"
)

// TestPlaces is one suite for every place that can be written to.
func TestPlaces(t *testing.T) {
	t.Run("directory", func(t *testing.T) { suite(t, t.TempDir()+"/new/place", remote.Options{}) })
	t.Run("bucket", func(t *testing.T) {
		s := s3test.Start(t)
		s.Setenv(t.Setenv)
		suite(t, "s3://"+s.Bucket+"/a/prefix", remote.Options{Parallel: 4})
	})
	t.Run("whole bucket", func(t *testing.T) {
		s := s3test.Start(t)
		s.Setenv(t.Setenv)
		suite(t, "s3://"+s.Bucket, remote.Options{Endpoint: s.Endpoint})
	})
}

func suite(t *testing.T, where string, o remote.Options) {
	p, err := remote.Open(where, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	release, err := p.Hold(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if ok, err := p.Has(ctx, "objects/aa/x"); ok || err != nil {
		t.Errorf("has what is not there: %v, %v", ok, err)
	}
	if _, err := p.Open(ctx, "objects/aa/x"); !errors.Is(err, remote.ErrNotFound) {
		t.Errorf("opens what is not there: %v", err)
	}
	want := map[string][]byte{"objects/aa/x": []byte("some"), "objects/aa/y": {}, "objects/ab/z": bytes.Repeat([]byte("large"), 1<<20), "config": []byte("c")}
	for name, data := range want {
		if err := p.Put(ctx, name, int64(len(data)), bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range want {
		in, err := p.Open(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in)
		in.Close()
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if diff := cmp.Diff([]string{"objects/aa/x", "objects/aa/y"}, list(t, p, "objects/aa/")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"objects/aa/x", "objects/aa/y", "objects/ab/z"}, list(t, p, "objects/")); diff != "" {
		t.Error(diff)
	}
	if got := list(t, p, "refs/"); len(got) != 0 {
		t.Error(got)
	}
	swaps(ctx, t, p)
	for _, name := range []string{"", "/etc/passwd", "../x", "a/../../x", "a//b"} {
		if _, err := p.Open(ctx, name); err == nil || errors.Is(err, remote.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func list(t *testing.T, p remote.Place, prefix string) (names []string) {
	t.Helper()
	for name, err := range p.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func swaps(ctx context.Context, t *testing.T, p remote.Place) {
	const ref = "refs/heads/r"
	if err := p.Swap(ctx, ref, []byte("x"), []byte("y")); !errors.Is(err, remote.ErrMoved) {
		t.Errorf("a file that is not there is replaced: %v", err)
	}
	if err := p.Swap(ctx, ref, nil, []byte("one\n")); err != nil {
		t.Fatal(err)
	}
	for _, old := range [][]byte{nil, []byte("two\n")} {
		if err := p.Swap(ctx, ref, old, []byte("three\n")); !errors.Is(err, remote.ErrMoved) {
			t.Errorf("old %q: %v", old, err)
		}
	}
	// Many at once count: none is lost.
	var wg sync.WaitGroup
	var lost atomic.Int64
	for worker := range 8 {
		wg.Go(func() {
			for range 5 {
				for {
					old, err := remote.Read(ctx, p, "refs/heads/count")
					if err != nil {
						t.Error(err)
						return
					}
					n := 0
					fmt.Sscan(string(old), &n)
					err = p.Swap(ctx, "refs/heads/count", old, fmt.Append(nil, n+1, " by ", worker))
					if err == nil {
						break
					}
					if !errors.Is(err, remote.ErrMoved) {
						t.Error(err)
						return
					}
					lost.Add(1)
				}
			}
		})
	}
	wg.Wait()
	got, err := remote.Read(ctx, p, "refs/heads/count")
	if err != nil || !strings.HasPrefix(string(got), "40 ") {
		t.Errorf("40 increments make %s (%v, %d refused)", got, err, lost.Load())
	}
}

// TestWeb: a web server is read, tried again when it fails in passing, and not written to.
func TestWeb(t *testing.T) {
	var failures atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/repo/file":
			http.NotFound(w, r)
		case failures.Add(1) == 1:
			http.Error(w, "busy", http.StatusServiceUnavailable)
		default:
			io.WriteString(w, "content")
		}
	}))
	defer server.Close()
	p, err := remote.Open(server.URL+"/repo/", remote.Options{Parallel: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := remote.Read(t.Context(), p, "file"); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := remote.Read(t.Context(), p, "none"); err != nil || got != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := p.Put(t.Context(), "x", 0, bytes.NewReader(nil)); !errors.Is(err, remote.ErrReadOnly) {
		t.Error(err)
	}
	for _, err := range p.List(t.Context(), "objects/") {
		if !errors.Is(err, remote.ErrReadOnly) {
			t.Error(err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, where := range []string{"s3://", "ftp://host/x", "s3:///prefix"} {
		if _, err := remote.Open(where, remote.Options{}); err == nil {
			t.Errorf("%s is opened", where)
		}
	}
	if _, err := remote.Open("s3://b", remote.Options{Endpoint: "host:80"}); err == nil {
		t.Error("an endpoint without a scheme is taken")
	}
}
