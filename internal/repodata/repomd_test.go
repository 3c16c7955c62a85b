package repodata

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sampleRepomd() *Repomd {
	m := &Repomd{
		Revision: "17", RepoID: Checksum{"urn", "a&b"}, ContentHash: Checksum{"sha256", "cafe"},
		ContentTags: []string{"binary-x86_64"}, RepoTags: []string{"Fedora"}, DistroTags: []DistroTag{{"cpe:/o:x", "X 1"}, {"", "Y"}},
	}
	for _, typ := range []string{"other", "updateinfo", "primary_db", "group", "filelists", "primary", "primary_zck"} {
		m.Records = append(m.Records, Record{
			Type: typ, Checksum: Checksum{"sha256", "ab"}, OpenChecksum: Checksum{"sha256", "cd"},
			LocationHref: "repodata/ab-" + typ, Timestamp: 5, Size: 6, OpenSize: 7, HeaderSize: -1,
		})
	}
	m.Set(Record{Type: "primary_db", Checksum: Checksum{"sha256", "ab"}, LocationHref: "x", LocationBase: "http://h/", OpenSize: -1, HeaderSize: -1, DatabaseVer: 10})
	return m
}

func TestRepomd(t *testing.T) {
	m := sampleRepomd()
	m.Sort()
	var order []string
	for _, r := range m.Records {
		order = append(order, r.Type)
	}
	want := []string{"primary", "filelists", "other", "primary_db", "primary_zck", "group", "updateinfo"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Error(diff)
	}
	text := m.Append(nil)
	got, err := ParseRepomd(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Error(diff)
	}
	if again := got.Append(nil); !bytes.Equal(text, again) {
		t.Error(cmp.Diff(string(text), string(again)))
	}
	if !got.Remove("group") || got.Remove("group") || got.Record("group") != nil {
		t.Error("group is still there")
	}
}

func TestRepomdFaults(t *testing.T) {
	for in, fault := range map[string]string{
		"":                                           "no <repomd>",
		"<repomd><revision>\x82</revision>":          "not UTF-8",
		"<metadata/>":                                "root element is <metadata>",
		"<repomd><data/></repomd>":                   "without a type",
		"<repomd><data type='a'><size>x</size>":      "not a number",
		"<repomd><revision>1":                        "not closed",
		"<repomd><data type=a></data></repomd>":      "not quoted",
		"<repomd><revision>&#0;</revision></repomd>": "unknown entity",
	} {
		if _, err := ParseRepomd(in); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%q: %v, want %q", in, err, fault)
		}
	}
}

// FuzzRepomd looks for panics, and for repomd.xml files that do not survive being written and read again.
func FuzzRepomd(f *testing.F) {
	f.Add(string(sampleRepomd().Append(nil)))
	f.Add("<repomd><data type='group'><location href='a' xml:base='b'/></data></repomd>")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseRepomd(text)
		if err != nil {
			return
		}
		first := m.Append(nil)
		again, err := ParseRepomd(string(first))
		if err != nil {
			t.Fatalf("cannot read what was written: %v\n%s", err, first)
		}
		if second := again.Append(nil); !bytes.Equal(first, second) {
			t.Fatalf("written twice, not equal:\n%s\n%s", first, second)
		}
	})
}

func TestCompression(t *testing.T) {
	content := bytes.Repeat([]byte("<package>content</package>\n"), 10000)
	for _, c := range []Compression{None, Gzip, Bzip2, XZ, Zstd} {
		t.Run(c.String(), func(t *testing.T) {
			var streams [2]bytes.Buffer
			for i := range streams {
				w, err := NewWriter(&streams[i], c)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(content); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(streams[0].Bytes(), streams[1].Bytes()) {
				t.Error("two streams of the same content differ")
			}
			if got := DetectCompression(streams[0].Bytes()); got != c {
				t.Errorf("detected as %v", got)
			}
			r, err := NewReader(&streams[0])
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if _, err := got.ReadFrom(r); err != nil || !bytes.Equal(got.Bytes(), content) {
				t.Errorf("%d bytes came back, %v", got.Len(), err)
			}
			if c != None {
				if p, err := ParseCompression(strings.ToUpper(c.String())); err != nil || p != c {
					t.Errorf("parsed as %v, %v", p, err)
				}
			}
		})
	}
	if _, err := NewWriter(&bytes.Buffer{}, Zck); err == nil {
		t.Error("zck was taken")
	}
}
