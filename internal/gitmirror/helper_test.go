package gitmirror

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// place is a pair of directories to import to.
type place struct {
	t                 *testing.T
	mirrors, metadata string
}

// The name of the directory means something else to whoever takes it for a pattern.
func newPlace(t *testing.T) *place {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a [b] c")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return &place{t, filepath.Join(dir, "mirrors"), filepath.Join(dir, "metadata")}
}

func (p *place) importer() *Importer { return &Importer{Mirrors: p.mirrors, Metadata: p.metadata} }

func (p *place) exporter() *Exporter { return &Exporter{Mirrors: p.mirrors, Metadata: p.metadata} }

// tryImport imports files one after the other.
func (p *place) tryImport(paths ...string) ([]*Imported, error) {
	p.t.Helper()
	im := p.importer()
	if err := im.Open(); err != nil {
		p.t.Fatal(err)
	}
	var all []*Imported
	for _, path := range paths {
		out, err := im.Import(context.Background(), path)
		if err != nil {
			return all, err
		}
		all = append(all, out)
	}
	return all, im.Close()
}

func (p *place) mustImport(paths ...string) []*Imported {
	p.t.Helper()
	all, err := p.tryImport(paths...)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// git runs git in a mirror; a name of "" is the metadata repository.
func (p *place) git(name string, args ...string) string {
	p.t.Helper()
	judges.Need(p.t, "git")
	dir := filepath.Join(p.mirrors, name+".git")
	if name == "" {
		dir = filepath.Join(p.metadata, ".git")
	}
	return run(p.t, dir, "git", append([]string{"--git-dir=" + dir}, args...)...)
}

func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+t.TempDir(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a",
		"GIT_COMMITTER_EMAIL=a@b", "GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000", "HGUSER=h <h@h>", "HGRCPATH=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// file is a member of an archive or a file of a package.
type file struct{ name, body string }

var archiveTime = time.Unix(1600000000, 0)

func tarball(t *testing.T, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.body)), ModTime: archiveTime, Typeflag: tar.TypeReg}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gz(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const program = "int main(void)\n{\n\tputs(\"one\");\n\tputs(\"two\");\n\tputs(\"three\");\n\treturn 0;\n}\n"

// helloTar is the archive of a small program.
func helloTar(t *testing.T, version string) []byte {
	t.Helper()
	top := "hello-" + version + "/"
	return gz(t, tarball(t, file{top, ""}, file{top + "README", "This is hello " + version + "\n"},
		file{top + "src/", ""}, file{top + "src/hello.c", program}))
}

const helloPatch = `From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
From: =?UTF-8?q?J=C3=BCrgen?= Tester <j@example.com>
Date: Tue, 2 Mar 2021 10:00:00 +0100
Subject: [PATCH 1/1] Say it louder

Nobody could hear it.
---
 src/hello.c | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

diff --git a/src/hello.c b/src/hello.c
--- a/src/hello.c
+++ b/src/hello.c
@@ -2,5 +2,5 @@
 {
 	puts("one");
-	puts("two");
+	puts("TWO");
 	puts("three");
 	return 0;
-- 
2.30.0
`

const helloSpec = `%global greeting hello
Name:           %{greeting}
Version:        VERSION
Release:        RELEASE%{?dist}
Summary:        Greets
License:        MIT
Source0:        https://example.com/hello-%{version}.tar.gz
Source1:        hello.conf
Patch1:         louder.patch
BuildRequires:  gcc >= 4, make

%description
A greeting.

%prep
%autosetup -p1

%build

%files

%changelog
* Mon Nov 02 2026 A Tester <a@example.com> - VERSION-RELEASE
- Made
`

// helloSRPM writes a source RPM of hello and returns its path; more are files beside, which may replace.
func helloSRPM(t *testing.T, version, release string, more ...file) string {
	t.Helper()
	spec := strings.NewReplacer("VERSION", version, "RELEASE", release).Replace(helloSpec)
	files := []file{
		{"hello-" + version + ".tar.gz", string(helloTar(t, version))},
		{"hello.conf", "greeting = yes\n"},
		{"louder.patch", helloPatch},
		{"hello.spec", spec},
	}
	for _, m := range more {
		if i := slices.IndexFunc(files, func(f file) bool { return f.name == m.name }); i >= 0 {
			files[i] = m
		} else {
			files = append(files, m)
		}
	}
	return writeSRPM(t, rpmtest.Spec{
		Name: "hello", Version: version, Release: release + ".weld1", Summary: "Greets", Description: "A greeting.", License: "MIT",
		Requires: []rpmtest.Dep{{Name: "gcc", Flags: rpmtest.Greater | rpmtest.Equal, Version: "4"}, {Name: "make"}},
	}, files)
}

// writeSRPM writes a source RPM that holds files; those that end in .spec are the spec.
func writeSRPM(t *testing.T, spec rpmtest.Spec, files []file) string {
	t.Helper()
	spec.Source = true
	for _, f := range files {
		rf := rpmtest.File{Path: f.name, Body: []byte(f.body), MTime: 1650000000}
		if strings.HasSuffix(f.name, ".spec") {
			rf.Flags = rpmfile.FileSpec
		}
		spec.Files = append(spec.Files, rf)
	}
	return rpmtest.Write(t, t.TempDir(), spec)
}

// wantSame compares two files.
func wantSame(t *testing.T, got, want string) {
	t.Helper()
	a, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Fatalf("%s and %s differ", got, want)
	}
}

func (p *place) export(arg string) string {
	p.t.Helper()
	path, err := p.exporter().Export(context.Background(), arg, p.t.TempDir())
	if err != nil {
		p.t.Fatal(err)
	}
	return path
}

// snapshot is everything that a place says: references and the tree of the metadata.
func (p *place) snapshot() string {
	p.t.Helper()
	ex := p.exporter()
	names, err := ex.Names()
	if err != nil {
		p.t.Fatal(err)
	}
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "%s\n%s", n, p.git(n, "for-each-ref"))
	}
	return b.String() + p.git("", "rev-parse", "main^{tree}")
}

func newBufReader(data []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(data)) }
