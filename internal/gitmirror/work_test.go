package gitmirror

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// work clones a mirror, lets change do something on distro, and pushes it.
func (p *place) work(change func(dir string)) {
	p.t.Helper()
	judges.Need(p.t, "git")
	dir := filepath.Join(p.t.TempDir(), "clone")
	run(p.t, p.t.TempDir(), "git", "clone", "--quiet", "-b", "distro", filepath.Join(p.mirrors, "hello.git"), dir)
	change(dir)
	run(p.t, dir, "git", "push", "--quiet", "-f", "origin", "distro")
}

func replaceIn(t *testing.T, path, old, fresh string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		t.Fatalf("%s has no %q", path, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), old, fresh, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (p *place) srpm() (path string, pkg *rpmfile.Package) {
	p.t.Helper()
	path, err := p.exporter().SRPM(context.Background(), "hello", "", p.t.TempDir(), 0)
	if err != nil {
		p.t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	if pkg, err = rpmfile.Parse(data); err != nil {
		p.t.Fatal(err)
	}
	return path, pkg
}

func TestNewCommit(t *testing.T) {
	p := newPlace(t)
	p.mustImport(helloSRPM(t, "1.0", "1"))
	p.work(func(dir string) {
		replaceIn(t, filepath.Join(dir, "src/hello.c"), `"three"`, `"drei"`)
		if err := os.WriteFile(filepath.Join(dir, "NEW"), []byte("new\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, dir, "git", "add", "-A")
		run(t, dir, "git", "commit", "--quiet", "-m", "Count: in German!\n\nIt sounds better.")
	})
	path, pkg := p.srpm()
	if d := cmp.Diff([]string{"Count-in-German.patch", "louder.patch"}, pkg.Header.Strings(rpmfile.TagPatch)); d != "" {
		t.Error(d)
	}
	diff := run(t, p.metadata, "git", "diff", "-U0", "--no-color")
	var changed []string
	for line := range strings.Lines(diff) {
		if (line[0] == '+' || line[0] == '-') && !strings.HasPrefix(line, "+++") && !strings.HasPrefix(line, "---") {
			changed = append(changed, strings.TrimSpace(line))
		}
	}
	want := []string{
		"+Patch2:         Count-in-German.patch",
		`-list = [{ number = 1, file = "louder.patch" }]`, // one entry stands on one line, two on two
		"+list = [",
		`+  { number = 1, file = "louder.patch" },`,
		`+  { number = 2, file = "Count-in-German.patch" },`,
		"+]",
	}
	if d := cmp.Diff(want, changed); d != "" {
		t.Errorf("metadata: %s\n%s", d, diff)
	}
	again, _ := p.srpm()
	wantSame(t, again, path)

	// The new source RPM imports again, and its tree holds the work.
	q := newPlace(t)
	q.mustImport(path)
	if got := q.git("hello", "show", "distro:src/hello.c"); !strings.Contains(got, "drei") || !strings.Contains(got, "TWO") {
		t.Error(got)
	}
	if got := q.git("hello", "rev-parse", "distro^{tree}"); got != p.git("hello", "rev-parse", "distro^{tree}") {
		t.Error("the tree is another one")
	}
	judgeBuild(t, path, "drei")
}

// judgeBuild lets rpm check a source RPM and rpmbuild -bp prepare it.
func judgeBuild(t *testing.T, path, want string) {
	t.Helper()
	judges.Need(t, "rpmbuild")
	run(t, t.TempDir(), "rpmkeys", "-K", "--nosignature", path)
	top := t.TempDir()
	run(t, top, "rpm", "-i", "--define", "_topdir "+top, path)
	run(t, top, "rpmbuild", "-bp", "--nodeps", "--define", "_topdir "+top, "--define", "dist .weld1", filepath.Join(top, "SPECS", "hello.spec"))
	data, err := os.ReadFile(filepath.Join(top, "BUILD", "hello-1.0", "src", "hello.c"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), want) {
		t.Errorf("rpmbuild prepared\n%s", data)
	}
}

func TestChangedAndDroppedCommit(t *testing.T) {
	p := newPlace(t)
	srpm := helloSRPM(t, "1.0", "1")
	p.mustImport(srpm)
	p.work(func(dir string) {
		replaceIn(t, filepath.Join(dir, "src/hello.c"), `"TWO"`, `"TWO!"`)
		run(t, dir, "git", "commit", "--quiet", "-a", "--amend", "--no-edit")
	})
	_, pkg := p.srpm()
	if d := cmp.Diff([]string{"louder.patch"}, pkg.Header.Strings(rpmfile.TagPatch)); d != "" {
		t.Error(d)
	}
	out := t.TempDir()
	if _, err := p.exporter().Sources(context.Background(), "hello", "", out); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(out, "louder.patch"))
	if err != nil || !strings.Contains(string(data), `+	puts("TWO!");`) || !strings.Contains(string(data), "Nobody could hear it.") {
		t.Errorf("%v\n%s", err, data)
	}
	p.work(func(dir string) { run(t, dir, "git", "reset", "--quiet", "--hard", "HEAD^") })
	if _, pkg = p.srpm(); len(pkg.Header.Strings(rpmfile.TagPatch)) != 0 {
		t.Error("the dropped patch is still there")
	}
	spec, err := os.ReadFile(filepath.Join(p.metadata, "packages/hello/hello.spec"))
	if err != nil || strings.Contains(string(spec), "Patch1") {
		t.Errorf("%v\n%s", err, spec)
	}
	wantSame(t, p.export("hello"), srpm)
}

func TestEditedDocument(t *testing.T) {
	p := newPlace(t)
	p.mustImport(helloSRPM(t, "1.0", "1"))
	toml := filepath.Join(p.metadata, "packages/hello/package.toml")
	replaceIn(t, toml, `release = "1%{?dist}"`, `release = "2%{?dist}"`)
	path, pkg := p.srpm()
	if n := pkg.NEVRA().NVR(); n != "hello-1.0-2.weld1" || filepath.Base(path) != n+".src.rpm" {
		t.Errorf("%s in %s", n, path)
	}
	if d := cmp.Diff([]string{"gcc", "make", "rpmlib(CompressedFileNames)", "rpmlib(FileDigests)"}, pkg.Header.Strings(rpmfile.TagRequireName)); d != "" {
		t.Error(d)
	}
	judgeBuild(t, path, "TWO")
	// Spec and document that say different things are not guessed at.
	replaceIn(t, toml, `release = "2%{?dist}"`, `release = "3%{?dist}"`)
	replaceIn(t, filepath.Join(p.metadata, "packages/hello/hello.spec"), "Release:        2", "Release:        4")
	_, err := p.exporter().SRPM(context.Background(), "hello", "", t.TempDir(), 0)
	if err == nil || !strings.Contains(err.Error(), "were both edited") {
		t.Error(err)
	}
	if _, err := p.tryImport(helloSRPM(t, "1.1", "1")); err == nil || !strings.Contains(err.Error(), "was edited and not committed") {
		t.Error(err)
	}
}

// TestUnknownValues edits specs so that only rpmbuild could tell what the header is to say, or so that it would be refused.
func TestUnknownValues(t *testing.T) {
	p := newPlace(t)
	p.mustImport(helloSRPM(t, "1.0", "1"))
	path := filepath.Join(p.metadata, "packages/hello/hello.spec")
	spec, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, fresh, want string }{
		{"Release:        1%{?dist}", "Release:        %autorelease", `release: "%autorelease" needs a macro`},
		{"BuildRequires:  gcc >= 4, make", "BuildRequires:  %{py_dist x}", `dependency: "%{py_dist x}" needs a macro`},
		{"License:        MIT", "License:        MIT\nEpoch: x", `epoch: "x" is not a number`},
		{"Release:        1%{?dist}", "Release:        1/../../x", `"1/../../x" is not a version or release`},
		{"%global greeting hello", "%global greeting ../hello", `"../hello" is not a package name`},
	} {
		text := strings.Replace(string(spec), c.old, strings.ReplaceAll(c.fresh, `\n`, "\n"), 1)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if _, err := p.exporter().SRPM(context.Background(), "hello", "", dir, 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.fresh, err, c.want)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: left behind: %v", c.fresh, left)
		}
	}
}

// TestHeaderAgainstRpmbuild compares what we write with what rpmbuild -bs writes of the same files.
func TestHeaderAgainstRpmbuild(t *testing.T) {
	judges.Need(t, "rpmbuild")
	top := t.TempDir()
	spec := "%bcond_without x\nName: hello\nEpoch: 2\nVersion: 1.0~rc1\nRelease: 1%{?dist}\nSummary: Greets\nSummary(de): Grüßt\nLicense: MIT\nGroup: Games\n" +
		"URL: https://example.com/\nSource0: hello.tar.gz\nSource5: b.txt\nPatch3: louder.patch\nExclusiveArch: x86_64 aarch64\n" +
		"BuildRequires: make, gcc >= 4.0~1\n%if %{with x}\nBuildRequires: (a or b)\n%endif\nBuildConflicts: evil < 2\n%description\nA greeting.\n\nTwo.\n" +
		"%description -l de\nEin Gruß.\n%package libs\nSummary: L\n%description libs\nl\n%package -n other\nSummary: O\n%description -n other\no\n%prep\n" +
		"%setup -q -n hello-1.0\n%patch -P 3 -p1\n%changelog\n* Mon Nov 02 2026 A B <a@b> - 1.0\n- Made\n  it\n\n* Sun Nov 01 2026 A B <a@b>\n- Began\n"
	for _, f := range []file{{"hello.tar.gz", string(helloTar(t, "1.0"))}, {"b.txt", "b\n"}, {"louder.patch", helloPatch}, {"hello.spec", spec}} {
		if err := os.WriteFile(filepath.Join(top, f.name), []byte(f.body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-bs", "--nodeps", "--define", "_topdir " + top, "--define", "_sourcedir " + top, "--define", "_srcrpmdir " + top, "--define", "dist .weld1"}
	run(t, top, "rpmbuild", append(args, filepath.Join(top, "hello.spec"))...)
	found, _ := filepath.Glob(filepath.Join(top, "*.src.rpm"))
	if len(found) != 1 {
		t.Fatalf("rpmbuild wrote %q", found)
	}
	p := newPlace(t)
	p.mustImport(found[0])
	wantSame(t, p.export("hello"), found[0])
	// A changed release makes every value go through our own reading of the spec at least once.
	replaceIn(t, filepath.Join(p.metadata, "packages/hello/hello.spec"), "Release: 1%{?dist}", "Release: 2%{?dist}\nBuildRequires: zlib > 1")
	replaceIn(t, filepath.Join(top, "hello.spec"), "Release: 1%{?dist}", "Release: 2%{?dist}\nBuildRequires: zlib > 1")
	os.Remove(filepath.Join(p.metadata, "packages/hello/package.toml"))
	_, ours := p.srpm()
	run(t, top, "rpmbuild", append(args, filepath.Join(top, "hello.spec"))...)
	data, err := os.ReadFile(filepath.Join(top, "hello-1.0~rc1-2.weld1.src.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := rpmfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	// What tells the build apart: where and when, the payload's compressor, and the expanded spec that rpm 4.18 adds.
	skip := map[rpmfile.Tag]bool{
		rpmfile.TagBuildTime: true, rpmfile.TagBuildHost: true, rpmfile.TagCookie: true, rpmfile.TagFileMTimes: true,
		rpmfile.TagPayloadSHA256: true, rpmfile.TagPayloadSHA256Alt: true, rpmfile.TagHeaderImmutable: true, 5099: true,
	}
	tags := func(h *rpmfile.Header) map[rpmfile.Tag]string {
		m := map[rpmfile.Tag]string{}
		for e := range h.Entries() {
			if !skip[e.Tag] {
				m[e.Tag] = string(h.Data(e))
			}
		}
		return m
	}
	if d := cmp.Diff(tags(theirs.Header), tags(ours.Header)); d != "" {
		t.Errorf("header (- rpmbuild, + ours): %s", d)
	}
}

func TestPatchUses(t *testing.T) {
	base := "Name: p\nVersion: 1\nRelease: 1\nSource0: p-1.tar.gz\nPatch0: a.patch\nPatch1: b.patch\nPatch2: c.patch\n"
	for _, c := range []struct{ name, text, want string }{
		{"autosetup", base + "%prep\n%autosetup -p1\n", "a auto p1; b auto p1; c auto p1"},
		{"autosetup -N", base + "%prep\n%autosetup -N\n%autopatch -p2 -M 1\n", "a auto p2; b auto p2; c no"},
		{"patch numbers", base + "%prep\n%setup -q\n%patch2 -p1 -b .x\n%patch -P 0 -p0 -F 3\n%patch -P1 -p1 -E\n", "c macro p1; a macro p0 F3; b macro p1 E"},
		{"bare %patch", base + "%prep\n%setup -q\n%patch -p1\n", "a macro p1; b no; c no"},
		{"positional", base + "%prep\n%setup -q\n%patch 0 1 -p1\n", "a macro p1; b macro p1; c no"},
		{"fuzz macro", "%global _default_patch_fuzz 2\n" + base + "%prep\n%autosetup -p1\n", "a auto p1 F2; b auto p1 F2; c auto p1 F2"},
		{"condition false", base + "%prep\n%setup\n%if 0%{?rhel}\n%patch -P 0 -p1\n%else\n%patch -P 1 -p1\n%endif\n", "a cond p1; b macro p1; c no"},
		{"condition unknown", base + "%prep\n%setup\n%if %(uname)\n%patch -P 0 -p1\n%endif\n", "a cond p1; b no; c no"},
		{"conditional tag", "Name: p\nVersion: 1\nRelease: 1\n%if 0%{?fedora}\nPatch0: a.patch\n%endif\nPatch1: b.patch\n%prep\n%autosetup -p1\n", "a cond p1; b auto p1"},
		{"bcond", "%bcond_with extra\n" + base + "%prep\n%setup\n%if %{with extra}\n%patch -P 0 -p1\n%endif\n%if %{without extra}\n%patch -P 1 -p1\n%endif\n", "a cond p1; b macro p1; c no"},
		{"bcond, bare", "%bcond_with extra\n" + base + "%prep\n%setup\n%if %with extra\n%patch -P 0 -p1\n%endif\n%if %without extra && 1\n%patch -P 1 -p1\n%endif\n", "a cond p1; b macro p1; c no"},
		{"by hand", base + "%prep\n%setup\npatch -p1 < %{PATCH0}\ncat %{PATCH1} | patch -p1\n", "a hand p1; b no p0; c no"},
		{"in a directory", base + "%prep\n%setup\ncd sub\n%patch -P 0 -p1\n", "a macro p1 in sub; b no; c no"},
		{"there and back", base + "%prep\n%setup\npushd sub\ncd ../other\n%patch -P 0 -p1\npopd\n%patch -P 1 -p1\ncd %{_builddir}/p-1/x\n%patch 2\ncd ../..\n%patch -P 0\n", "a macro p1 in other; b macro p1; c macro p0 in x; a macro p0 in .."},
		{"a default", "%{!?sub: %global sub deep}%{?never:%global sub shallow}\n" + base + "%prep\n%setup\ncd %{sub}\n%patch -P 0 -p1\n", "a macro p1 in deep; b no; c no"},
		{"patchlist", "Name: p\nVersion: 1\nRelease: 1\n%patchlist\na.patch\nb.patch\n%prep\n%autosetup -p1\n", "a auto p1; b auto p1"},
		{"unnumbered", "Name: p\nVersion: 1\nRelease: 1\nPatch: a.patch\nPatch: b.patch\n%prep\n%setup\n%patch -P 1 -p1\n", "b macro p1; a no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			info := readSpec([]byte(c.text), rpmfile.NEVRA{Name: "p", Version: "1", Release: "1"})
			lay := info.layout()
			lay.root = "p-1"
			var got []string
			for _, u := range info.uses() {
				u.dir = lay.inTree(u.dir)
				s := strings.TrimSuffix(u.file, ".patch") + " "
				switch {
				case u.apply:
					s += u.how
				case strings.HasPrefix(u.why, "cond: "):
					s += "cond"
				default:
					s += "no"
				}
				if u.how != "no" {
					s += " p" + string(rune('0'+u.strip))
				}
				if u.fuzz > 0 {
					s += " F" + string(rune('0'+u.fuzz))
				}
				if u.empty {
					s += " E"
				}
				if u.dir != "" {
					s += " in " + u.dir
				}
				got = append(got, s)
			}
			if d := cmp.Diff(c.want, strings.Join(got, "; ")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestCondition(t *testing.T) {
	for in, want := range map[string]string{
		"1": "true", "0": "false", "01": "true", "1 && 0": "false", "1 || 0": "true", "!0": "true", "! 1": "false", "(1 && 0) || 1": "true",
		`"a" == "a"`: "true", `"a" == "b"`: "false", `"" != "x"`: "true", "041 >= 40": "true", "3 > 2 && 2 > 3": "false", `"x"`: "true", `""`: "false",
		"": "unknown", "%{x}": "unknown", "1 &&": "unknown", "a": "unknown", `"a" == 1`: "unknown", "1 + 1 == 2": "true", "-1 < 0": "true",
	} {
		v, ok := condition(in)
		got := map[bool]string{true: "true", false: "false"}[v]
		if !ok {
			got = "unknown"
		}
		if got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	}
}

func TestExpand(t *testing.T) {
	m := macros{"name": "n", "v": "1.%{minor}", "minor": "2", "with_x": "1", "loop": "%{loop}", "nil": ""}
	for in, want := range map[string]string{
		"%name-%{v}": "n-1.2", "%{?v}%{?no}": "1.2", "%{?v:yes}%{!?v:no}": "yes", "%{!?no:yes}": "yes", "%{no}": "%{no}", "100%%": "100%",
		"%{with x}%{with y}%{without y}": "101", "%(date)": "%(date)", "%{upper:%{name}}": "N", "a%{nil}b": "ab", "%{": "%{", "%": "%", "%{loop}": "%{loop}",
		"%{basename:a/b}": "b",
	} {
		if got := (&expander{m: m}).expand(in); got != want {
			t.Errorf("%q expands to %q, want %q", in, got, want)
		}
	}
}

func TestRefEscape(t *testing.T) {
	judges.Need(t, "git")
	for _, s := range []string{"1.0", "1.0~rc1", "1^git1", "1:2-3", "a..b", ".a", "a.", "a.lock", "-a", "a b", "a@{b", "ü", "a/b", "a.lock.lock"} {
		name := "refs/tags/upstream/" + refEscape(s)
		run(t, t.TempDir(), "git", "check-ref-format", name)
		if err := checkRefName(name); err != nil {
			t.Error(err)
		}
	}
}

func FuzzReadSpec(f *testing.F) {
	f.Add(helloSpec)
	f.Add("%if %{?a:%{b}\n%else\n%endif\n%endif\n%prep\n%setup -a\n%patch -P\n%autopatch -m\n")
	f.Fuzz(func(_ *testing.T, text string) {
		info := readSpec([]byte(text), rpmfile.NEVRA{Name: "p", Version: "1", Release: "1.fc40"})
		info.layout()
		info.uses()
		parseChangelog(info.x, info.changelog)
	})
}

func FuzzLock(f *testing.F) {
	f.Add((&Lock{Format: 1, Name: "a", Sources: []LockSource{{Name: "x", Kind: "spec", SHA256: strings.Repeat("0", 64), Mode: "644"}}}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := decodeLock(data)
		if err != nil {
			return
		}
		back, err := decodeLock(l.encode())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(l.encode(), back.encode()); d != "" {
			t.Fatal(d)
		}
	})
}
