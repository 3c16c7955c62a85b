package spec

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kinds writes the kinds of the lines of a spec, each by one letter.
func kinds(f *File) string {
	var b strings.Builder
	for i := range f.Lines {
		b.WriteByte("tbciefdh"[f.Lines[i].Kind])
	}
	return b.String()
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ name, spec, kinds, sections string }{
		{"empty", "", "", ""},
		{"tags and blanks", "Name: a\n\n \t\n# c\n  # d\nVersion: 1", "tbbcct", ""},
		{"conditionals", "%if 1\n %ifarch x\n%elif 2\n%else # x\n%endif\n%endif\n", "iiefdd", ""},
		{"what rpm takes for no conditional", "%if(1)\n%ifpython2\n%elsewhere\n%endif2\n%ifarch\n", "tttdi", ""},
		{"headers", "%prep\n%BUILD\n %install\n%files -n a\n%filesystem\n%prepare\n", "hhthtt", "prep build files"},
		{"a bracket joins lines", "%global a %{expand:\n%if 1\n# b\n}\nName: a\n", "tt", ""},
		{"a bracket within a comment", "# %{expand:\nName: a}\nVersion: 1\n", "ct", ""},
		{"nested brackets", "%{lua: x = {}\n}\n%(echo (\n))\n%[ 1 \n]\na\n", "tttt", ""},
		{"a bracket that stays open", "%{foo\nName: a\n", "tt", ""},
		{"escaped brackets", "%%{foo\nName: a\n\\%{b\nc}\n", "tttt", ""},
		{"a backslash joins a definition", "%define a \\\n%if 1\\\nb\nName: c\n", "tt", ""},
		{"a backslash joins a tag", "Requires: a \\\n  b\nName: c\n", "tt", ""},
		{"a backslash joins an expression", "%if 1 || \\\n  2 \\\n || 3\nName: a\n%endif\n", "itd", ""},
		{"a backslash joins no conditional", "%build\n%configure \\\n%if 1\n  --a \\\n%endif\n  --b\n", "htitdt", "build"},
		{"a definition in a script", "%build\n%define a \\\n%files\nb\n", "htt", "build"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := Parse([]byte(c.spec))
			if got := string(f.Bytes()); got != c.spec {
				t.Errorf("the bytes changed: %q", got)
			}
			if d := cmp.Diff(c.kinds, kinds(f)); d != "" {
				t.Error(d)
			}
			var names []string
			for _, s := range f.Sections[1:] {
				names = append(names, s.Name)
			}
			if d := cmp.Diff(c.sections, strings.Join(names, " ")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLines(t *testing.T) {
	f := Parse([]byte("a\n%{b\nc}\n %ifarch  x y  \n%FILES  -n z \n"))
	want := []Line{
		{Num: 1, Pos: 0, Text: "a\n"},
		{Num: 2, Pos: 2, Text: "%{b\nc}\n"},
		{Num: 4, Pos: 9, Kind: If, Text: " %ifarch  x y  \n", Word: "ifarch", Rest: "x y"},
		{Num: 5, Pos: 25, Kind: Header, Text: "%FILES  -n z \n", Word: "files", Rest: "-n z"},
	}
	if d := cmp.Diff(want, f.Lines); d != "" {
		t.Error(d)
	}
}

func TestBalance(t *testing.T) {
	for _, c := range []struct{ spec, want string }{
		{"%if 1\n%else\n%endif\n", "<nil>"},
		{"%if 1\n%elif 2\n%elif 3\n%else\n%endif\n", "<nil>"},
		{"a\n  %if 1\n", "2:3: unterminated %if"},
		{"%if 1\n%ifos linux\n%endif\n", "1:1: unterminated %if"},
		{"%endif\n", "1:1: stray %endif"},
		{"a\n%else\n", "2:1: stray %else"},
		{"%if 1\n%else\n%elif 2\n%endif\n", "3:1: stray %elif"},
	} {
		if got := fmt.Sprint(Parse([]byte(c.spec)).Balance()); got != c.want {
			t.Errorf("%q: got %s, want %s", c.spec, got, c.want)
		}
	}
}

func TestCount(t *testing.T) {
	for _, c := range []struct {
		spec          string
		headers, open int
	}{
		{"", 0, 0},
		{"Name: a\n%if 1\n%build\n  %endif\n%FILES -n a", 2, 0},
		{"%if 1\n%ifarch a\n%else\n%endif\n", 0, 1},
		{"%{expand:\n%files\n%endif\n}\n", 1, -1},
	} {
		if headers, open := Count(c.spec); headers != c.headers || open != c.open {
			t.Errorf("%q: %d headers, %d open", c.spec, headers, open)
		}
	}
}

// TestOpenBrackets checks that brackets which stay open cost no quadratic time.
func TestOpenBrackets(t *testing.T) {
	b := bytes.Repeat([]byte("%{a\n"), 1<<17)
	if f := Parse(b); len(f.Lines) != 1<<17 {
		t.Errorf("%d lines", len(f.Lines))
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("Name: a\n%if 1\n%build\n%{b\n%endif\n"))
	f.Add([]byte("%global a \\\n%{\n\x00\xff\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := Parse(b)
		if !bytes.Equal(file.Bytes(), b) {
			t.Fatal("the bytes changed")
		}
		at := 0
		for i := range file.Lines {
			if file.Lines[i].Pos != at || file.Lines[i].Text == "" {
				t.Fatalf("line %d at %d, want %d", i, file.Lines[i].Pos, at)
			}
			at += len(file.Lines[i].Text)
		}
		_ = file.Balance()
	})
}

func BenchmarkParse(b *testing.B) {
	spec := bytes.Repeat([]byte("Name:           a\nBuildRequires:  gcc\n%if 0%{?fedora}\nRequires: %{name}-libs = %{version}\n%endif\n\n%build\nmake %{?_smp_mflags} \\\n  V=1\n"), 100)
	b.SetBytes(int64(len(spec)))
	b.ReportAllocs()
	for b.Loop() {
		Parse(spec)
	}
}
