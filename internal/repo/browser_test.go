package repo

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestBrowser reads the pages for people in Chromium. WELD_SHOTS names a directory for pictures of them.
func TestBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is not installed")
		}
		t.Skip("chromium is not installed")
	}
	s := testStore(t, rpmtest.Spec{Name: "hello", Summary: "Prints a <friendly> greeting", Description: "Hello says hello.\nTo all who ask."},
		rpmtest.Spec{Name: "libhello", Version: "2.1", Changelog: []rpmtest.Change{{Time: 1_700_000_000, Author: "Ann <ann@example.org> 2.1-1", Text: "- First"}}})
	signer := testSigner(t)
	srv := startServer(t, s, func(o *ServerOptions) { o.Publish.Signer = signer })
	home := t.TempDir()
	browse := func(args ...string) string {
		t.Helper()
		all := append([]string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir=" + home, "--window-size=1100,900",
		}, args...)
		cmd := exec.CommandContext(t.Context(), chromium, all...)
		cmd.Env = append(os.Environ(), "HOME="+home)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("chromium %v: %v", args, err)
		}
		return string(out)
	}
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
		dom := browse("--dump-dom", srv.url+path)
		for _, text := range want {
			if !strings.Contains(dom, text) {
				t.Errorf("%s does not show %q:\n%s", path, text, dom)
			}
		}
		if dir := os.Getenv("WELD_SHOTS"); dir != "" {
			name := strings.NewReplacer("/", "_", "?", "_").Replace(path) + ".png"
			browse("--screenshot="+filepath.Join(dir, name), srv.url+path)
		}
	}
}
