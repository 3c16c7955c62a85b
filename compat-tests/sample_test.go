package main

import (
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

const sampleSpec = `%bcond_without extra
Name:           sample
Version:        1.2
Release:        3%{?dist}
Summary:        A package for the judges
License:        MIT
URL:            https://sample.invalid/
Source0:        sample-%{version}.tar.gz
Source1:        sample.conf
# Says more.
Patch1:         sample-more.patch
BuildArch:      noarch
%if %{with extra}
Recommends:     %{name}-extra = %{version}-%{release}
%endif

%description
It has a configuration file, a script and a subpackage.

%if %{with extra}
%package extra
Summary:        The rest of it

%description extra
More of the same.
%endif

%prep
%autosetup -p1

%build

%install
install -D -m 755 sample.sh %{buildroot}%{_bindir}/sample
install -D -m 644 %{SOURCE1} %{buildroot}%{_sysconfdir}/sample.conf
install -D -m 644 text %{buildroot}%{_datadir}/sample/text
ln -s text %{buildroot}%{_datadir}/sample/link

%post
echo sample is here

%files
%{_bindir}/sample
%config(noreplace) %{_sysconfdir}/sample.conf

%if %{with extra}
%files extra
%{_datadir}/sample
%endif

%changelog
* Tue Nov 03 2026 Weld Bridge <bridge@weld.invalid> - 1.2-3
- Rebuilt

* Mon Nov 02 2026 Weld Bridge <bridge@weld.invalid> - 1.2-2
- First
`

const samplePatch = `From: Weld Bridge <bridge@weld.invalid>
Subject: [PATCH] Say more

--- a/text
+++ b/text
@@ -1,3 +1,4 @@
 one
 two
 three
+four
`

// sample is a small source package and what rpmbuild makes of it.
type sample struct {
	spec, srpm string
	rpms       []string
}

// buildSample makes the sample below dir. It needs rpmbuild.
func buildSample(t *testing.T, dir string) sample {
	t.Helper()
	judges.Need(t, "rpmbuild", "tar", "gzip")
	tree := filepath.Join(dir, "sample-1.2")
	writeFile(t, filepath.Join(tree, "sample.sh"), "#!/bin/sh\ncat /usr/share/sample/text\n")
	writeFile(t, filepath.Join(tree, "text"), "one\ntwo\nthree\n")
	sources := filepath.Join(dir, "SOURCES")
	writeFile(t, filepath.Join(sources, "sample.conf"), "loud = false\n")
	writeFile(t, filepath.Join(sources, "sample-more.patch"), samplePatch)
	s := sample{spec: filepath.Join(sources, "sample.spec")}
	writeFile(t, s.spec, sampleSpec)
	p := program{dir: dir, env: []string{"SOURCE_DATE_EPOCH=1793577600"}}
	p.must(t, "tar", "--sort=name", "--owner=0", "--group=0", "--mtime=@1793577600", "-cf", "tree.tar", "sample-1.2")
	p.must(t, "sh", "-c", "gzip -9n <tree.tar >SOURCES/sample-1.2.tar.gz")
	p.must(t, "rpmbuild", "-ba", "--nodeps", "--define", "_topdir "+dir, "--define", "_sourcedir "+sources, s.spec)
	var err error
	if s.srpm, err = one(filepath.Join(dir, "SRPMS", "*.src.rpm")); err != nil {
		t.Fatal(err)
	}
	if s.rpms, err = filepath.Glob(filepath.Join(dir, "RPMS", "*", "*.rpm")); err != nil || len(s.rpms) != 2 {
		t.Fatalf("rpmbuild made %q, %v", s.rpms, err)
	}
	return s
}
