package convert

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// TestUnsayable has documents whose values a spec would say elsewhere.
func TestUnsayable(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"value of two lines", "[package]\nsummary = \"a\\nVersion: 3\"\n", `summary: a value is one line of the spec; in "Summary: a\nVersion: 3" nothing joins the lines`},
		{"dependency of two lines", "[dependencies]\nrequires = [\"a\\nb\"]\n", "req:a: a value is one line"},
		{"path of two lines", "[files]\nlist = [\"/a\\n/b\"]\n", "f:b: a value is one line"},
		{"condition of two lines", "[dependencies]\nrequires = [{ dep = 'a', when = \"if 1\\nName: b\" }]\n", `req:a: the condition "if 1\nName: b" is more than one line`},
		{"condition of a section", "[[subpackage]]\nname = 'a'\nwhen = \"if 1\\nName: b\"\n", `%package:a: the condition`},
		{"name of two words", "[[subpackage]]\nname = 'a b'\n", `subpackage "a b": the name of a package is one word`},
		{"name that is an option", "[[subpackage]]\nname = '-n'\n", `subpackage "-n": the name of a package is one word`},
		{"section in a text", "[package]\ndescription = \"x\\n%files\\ny\\n\"\n", `%description: line 2 of its text, "%files", begins a section`},
		{"section in a changelog", "[[changelog.entry]]\ndate = 2026-01-01\nauthor = 'A'\ntext = \"- a\\n%files\"\n", `%changelog: line 2 of its text, "%files", begins a section`},
		{"open condition", "[build]\nbuild = \"%if 1\\nmake\\n\"\n", "the spec has at 2:1: unterminated %if"},
		{"open condition in the layout", "[package]\nname = 'a'\n[layout]\norder = \"!%if 1\\nname\"\n", "unterminated %if"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := pkgtoml.Decode("x.toml", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ToSpec(d, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestSayable has odd documents, and the specs that say the same.
func TestSayable(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"lines that are joined", "macro = [{ global = 'a', value = \"b \\\\\\n c\" }]\n[dependencies]\nrequires = [\"a \\\\\\n  b\", \"%{a\\nb}\"]\n", "%global a b \\\n c\n\nRequires:       a \\\n  b\nRequires:       %{a\nb}\n"},
		{"section within a macro", "[package]\ndescription = \"%{expand:\\n%files\\n}\\n\"\n", "%description\n%{expand:\n%files\n}\n"},
		{"guard around a file", "[files]\nlist = ['/a', { path = '/b', config = true, when = '?x' }]\n", "%files\n/a\n%{?x:%config /b}\n"},
		{"guard around a listed patch", "[[patchlist]]\nlist = [{ file = 'a', when = '!?x' }]\n", "%patchlist\n%{!?x:a}\n"},
		{"else without if", "[dependencies]\nrequires = [{ dep = 'a', when = 'else if A' }]\n", "%if A\n%else\nRequires:       a\n%endif\n"},
		{
			"elif, behind the else that it follows", "[dependencies]\nrequires = [{ dep = 'a', when = 'else if A' }, { dep = 'b', when = ['else if A', 'elif B'] }, 'c']\n",
			"%if A\n%else\nRequires:       a\n%if B\nRequires:       b\n%endif\n%endif\nRequires:       c\n",
		},
		{
			"else, behind the elif that it does not follow", "[dependencies]\nrequires = [{ dep = 'b', when = ['else if A', 'elif B'] }, { dep = 'a', when = 'else if A' }, 'c']\n",
			"%if A\n%elif B\nRequires:       b\n%endif\n%if A\n%else\nRequires:       a\n%endif\nRequires:       c\n",
		},
		{
			"two elifs that do not follow each other", "[dependencies]\nrequires = [{ dep = 'b', when = ['else if A', 'elif B'] }, { dep = 'c', when = ['else if A', 'elif C'] }]\n",
			"%if A\n%elif B\nRequires:       b\n%endif\n%if A\n%elif C\nRequires:       c\n%endif\n",
		},
		{
			"all branches", "[dependencies]\nrequires = [{ dep = 'a', when = 'if A' }, { dep = 'b', when = ['else if A', 'elif B'] }, { dep = 'c', when = ['else if A', 'else elif B'] }]\n",
			"%if A\nRequires:       a\n%elif B\nRequires:       b\n%else\nRequires:       c\n%endif\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := pkgtoml.Decode("x.toml", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			got, err := ToSpec(d, Options{})
			if diff := cmp.Diff(c.want, string(got)); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

// TestTime converts specs that are made to take long: what they cost must not
// grow by their square.
func TestTime(t *testing.T) {
	const n = 10000
	many := func(s string) string { return strings.Repeat(s, n) }
	for _, c := range []struct{ name, spec string }{
		{"deep conditions", many("%if 1\n") + "Name: a\n" + many("%endif\n")},
		{"empty conditions in a text", "%description\nx\n" + many("%if 1\n%endif\n")},
		{"branches", "%if 1\nA: b\n" + many("%elif 2\nRequires: a\n") + "%endif\n"},
		{"sections of one name", "Name: a\n" + many("%files\n")},
		{"packages of one name", "Name: a\n" + many("%package b\n")},
		{"dependencies on a line", "Requires: " + many("a,b, ") + "a\n"},
		{"open brackets", "Requires: " + many("%{") + "\n%description " + many("%{ ") + "\n%files\n" + many("/a%( ") + "\n%attr(" + many("%[,") + ") /b\n"},
		{"guards in guards", many("%{?a:") + "x" + many("}") + "\n"},
		{"patches", many("Patch: a\n") + "%prep\n" + many("%patch -P 99999\n%patch 88888\n")},
		{"crossing conditions", many("%if 1\n%description\na\n%endif\nb\n")},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			_, text, err := Encode("a.spec", []byte(c.spec), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if spent := time.Since(began); spent > 20*time.Second {
				t.Errorf("took %v for %d bytes, %d of TOML", spent, len(c.spec), len(text))
			}
		})
	}
	for _, c := range []struct{ name, order string }{
		{"brackets that stay open", many("[")},
		{"conditions of what is gone", "name " + many("[x] ")},
		{"blank lines", "name " + many("\n")},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			d := &pkgtoml.Document{Layout: &pkgtoml.Layout{Order: c.order}}
			d.Main.Tags = []*pkgtoml.Tag{{Key: "name", Value: "a"}}
			got, err := ToSpec(d, Options{})
			if err != nil || !strings.HasPrefix(string(got), "Name:           a\n") {
				t.Errorf("%v %.40q", err, got)
			}
			if spent := time.Since(began); spent > 20*time.Second {
				t.Errorf("took %v", spent)
			}
		})
	}
}
