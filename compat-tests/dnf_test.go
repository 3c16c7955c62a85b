package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// TestDnfChecksSignatures serves a package unsigned and signed to dnf with gpgcheck on: it takes the signed one only.
func TestDnfChecksSignatures(t *testing.T) {
	judges.Need(t, "dnf", "gpg", "rpmkeys")
	if os.Geteuid() != 0 {
		t.Skip("dnf installs for root only")
	}
	s := buildSample(t, t.TempDir())
	work := t.TempDir()
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	p := program{dir: work, env: []string{"GNUPGHOME=" + home}}
	t.Cleanup(func() {
		p.status(t, "gpgconf", "--kill", "all")
		os.RemoveAll(home)
	})
	p.must(t, "gpg", "--batch", "--passphrase", "", "--quick-generate-key", "Judge <judge@weld.invalid>", "ed25519", "sign", "never")
	p.must(t, "gpg", "--batch", "--armor", "--output", "secret.asc", "--export-secret-keys")
	p.must(t, "gpg", "--batch", "--armor", "--output", "public.asc", "--export")
	id := keyID(t, p)

	p.must(t, "rpmstore", "init", "store")
	p.must(t, "rpmstore", append([]string{"import", "--store", "store", "--into", "main"}, s.rpms...)...)
	p.must(t, "rpmstore", "sign", "--store", "store", "--collection", "main", "--key", "secret.asc")
	for form, want := range map[string]int{"--unsigned": 1, "--key=" + id: 0} {
		url := serve(t, p, "--store", "store", form)
		writeFile(t, filepath.Join(work, "repos", "main.repo"), "[sample]\nname=sample\nenabled=1\nbaseurl="+url+"main/\ngpgcheck=1\ngpgkey=file://"+filepath.Join(work, "public.asc")+"\n")
		root := t.TempDir()
		status, said := p.status(t, "dnf", "-y", "--installroot="+root, "--releasever=1", "--setopt=reposdir="+filepath.Join(work, "repos"),
			"--setopt=cachedir="+filepath.Join(root, "cache"), "--setopt=install_weak_deps=0", "--nodocs", "install", "sample-extra")
		if status != want || want == 1 && !strings.Contains(said, "is not signed") {
			t.Errorf("%s: dnf ends with status %d, want %d:\n%s", form, status, want, said)
		}
		if _, err := os.Stat(filepath.Join(root, "usr/share/sample/text")); (err == nil) != (want == 0) {
			t.Errorf("%s: the package is installed: %v", form, err == nil)
		}
	}
	record(t, "installs from repogen serve, signed, gpgcheck on", "dnf", judgeVersion(t, "dnf"), "TestDnfChecksSignatures: takes signed packages, refuses unsigned ones")
}

func keyID(t *testing.T, p program) string {
	t.Helper()
	for line := range strings.Lines(p.must(t, "gpg", "--with-colons", "--list-keys")) {
		if fields := strings.Split(line, ":"); fields[0] == "pub" {
			return strings.ToLower(fields[4])
		}
	}
	t.Fatal("gpg lists no key")
	return ""
}

// serve runs repogen serve until the test ends, and gives its address.
func serve(t *testing.T, p program, args ...string) string {
	t.Helper()
	cmd := p.command("repogen", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("repogen serve ends with %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("repogen serve says %q, %v", line, err)
	}
	return url
}
