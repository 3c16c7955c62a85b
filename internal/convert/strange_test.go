package convert

import (
	"math/rand"
	"strings"
	"testing"
)

// habits are lines as different distributions and times write them, by the
// place where they make sense. They are put together at random: no spec may fail,
// however odd.
var habits = map[string][]string{
	"preamble": {
		"#", "# spec file for package a", "#\n# Copyright (c) 2026 Somebody\n#\n\n", "", "\t", "# vim: set ts=4:",
		"%define name a\n", "%define rel 1", "%{!?_x:%define _x /usr}", "%if 0%{?suse_version} > 1500", "%define major 2\n%define libname %mklibname a %{major}",
		"Name:\t\ta", "name : a", "NAME:a", "Version:        1.0~rc1^git%{?date}", "Release:	%mkrel 1", "Release: alt1", "Epoch: 0", "Epoch:	01",
		"Summary:\tA thing", "Summary(pl.UTF-8):\tRzecz", "Summary(de): Ein Ding", "Group: System/Libraries", "License:GPL-2.0-or-later",
		"Source:a.tar.gz", "Source0: %{name}-%{version}.tar.xz", "Source01: b", "source2:c", "Source100000000000: d", "Patch: a.patch", "Patch000:b.patch",
		"# PATCH-FIX-UPSTREAM a.patch bsc#1 -- mends it\nPatch1: a.patch", "BuildRequires: a, b,c ,  d >= 1,e", "BuildRequires: pkgconfig(a) >= 1 cmake",
		"BuildRequires: (a if b)\nRequires(pre,post):  /sbin/ldconfig coreutils", "Requires: %{libname} = %{version}-%{release}", "Requires:", "Requires: a %if b",
		"BuildRequires: a # why", "PreReq: %insserv_prereq %fillup_prereq", "Provides: a(x)(64bit)", "Obsoletes: a < 2 , b", "BuildRoot: %{_tmppath}/%{name}-root",
		"BuildArch: noarch", "%systemd_requires", "%{?systemd_ordering}", "%bcond_without x", "%bcond x %[ 1 == 1 ]", "%bcond  y 0%{?fedora}", "%bcond_with\tz",
		"%global s %(echo a; \\\n echo b)", "%{lua:\nprint('Name: x')\n}", "%include %{SOURCE3}", "%{load:%{S:4}}", "%undefine _x", "%dnl gone", "%%x", "%", "%{", "Name", ":",
		"AutoReqProv: no", "ExclusiveArch: %{ix86} x86_64", "Url: https://example.org/", "%{?x:Requires: y}", "%{!?x:  BuildRequires:  z  }", "Requires: a \\\n  b \\\n  c",
	},
	"files": {
		"%defattr(-,root,root)", "%defattr (-,root,root,0755)", "%attr (0755, root, root) /a", "%attr(-,root,-) %dir /b", "%config(noreplace) %verify(not md5 size mtime) /etc/a",
		"%config %attr(640,root,a)  /etc/b", "%doc README* \"A B\" C", "%license COPYING\n", "%ghost %attr(0,0,0) %lang(de) /c", "%dir\t/d", "/e/{a,b}/*", "%exclude %{_libdir}/*.la",
		"%{_bindir}/a  ", "%caps(cap_net_raw=p) /f", "%{?x:/g}", "%find_lang a", "%doc", "%attr(1,2,3,4,5) /h", "%config(missingok,noreplace) /i", "%dir %dir /j", "/k %dir", "%files",
		"%defattr(-,root,root) /l", "# note", "", "%lang(de) %lang(fr) /m", "%artifact /n", "\"/o p\"", "%ghost", "%mode(3) /q", "%(echo /r)",
	},
	"script": {
		"make %{?_smp_mflags} \\", "./configure \\\n  --a", "# %if in a comment", "%patch -P 1 -p1", "%patch1", "%patch 2", "%setup -q", "rm -rf $RPM_BUILD_ROOT", "cat > a <<EOF\n%files\nEOF",
		"'''", "\"\"\" \\", "%{x", "%endif # x", "a\x00b", "\r", "%global late 1", "%make_jobs", "",
	},
}

var heads = []string{
	"%prep", "%build", "%install -a", "%INSTALL", "%check", "%clean", "%package devel", "%package -n %{libname}", "%package  -n\tb", "%description", "%description devel", "%description -l pl devel",
	"%description -n %{libname}", "%files", "%files devel -f a.lang", "%files -f a -f b", "%files -n %{libname}", "%files nowhere", "%post -p /sbin/ldconfig", "%post -n %{libname} -p /sbin/ldconfig",
	"%postun devel", "%pre -e", "%triggerin -- a < 1", "%triggerun devel -p <lua> -- b", "%filetriggerin -P 100 -- /usr/lib", "%changelog", "%sourcelist", "%patchlist", "%files x y z", "%package", "%end",
	"%gopkgfiles", "%mingw_debug_package", "%verifyscript", "%posttrans # note", "%debug_package", "%generate_buildrequires", "%conf", "%changelog x", "%trigger", "%build extra",
}

// strange puts habits together.
func strange(r *rand.Rand) string {
	var b strings.Builder
	depth := 0
	lines := func(place string) {
		for range r.Intn(8) {
			switch r.Intn(12) {
			case 0:
				b.WriteString([]string{"%if 0%{?x}", "%ifarch %{ix86} x86_64", "%ifnarch s390", " %if 1 \\\n || 2", "%ifos linux", "%if %{with x}  "}[r.Intn(6)] + "\n")
				depth++
			case 1:
				if depth > 0 {
					b.WriteString([]string{"%else", "%endif", "%elif 1", "%endif # x", "  %endif"}[r.Intn(5)] + "\n")
					if strings.HasSuffix(strings.TrimSuffix(b.String(), " # x\n"), "endif\n") || strings.HasSuffix(b.String(), "# x\n") {
						depth--
					}
				}
			default:
				b.WriteString(habits[place][r.Intn(len(habits[place]))] + "\n")
			}
		}
	}
	lines("preamble")
	for range r.Intn(8) {
		head := heads[r.Intn(len(heads))]
		b.WriteString(strings.Repeat("\n", r.Intn(3)) + head + "\n")
		switch {
		case strings.HasPrefix(head, "%files"):
			lines("files")
		case strings.HasPrefix(head, "%package"):
			lines("preamble")
		default:
			lines([]string{"script", "preamble", "files"}[min(2, r.Intn(8))%3])
		}
	}
	b.WriteString(strings.Repeat("%endif\n", depth))
	return b.String()
}

// TestStrange takes specs of all habits there and back, and without layout to
// something that converts again.
func TestStrange(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	done := 0
	for i := range 1000 {
		text := strange(r)
		switch i % 10 {
		case 0:
			text = strings.TrimSuffix(text, "\n")
		case 1:
			text = strings.ReplaceAll(text, "\n", "\r\n")
		case 2:
			text += "# \xe9\n"
		}
		if _, err := roundTrip("strange", []byte(text)); err != nil {
			if strings.Contains(err.Error(), "unterminated") {
				continue
			}
			t.Fatalf("%.3000v\n%q", err, text)
		}
		done++
		doc, err := FromSpec("strange", []byte(text), Options{NoLayout: true})
		if err != nil {
			t.Fatal(err)
		}
		plain, err := ToSpec(doc, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := roundTrip("plain", plain); err != nil && !strings.Contains(err.Error(), "unterminated") {
			t.Fatalf("without layout: %v\n%q\n%q", err, text, plain)
		}
	}
	if done < 500 {
		t.Errorf("only %d specs were whole", done)
	}
}
