package pkgtoml

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `macro = [
  { global = "a", value = '''
two
lines''' },
  { when = "if 1", all = [
    { bcond = "b", default = true },
    { bcond = "c", default = "%{undefined rhel}" },
  ], else = [
    { define = "d(x:)", value = 'a "quote" \ ' },
  ] },
]

[package]
version = "1"
name = "hello"
epoch = 0
url = { value = "u", spelling = "Url" }
summary = [
  "s",
  { value = "t", lang = "de" },
]
description = '''
text
'''

[sources]
list = [
  "a.tar.gz",
  { number = 1, file = "b" },
  { number = "02", file = "c", comment = [
    "one",
    "two",
  ] },
]

[dependencies]
requires = [
  ["a", "b"],
  { deps = ["c", "d"], separator = ", " },
  { dep = "e", when = ["if 1", "ifarch x86_64"] },
  { when = "if 2", all = ["f"], else = ["g"] },
]

[build]
system = "meson"
options = [{ option = "-Da", section = "conf" }]
prep = '''
%autosetup
'''

[build.check]
when = "if %{with tests}"
text = '''
make check
'''

[[trigger]]
kind = "triggerin"
interpreter = "<lua>"
on = "foo"
text = ""

[files]
from = ["x.lang"]
list = [
  { defattr = "-,root,root" },
  "/a",
  { path = "/b", mode = "0644", user = "root", config = "noreplace" },
  { path = "/c", dir = true, mode = "0755", verify = "" },
  { paths = ["d", "e"], doc = true },
]

[[subpackage]]
name = "devel"
when = "if 3"
summary = "s"
requires = ["r"]

[[subpackage.scripts.post]]
when = []
text = '''
a
'''

[[subpackage.scripts.post]]
interpreter = "/bin/sh"
text = '''
b
'''

[[subpackage]]
full_name = "other"
declared = false

[changelog]
separator = " "

[[changelog.entry]]
date = 2026-11-23
author = "A <a@b>"
evr = "1-1"
text = "- x"

[[changelog.entry]]
raw = '''
odd
'''

[layout]
tag = "{tag:20}{value}"
styles = [
  "{tag} {value}",
]
order = '''
name
'''
`

func TestDecodeEncode(t *testing.T) {
	d, err := Decode("sample.toml", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample, string(Encode(d))); diff != "" {
		t.Error(diff)
	}
	if got := d.Macros[2].When; !cmp.Equal(got, []string{"if 1"}) {
		t.Errorf("when of a group: %q", got)
	}
	if got := d.Macros[3].When; !cmp.Equal(got, []string{"else if 1"}) {
		t.Errorf("when of an else: %q", got)
	}
	if got := d.Subpackages[0].Deps[0].When; !cmp.Equal(got, []string{"if 3"}) {
		t.Errorf("when of an entry of a subpackage: %q", got)
	}
	if got := d.Main.Files[0].List[2].Directives(); !cmp.Equal(got, []string{"attr", "config"}) {
		t.Errorf("order of directives: %q", got)
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"syntax", "[package]\nname = \n", "x.toml:2:"},
		{"unknown table", "[pakage]\n", `x.toml:1: pakage: unknown key, did you mean "package"?`},
		{"unknown key", "[package]\nname = 'a'\nlicence = 'b'\n", `x.toml:3: package.licence: unknown key, did you mean "license"?`},
		{"unknown, nothing near", "[package]\nzzzzzz = 'b'\n", `x.toml:2: package.zzzzzz: unknown key`},
		{"unknown in entry", "[sources]\nlist = [\n  'a',\n  { fiel = 'b' },\n]\n", `x.toml:4: sources.list[1].fiel: unknown key, did you mean "file"?`},
		{"second subpackage", "[[subpackage]]\nname = 'a'\n\n[[subpackage]]\nname = 'b'\nrequire = ['c']\n", `x.toml:6: subpackage[1].require: unknown key, did you mean "requires"?`},
		{"boolean", "[files]\nlist = [{ path = 'a', dir = 'yes' }]\n", "x.toml:2: files.list[0].dir: expected true or false, found a string"},
		{"condition", "[package]\nname = { value = 'a', when = '%if 1' }\n", "x.toml:2: package.name.when: "},
		{"group without when", "macro = [{ all = [] }]\n", `x.toml:1: macro[0]: a group needs "when"`},
		{"two forms", "macro = [{ global = 'a', define = 'b' }]\n", "are different macros"},
		{"no form", "macro = [{ value = 'a' }]\n", "expected one of"},
		{"bcond", "macro = [{ bcond = 'a' }]\n", `a bcond needs "default"`},
		{"number", "[patches]\nlist = [{ number = -1, file = 'a' }]\n", "expected a whole number from 0, found -1"},
		{"missing", "[patches]\nlist = [{ number = 1 }]\n", `needs "file"`},
		{"trigger", "[[trigger]]\nkind = 'post'\n", `"post" is no kind of trigger`},
		{"mode", "[build.prep]\nmode = 'after'\ntext = ''\n", `expected "append" or "prepend", found "after"`},
		{"no name", "[[subpackage]]\nsummary = 'a'\n", `needs "name" or "full_name"`},
		{"date", "[[changelog.entry]]\ndate = 1\n", "expected a date, found a number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode("x.toml", []byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
		})
	}
}

func TestQuote(t *testing.T) {
	for _, s := range []string{
		"", "a", "a b", `a"b`, `a\b`, `a'b"c`, "'''", `"""`, `'''"""`, "a\nb", "a\nb'", "a\nb''", "a\tb", "\r\n", "\x00\x1f\x7f", "é", "'", `\`, "\n\n", "a\n'''\n\"\"\"\n\\",
	} {
		for _, enc := range []string{quote(s), value(s), block(s)} {
			d, err := Decode("q", []byte("[package]\nname = "+enc+"\n"))
			if err != nil {
				t.Errorf("%q as %s: %v", s, enc, err)
				continue
			}
			if got := d.Main.Tags[0].Value; got != s {
				t.Errorf("%q as %s came back as %q", s, enc, got)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"dep", "deps", "version", "summary", "when"}
	for word, want := range map[string]string{"dpe": "dep", "verson": "version", "Summary": "summary", "wehn": "when", "changelog": ""} {
		if got := nearest(word, known); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

func TestSchemaIsJSON(t *testing.T) {
	var v any
	if err := json.Unmarshal(Schema(), &v); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(Schema(), Schema()) {
		t.Error("the schema differs from call to call")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("macro = [{ when = ['if 1'], all = [{ when = '?a', all = [{}] }] }]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Decode("f", b)
		if err != nil {
			return
		}
		once := Encode(d)
		again, err := Decode("f", once)
		if err != nil {
			t.Fatalf("%v\n%s", err, once)
		}
		if twice := Encode(again); !bytes.Equal(once, twice) {
			t.Fatal(cmp.Diff(string(once), string(twice)))
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	b.SetBytes(int64(len(sample)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode("sample", []byte(sample)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	d, err := Decode("sample", []byte(sample))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(sample)))
	b.ReportAllocs()
	for b.Loop() {
		Encode(d)
	}
}
