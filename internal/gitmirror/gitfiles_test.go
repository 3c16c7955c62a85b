package gitmirror

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// TestHostileModules holds what is refused against git fsck: what that refuses, we do.
func TestHostileModules(t *testing.T) {
	judges.Need(t, "git")
	for _, c := range []struct {
		name, text string
		bad        bool
	}{
		{"plain", "[submodule \"lib/x\"]\n\tpath = lib/x\n\turl = https://example.com/x.git\n\tupdate = none\n", false},
		{"relative", "[submodule \"x\"]\npath=x\nurl=../x.git\n", false},
		{"ssh", "[submodule \"x\"]\nurl = git@example.com:x/y\n", false},
		{"port and user", "[submodule \"x\"]\nurl = https://me:secret@example.com:8443/x?y#z\n", false},
		{"IPv6", "[submodule \"x\"]\nurl = https://[::1]:8443/x\n", false},
		{"not a configuration", "\x00\xff[", false},
		{"option as URL", "[submodule \"x\"]\nurl = -u./payload\n", true},
		{"quoted", "[submodule \"x\"]\nurl = \"-\\\"u\" # y\n", true},
		{"option as path", "[submodule \"x\"]\nPATH = -x\n", true},
		{"command", "[submodule \"x\"]\nupdate = !rm\n", true},
		{"name", "[submodule \"../../x\"]\n", true},
		{"name with other separators", "[submodule \"a\\\\..\\\\..\\\\b\"]\n\tpath = x\n", true},
		{"name without quotes", "[submodule...]\n\tpath = x\n", true},
		{"newline in a URL", "[submodule \"x\"]\nurl = https://example.com%0ahost=x/\n", true},
		{"behind its section", "[submodule \"x\"] path = -x\n", true},
		{"behind two sections", "[core] [submodule \"x\"] url = -x\n", true},
		{"name with a bracket", "[submodule \"a]/../b\"]\n\tpath = x\n", true},
		{"on the next line", "[submodule \"x\"]\n\turl = \\\n-u./x\n", true},
		{"next line of a comment", "# x \\\n[submodule \"../x\"]\n\tpath = x\n", true},
		{"root of the host", "[submodule \"x\"]\nurl = ../../:host/x\n", true},
		{"root of the host, slash", "[submodule \"x\"]\nurl = ..//host/x\n", true},
		{"no host", "[submodule \"x\"]\nurl = http:///x.git\n", true},
		{"no host, helper", "[submodule \"x\"]\nurl = https::example.com/x.git\n", true},
		{"bad port", "[submodule \"x\"]\nurl = http://example.com:99999/x\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if why := hostileModules(c.text); (why != "") != c.bad {
				t.Errorf("%q", why)
			}
			dir := t.TempDir()
			run(t, dir, "git", "init", "--quiet")
			if err := os.WriteFile(filepath.Join(dir, ".gitmodules"), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			run(t, dir, "git", "add", ".gitmodules")
			run(t, dir, "git", "commit", "--quiet", "-m", "x")
			if out, err := exec.Command("git", "-C", dir, "fsck", "--strict").CombinedOutput(); err != nil && !c.bad {
				t.Errorf("git refuses it: %s", out)
			} else if err == nil && c.bad {
				t.Logf("git takes it: %s", out)
			}
		})
	}
}
