package tarmodel

import (
	"strings"
	"testing"
)

func TestUnsafe(t *testing.T) {
	for _, c := range []struct {
		path       string
		file, link bool // may stand in a tree
	}{
		{"a/b", true, true},
		{".gitignore", true, true},
		{".gitmodules", true, false},
		{"a/.GitModules", true, false},
		{".gitmod\u200cules", true, false},
		{"GITMOD~1", true, false},
		{".git", false, false},
		{"a/.GIT/b", false, false},
		{"git~1", false, false},
		{".g\u200cit/x", false, false},
		{".git. . ", false, false},
		{".git:x", false, false},
		{".git\\x", false, false},
		{"a//b", false, false},
		{"a/../b", false, false},
		{"./a", false, false},
		{"a\x00", false, false},
		{strings.Repeat("n", 255), true, true},
		{strings.Repeat("n", 256), false, false},
		{strings.Repeat("d/", 2000) + "x", false, false},
	} {
		t.Run(c.path[:min(len(c.path), 20)], func(t *testing.T) {
			why := Unsafe(c.path)
			if (why == "") != c.file {
				t.Errorf("as a file: %q", why)
			}
			if link := why == "" && UnsafeLink(c.path, "x") == ""; link != c.link {
				t.Errorf("as a link: %v", link)
			}
		})
	}
}
