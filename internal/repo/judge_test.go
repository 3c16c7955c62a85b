package repo

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/repodata"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// judge runs one of createrepo_c's programs. Without it a test proves nothing, which CI must not overlook.
func judge(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(judges.Need(t, name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// metadata is what a repository says, as far as clients can see it.
type metadata struct {
	Records  []string
	Packages []repodata.Package
}

func readMetadata(t *testing.T, dir string) *metadata {
	t.Helper()
	ctx := context.Background()
	src, err := openSource(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	md := new(metadata)
	for i := range src.repomd.Records {
		r := &src.repomd.Records[i]
		md.Records = append(md.Records, r.Type)
		f, err := src.record(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := repodata.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, plain)
		if err != nil {
			t.Fatalf("%s: %v", r.Type, err)
		}
		if r.OpenSize >= 0 && n != r.OpenSize {
			t.Errorf("%s: %d bytes of content, repomd.xml says %d", r.Type, n, r.OpenSize)
		}
		io.Copy(io.Discard, f)
		f.Close()
	}
	spool, err := newSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	kinds := []repodata.Kind{repodata.Primary, repodata.Filelists, repodata.Other}
	all, err := spool.load(ctx, src, kinds, func(*repodata.Package) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for _, old := range all {
		var p repodata.Package
		if err := spool.get(old, kinds, &p); err != nil {
			t.Fatal(err)
		}
		md.Packages = append(md.Packages, p)
	}
	return md
}

// allowed are the differences from older releases of createrepo_c; what is right has changed there.
func allowed(p *repodata.Package) {
	// Before 1.1.1 requirements of the scripts of a transaction were not marked, and so not dropped as repetitions.
	var requires []repodata.Dep
	seen := map[repodata.Dep]bool{}
	for _, d := range p.Deps[repodata.Requires] {
		d.Pre = false
		if !seen[d] {
			requires = append(requires, d)
		}
		seen[d] = true
	}
	p.Deps[repodata.Requires] = requires
	// librpm 4 gives packages of format 3 a provide of their own name, librpm 6 does not.
	var provides []repodata.Dep
	for _, d := range p.Deps[repodata.Provides] {
		if d.Name != p.Name || d.Flags != "EQ" {
			provides = append(provides, d)
		}
	}
	p.Deps[repodata.Provides] = provides
}

func compareMetadata(t *testing.T, want, got *metadata) {
	t.Helper()
	if diff := cmp.Diff(want.Records, got.Records); diff != "" {
		t.Errorf("records: %s", diff)
	}
	for _, md := range []*metadata{want, got} {
		for i := range md.Packages {
			allowed(&md.Packages[i])
		}
	}
	if len(want.Packages) != len(got.Packages) {
		t.Errorf("%d packages, want %d", len(got.Packages), len(want.Packages))
		return
	}
	for i := range want.Packages {
		if diff := cmp.Diff(&want.Packages[i], &got.Packages[i]); diff != "" {
			t.Errorf("%s: %s", want.Packages[i].LocationHref, diff)
		}
	}
}

// sampleDir makes a directory of all sample packages that createrepo_c takes.
func sampleDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, spec := range rpmtest.Samples() {
		if name == "odd" {
			continue // a file name with a control character: refused, see TestRefused
		}
		sub := filepath.Join(dir, name)
		if err := os.MkdirAll(sub, 0o777); err != nil {
			t.Fatal(err)
		}
		rpmtest.Write(t, sub, spec)
	}
	return dir
}

var testTime = time.Unix(1700000000, 0)

func create(t testing.TB, dir string, change func(*CreateOptions)) *CreateResult {
	t.Helper()
	result, err := tryCreate(dir, change)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func tryCreate(dir string, change func(*CreateOptions)) (*CreateResult, error) {
	opts := CreateOptions{Layout: DefaultLayout(), PkgChecksum: "sha256", ChangelogLimit: 10, Now: testTime}
	opts.Layout.XML, opts.Layout.Extra = repodata.Gzip, repodata.Gzip
	if change != nil {
		change(&opts)
	}
	return Create(context.Background(), []string{dir}, opts)
}

// TestCreateAgainstOriginal compares with createrepo_c over the samples, and over the packages below WELD_RPMS.
func TestCreateAgainstOriginal(t *testing.T) {
	dirs := map[string]string{"samples": sampleDir(t)}
	if rpms := os.Getenv("WELD_RPMS"); rpms != "" {
		dirs["WELD_RPMS"] = rpms
	}
	for name, dir := range dirs {
		t.Run(name, func(t *testing.T) {
			want, got := t.TempDir(), t.TempDir()
			judge(t, "createrepo_c", "-q", "--no-database", "-o", want, dir)
			create(t, dir, func(o *CreateOptions) { o.OutputDir = got })
			compareMetadata(t, readMetadata(t, want), readMetadata(t, got))
		})
	}
}

// TestRewriteAgainstOriginal reads what createrepo_c wrote and writes it again.
func TestRewriteAgainstOriginal(t *testing.T) {
	dir := sampleDir(t)
	out := t.TempDir()
	judge(t, "createrepo_c", "-q", "--no-database", "-o", out, dir)
	want := readMetadata(t, out)
	result := create(t, dir, func(o *CreateOptions) {
		o.OutputDir, o.Update, o.SkipStat = out, true, true
		o.Layout.XML = repodata.Zstd
	})
	if result.Reused != len(want.Packages) {
		t.Errorf("%d of %d packages were reused", result.Reused, len(want.Packages))
	}
	compareMetadata(t, want, readMetadata(t, out))
}

func TestMergeAgainstOriginal(t *testing.T) {
	repos := mergeRepos(t)
	list := filepath.Join(t.TempDir(), "blocked")
	if err := os.WriteFile(list, []byte("gone\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		set  func(*MergeOptions)
	}{
		"default": {nil, func(*MergeOptions) {}},
		"all":     {[]string{"--all"}, func(o *MergeOptions) { o.Method = AllVersions }},
		"nvr":     {[]string{"--method", "nvr"}, func(o *MergeOptions) { o.Method = HighestEVR }},
		"koji": {[]string{"--koji", "-a", "x86_64", "--arch-expand", "-b", list}, func(o *MergeOptions) {
			o.Koji, o.Method, o.Blocked, o.Arches = true, AllVersions, list, ExpandArches([]string{"x86_64"}, true)
		}},
		"simple": {[]string{"--koji", "--simple", "-a", "x86_64", "-b", list}, func(o *MergeOptions) {
			o.Koji, o.Simple, o.Method, o.Blocked, o.Arches = true, true, Everything, list, ExpandArches([]string{"x86_64"}, true)
		}},
		"origins": {[]string{"--pkgorigins", "--all", "-a", "noarch"}, func(o *MergeOptions) {
			o.Origins, o.Method, o.Arches = true, AllVersions, ExpandArches([]string{"noarch"}, false)
		}},
		"bare": {[]string{"--all", "--omit-baseurl", "--noupdateinfo"}, func(o *MergeOptions) {
			o.Method, o.OmitBaseURL, o.NoUpdateInfo = AllVersions, true, true
		}},
	} {
		t.Run(name, func(t *testing.T) {
			want, got := t.TempDir(), t.TempDir()
			args := append([]string{"--no-database", "-o", want}, test.args...)
			opts := MergeOptions{Layout: DefaultLayout(), Output: got, Now: testTime, Repos: repos}
			for _, r := range repos {
				args = append(args, "-r", r)
			}
			judge(t, "mergerepo_c", args...)
			test.set(&opts)
			if err := Merge(context.Background(), opts); err != nil {
				t.Fatal(err)
			}
			a, b := readMetadata(t, want), readMetadata(t, got)
			compareMetadata(t, a, b)
			for i := range a.Records {
				if a.Records[i] == "origin" {
					if diff := cmp.Diff(origins(t, want), origins(t, got)); diff != "" {
						t.Error(diff)
					}
				}
			}
		})
	}
}

// origins reads pkgorigins; the original writes it in the order of a hash table.
func origins(t *testing.T, dir string) map[string]bool {
	t.Helper()
	src, err := openSource(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := src.record(context.Background(), src.repomd.Record("origin"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := repodata.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		lines[line] = true
	}
	return lines
}

// mergeRepos makes two repositories that share builds, versions and whole packages.
func mergeRepos(t *testing.T) []string {
	t.Helper()
	pkg := func(name, version, arch, source string) rpmtest.Spec {
		return rpmtest.Spec{Name: name, Version: version, Arch: arch, SourceRPM: source + "-" + version + "-1.src.rpm"}
	}
	repos := [][]rpmtest.Spec{
		{pkg("a", "1", "x86_64", "a"), pkg("a-doc", "1", "noarch", "a"), pkg("old", "1", "x86_64", "old"), pkg("gone", "1", "x86_64", "gone")},
		{
			pkg("a", "2", "x86_64", "a"), pkg("a-doc", "1", "noarch", "a"), pkg("b", "1", "i686", "b"), pkg("b", "1", "x86_64", "b"),
			pkg("c", "1", "s390x", "c"), pkg("old-extra", "2", "noarch", "old"),
		},
	}
	var dirs []string
	for _, specs := range repos {
		dir := t.TempDir()
		for _, spec := range specs {
			rpmtest.Write(t, dir, spec)
		}
		create(t, dir, nil)
		dirs = append(dirs, dir)
	}
	return dirs
}

func TestModifyAgainstOriginal(t *testing.T) {
	dir := sampleDir(t)
	create(t, dir, nil)
	file := filepath.Join(t.TempDir(), "productid.xml")
	if err := os.WriteFile(file, []byte("<x/>\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	var dirs [2]string
	for i := range dirs {
		dirs[i] = filepath.Join(t.TempDir(), RepodataDir)
		if err := os.CopyFS(dirs[i], os.DirFS(filepath.Join(dir, RepodataDir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		args   []string
		change Change
	}{
		{[]string{"--compress-type", "gz", file}, Change{Path: file, Compression: repodata.Gzip, Checksum: "sha256"}},
		{[]string{"--no-compress", "--mdtype", "second", "--simple-md-filenames", "--new-name", "x.txt", file}, Change{
			Path: file, Type: "second", SimpleName: true, NewName: "x.txt", Checksum: "sha256",
		}},
		{[]string{"--compress-type", "xz", "-s", "sha512", "--mdtype", "second", file}, Change{
			Path: file, Type: "second", Compression: repodata.XZ, Checksum: "sha512",
		}},
		{[]string{"--remove", "productid"}, Change{Path: "productid", Remove: true}},
	} {
		judge(t, "modifyrepo_c", append(step.args, dirs[0])...)
		if err := Modify(context.Background(), dirs[1], []Change{step.change}, testTime, func(string) {}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(names(t, dirs[0]), names(t, dirs[1])); diff != "" {
			t.Errorf("%v: %s", step.args, diff)
		}
		compareMetadata(t, readMetadata(t, filepath.Dir(dirs[0])), readMetadata(t, filepath.Dir(dirs[1])))
	}
}

// names lists the files of a directory without their checksums.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range entries {
		name := e.Name()
		if i := strings.IndexByte(name, '-'); i >= 32 && isHex(name[:i]) {
			name = name[i+1:]
		}
		seen[name] = true
	}
	for _, name := range []string{"productid.xml.gz", "x.txt", "productid.xml.xz", "primary.xml.gz", "repomd.xml"} {
		if seen[name] {
			list = append(list, name)
		}
	}
	return list
}
