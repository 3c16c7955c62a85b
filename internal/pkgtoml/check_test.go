package pkgtoml

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRefused has what a slip of the hand makes of a document, and what the
// spec could not say.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"time", "[[changelog.entry]]\ndate = 2026-01-01T10:00:00Z\n", "x.toml:2: changelog.entry[0].date: expected a date, found a time"},
		{"time alone", "[[changelog.entry]]\ndate = 10:00:00\n", "expected a date, found a time"},
		{"number for a string", "[package]\nversion = 2\n", `x.toml:2: package.version: expected a string, found a number: write "2"`},
		{"fraction for a string", "[package]\nversion = 1.10\n", "x.toml:2: package.version: expected a string or a table, found a number"},
		{"number for a script", "[build]\nprep = 1\n", "x.toml:2: build.prep: expected a string or a table, found a number"},
		{"number in a list", "[sources]\nlist = ['a', 3]\n", "sources.list[1]: expected a string or a table, found a number"},
		{"line of sources", "[sources]\nlist = [['a', 'b']]\n", "sources.list[0]: expected a string or a table, found an array"},
		{"fraction", "[sources]\nlist = [{ number = 1.0, file = 'a' }]\n", "expected a whole number from 0, found 1"},
		{"guard outside", "[dependencies]\nrequires = [{ dep = 'a', when = ['?x', 'if y'] }]\n", `"?x" is for one line: it stands innermost`},
		{"guard of a group outside", "macro = [{ when = '?x', all = [{ macro = '%a', when = 'if y' }] }]\n", `"?x" is for one line`},
		{"guard of groups outside", "macro = [{ when = '?x', all = [{ when = 'if y', all = ['a'] }] }]\n", `"?x" is for one line`},
		{"guard and else", "macro = [{ when = '?x', all = [], else = [] }]\n", `a group under "?x" has no "else"`},
		{"else of a guard", "[package]\nname = { value = 'a', when = 'else ?x' }\n", `"else ?x" is no condition`},
		{"guard of a section", "[build.check]\nwhen = '?x'\ntext = ''\n", `build.check.when: "?x" is for one line`},
		{"empty name of a macro", "macro = [{ global = '', value = 'x' }]\n", `macro[0]: global = "" is not one`},
		{"name of a macro", "macro = [{ global = 'a b', value = 'x' }]\n", `global = "a b" is not one`},
		{"empty dependency", "[dependencies]\nrequires = ['a', ' ']\n", "dependencies.requires[1]: an empty dependency"},
		{"dep and deps", "[dependencies]\nrequires = [{ dep = 'a', deps = ['b'] }]\n", `"dep" and "deps": an entry has one`},
		{"separator", "[dependencies]\nrequires = [{ deps = ['b', 'c'], separator = ' x ' }]\n", "expected blanks and commas"},
		{"two kinds of file", "[files]\nlist = [{ path = '/a', macro = '%a' }]\n", `files.list[0]: "path" and "macro": an entry has one`},
		{"no path", "[files]\nlist = [{ paths = [], doc = true }]\n", `"paths" stands alone`},
		{"empty path", "[files]\nlist = ['/a', { path = '' }]\n", "files.list[1].path: is empty"},
		{"directive beside a macro", "[files]\nlist = [{ macro = '%a', doc = true }]\n", `"macro" stands alone on its line`},
		{"both names", "[[subpackage]]\nname = 'a'\nfull_name = 'b'\n", `"name" and "full_name": a subpackage has one`},
		{"declared", "[[subpackage]]\nname = 'a'\ndeclared = 'no'\n", "expected true or false, found a string"},
		{"odd trigger", "[[trigger]]\nkind = 'mytrigger'\non = 'a'\ntext = ''\n", `"mytrigger" is no kind of trigger`},
		{"interpreter of a step", "[build.build]\ninterpreter = '<lua>'\ntext = ''\n", "build.build.interpreter: %build has no such thing"},
		{"mode of a scriptlet", "[scripts.post]\nmode = 'append'\ntext = ''\n", "scripts.post.mode: %post has no such thing"},
		{"no text", "[build.check]\nwhen = 'if 1'\n", `x.toml:1: build.check: needs "text"`},
		{"no header", "[[section]]\nbody = 'a'\n", `section[0]: needs "header"`},
		{"auto and entries", "[changelog]\nauto = true\n[[changelog.entry]]\ndate = 2026-01-01\n", "x.toml:2: changelog.auto: rpmautospec writes the entries"},
		{"star in an entry", "[[changelog.entry]]\ndate = 2026-01-01\ntext = '''\n- a\n* b'''\n", "begins an entry of its own"},
		{"raw and more", "[[changelog.entry]]\nraw = 'a'\ntext = 'b'\n", `"raw" is an entry as a whole`},
		{"deep", "a = " + strings.Repeat("[", 1<<20), "x.toml:1:105: nested deeper than 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode("x.toml", []byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestSpellings checks that a document says the same in whatever way TOML
// spells it.
func TestSpellings(t *testing.T) {
	const want = `[package]
name = "a"
summary = { value = "s", lang = "de" }
description = '''
one
two
'''

[build.check]
when = "if 1"
text = '''
make
'''

[[subpackage]]
name = "b"
summary = "t"

[[subpackage]]
name = "c"
license = "u"
`
	for _, c := range []struct{ name, text string }{
		{"carriage returns", strings.ReplaceAll(want, "\n", "\r\n")},
		{"dotted keys", strings.NewReplacer(
			`summary = { value = "s", lang = "de" }`, "summary.value = \"s\"\nsummary.lang = \"de\"",
			"[build.check]\nwhen", "[build]\ncheck.when", "text =", "check.text =", `summary = "t"`, `summary.value = "t"`).Replace(want)},
		{"tables", strings.Replace(want, "name = \"b\"\nsummary = \"t\"", "name = \"b\"\n[subpackage.summary]\nvalue = \"t\"", 1)},
		{"keys of the root", "package.name = 'a'\npackage.summary = { value = 's', lang = 'de' }\npackage.description = \"one\\ntwo\\n\"\n" +
			"subpackage = [{ name = 'b', summary = 't' }, { name = 'c', license = 'u' }]\n" +
			"build.check = { when = 'if 1', text = \"make\\n\" }\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Decode("x.toml", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(Encode(d))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
