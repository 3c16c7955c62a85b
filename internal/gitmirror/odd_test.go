package gitmirror

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// oddSpec names a source and a patch, each once.
func oddSpec(more string) string {
	return "Name: odd\nVersion: 1\nRelease: 1\nSummary: Odd\nLicense: MIT\n" + more + "%description\nOdd.\n%prep\n"
}

// TestOddSource imports source RPMs of files that no packager would put there. Each comes back byte for byte, and file by file, or is
// refused with the name of the file.
func TestOddSource(t *testing.T) {
	spec := func(more string) rpmtest.File {
		return rpmtest.File{Path: "odd.spec", Body: []byte(oddSpec(more)), Flags: rpmfile.FileSpec}
	}
	plain := func(name, body string) rpmtest.File { return rpmtest.File{Path: name, Body: []byte(body)} }
	for _, c := range []struct {
		name  string
		files []rpmtest.File
		want  string // part of the error of the import, or of what comes after it; "" if there is to be none
	}{
		{"two specs", []rpmtest.File{spec(""), {Path: "b.spec", Body: []byte(oddSpec("")), Flags: rpmfile.FileSpec}}, ""},
		{"no spec", []rpmtest.File{plain("a", "x\n")}, "srpm: odd: the source RPM had no spec"},
		{"nothing", nil, "srpm: odd: the source RPM had no spec"},
		{"spec that is none", []rpmtest.File{{Path: "odd.spec", Body: []byte{0, 0xff, '%', '{'}, Flags: rpmfile.FileSpec}}, ""},
		{"empty spec", []rpmtest.File{{Path: "odd.spec", Flags: rpmfile.FileSpec}}, ""},
		{"empty source", []rpmtest.File{spec("Source0: empty\n"), plain("empty", "")}, ""},
		{"blanks", []rpmtest.File{spec("Source0: a b  c\n"), plain("a b  c", "x\n")}, ""},
		{"newline", []rpmtest.File{spec(""), plain("a\nb", "x\n")}, ""},
		{"not UTF-8", []rpmtest.File{spec("Source0: \xff\xfe\n"), plain("\xff\xfe", "x\n"), plain("\xff\xfd", "y\n")}, ""},
		{"quotes", []rpmtest.File{spec(""), plain(`"a\n"`, "x\n"), plain(`'b'`, "y\n")}, ""},
		{"hyphen", []rpmtest.File{spec("Source0: --help\n"), plain("--help", "x\n"), plain("-", "y\n")}, ""},
		{"dot dot", []rpmtest.File{spec(""), plain("..", "x\n")}, `".."`},
		{"dot", []rpmtest.File{spec(""), plain(".", "x\n")}, `"."`},
		{"absolute", []rpmtest.File{spec(""), plain("/etc/x", "x\n")}, `etc/x" is not a file of the header`},
		{"in a directory", []rpmtest.File{spec(""), plain("d/x", "x\n")}, `d/x" is not a file of the header`},
		{"twice", []rpmtest.File{spec(""), plain("x", "x\n"), plain("x", "y\n")}, `"x" twice`},
		{"symbolic link", []rpmtest.File{spec("Source0: link\n"), {Path: "link", LinkTo: "/etc/passwd"}}, `: "link" is a symbolic link`},
		{"directory", []rpmtest.File{spec(""), {Path: "dir", Mode: 0o40755}}, `: "dir" is a directory`},
		{"device", []rpmtest.File{spec(""), {Path: "null", Mode: 0o20666, RDev: 0x103}}, `: "null" is a device or pipe`},
		{"names of ours", []rpmtest.File{
			spec("Source0: package.toml\nSource1: sources.lock\nSource2: upstream.toml\n"), plain("package.toml", "x = 1\n"), plain("sources.lock", "x\n"),
			plain("upstream.toml", "x\n"), plain("README.md", "x\n"),
		}, ""},
		{"names of ours without a spec", []rpmtest.File{plain("package.toml", "x = 1\n"), plain("sources.lock", "x\n"), plain("README.md", "x\n")}, "srpm: odd: the source RPM had no spec"},
		{"names of git's", []rpmtest.File{
			spec("Source0: .git\nSource1: .gitmodules\nSource2: .gitattributes\n"), plain(".git", "x\n"), plain("GIT~1", "y\n"),
			plain(".gitmodules", "[submodule \"../x\"]\n\tpath = x\n\turl = -u./x\n"), plain(".gitattributes", strings.Repeat("x", 3000)+"\n"),
		}, ""},
		{"long name", []rpmtest.File{spec(""), plain(strings.Repeat("n", 300), "x\n")}, "nnn: file name too long"},
		{"fragment", []rpmtest.File{spec("Source0: https://example.com/x?file=1#/odd-1.txt\n"), plain("odd-1.txt", "x\n")}, ""},
		{"named twice and thrice", []rpmtest.File{spec("Source0: x\nSource5: x\nSource3: x\nSource1: y\nPatch1: y\n"), plain("x", "x\n"), plain("y", "y\n")}, ""},
		{"patch that nothing applies", []rpmtest.File{spec("Patch7: a.patch\n"), plain("a.patch", "--- a\n+++ b\n")}, ""},
		{"patch that is missing", []rpmtest.File{spec("Patch7: a.patch\n")}, `srpm: odd: odd.spec names "a.patch"`},
		{"patch called as in no trailer", []rpmtest.File{spec("Patch0: a  b.patch\nPatch1: \xff.patch\n"), plain("a  b.patch", "x\n"), plain("\xff.patch", "y\n")}, ""},
		{"patch that is an archive", []rpmtest.File{spec("Patch0: a.tar.gz\n"), plain("a.tar.gz", string(helloTar(t, "1.0")))}, ""},
		{"patch that is the spec", []rpmtest.File{spec("Patch0: odd.spec\n")}, ""},
		{"%setup elsewhere", []rpmtest.File{
			spec("Source0: a.tar.gz\nSource1: b.tar.gz\n"), plain("a.tar.gz", string(helloTar(t, "1.0"))), plain("b.tar.gz", string(helloTar(t, "2.0"))),
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.name == "%setup elsewhere" {
				c.files[0].Body = append(c.files[0].Body, "%setup -q -n ../x -a 1\n%setup -q -T -D -n x/.git -a 1\n%setup -T -D -n /abs -a 1\n"...)
			}
			srpm := rpmtest.Write(t, t.TempDir(), rpmtest.Spec{Name: "odd", Version: "1", Release: "1", Source: true, Files: c.files})
			p := newPlace(t)
			if _, err := p.tryImport(srpm); err != nil {
				if c.want == "" || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !utf8.ValidString(err.Error()) {
					t.Errorf("error %v, want one line with %q", err, c.want)
				}
				if left, _ := glob(p.mirrors, "*"); len(left) > 0 {
					t.Errorf("left behind: %q", left)
				}
				return
			}
			wantSame(t, p.export("odd"), srpm)
			p.git("odd", "fsck", "--strict")
			p.git("", "fsck", "--strict")
			if s := run(t, p.metadata, "git", "status", "--porcelain"); s != "" {
				t.Errorf("metadata is not clean: %s", s)
			}
			if again := p.mustImport(srpm)[0]; !again.Skipped {
				t.Error("the second import did it again")
			}
			err := p.sameFiles("odd", c.files)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// sameFiles compares what Sources writes with the files of the source RPM, and lets SRPM make another.
func (p *place) sameFiles(name string, files []rpmtest.File) error {
	p.t.Helper()
	dir := p.t.TempDir()
	if _, err := p.exporter().Sources(context.Background(), name, "", dir); err != nil {
		return fmt.Errorf("sources: %w", err)
	}
	want, got := map[string]string{}, map[string]string{}
	for _, f := range files {
		want[f.Path] = string(f.Body)
	}
	found, err := os.ReadDir(dir)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range found {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			p.t.Fatal(err)
		}
		got[f.Name()] = string(data)
	}
	if d := cmp.Diff(want, got); d != "" {
		p.t.Errorf("sources: %s", d)
	}
	if _, err := p.exporter().SRPM(context.Background(), name, "", p.t.TempDir(), 1); err != nil {
		return fmt.Errorf("srpm: %w", err)
	}
	return nil
}

// TestHostileSpec reads specs that are made to take for ever.
func TestHostileSpec(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("%define z %{nil}\n%define m0 %{z}%{z}\n")
	for i := range 40 {
		fmt.Fprintf(&laughs, "%%define m%d %%{m%d}%%{m%d}\n", i+1, i, i)
	}
	double := "%global d0 0123456789abcdef\n"
	for i := range 16 {
		double += fmt.Sprintf("%%global d%d %%{d%d}%%{d%d}\n", i+1, i, i)
	}
	var many strings.Builder
	many.WriteString(double)
	for i := range 2000 {
		fmt.Fprintf(&many, "%%global e%d %%{d16}\n", i)
	}
	deep := strings.Repeat("%if 1\n", 50_000) + strings.Repeat("Patch: x\n", 20_000)
	for _, c := range []struct{ name, text string }{
		{"macros that double nothing", laughs.String() + "Source0: %{m40}\nSource1: %{m40}\n"},
		{"macros that double text", many.String() + "Source0: %{e1}\n"},
		{"conditions without end", deep},
		{"alternatives without end", "%if 0\n" + strings.Repeat("%elif 0\n", 50_000) + "Patch0: x\n%endif\n"},
		{"patches times commands", strings.Repeat("Patch: x\n", 3000) + "%prep\n" + strings.Repeat("%autopatch -p1\n", 3000)},
		{"one long entry", "%description\n" + strings.Repeat("x\n", 1<<19) + "%changelog\n* Mon Nov 02 2026 A <a@b> - 1\n" + strings.Repeat("- x\n", 1<<19)},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			info := readSpec([]byte(c.text), rpmfile.NEVRA{Name: "x", Version: "1", Release: "1"})
			parseChangelog(info.x, info.changelog)
			if n := len(info.uses()); n > maxUses+len(info.patches) {
				t.Errorf("%d uses", n)
			}
			size := 0
			for _, body := range info.m {
				size += len(body)
			}
			if size > 2*maxDefined {
				t.Errorf("%d bytes of macros", size)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
