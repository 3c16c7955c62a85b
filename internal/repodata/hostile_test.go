package repodata

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ulikunitz/xz"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestScannerTime: input that looks like many ends of elements must not be gone through from the start for each of them.
func TestScannerTime(t *testing.T) {
	const n = 300_000
	for name, middle := range map[string]string{
		"end tags in CDATA":     "<summary><![CDATA[" + strings.Repeat("</package>", n) + "]]></summary>",
		"end tags in a comment": "<!--" + strings.Repeat("</package>", n) + "-->",
		"comments":              strings.Repeat("<!--c-->", n),
		"text in pieces":        "<summary>" + strings.Repeat("a<!---->", n) + "</summary>",
	} {
		doc := "<metadata><package>" + middle + "<name>x</name></package></metadata>"
		sc := NewScanner(strings.NewReader(doc), Primary)
		var p Package
		start := time.Now()
		if err := sc.Next(&p); err != nil || p.Name != "x" {
			t.Errorf("%s: %q, %v", name, p.Name, err)
		}
		if err := sc.Next(&p); err != io.EOF {
			t.Errorf("%s: %v at the end", name, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// TestReferences: a reference to a character that XML forbids would be written as that character.
func TestReferences(t *testing.T) {
	for in, want := range map[string]string{
		"&#9;&#xA;&#13;": "\t\n\r", "&#x1F600;": "😀", "&#xD7FF;&#xE000;&#xFFFD;": "\ud7ff\ue000\ufffd",
		"&#1;": "", "&#0;": "", "&#x1F;": "", "&#xD800;": "", "&#xFFFE;": "", "&#xFFFF;": "", "&#x110000;": "",
	} {
		got, err := unescape(in, false)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v; want %q", in, got, err, want)
		}
	}
}

// TestXZDictionary: what a file says of its dictionary is not allocated unseen.
func TestXZDictionary(t *testing.T) {
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("content"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := b.Bytes()
	if r, err := NewReader(bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	} else if got, err := io.ReadAll(r); err != nil || string(got) != "content" {
		t.Fatalf("%q, %v", got, err)
	}
	// The block header follows the 12 bytes of the stream's: size, flags, filter, size of its properties, dictionary.
	header := file[12 : 12+4*(int(file[12])+1)]
	if header[2] != 0x21 || header[3] != 1 {
		t.Fatalf("block header % x", header)
	}
	header[4] = 40 // 4 GiB - 1
	crc := header[len(header)-4:]
	binary.LittleEndian.PutUint32(crc, crc32.ChecksumIEEE(header[:len(header)-4]))
	r, err := NewReader(bytes.NewReader(file))
	if err == nil {
		_, err = io.ReadAll(r)
	}
	if err == nil || !strings.Contains(err.Error(), "dictionary size") {
		t.Errorf("a dictionary of 4 GiB: %v", err)
	}
}

func TestRepomdCheck(t *testing.T) {
	if err := sampleRepomd().Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Repomd){
		"revision": func(m *Repomd) { m.Revision = "\x01" },
		"content":  func(m *Repomd) { m.ContentTags[0] = "a\x02" },
		"repo":     func(m *Repomd) { m.RepoTags = append(m.RepoTags, "\uffff") },
		"distro":   func(m *Repomd) { m.DistroTags[1].Name = "\x1f" },
		"type":     func(m *Repomd) { m.Records[0].Type = "x\x00" },
		"location": func(m *Repomd) { m.Records[1].LocationHref = "repodata/a\x07" },
	} {
		m := sampleRepomd()
		change(m)
		if err := m.Check(); !errors.Is(err, ErrControl) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := sampleRepomd()
	m.Records[0].LocationHref = "repodata/a\xff"
	if err := m.Check(); !errors.Is(err, errNotUTF8) {
		t.Errorf("location: %v", err)
	}
}

// TestSharedDirectory: the header has a directory once, the metadata has it with each of its files.
func TestSharedDirectory(t *testing.T) {
	dir := "/" + strings.Repeat("d", 1<<20) + "/"
	p := &Package{Files: make([]File, 1000)}
	for i := range p.Files {
		p.Files[i] = File{Dir: dir, Base: "f"}
	}
	if err := p.Check(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a gigabyte of paths: %v", err)
	}
	p.Files = p.Files[:10]
	if err := p.Check(); err != nil {
		t.Error(err)
	}
}

// TestOwnFilesOfMany: requirements of own files are found alike among few and many files.
func TestOwnFilesOfMany(t *testing.T) {
	for _, n := range []int{3, manyFiles + 3} {
		spec := rpmtest.Spec{Name: "a", Requires: []rpmtest.Dep{
			on("/etc/f1", 0, ""), on("/usr/share/f1", 0, ""), on("/etc/other", 0, ""), on("/usr/bin/f2", 0, ""), on("/etc/", 0, ""),
		}}
		for i := range n {
			for _, dir := range []string{"/etc", "/usr/share", "/usr/bin"} {
				spec.Files = append(spec.Files, rpmtest.File{Path: fmt.Sprintf("%s/f%d", dir, i)})
			}
		}
		p, _ := build(t, 10, spec)
		var got []string
		for _, d := range p.Deps[Requires] {
			got = append(got, d.Name)
		}
		if want := []string{"/usr/share/f1", "/etc/other", "/etc/"}; !slices.Equal(got, want) {
			t.Errorf("%d files: %q, want %q", n, got, want)
		}
	}
}
