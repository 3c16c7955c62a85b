package repodata

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

func build(t *testing.T, limit int, spec rpmtest.Spec) (*Package, []string) {
	t.Helper()
	rpm, err := rpmfile.Parse(rpmtest.Build(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	b := Builder{ChangelogLimit: limit}
	p := new(Package)
	bad := b.Build(p, rpm)
	return p, bad
}

func on(name string, flags uint32, version string) rpmtest.Dep {
	return rpmtest.Dep{Name: name, Flags: flags, Version: version}
}

func TestDependencies(t *testing.T) {
	type deps = []rpmtest.Dep
	none := Dep{}
	for _, test := range []struct {
		name string
		spec rpmtest.Spec
		kind DepKind
		want []Dep
		bad  []string
	}{
		{"rpmlib is for rpm alone", rpmtest.Spec{Requires: deps{{Name: "rpmlib(X)"}, {Name: "a"}}}, Requires, []Dep{{Name: "a"}}, nil},
		{
			"versions are split",
			rpmtest.Spec{Requires: deps{
				on("a", rpmtest.Equal, "1:2-3"), on("b", rpmtest.Less, "2"), on("c", rpmtest.Greater|rpmtest.Equal, "2-3-4"), on("d", rpmtest.Equal, ":1"),
			}},
			Requires,
			[]Dep{
				{"a", "EQ", "1", "2", "3", false}, {"b", "LT", "0", "2", "", false}, {"c", "GE", "0", "2", "3-4", false}, {"d", "EQ", "0", "1", "", false},
			},
			nil,
		},
		{"an epoch must be a number", rpmtest.Spec{Conflicts: deps{on("a", rpmtest.Equal, "x:1")}}, Conflicts, nil, []string{"a"}},
		{
			"own provides are not required",
			rpmtest.Spec{Provides: deps{on("p", rpmtest.Equal, "1")}, Requires: deps{on("p", rpmtest.Equal, "1"), on("p", rpmtest.Equal, "2")}},
			Requires,
			[]Dep{{"p", "EQ", "0", "2", "", false}},
			nil,
		},
		{
			"own primary files are not required",
			rpmtest.Spec{
				Files:    []rpmtest.File{{Path: "/usr/bin/x"}, {Path: "/opt/y"}},
				Requires: deps{{Name: "/usr/bin/x"}, {Name: "/opt/y"}, {Name: "/usr/bin/z"}},
			},
			Requires,
			[]Dep{{Name: "/opt/y"}, {Name: "/usr/bin/z"}},
			nil,
		},
		{
			"repeated requirements are one, and only the last of a name is remembered",
			rpmtest.Spec{Requires: deps{{Name: "a"}, {Name: "a"}, on("a", rpmtest.Equal, "1"), {Name: "a"}, on("a", sensePre, "")}},
			Requires,
			[]Dep{{Name: "a"}, {"a", "EQ", "0", "1", "", false}, {Name: "a"}, {Name: "a", Pre: true}},
			nil,
		},
		{
			"the scripts of a transaction count as well",
			rpmtest.Spec{Requires: deps{on("a", sensePretrans, ""), on("b", sensePosttran, ""), on("c", sensePost, ""), on("d", sensePrereq, ""), on("e", 1<<8, "")}},
			Requires,
			[]Dep{{Name: "a", Pre: true}, {Name: "b", Pre: true}, {Name: "c", Pre: true}, {Name: "d", Pre: true}, {Name: "e"}},
			nil,
		},
		{
			"of the C library only the highest version, at the end",
			rpmtest.Spec{Requires: deps{
				{Name: "libc.so.6()(64bit)"}, {Name: "libc.so.6(GLIBC_2.14)(64bit)"}, {Name: "libc.so.6(GLIBC_2.4)(64bit)"}, {Name: "z"},
			}},
			Requires,
			[]Dep{{Name: "z"}, {Name: "libc.so.6(GLIBC_2.14)(64bit)"}},
			nil,
		},
		{"missing is recommended", rpmtest.Spec{Requires: deps{on("a", senseMissing, "")}}, Recommends, []Dep{{Name: "a"}}, nil},
		{"missing is not required", rpmtest.Spec{Requires: deps{on("a", senseMissing, "")}}, Requires, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, bad := build(t, 10, test.spec)
			var got []Dep
			for _, d := range p.Deps[test.kind] {
				// What the builder itself adds is not looked at.
				if d.Name != "test" && d.Name != "test(x86-64)" && d != none {
					got = append(got, d)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.bad, bad); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLibcOlder(t *testing.T) {
	inOrder := []string{"libc.so.6", "libc.so.6()", "libc.so.6(x)(64bit)", "libc.so.6(GLIBC_2.3.4)", "libc.so.6(GLIBC_2.4)(64bit)", "libc.so.6(GLIBC_2.14)"}
	for i, a := range inOrder {
		for j, b := range inOrder {
			if got := libcOlder(a, b); got != (i < j) {
				t.Errorf("libcOlder(%s, %s) = %v", a, b, got)
			}
		}
	}
}

func TestChangelogs(t *testing.T) {
	spec := rpmtest.Spec{Changelog: []rpmtest.Change{
		{Time: 300, Author: "d  ", Text: "4"},
		{Time: 200, Author: "c", Text: "3"},
		{Time: 200, Author: "b", Text: "2"},
		{Time: 200, Author: "a", Text: "1"},
	}}
	for _, test := range []struct {
		limit int
		want  []Changelog
	}{
		{-1, []Changelog{{"a", 200, "1"}, {"b", 201, "2"}, {"c", 202, "3"}, {"d", 300, "4"}}},
		{2, []Changelog{{"c", 200, "3"}, {"d", 300, "4"}}},
		{0, nil},
	} {
		p, _ := build(t, test.limit, spec)
		if diff := cmp.Diff(test.want, p.Changelogs); diff != "" {
			t.Errorf("limit %d: %s", test.limit, diff)
		}
	}
}

func TestPrimaryFiles(t *testing.T) {
	for path, want := range map[string]bool{
		"/etc/x": true, "/usr/bin/x": true, "/sbin/x": true, "/opt/kerberos/bin/x": true, "/usr/lib/sendmail": true,
		"/usr/lib/sendmailx": false, "/usr/share/x": false, "/etcx": false, "/usr/libexec/cabin/x": true, "x.spec": false,
	} {
		cut := 0
		for i := range path {
			if path[i] == '/' {
				cut = i + 1
			}
		}
		f := File{Dir: path[:cut], Base: path[cut:]}
		if f.IsPrimary() != want || IsPrimary(path) != want {
			t.Errorf("%s: %v, %v, want %v", path, f.IsPrimary(), IsPrimary(path), want)
		}
	}
}
