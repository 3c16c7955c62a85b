package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// TestToolsAreStatic asks file, and runs each tool where nothing else is.
func TestToolsAreStatic(t *testing.T) {
	judges.Need(t, "file")
	for _, tool := range tools {
		path := filepath.Join(binDir, tool)
		if said := (program{}).must(t, "file", "-L", path); !strings.Contains(said, "statically linked") {
			t.Errorf("file says %s", said)
		}
		cmd := exec.Command(path, "--help")
		cmd.Env = []string{}
		if os.Geteuid() == 0 {
			empty := t.TempDir()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(empty, tool), data, 0o755); err != nil {
				t.Fatal(err)
			}
			cmd = exec.Command("/"+tool, "--help")
			cmd.Env = []string{}
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: empty}
		}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Usage:") {
			t.Errorf("%s --help: %v\n%s", tool, err, out)
		}
	}
}

// TestCompletionAndManPages runs what make docs runs.
func TestCompletionAndManPages(t *testing.T) {
	for _, tool := range tools {
		for _, sh := range []string{"bash", "zsh", "fish"} {
			if out := (program{}).must(t, tool, "completion", sh); !strings.Contains(out, tool) {
				t.Errorf("%s completes nothing in %s", tool, sh)
			}
		}
		dir := t.TempDir()
		(program{}).must(t, tool, "man", dir)
		if page := readFile(t, filepath.Join(dir, tool+".1")); !strings.Contains(page, "Weld Bridge") {
			t.Errorf("the man page of %s is odd", tool)
		}
	}
}
