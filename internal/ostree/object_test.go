package ostree

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sampleXattrs() []Xattr {
	return []Xattr{{"security.capability", []byte{1, 0, 0, 2}}, {"user.empty", nil}, {"user.long", bytes.Repeat([]byte{7}, 300)}}
}

func TestRoundTrip(t *testing.T) {
	files := []FileInfo{
		{Mode: 0o100644},
		{UID: 1, GID: 2, Mode: 0o104755, Xattrs: sampleXattrs()},
		{Mode: 0o120777, Target: strings.Repeat("x", 255)},
	}
	for _, want := range files {
		got, size, err := parseArchiveHeader(want.archiveHeader(99)[8:])
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || size != 99 || diff != "" {
			t.Errorf("file header: %v, size %d, %s", err, size, diff)
		}
	}
	meta := DirMeta{UID: 5, GID: 6, Mode: 0o041777, Xattrs: sampleXattrs()}
	if got, err := ParseDirMeta(meta.Marshal()); err != nil || !cmp.Equal(meta, got, cmpopts.EquateEmpty()) {
		t.Errorf("dirmeta: %v %s", err, cmp.Diff(meta, got))
	}
	commit := Commit{Parent: Checksum{1}, Subject: "a", Body: "b\nc", Time: 1 << 40, Tree: Checksum{2}, Meta: Checksum{3}}
	if got, err := ParseCommit(commit.Marshal()); err != nil || !bytes.Equal(got.Marshal(), commit.Marshal()) || got.Body != commit.Body {
		t.Errorf("commit: %v %+v", err, got)
	}
}

func TestDirTreeSizes(t *testing.T) {
	for _, n := range []int{0, 1, 2, 5, 6, 7, 100, 1500, 1700} {
		var d DirTree
		for i := range n {
			name := strings.Repeat("z", i/26) + string(rune('a'+i%26))
			d.Files = append(d.Files, TreeFile{"f" + name, Checksum{byte(i)}})
			d.Dirs = append(d.Dirs, TreeDir{"d" + name, Checksum{byte(i)}, Checksum{9}})
		}
		d.Sort()
		got, err := ParseDirTree(d.Marshal())
		if diff := cmp.Diff(d, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%d names: %v %s", n, err, diff)
		}
	}
}

func TestDirTreeRefuses(t *testing.T) {
	cases := map[string]DirTree{
		"parent":       {Files: []TreeFile{{Name: ".."}}},
		"slash":        {Dirs: []TreeDir{{Name: "a/b"}}},
		"empty":        {Files: []TreeFile{{Name: ""}}},
		"not UTF-8":    {Files: []TreeFile{{Name: "\xff"}}},
		"order":        {Files: []TreeFile{{Name: "b"}, {Name: "a"}}},
		"twice":        {Files: []TreeFile{{Name: "a"}, {Name: "a"}}},
		"file and dir": {Files: []TreeFile{{Name: "a"}}, Dirs: []TreeDir{{Name: "a"}}},
	}
	for name, d := range cases {
		if _, err := ParseDirTree(d.Marshal()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(DirTree{Files: []TreeFile{{"a", Checksum{}}}, Dirs: []TreeDir{{"d", Checksum{1}, Checksum{2}}}}.Marshal())
	f.Add(DirMeta{Mode: 0o40755, Xattrs: sampleXattrs()}.Marshal())
	f.Add(Commit{Subject: "s"}.Marshal())
	f.Add(FileInfo{Mode: 0o120777, Target: "t"}.archiveHeader(0)[8:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := ParseDirTree(b); err == nil {
			again, err := ParseDirTree(d.Marshal())
			if err != nil || !cmp.Equal(d, again, cmpopts.EquateEmpty()) {
				t.Errorf("dirtree does not survive: %v", err)
			}
		}
		if m, err := ParseDirMeta(b); err == nil {
			if again, err := ParseDirMeta(m.Marshal()); err != nil || !cmp.Equal(m, again, cmpopts.EquateEmpty()) {
				t.Errorf("dirmeta does not survive: %v", err)
			}
		}
		if c, err := ParseCommit(b); err == nil {
			if _, err := ParseCommit(c.Marshal()); err != nil {
				t.Errorf("commit does not survive: %v", err)
			}
		}
		if fi, size, err := parseArchiveHeader(b); err == nil {
			if again, n, err := parseArchiveHeader(fi.archiveHeader(size)[8:]); err != nil || n != size || !cmp.Equal(fi, again, cmpopts.EquateEmpty()) {
				t.Errorf("file header does not survive: %v", err)
			}
		}
	})
}

func TestEscapeRef(t *testing.T) {
	cases := []struct{ name, ref string }{
		{"fedora/42", "fedora/42"},
		{"libstdc++", "libstdc_2B_2B"},
		{"a_b", "a__b"},
		{".hidden/-x", "_2Ehidden/_2Dx"},
		{"/a//b/", "_2Fa/_2Fb_2F"},
		{"zwölf", "zw_C3_B6lf"},
	}
	for _, c := range cases {
		if got := EscapeRef(c.name); got != c.ref || validRef(got) != nil {
			t.Errorf("EscapeRef(%q) = %q, %v; want %q", c.name, got, validRef(got), c.ref)
		}
		if got, err := UnescapeRef(c.ref); got != c.name || err != nil {
			t.Errorf("UnescapeRef(%q) = %q, %v", c.ref, got, err)
		}
	}
	for _, bad := range []string{"_", "_2", "_2b", "a+b", "_41"} {
		if got, err := UnescapeRef(bad); err == nil {
			t.Errorf("UnescapeRef(%q) = %q", bad, got)
		}
	}
}

func FuzzEscapeRef(f *testing.F) {
	f.Add("fedora/42/_.~+")
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" {
			return
		}
		ref := EscapeRef(name)
		if err := validRef(ref); err != nil {
			t.Fatal(err)
		}
		if back, err := UnescapeRef(ref); err != nil || back != name {
			t.Fatalf("%q -> %q -> %q, %v", name, ref, back, err)
		}
	})
}
