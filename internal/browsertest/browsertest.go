// Package browsertest reads pages as a person's browser shows them: in headless Chromium.
package browsertest

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// Browser is a headless Chromium with a profile of its own.
type Browser struct {
	program, home string
}

// Start finds the browser. Without one the test is skipped, and fails under CI.
func Start(t testing.TB) *Browser {
	t.Helper()
	program, err := exec.LookPath("headless_shell") // Fedora's name
	if err != nil {
		program = judges.Need(t, "chromium")
	}
	return &Browser{program, t.TempDir()}
}

// DOM gives the page at a URL after its scripts have run, as HTML.
func (b *Browser) DOM(t testing.TB, url string) string {
	t.Helper()
	return b.run(t, "--dump-dom", url)
}

// Shot writes a picture of the page at a URL, as PNG.
func (b *Browser) Shot(t testing.TB, path, url string) {
	t.Helper()
	b.run(t, "--screenshot="+path, url)
}

func (b *Browser) run(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), b.program, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1100,900", "--user-data-dir=" + b.home,
	}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+b.home)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", b.program, args, err, errs.String())
	}
	return string(out)
}
