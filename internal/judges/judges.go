// Package judges lets tests ask programs that are not ours. A test whose judge is missing proves nothing: it is skipped, and under CI,
// where everything that the tests need has been installed, it fails.
package judges

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Need ends the test unless all programs are installed. It gives the path of the first one.
func Need(t testing.TB, programs ...string) string {
	t.Helper()
	first := ""
	for _, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			Missing(t, "%s, a judge of this test, is not installed: run make deps", name)
		}
		if first == "" {
			first = path
		}
	}
	return first
}

// Missing ends the test for want of something else, which the message names.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if CI() {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// CI tells whether a missing judge is a failure.
func CI() bool { return os.Getenv("CI") == "true" }

// RPM6 gives a directory in the system with rpm 6 that WELD_RPM6 names, and its path in there; it is gone after the test. Without that system
// the test is skipped: make unstable makes one.
func RPM6(t testing.TB) (root, dir, inside string) {
	t.Helper()
	root = os.Getenv("WELD_RPM6")
	if root == "" {
		t.Skip("WELD_RPM6 names no system with rpm 6")
	}
	Need(t, "chroot")
	dir, err := os.MkdirTemp(filepath.Join(root, "tmp"), "weld")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return root, dir, "/tmp/" + filepath.Base(dir)
}
