package tomlguard

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+1)
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"as deep as may be", "a = " + strings.Repeat("[", MaxDepth), ""},
		{"arrays", "\n\na = " + deep, "3:105: nested deeper than 100"},
		{"tables", "a = " + strings.Repeat("{a=", MaxDepth+1), "1:305: nested deeper than 100"},
		{"a key", "[" + strings.Repeat("a.", MaxDepth) + "a]", "1:201: nested deeper than 100"},
		{"one behind the other", strings.Repeat("a = [[1], {b = 2}] # [\n", 1000), ""},
		{"in a comment", "# " + deep, ""},
		{"in strings", `a = "` + deep + `\"` + deep + `"` + "\nb = '" + deep + "'\n", ""},
		{"in long strings", "a = '''\n" + deep + "''' \nb = \"\"\"\n\"\"" + deep + "\\\"\"\"\"\n", ""},
		{"behind a string of lines", "a = '''\n\n''' + " + deep, "3:107: nested deeper than 100"},
		{"behind an open string", "a = '\nb = " + deep, "2:105: nested deeper than 100"},
		{"numbers", "a = [" + strings.Repeat("1.5, ", 1000) + "]", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := Check(c.text); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
