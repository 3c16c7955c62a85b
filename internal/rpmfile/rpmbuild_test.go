package rpmfile_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// buildSpec has every kind of file that a package can hold.
const buildSpec = `Name: sample
Epoch: 2
Version: 1.0
Release: 1
Summary: A sample
Summary(de): Ein Beispiel
License: MIT
BuildArch: noarch
Source0: sample.txt
Requires(post): /bin/sh
Provides: virtual = 3
Recommends: (a or b)

%description
Everything at once.

%description -l de
Alles auf einmal.

%package empty
Summary: Nothing

%description empty
No files.

%install
d=%{buildroot}/usr/share/sample
mkdir -p $d/dir %{buildroot}/var/lib %{buildroot}/dev
cp %{SOURCE0} $d/one
seq 20000 > $d/two
ln $d/two $d/dir/link
ln $d/two $d/zlink
ln -s two $d/symlink
: > $d/none
mkfifo $d/fifo
echo ghost > %{buildroot}/var/lib/sample

%files
%dir %attr(2775, root, daemon) /usr/share/sample
/usr/share/sample/dir
%attr(4755, root, root) /usr/share/sample/one
/usr/share/sample/two
/usr/share/sample/zlink
/usr/share/sample/symlink
%caps(cap_net_raw=p) /usr/share/sample/none
/usr/share/sample/fifo
%config(noreplace) %ghost /var/lib/sample
%attr(0600, root, disk) %dev(b, 8, 1) /dev/sample-b
%dev(c, 1, 3) /dev/sample-c

%files empty

%post
echo post

%changelog
* Mon Nov 06 2023 A Packager <p@example.org> - 2:1.0-1
- First
`

// payloads are the ways to compress that rpm has.
var payloads = []string{"w.ufdio", "w9.gzdio", "w1.gzdio", "w9.bzdio", "w2.xzdio", "w2T2.xzdio", "w2.lzdio", "w3.zstdio", "w19T0.zstdio"}

// TestRPMBuild reads and verifies what rpmbuild builds.
func TestRPMBuild(t *testing.T) {
	judges.Need(t, "rpmbuild")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sample.txt"), []byte("text\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec := filepath.Join(dir, "sample.spec")
	if err := os.WriteFile(spec, []byte(buildSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, payload := range payloads {
		t.Run(payload, func(t *testing.T) {
			top := t.TempDir()
			run(t, true, "rpmbuild", "-ba", "--quiet", "--define", "_topdir "+top, "--define", "_sourcedir "+dir,
				"--define", "_binary_payload "+payload, "--define", "_source_payload "+payload, spec)
			checkBuilt(t, top)
		})
	}
}

// TestRPMBuild6 does the same with rpm 6, in the system that WELD_RPM6 names, in both formats.
func TestRPMBuild6(t *testing.T) {
	root, dir, inside := judges.RPM6(t)
	for name, text := range map[string]string{"sample.spec": buildSpec, "sample.txt": "text\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, format := range []string{"4", "6"} {
		for _, payload := range payloads {
			t.Run(format+"/"+payload, func(t *testing.T) {
				top := format + payload
				run(t, true, "chroot", root, "rpmbuild", "-ba", "--quiet", "--define", "_topdir "+inside+"/"+top,
					"--define", "_sourcedir "+inside, "--define", "_rpmformat "+format,
					"--define", "_binary_payload "+payload, "--define", "_source_payload "+payload, inside+"/sample.spec")
				checkBuilt(t, filepath.Join(dir, top))
			})
		}
	}
}

// checkBuilt checks the packages below a directory: three of them.
func checkBuilt(t *testing.T, dir string) {
	t.Helper()
	files := rpmFiles(t, dir)
	if len(files) != 3 {
		t.Fatalf("%d packages, not 3", len(files))
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p, result, err := rpmfile.Verify(bytes.NewReader(data), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := result.Err(); err != nil {
			t.Error(err)
		}
		if got := p.NEVRA().Filename(); got != filepath.Base(path) {
			t.Errorf("%s is called %s", path, got)
		}
		if raw, err := p.Unsigned(); err != nil || !bytes.Equal(raw, p.SignatureRaw()) {
			t.Errorf("%s: the unsigned header is another: %v", path, err)
		}
		_, end := p.HeaderRange()
		plain, err := rpmfile.Decompress(bytes.NewReader(data[end:]), p.Payload().Compressor)
		if err != nil {
			t.Fatal(err)
		}
		archive, err := io.ReadAll(plain)
		plain.Close()
		if err != nil {
			t.Fatal(err)
		}
		if result, err = p.VerifyArchive(bytes.NewReader(archive)); err != nil || result.Err() != nil {
			t.Errorf("%s: payload %v, %v", path, err, result.Err())
		}
		files, err := p.Files()
		if err != nil {
			t.Fatal(err)
		}
		rpmtest.Rewrite(t, archive, files)
	}
}

// TestQuick leaves the MD5 out where something stronger stands.
func TestQuick(t *testing.T) {
	eachRPM(t, func(t *testing.T, data []byte, p *rpmfile.Package) {
		_, end := p.HeaderRange()
		v := p.NewVerifier(nil).Quick()
		if _, err := v.Write(data[end:]); err != nil {
			t.Fatal(err)
		}
		result, covered, md5 := v.Result(), false, false
		for _, c := range result.Checks {
			covered = covered || c.Signature == nil && c.Scope == rpmfile.ScopePayload && c.Tag != rpmfile.TagPayloadSize
			md5 = md5 || c.Tag == rpmfile.SigMD5
		}
		if covered == md5 && p.Signature.Has(rpmfile.SigMD5) {
			t.Errorf("%v", result.Checks)
		}
	})
}
