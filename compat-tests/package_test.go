package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// ourPackages are what packaging/weld-bridge.toml makes, without architecture.
var ourPackages = []string{
	"weld-bridge", "weld-bridge-createrepo_c", "weld-bridge-encoders", "weld-bridge-koji-builder", "weld-bridge-mock", "weld-bridge-spec", "weld-bridge-systemd",
}

// TestOwnPackage makes packages of the bridge as a packager does, from TOML and source archives and without a network, and installs them:
// each by rpm into an empty root, and by dnf from a repository of ours what depends on nothing else. It builds everything once more, so
// that only make compat runs it.
func TestOwnPackage(t *testing.T) {
	if os.Getenv("WELD_COMPAT") == "" {
		t.Skip("run by make compat")
	}
	judges.Need(t, "rpmbuild", "rpm", "dnf", "unshare")
	if os.Geteuid() != 0 {
		t.Skip("rpm installs for root only")
	}
	work := t.TempDir()
	p := program{dir: work}
	document := filepath.Join("..", "packaging", "weld-bridge.toml")
	p.must(t, "toml2spec", "-o", work, absolute(t, document))
	version := strings.TrimSpace(p.must(t, "rpmspec", "-q", "--srpm", "--qf", "%{VERSION}", "weld-bridge.spec"))
	p.must(t, absolute(t, filepath.Join("..", "packaging", "dist.sh")), version, filepath.Join(work, "SOURCES"))
	p.must(t, "rpmbuild", "-bs", "--nodeps", "--define", "_topdir "+work, "weld-bridge.spec")
	srpm, err := one(filepath.Join(work, "SRPMS", "*.src.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	p.must(t, "unshare", "--net", "rpmbuild", "--rebuild", "--nodeps", "--define", "_topdir "+work, srpm)

	rpms, err := filepath.Glob(filepath.Join(work, "RPMS", "*", "*.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(p.must(t, "rpm", append([]string{"-qp", "--qf", "%{NAME}\n"}, rpms...)...))
	slices.Sort(names)
	if !slices.Equal(names, ourPackages) {
		t.Fatalf("rpmbuild made %q, want %q", names, ourPackages)
	}

	// koji-builder, mock and systemd are not there to depend on, nor is a shell for scripts.
	root := filepath.Join(work, "root")
	inRoot := []string{"--root", root, "--define", "_dbpath /var/lib/rpm"}
	p.must(t, "rpm", append(append([]string{"-i", "--nodeps", "--noscripts"}, inRoot...), rpms...)...)
	if said := p.must(t, "rpm", append([]string{"-Va", "--nodeps"}, inRoot...)...); said != "" {
		t.Errorf("rpm -V says\n%s", said)
	}

	repo := filepath.Join(work, "RPMS")
	p.must(t, "repogen", "create", repo)
	writeFile(t, filepath.Join(work, "repos", "own.repo"), "[own]\nname=own\nenabled=1\nbaseurl=file://"+repo+"\ngpgcheck=0\n")
	root = filepath.Join(work, "dnf")
	p.must(t, "dnf", "-y", "--installroot="+root, "--releasever=1", "--setopt=reposdir="+filepath.Join(work, "repos"),
		"--setopt=cachedir="+filepath.Join(root, "cache"), "install", "weld-bridge", "weld-bridge-createrepo_c")
	for _, tool := range append([]string{"createrepo_c", "mergerepo_c", "modifyrepo_c"}, tools...) {
		if said := p.must(t, "chroot", root, "/usr/bin/"+tool, "--version"); !strings.Contains(said, version) {
			t.Errorf("%s, installed, says that it is %q", tool, said)
		}
	}
	record(t, "packages of the bridge: built without a network from TOML and source archives", "rpmbuild", judgeVersion(t, "rpmbuild"), "TestOwnPackage")
	record(t, "packages of the bridge: installed, rpm -V clean", "rpm", judgeVersion(t, "rpm"), "TestOwnPackage")
	record(t, "packages of the bridge: installed from a repository", "dnf", judgeVersion(t, "dnf"), "TestOwnPackage")
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
