package repodata

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

func TestEscape(t *testing.T) {
	for _, test := range []struct{ in, text, attr string }{
		{"", "", ""},
		{"plain", "plain", "plain"},
		{`a<b>&"c'`, `a&lt;b&gt;&amp;"c'`, `a&lt;b&gt;&amp;&quot;c'`},
		{"a\tb\nc\rd", "a\tb\nc&#13;d", "a&#9;b&#10;c&#13;d"},
		{"Grüße", "Grüße", "Grüße"},
		{"Gr\xfc\xdfe & \x80\x9fmehr", "Grüße &amp; mehr", "Grüße &amp; mehr"},
		{"<\xff\x01>", "&lt;ÿ&gt;", "&lt;ÿ&gt;"},
	} {
		if got := string(appendText([]byte("x"), test.in)); got != "x"+test.text {
			t.Errorf("text of %q: %q, want %q", test.in, got[1:], test.text)
		}
		if got := string(appendAttr(nil, "a", test.in)); got != ` a="`+test.attr+`"` {
			t.Errorf("attribute of %q: %q, want %q", test.in, got, test.attr)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, p := range []Package{
		{Name: "a\x01"},
		{Summary: "\x1b"},
		{Files: []File{{Base: "\x00"}}},
		{Changelogs: []Changelog{{Text: "\x07"}}},
		{Deps: [NumDepKinds][]Dep{Requires: {{Name: "\x02"}}}},
		{Summary: "a\ufffe"},
		{License: "\uffffb"},
	} {
		if err := p.Check(); !errors.Is(err, ErrControl) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if err := (&Package{Name: "a\xff", Description: "a\n\tb\r\ufffd\ufeff", Summary: "\xef\xbf\xbe\xff"}).Check(); err != nil {
		t.Error(err)
	}
}

// samplePackages gives what the metadata of all sample packages says.
func samplePackages(t testing.TB) map[string]*Package {
	all := map[string]*Package{}
	b := Builder{ChangelogLimit: -1}
	for name, spec := range rpmtest.Samples() {
		rpm, err := rpmfile.Parse(rpmtest.Build(t, spec))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p := new(Package)
		b.Build(p, rpm)
		p.PkgID, p.ChecksumType, p.LocationHref, p.LocationBase = "abc", "sha256", name+".rpm", "http://x/?a&b"
		p.TimeFile, p.SizePackage = 5, 6
		all[name] = p
	}
	return all
}

// TestRoundTrip holds the promise of the package comment.
func TestRoundTrip(t *testing.T) {
	for name, want := range samplePackages(t) {
		t.Run(name, func(t *testing.T) {
			var got Package
			var elements [NumKinds][]byte
			for k := range NumKinds {
				elements[k] = Append(nil, k, want)
				if k == Filelists {
					continue // filelists-ext adds the digests
				}
				if err := Parse(k, string(elements[k]), &got); err != nil {
					t.Fatalf("%s: %v\n%s", k, err, elements[k])
				}
			}
			for k := range NumKinds {
				if again := Append(nil, k, &got); !bytes.Equal(elements[k], again) {
					t.Errorf("%s: %s", k, cmp.Diff(string(elements[k]), string(again)))
				}
			}
			got.PrimaryFiles = nil
			clear := *want
			for i := range clear.Deps {
				if len(clear.Deps[i]) == 0 {
					clear.Deps[i], got.Deps[i] = nil, nil
				}
			}
			if diff := cmp.Diff(&clear, &got); diff != "" && name != "odd" { // which has names in Latin-1
				t.Error(diff)
			}
		})
	}
}

func TestScanner(t *testing.T) {
	var want []string
	file := AppendHeader(nil, Primary, 0)
	for name, p := range samplePackages(t) {
		file = AppendPrimary(file, p)
		want = append(want, name+".rpm")
	}
	file = append(file, Footer(Primary)...)
	for _, size := range []int{1, 7, 4096} {
		s := NewScanner(&slowReader{file, size}, Primary)
		var got []string
		var p Package
		for {
			err := s.Next(&p)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p.LocationHref)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d bytes at a time: %s", size, diff)
		}
	}
}

type slowReader struct {
	rest []byte
	size int
}

func (r *slowReader) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.rest[:min(r.size, len(r.rest))])
	r.rest = r.rest[n:]
	return n, nil
}

