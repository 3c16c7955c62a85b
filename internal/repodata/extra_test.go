package repodata

import "testing"

func TestCheckExtra(t *testing.T) {
	for _, c := range []struct{ typ, content, want string }{
		{"group", "<?xml version=\"1.0\"?>\n<comps>\n</comps>\n", ""},
		{"group", "<comps/>", ""},
		{"group", "<?xml version=\"1.0\"?>\n<updates/>\n", "line 2: <updates> where <comps> is wanted"},
		{"group", "<comps>\n<group>\n</comps>\n", "line 3: element <group> closed by </comps>"},
		{"group", "", "line 1: no <comps>"},
		{"updateinfo", "<updates>\n<update>", "line 2: unexpected EOF"},
		{"modules", "---\ndocument: modulemd\nversion: 2\n", ""},
		{"modules", "---\ndocument: modulemd\n\tversion: 2\n", "line 3: indented by a tab"},
		{"modules", "a\nb\n", "line 2: no module document"},
		{"modules", "", ""},
		{"productid", "x", "line 1: no PEM certificate"},
		{"anything", "\xff", ""},
	} {
		got := ""
		if err := CheckExtra(c.typ, []byte(c.content)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s %q: %q, want %q", c.typ, c.content, got, c.want)
		}
	}
}
