package gitmirror

import "testing"

func TestHostileModules(t *testing.T) {
	for _, c := range []struct {
		name, text string
		bad        bool
	}{
		{"plain", "[submodule \"lib/x\"]\n\tpath = lib/x\n\turl = https://example.com/x.git\n\tupdate = none\n", false},
		{"relative", "[submodule \"x\"]\npath=x\nurl=../x.git\n", false},
		{"ssh", "[submodule \"x\"]\nurl = git@example.com:x/y\n", false},
		{"not a configuration", "\x00\xff[", false},
		{"option as URL", "[submodule \"x\"]\nurl = -u./payload\n", true},
		{"quoted", "[submodule \"x\"]\nurl = \"-\\\"u\" # y\n", true},
		{"option as path", "[submodule \"x\"]\nPATH = -x\n", true},
		{"command", "[submodule \"x\"]\nupdate = !rm\n", true},
		{"name", "[submodule \"../../x\"]\n", true},
		{"name with other separators", "[submodule \"a\\\\..\\\\..\\\\b\"]\n", true},
		{"newline in a URL", "[submodule \"x\"]\nurl = https://example.com%0ahost=x/\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if why := hostileModules(c.text); (why != "") != c.bad {
				t.Errorf("%q", why)
			}
		})
	}
}