func TestScannerForms(t *testing.T) {
	const two = `<package pkgid="1" name="a" arch="x"><version epoch="0" ver="1" rel="2"/></package>`
	for _, test := range []struct {
		name, in string
		want     int
		fault    string
	}{
		{"none", `<otherdata packages="0"></otherdata>`, 0, ""},
		{"empty root", `<?xml version="1.0"?><otherdata/>`, 0, ""},
		{"one line", `<otherdata xmlns='x'>` + two + two + `</otherdata>`, 2, ""},
		{"comments", "<!-- <x> -->\n<otherdata><!-- </package> -->" + two + "<!-- end --></otherdata>", 1, ""},
		{"end tag in text", `<otherdata><package><changelog author="a" date="1"><![CDATA[</package>]]></changelog></package></otherdata>`, 1, ""},
		{"end tag in a comment", `<otherdata><package><!-- </package> --></package></otherdata>`, 1, ""},
		{"another root", `<metadata></metadata>`, 0, "root element is <metadata>"},
		{"another child", `<otherdata><pack/></otherdata>`, 0, "instead of <package>"},
		{"cut off", `<otherdata>` + two[:60], 0, "unexpected EOF"},
		{"cut off after one", `<otherdata>` + two, 1, "not closed"},
		{"not a number", `<otherdata><package><changelog author="a" date="x">t</changelog></package></otherdata>`, 0, "not a number"},
		{"bad entity", `<otherdata><package><changelog author="a" date="1">&what;</changelog></package></otherdata>`, 0, "unknown entity"},
		{"nothing", ``, 0, "no <otherdata>"},
		{"Latin-1", "<otherdata><package pkgid=\"\xb0\"></package></otherdata>", 0, "not UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewScanner(strings.NewReader(test.in), Other)
			var p Package
			n := 0
			err := s.Next(&p)
			for ; err == nil; err = s.Next(&p) {
				n++
			}
			if err == io.EOF {
				err = nil
			}
			if n != test.want || (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("%d packages and %v, want %d and %q", n, err, test.want, test.fault)
			}
		})
	}
}

// FuzzScanner looks for panics, and for packages that do not survive being written and read again.
func FuzzScanner(f *testing.F) {
	file := AppendHeader(nil, Primary, 2)
	other := AppendHeader(nil, Other, 2)
	for _, p := range samplePackages(f) {
		file, other = AppendPrimary(file, p), AppendOther(other, p)
	}
	f.Add(append(file, Footer(Primary)...), uint8(Primary))
	f.Add(append(other, Footer(Other)...), uint8(Other))
	f.Add([]byte(`<filelists><package pkgid="1"><file type="dir">/a</file></package></filelists>`), uint8(Filelists))
	f.Add([]byte(`<otherdata><package><!-- --><![CDATA[</package>]]></package></otherdata>`), uint8(Other))
	f.Fuzz(func(t *testing.T, b []byte, kind uint8) {
		k := Kind(kind) % NumKinds
		s := NewScanner(bytes.NewReader(b), k)
		var p, q Package
		for s.Next(&p) == nil {
			first := Append(nil, k, &p)
			if err := Parse(k, string(first), &q); err != nil {
				t.Fatalf("cannot read what was written: %v\n%s", err, first)
			}
			if second := Append(nil, k, &q); !bytes.Equal(first, second) {
				t.Fatalf("written twice, not equal:\n%s\n%s", first, second)
			}
			q.Reset()
		}
	})
}
