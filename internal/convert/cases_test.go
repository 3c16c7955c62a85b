package convert

// cases are specs that show one feature each. They feed the round trip, the
// canonical form and the fuzzer.
var cases = []struct {
	name     string
	spec     string
	typed    []string // what the document must say
	crossing bool     // conditions that do not follow the sections: order decides
}{
	{
		name: "plain",
		spec: `%global  forgeurl   https://example.org/hello
%bcond_without tests

%if 0%{?fedora} >= 40
# new enough
%global with_nls 1
%else
%global with_nls 0
%endif

Name:           hello
Epoch:          2
Version:        2.12
Release:        3%{?dist}
Summary:        Says hello
License:        GPL-3.0-or-later
URL:            %{forgeurl}
Source0:        %{forgeurl}/hello-%{version}.tar.gz
# the key
Source10:       hello.asc

# https://example.org/bug/1
Patch1:         hello-fix.patch

BuildRequires:  gcc make
BuildRequires:  gettext-devel >= 0.19
%if 0%{?with_nls}
BuildRequires:  nls
%endif
%{?with_tests:BuildRequires: check-devel}
Requires(pre):  shadow-utils
Requires:       (foo >= 1 with foo < 2)

%description
Hello says hello.

%package        doc
Summary:        Documentation of %{name}
BuildArch:      noarch

%description    doc
The documentation.

%prep
%setup -q
%patch -P 1 -p1

%build
%configure
%make_build

%install
%make_install

%if %{with tests}
%check
make check
%endif

%post
/sbin/ldconfig

%files
%license COPYING
%doc README NEWS
%{_bindir}/hello
%dir %attr(0750, root, hello) %{_localstatedir}/hello
%config(noreplace) %{_sysconfdir}/hello.conf

%files doc
%doc doc/*.html
`,
		typed: []string{
			`{ bcond = "tests", default = true }`, `epoch = 2`, `["gcc", "make"]`, `{ dep = "check-devel", when = "?with_tests" }`,
			`{ dep = "shadow-utils", qualifiers = "pre" }`, `mode = "0750", user = "root", group = "hello", separator = ", "`, `config = "noreplace"`,
			`{ number = 1, file = "hello-fix.patch", comment = "https://example.org/bug/1" }`, `when = "if %{with tests}"`, `build_arch = "noarch"`,
		},
	},
	{name: "empty", spec: ""},
	{name: "no line end", spec: "Name: a"},
	{name: "crlf", spec: "Name: a\r\n\r\n%description\r\nb\r\n", typed: []string{`newline = "crlf"`}},
	{name: "mixed line ends", spec: "Name: a\r\nVersion: 1\n"},
	{name: "bom", spec: "\xef\xbb\xbfName: a\n", typed: []string{"bom = true"}},
	{name: "latin-1", spec: "Summary: caf\xe9\n", typed: []string{`encoding = "latin-1"`, "café"}},
	{name: "nul", spec: "Name: a\x00b\n%build\n\x01\n"},
	{name: "quotes", spec: "%build\necho '''\n\n%install\necho ''' \"\"\" \\\n", typed: []string{`"""`}},
	{
		name: "elif",
		spec: "%if 1\n%global a 1\n%elif 2\n%global a 2\n%elif 3\n%global a 3\n%else\n%global a 4\n%endif\n",
		typed: []string{
			`{ when = "elif 2", all = [`,
		},
	},
	{
		name: "nested",
		spec: "%if 1\n%ifarch x86_64\nRequires: a\n%else\nRequires: b\n%endif\nRequires: c\n%endif\nRequires: d\n",
	},
	{name: "spelled conditions", spec: "  %if  1  \nRequires: a\n%else # no\nRequires: b\n%endif  # yes\n", typed: []string{"%else # no"}},
	{name: "hollow", spec: "%if 1\n# nothing\n%endif\nName: a\n", typed: []string{"!%if 1"}},
	{name: "long expressions", spec: "%if 1 || \\\n   2\n# nothing\n%endif\n%if 3 || \\\n   4\nName: a\n%endif\n", typed: []string{"!%if 1"}},
	{name: "crossing", spec: "%if 1\n%package a\nSummary: s\n%endif\nRequires: b\n", crossing: true},
	{name: "crossing scripts", spec: "%build\nmake\n%if 1\nmake docs\n%install\nmake install\n%endif\nmake more\n", crossing: true},
	{
		name:  "sections under a condition",
		spec:  "Name: a\n\n%description\nb\n\n%if 1\n%package c\nSummary: d\nRequires: e\n\n%description c\nf\n\n%files c\n/c\n%endif\n\n%changelog\n",
		typed: []string{`when = "if 1"`, `requires = ["e"]`},
	},
	{
		name: "scripts",
		spec: "%post -p /sbin/ldconfig\n\n%post devel -p <lua>\nprint(1)\n\n%triggerin -p <lua> -- foo >= 1, bar\nx\n\n%transfiletriggerin -P 100 -- /usr/lib\ny\n\n" +
			"%preun -n other -e -q\nz\n",
		typed: []string{`interpreter = "/sbin/ldconfig"`, `on = "foo >= 1, bar"`, `priority = "100"`, `flags = "-e -q"`},
	},
	{
		name:  "build system",
		spec:  "BuildSystem: pyproject\nBuildOption(install): -l a\nBuildOption: b\n\n%build -a\nmake\n\n%install -p\ntrue\n",
		typed: []string{`system = "pyproject"`, `{ option = "-l a", section = "install" }`, `mode = "append"`, `mode = "prepend"`},
	},
	{
		name:  "lists of sources",
		spec:  "%sourcelist\na.tar.gz\n\nb.tar.gz\n\n%patchlist\n# why\nc.patch\n%if 1\nd.patch\n%endif\n",
		typed: []string{`{ file = "c.patch", comment = "why" }`, `{ file = "d.patch", when = "if 1" }`},
	},
	{
		name: "files",
		spec: "%files -f a.lang -f b.lang\n%defattr(-,root,root)\n%attr(-,-,-) /a\n%ghost %attr(0644,a,b,0755) %verify(not md5) \"/with blank\"\n" +
			"%lang(de) %caps(cap_net_raw=ep) %exclude /c /d\n\n%{?extra:%dir /x}\n%doc\n/e\t\n",
		typed: []string{`from = ["a.lang", "b.lang"]`, `defattr = "-,root,root"`, `verify = "not md5"`, `caps = "cap_net_raw=ep"`, `dirmode = "0755"`},
	},
	{
		name: "tags",
		spec: "Name : a\nUrl:\tb\nversion:c\nSummary(de): d\nSummary: e \nRequires(post , preun):f\nBuildrequires: g,h\nPatch0001: i\nSource: j\nRequires: k  >= 1\n" +
			"Requires: l m,  n\nBuildArch: noarch\nExcludeArch: o\nExcludeArch: p\n",
		typed: []string{`spelling = "Url"`, `number = "0001"`, `separator = ","`, `lang = "de"`},
	},
	{
		name: "macros",
		spec: "%define f(a:) \\\nfoo \\\n%{1}\n%global _description %{expand:\nText\nof two lines.}\n%{!?x:%global x 1}\n%undefine y\n%bcond z %{undefined rhel}\n%bcond w 1\n" +
			"%{load:%{SOURCE1}}\n%include %{SOURCE2}\n%{?systemd_requires}\n%gometa -f\nName: a\n%global after %{name}\n%dnl text\n",
		typed: []string{`define = "f(a:)"`, `when = "!?x"`, `default = "%{undefined rhel}"`, `load = "%{SOURCE1}"`, `at = "name"`},
	},
	{
		name:  "changelog",
		spec:  "%changelog\n* Mon Nov 23 2026 A <a@b> - 1-2\n- x\n  y\n\n* Sun Nov 22 2026 A <a@b> - 1-1\n- z\n* Sun Nov  8 2026 B <b@c> 1-0\n- odd\n\n\n* Mon Nov 10 2003 no version\n- w\n\nodd\n",
		typed: []string{"date = 2026-11-23", `evr = "1-2"`, `date = "Sun Nov  8 2026"`, `separator = " "`},
	},
	{name: "automatic changelog", spec: "%changelog\n%autochangelog\n", typed: []string{"auto = true"}},
	{name: "section macros", spec: "%description\na\n\n%gopkg\n\n%prep\nb\n\n%gopkgfiles\n%changelog\n", typed: []string{`{ macro = "%gopkg", at = "description" }`}},
	{
		name:  "a section macro ends the preamble",
		spec:  "Name: a\n%global f() \\\n%1 \\\n\n%fontpkg -a\n\n%prep\nb\n\n%global g 1\n%description\n%g\n",
		typed: []string{`{ macro = "%fontpkg -a", at = "preamble" }`, `{ global = "g", value = "1", at = "preamble" }`},
	},
	{
		name:  "definitions between sections that move",
		spec:  "%description\na\n\n%files\n/b\n%global c 1\n\n%package d\nSummary: %c\n\n%prep\n%global in_text 1\n\n%files d\n/e\n",
		typed: []string{`{ global = "c", value = "1", at = "description" }`, "%global in_text 1\n"},
	},
	{name: "odd headers", spec: "%PREP\n\n%files  a  \n\n%description -l de b\nc\n\n%package a b c\nSummary: d\n%if 1\n%endif\n\n%build --odd\n", crossing: true},
	{name: "comments", spec: "#a\n#\n# b\n\n# c\nName: d\n  # e\n##\nVersion: 1\n#\nRelease: 2\n# last\n"},
	{name: "open bracket", spec: "Name: %{foo\n%build\n%{bar\n%if 1\n%endif\n"},
	{name: "description with text under a condition", spec: "%description\na\n%if 1\nb\n%endif\nc\n"},
	{name: "comment above a condition", spec: "# why\n%if 1\nRequires: a\n%endif\n", typed: []string{`comment = "why"`}},
}
