package gitmirror

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// goZip is a zip as Go's archive/zip writes it.
func goZip(t *testing.T, files ...file) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		method := zip.Deflate
		if strings.HasSuffix(f.name, ".stored") {
			method = zip.Store
		}
		m, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: method, Modified: archiveTime})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(m, f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SetComment("a comment"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// infoZip is a zip as the program zip writes it.
func infoZip(t *testing.T, files ...file) string {
	t.Helper()
	judges.Need(t, "zip")
	dir := t.TempDir()
	put(t, dir, files...)
	cmd := exec.Command("zip", "-q", "-r", "out.zip", ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("zip: %v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "out.zip"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestZip(t *testing.T) {
	text := strings.Repeat("a line of text that can be made smaller\n", 3000)
	files := []file{{"h/a.txt", text}, {"h/b/c.stored", text[:500]}, {"h/d", "short"}, {"h/empty", ""}}
	for _, c := range []struct{ name, body, tree, notes string }{
		{"go", goZip(t, files...), "a.txt\nb/c.stored\nd\nempty\n", ""},
		{"info-zip", infoZip(t, files...), "a.txt\nb/c.stored\nd\nempty\n", ""},
		{"dot git", goZip(t, file{"h/a", text}, file{"h/.git/config", text[:100]}), "a\n", "means .git"},
		{"twice", goZip(t, file{"h/a", text}, file{"h/a", "other"}), "a\n", "more than once"},
		{"leads out", goZip(t, file{"h/a", text}, file{"h/../../x", "other"}), "a\n", "not a relative path"},
		{"prefix", "#!/bin/sh\n" + goZip(t, files...), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := strings.NewReplacer("VERSION", "1.0", "RELEASE", "1", ".tar.gz", ".zip", "Patch1:         louder.patch\n", "").Replace(helloSpec)
			p := newPlace(t)
			srpm := helloSRPM(t, "1.0", "1", file{"hello-1.0.zip", c.body}, file{"hello.spec", spec})
			out := p.mustImport(srpm)[0]
			wantSame(t, p.export("hello"), srpm)
			if c.tree == "" {
				return
			}
			if out.Verbatim != nil {
				t.Errorf("verbatim %q", out.Verbatim)
			}
			if notes := strings.Join(out.Notes, "\n"); !strings.Contains(notes, c.notes) || c.notes == "" && notes != "" {
				t.Errorf("notes %q", notes)
			}
			if d := cmp.Diff(c.tree, p.git("hello", "ls-tree", "-r", "--name-only", "upstream")); d != "" {
				t.Error(d)
			}
			p.git("hello", "gc", "--quiet", "--prune=now")
			if v, err := p.exporter().Verify(context.Background(), "hello"); err != nil || v.Versions != 1 {
				t.Errorf("verify: %v %v", v, err)
			}
		})
	}
}

func FuzzZipModel(f *testing.F) {
	z := &zipSearch{}
	f.Add(z.encode([]zipMember{{3, 1, 0}, {2, 0, 0}}, []byte("skeleton")))
	f.Add([]byte(zipMagic + "\x00\x01\xff\xff\xff\xff\x0f\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeZip(data)
		if err == nil && len(m.members) > len(data) {
			t.Errorf("%d members of %d bytes", len(m.members), len(data))
		}
	})
}
