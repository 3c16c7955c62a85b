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

// FuzzToSpec checks that no document, however odd, makes the writer fail.
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
		if _, err := ToSpec(doc, Options{}); err != nil {
			t.Fatal(err)
		}
		doc.Layout = nil
		if _, err := ToSpec(doc, Options{}); err != nil {
			t.Fatal(err)
		}
	})
}
