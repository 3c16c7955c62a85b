package gitmirror

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// member is a member of a tar as no tool of ours would write it.
type member struct {
	tar.Header
	body string
}

func oddTar(t *testing.T, members ...member) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := m.Header
		h.ModTime, h.Size = archiveTime, int64(len(m.body))
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sparseTar has a member that GNU tar --sparse would write: a map of one piece at the end of 1 MiB.
func sparseTar(t *testing.T) string {
	t.Helper()
	archive := []byte(oddTar(t, member{tar.Header{Name: "h/sparse", Format: tar.FormatGNU}, strings.Repeat("x", 512)}))
	block := archive[:512]
	block[156] = 'S'
	copy(block[386:], fmt.Sprintf("%011o\x00%011o\x00", 1<<20-512, 512))
	copy(block[483:], fmt.Sprintf("%011o\x00", 1<<20))
	sum := 0
	copy(block[148:156], "        ")
	for _, c := range block {
		sum += int(c)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00 ", sum))
	return string(archive)
}

type zipFile struct {
	zip.FileHeader
	body string
}

func oddZip(t *testing.T, files ...zipFile) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		h := f.FileHeader
		h.Method = zip.Deflate
		if h.ExternalAttrs == 0 {
			h.SetMode(0o644)
		}
		out, err := w.CreateHeader(&h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(out, f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestOddArchive imports archives that use what tar and zip allow. Each comes back; what git would stumble over stays out of the tree, and is
// named.
func TestOddArchive(t *testing.T) {
	f := func(name, body string) member { return member{tar.Header{Name: name}, body} }
	link := func(typ byte, name, target string) member {
		return member{tar.Header{Name: name, Linkname: target, Typeflag: typ}, ""}
	}
	zipped := func(name, body string) zipFile { return zipFile{zip.FileHeader{Name: name}, body} }
	zipLink := func(name, target string) zipFile {
		z := zipped(name, target)
		z.SetMode(os.ModeSymlink | 0o777)
		return z
	}
	modules := "[submodule \"../x\"]\n\tpath = x\n\turl = -u./x\n"
	deep := strings.Repeat("d/", 1200)
	var many []member
	for i := range 3000 {
		many = append(many, f(fmt.Sprintf("h/%d/%d", i%40, i), "x\n"))
	}
	for _, c := range []struct {
		name, archive, tree string
		notes               string // part of them, "" if there are none
	}{
		{"hard links", oddTar(t, f("h/a", "x\n"), link(tar.TypeLink, "h/b", "h/a"), link(tar.TypeLink, "h/c", "h/nothing")), "a b", `hard link to "h/nothing"`},
		{"hard link to itself", oddTar(t, f("h/a", "x\n"), link(tar.TypeLink, "h/b", "h/b")), "a", `hard link to "h/b"`},
		{"devices", oddTar(t, f("h/a", "x\n"), link(tar.TypeChar, "h/null", ""), link(tar.TypeBlock, "h/disk", ""), link(tar.TypeFifo, "h/pipe", "")), "a", "device or pipe"},
		{"twice", oddTar(t, f("h/a", "1\n"), f("h/a", "2\n"), f("h/./a", "3\n")), "a", "more than once"},
		{"long pax value", oddTar(t, f("h/a", "x\n"), member{tar.Header{
			Name: "h/b", Format: tar.FormatPAX, PAXRecords: map[string]string{"WELD.comment": strings.Repeat("c", 900_000)},
		}, "y\n"}), "a b", ""},
		{"path beyond what Linux takes", oddTar(t, f("h/a", "x\n"), f("h/"+strings.Repeat("n/", 2100)+"b", "y\n")), "a", "longer than 4000 bytes"},
		{"deep directories", oddTar(t, f("h/a", "x\n"), f("h/"+deep+"b", "y\n")), "a " + deep + "b", ""},
		{"many members", oddTar(t, many...), "", ""},
		{"links of no use", oddTar(t, f("h/a", "x\n"), link(tar.TypeSymlink, "h/empty", ""), link(tar.TypeSymlink, "h/long", strings.Repeat("t", 5000))), "a", "no file system can hold"},
		{"links out of the tree", oddTar(t, f("h/a", "x\n"), link(tar.TypeSymlink, "h/b", "../../etc"), f("h/b/c", "y\n")), "a b", "link out of the tree"},
		{"submodules by other names", oddTar(t, f("h/a", "x\n"), f("h/.GITMODULES", modules), f("h/gitmod~1", modules), f("h/.gitmod\u200cules", modules), f("h/GI7EBA~1", modules)), "a", "submodule called"},
		{"attributes", oddTar(t, f("h/a", "x\n"), f("h/.gitattributes", strings.Repeat("x", 2048)+"\n"), f("h/b/.gitattributes", "* -text\n")), "a b/.gitattributes", "a line longer"},
		{"empty archive", oddTar(t), "", ""},
		{"directories alone", oddTar(t, member{tar.Header{Name: "h/", Typeflag: tar.TypeDir, Mode: 0o755}, ""}, member{tar.Header{Name: "h/d/", Typeflag: tar.TypeDir, Mode: 0o700}, ""}), "", ""},
		{"sparse file", sparseTar(t), "", ""},
		{"no end", oddTar(t, f("h/a", strings.Repeat("x", 600)))[:512+600], "", ""},
		{"something behind", oddTar(t, f("h/a", "x\n")) + "trailing", "a", ""},
		{"zip with all of it", oddZip(t, zipped("h/a", "x\n"), zipped("h/.git/config", "x\n"), zipped("h/.gitmodules", modules), zipped("h/../../b", "y\n"), zipped("/etc/x", "y\n"),
			zipLink("h/.GitModules", "x"), zipLink("h/link", "../../etc"), zipLink("h/nowhere", ""), zipped("h/a", "z\n"), zipped("h/a/b", "z\n")), "a link", "submodule called"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			srpm := helloSRPM(t, "1.0", "1", file{"hello-1.0.tar.gz", c.archive})
			out, err := p.tryImport(srpm)
			if err != nil {
				t.Fatal(err)
			}
			wantSame(t, p.export("hello"), srpm)
			p.git("hello", "fsck", "--strict")
			if v, err := p.exporter().Verify(context.Background(), "hello"); err != nil || v.Versions != 1 {
				t.Errorf("verify: %v %v", v, err)
			}
			if c.name != "many members" {
				got := strings.Fields(p.git("hello", "-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", "upstream"))
				if d := cmp.Diff(strings.Fields(c.tree), got); d != "" && c.tree != "" {
					t.Error(d)
				}
			}
			if notes := strings.Join(out[0].Notes, "\n"); !strings.Contains(notes, c.notes) || c.notes == "" && notes != "" {
				t.Errorf("notes %q, want %q", notes, c.notes)
			}
			if len(out[0].Verbatim) > 0 && c.name != "sparse file" && c.name != "no end" {
				t.Errorf("kept as it is: %.300q", out[0].Verbatim)
			}
			clone := filepath.Join(t.TempDir(), "clone")
			run(t, t.TempDir(), "git", "-c", "core.maxTreeDepth=2048", "clone", "--quiet", "-b", "upstream", filepath.Join(p.mirrors, "hello.git"), clone)
		})
	}
}

// TestOddPatch imports patches that are not what git or diff writes without options. Each comes back; the commit has its changes or says why not.
func TestOddPatch(t *testing.T) {
	change := func(eol, old, new string) string {
		return strings.ReplaceAll("--- a/src/hello.c\n+++ b/src/hello.c\n@@ -2,5 +2,5 @@\n {\n \tputs(\"one\");\n-\tputs(\""+old+"\");\n+\tputs(\""+new+"\");\n \tputs(\"three\");\n \treturn 0;\n", "\n", eol)
	}
	for _, c := range []struct{ name, patch, applied, why, diff string }{
		{"carriage returns", change("\r\n", "two", "zwei"), "auto", "", "M\tsrc/hello.c"},
		{"not UTF-8", "Subject: Gr\xfc\xdfe\n\n" + change("\n", "two", "\xff\xfe"), "auto", "", "M\tsrc/hello.c"},
		{"NUL", "\x00\x00" + change("\n", "two", "a\x00b"), "deferred", "names no file", ""},
		{"renamed", "diff --git a/README b/LIESMICH\nsimilarity index 100%\nrename from README\nrename to LIESMICH\n", "auto", "", "R100\tREADME\tLIESMICH"},
		{"mode", "diff --git a/README b/README\nold mode 100644\nnew mode 100755\n", "auto", "", "M\tREADME"},
		{"binary", "diff --git a/x.png b/x.png\nnew file mode 100644\nindex 0000000..1234567\nGIT binary patch\nliteral 1\nIcmZPo000310RR91\n\nliteral 0\nHcmV?d00001\n\n", "deferred", "git binary diff", ""},
		{"link", "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n", "auto", "", "A\tl"},
		{"out of the tree", "--- /dev/null\n+++ b/../../x\n@@ -0,0 +1 @@\n+x\n", "deferred", "leads out of the tree", ""},
		{"into .git", "--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n", "deferred", "leads out of the tree", ""},
		{"submodule", "--- /dev/null\n+++ b/.gitmodules\n@@ -0,0 +1,3 @@\n+[submodule \"../x\"]\n+\tpath = x\n+\turl = -u./x\n", "deferred", "submodule called", ""},
		{"attributes", "--- /dev/null\n+++ b/.gitattributes\n@@ -0,0 +1 @@\n+" + strings.Repeat("x", 3000) + "\n", "deferred", "a line longer", ""},
		{"empty", "", "auto", "", ""},
		{"no diff", "Nothing to see here.\n", "deferred", "no diff", ""},
		{"does not fit", change("\n", "zwo", "zwei"), "deferred", "hunk 1 at line 3", ""},
		{"hostile numbers", "--- a/README\n+++ b/README\n@@ -99999999999999999999,1 +1,99999999999 @@\n-x\n", "deferred", "", ""},
		{"hostile mail", "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: =?UTF-8?q?a=0Aauthor=3Cx=3E?= <b>\nDate: Tue, 2 Mar 99999 10:00:00 +0100\n" +
			"Subject: [PATCH]\n\nPatch-name: other\nPatch-sha256: 00\n---\n" + change("\n", "two", "zwei"), "auto", "", "M\tsrc/hello.c"},
		{"gzip", string(gz(t, []byte(change("\n", "two", "zwei")))), "auto", "", "M\tsrc/hello.c"},
		{"cut gzip", string(gz(t, []byte(change("\n", "two", "zwei")))[:40]), "deferred", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			srpm := helloSRPM(t, "1.0", "1", file{"louder.patch", c.patch})
			use := p.mustImport(srpm)[0].Patches[0]
			if use.Applied != c.applied || !strings.Contains(use.Why, c.why) {
				t.Errorf("%+v, want %s %q", use, c.applied, c.why)
			}
			wantSame(t, p.export("hello"), srpm)
			p.git("hello", "fsck", "--strict")
			if d := cmp.Diff(c.diff, strings.TrimSpace(p.git("hello", "diff-tree", "-r", "-M", "--name-status", "upstream", "distro"))); d != "" {
				t.Error(d)
			}
			dir := t.TempDir()
			if _, err := p.exporter().Sources(context.Background(), "hello", "", dir); err != nil {
				t.Fatal(err)
			}
			if data, err := os.ReadFile(filepath.Join(dir, "louder.patch")); err != nil || string(data) != c.patch {
				t.Errorf("%v\n%q", err, data)
			}
			p.srpm()
		})
	}
}
