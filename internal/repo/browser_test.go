package repo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/browsertest"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestBrowser reads the pages for people in Chromium. WELD_SHOTS names a directory for pictures of them.
func TestBrowser(t *testing.T) {
	browser := browsertest.Start(t)
	s := testStore(t, rpmtest.Spec{Name: "hello", Summary: "Prints a <friendly> greeting", Description: "Hello says hello.\nTo all who ask."},
		rpmtest.Spec{Name: "libhello", Version: "2.1", Changelog: []rpmtest.Change{{Time: 1_700_000_000, Author: "Ann <ann@example.org> 2.1-1", Text: "- First"}}})
	signer := testSigner(t)
	srv := startServer(t, s, func(o *ServerOptions) { o.Publish.Signer = signer })
	if _, err := s.Collections(); err != nil {
		t.Fatal(err)
	}
	srv.get("/c/repodata/repomd.xml")
	importSpecs(t, s, rpmtest.Spec{Name: "another"})
	for path, want := range map[string][]string{
		"/":                                {"c"},
		"/c/":                              {"hello-1.0-1.x86_64", "libhello", "another"},
		"/c/?q=libh":                       {"libhello"},
		"/c/package/hello-1.0-1.x86_64":    {"Prints a &lt;friendly&gt; greeting", "Hello says hello."},
		"/c/package/libhello-2.1-1.x86_64": {"First", "Ann"},
	} {
		dom := browser.DOM(t, srv.url+path)
		for _, text := range want {
			if !strings.Contains(dom, text) {
				t.Errorf("%s does not show %q:\n%s", path, text, dom)
			}
		}
		if dir := os.Getenv("WELD_SHOTS"); dir != "" {
			name := strings.NewReplacer("/", "_", "?", "_").Replace(path) + ".png"
			browser.Shot(t, filepath.Join(dir, name), srv.url+path)
		}
	}
}
