package convert

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// roundTrip takes a spec to its document and back, and the document too. It
// gives the document.
func roundTrip(name string, b []byte) ([]byte, error) {
	doc, err := FromSpec(name, b, Options{})
	if err != nil {
		return nil, err
	}
	text := pkgtoml.Encode(doc)
	read, err := pkgtoml.Decode(name, text)
	if err != nil {
		return nil, err
	}
	if again := pkgtoml.Encode(read); !bytes.Equal(again, text) {
		return nil, fmt.Errorf("the document read and written again differs: %s", cmp.Diff(string(text), string(again)))
	}
	back, err := ToSpec(read, Options{})
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(back, b) {
		return nil, errors.New("the spec differs: " + cmp.Diff(string(b), string(back)))
	}
	return text, nil
}

func TestRoundTrip(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text, err := roundTrip(c.name, []byte(c.spec))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.typed {
				if !strings.Contains(string(text), want) {
					t.Errorf("the document has no %q:\n%s", want, text)
				}
			}
			if err := judge(compileSchema(t), text); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNoLayout checks that no value needs the layout: what a document says
// survives its way through the canonical spec.
func TestNoLayout(t *testing.T) {
	for _, c := range cases {
		if c.crossing {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			doc, err := FromSpec(c.name, []byte(c.spec), Options{NoLayout: true})
			if err != nil {
				t.Fatal(err)
			}
			text := pkgtoml.Encode(doc)
			plain, err := ToSpec(doc, Options{})
			if err != nil {
				t.Fatal(err)
			}
			again, err := FromSpec(c.name, plain, Options{NoLayout: true})
			if err != nil {
				t.Fatalf("%v\n%s", err, plain)
			}
			if d := cmp.Diff(string(text), string(pkgtoml.Encode(again))); d != "" {
				t.Errorf("values changed on the way through\n%s\n%s", plain, d)
			}
		})
	}
}

// TestOrderWithoutLayout checks that what rpm reads in order comes in that order.
func TestOrderWithoutLayout(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		order      []string
	}{
		{
			"font package behind its sources",
			"Version: 1\n%global fontfamily F\n%global fontconfs %{SOURCE1}\n\nSource0: a.zip\nBuildRequires: b\nSource1: c.xml\n\n%fontpkg -a\n%global late 1\n\n%prep\n%setup\n\n%fontfiles -a\n",
			[]string{"Version", "fontfamily", "fontconfs", "Source0", "Source1", "BuildRequires", "%fontpkg", "late", "%prep", "%fontfiles"},
		},
		{
			"description defined behind build requirements",
			"Name: a\n\n%generate_buildrequires\nb\n\n%global _text c\n\n%description %_text\n\n%package d\nSummary: e\n\n%description d\n%_text\n",
			[]string{"Name", "%global _text", "%description %_text", "%package d", "%description d", "%generate_buildrequires"},
		},
		{
			"definition that ends in a backslash",
			"%global f() \\\nRequires: %1\\\n\nName: a\n\n%description\nb\n",
			[]string{"Requires: %1\\\n\n", "Name:"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc, err := FromSpec(c.name, []byte(c.spec), Options{NoLayout: true})
			if err != nil {
				t.Fatal(err)
			}
			plain, err := ToSpec(doc, Options{})
			if err != nil {
				t.Fatal(err)
			}
			rest := string(plain)
			for _, want := range c.order {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%q is missing or too early in\n%s", want, plain)
				}
				rest = after
			}
		})
	}
}

// TestMacroIntoPreamble checks that a macro that the layout does not know comes
// to the end of the preamble.
func TestMacroIntoPreamble(t *testing.T) {
	doc, err := FromSpec("a", []byte("Name: a\nRequires: b\n\n%description\nc\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	doc.Macros = append(doc.Macros, &pkgtoml.Macro{Form: pkgtoml.Raw, Name: "%fontpkg", At: "preamble"})
	got, err := ToSpec(doc, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "Name: a\nRequires: b\n%fontpkg\n\n%description\nc\n"; string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestUnterminated(t *testing.T) {
	for _, c := range []struct{ name, spec, want string }{
		{"open", "Name: a\n%if 1\nVersion: 1\n", "open:2:1: unterminated %if"},
		{"inner", "%if 1\n %ifarch x\n%endif\n", "inner:1:1: unterminated %if"},
		{"script", "%build\nmake\n  %ifarch x86_64\nmake check\n", "script:3:3: unterminated %ifarch"},
	} {
		_, err := FromSpec(c.name, []byte(c.spec), Options{})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// TestStray checks that what rpm may find in order after expansion converts.
func TestStray(t *testing.T) {
	for _, spec := range []string{"%ifpython2\nName: a\n%endif\n", "%else\n", "%build\n%endif\nmake\n%else\n", "%files\n%endif\n/a\n"} {
		if _, err := roundTrip("stray", []byte(spec)); err != nil {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

func FuzzRoundTrip(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.spec))
	}
	f.Add([]byte("\xef\xbb\xbfName: a\r\n%if 1\r\n%endif\r\n"))
	f.Add([]byte("Name: \xff\x00\n%{expand:\n"))
	f.Add([]byte("\xa0\nRequires: \u00a0\n%{load: }\nRequires: a,\vb\f,\rc\n%changelog\n* Sat Jan 01 0000 A\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		text, err := roundTrip("f", b)
		if err != nil && !strings.Contains(err.Error(), "unterminated") {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}

// FuzzToSpec checks that no document, however odd, makes the writer fall, and
// that what it writes is a spec.
func FuzzToSpec(f *testing.F) {
	for _, c := range cases {
		if doc, err := FromSpec(c.name, []byte(c.spec), Options{}); err == nil {
			f.Add(pkgtoml.Encode(doc))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		doc, err := pkgtoml.Decode("f", b)
		if err != nil {
			return
		}
		for _, o := range []Options{{}, {NoLayout: true}} {
			spec, err := ToSpec(doc, o)
			if err != nil {
				continue
			}
			if _, err := FromSpec("f", spec, Options{}); err != nil {
				t.Fatalf("%v\n%s", err, spec)
			}
		}
	})
}
