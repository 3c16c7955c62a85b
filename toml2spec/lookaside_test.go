package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCaches asks caches over HTTP, each of which is out of order in its own way.
func TestCaches(t *testing.T) {
	const hello = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
	held := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch kind, _, _ := strings.Cut(r.URL.Path[1:], "/"); kind {
		case "good":
			fmt.Fprintln(w, "hello")
		case "moved":
			http.Redirect(w, r, "/good/", http.StatusFound)
		case "round":
			http.Redirect(w, r, "/round/", http.StatusFound)
		case "down":
			w.WriteHeader(http.StatusInternalServerError)
		case "cut":
			w.Header().Set("Content-Length", "6")
			fmt.Fprint(w, "hel")
		case "long":
			fmt.Fprintln(w, "hello, and more")
		case "silent":
			fmt.Fprint(w, "hel")
			w.(http.Flusher).Flush()
			<-held
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(held) })
	for _, c := range []struct{ caches, want string }{
		{"good", ""},
		{"moved", ""},
		{"none good", ""},
		{"down cut long silent round good", ""},
		{"none", "hello.txt: in no lookaside cache, and no mirrors are named (1 caches asked)"},
		{"none down", "500 Internal Server Error"},
		{"cut none", "unexpected EOF"},
		{"long", "hello.txt: not the 6 bytes"},
		{"silent", "silent for 3s"},
		{"round", "stopped after 10 redirects"},
	} {
		t.Run(c.caches, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			lock := fmt.Sprintf("format = 1\nname = \"tiny\"\n[[source]]\nname = \"hello.txt\"\nkind = \"source\"\nsha256 = %q\nsize = 6\n", hello)
			if err := os.WriteFile(filepath.Join(dir, "sources.lock"), []byte(lock), 0o644); err != nil {
				t.Fatal(err)
			}
			co := checkout{dir: dir, silence: 3 * time.Second}
			for _, kind := range strings.Fields(c.caches) {
				co.Lookaside = append(co.Lookaside, server.URL+"/"+kind)
			}
			err := co.fetch(context.Background())
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v\nwant %s", err, c.want)
				}
			} else if err != nil {
				t.Error(err)
			}
			var names []string
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				names = append(names, e.Name())
			}
			want := map[bool]string{true: "hello.txt sources.lock", false: "sources.lock"}[c.want == ""]
			if got := strings.Join(names, " "); got != want {
				t.Errorf("the checkout has %s, want %s", got, want)
			}
		})
	}
}
