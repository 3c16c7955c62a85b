package main

import (
	"cmp"
	"compress/gzip"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// recorded are the command lines that koji (hub, kojid) and pungi were seen to call, in the order of a run, with the directory that each
// leaves a repository in. Of the directories, TOP is koji's /mnt/koji, WORK that of a task, C a compose.
var recorded = []struct {
	caller, line, repository string
	before                   string // what the caller does itself before that, as a shell command
}{
	{"koji", "createrepo_c --error-exit-val -vd -o WORK/repo -i TOP/repos/build/1/x86_64/pkglist -g TOP/repos/build/1/groups/comps.xml TOP/repos/build/1/x86_64", "WORK/repo", ""},
	{"koji", "createrepo_c --error-exit-val -vd -o WORK/repo -i TOP/repos/build/1/x86_64/pkglist -g TOP/repos/build/1/groups/comps.xml --update TOP/repos/build/1/x86_64", "WORK/repo", ""},
	{"koji", "createrepo_c --error-exit-val -vd -o WORK/repo -i TOP/repos/build/1/x86_64/pkglist -g TOP/repos/build/1/groups/comps.xml --update --skip-stat TOP/repos/build/1/x86_64", "WORK/repo", ""},
	{"koji", "createrepo_c --error-exit-val -vd -o WORK/empty -i TOP/empty -g TOP/repos/build/1/groups/comps.xml WORK/empty", "WORK/empty", "mkdir WORK/empty"},
	{"koji", "createrepo_c --error-exit-val -vd -o WORK/ext TOP/external", "WORK/ext", "mkdir WORK/ext"},
	{"koji", "mergerepo_c --koji -b TOP/repos/build/1/x86_64/blocklist -a x86_64 -o WORK/merged --arch-expand -g TOP/repos/build/1/groups/comps.xml -r file://WORK/premerge/ -r file://TOP/external/", "WORK/merged", "mv WORK/repo WORK/premerge && mv WORK/ext/repodata TOP/external"},
	{"koji", "createrepo_c --error-exit-val -vd -i TOP/dist/pkglist -g TOP/repos/build/1/groups/comps.xml TOP/dist", "TOP/dist", ""},
	{"koji", "createrepo_c --error-exit-val -vd -i TOP/dist/pkglist -g TOP/repos/build/1/groups/comps.xml --update --skip-stat TOP/dist", "TOP/dist", ""},
	{"pungi", "createrepo_c C/comps_repo --outputdir=C/comps_repo --groupfile=TOP/repos/build/1/groups/comps.xml --update --no-database --checksum=sha256 --unique-md-filenames", "C/comps_repo", "mkdir -p C/comps_repo"},
	{"pungi", "createrepo_c TOP/ --baseurl=file://TOP/ --outputdir=C/global --pkglist=TOP/all --update --no-database --checksum=sha256 --unique-md-filenames --workers=2", "C/global", "mkdir -p C/global"},
	{"pungi", "createrepo_c TOP/ --baseurl=file://TOP/ --outputdir=C/x86_64 --pkglist=TOP/all --update --update-md-path=C/global --skip-stat --no-database --checksum=sha256 --unique-md-filenames --workers=2", "C/x86_64", "mkdir -p C/x86_64"},
	{"pungi", "createrepo_c C/os --outputdir=C/os --pkglist=C/os.list --groupfile=TOP/repos/build/1/groups/comps.xml --cachedir=C/cache --update --update-md-path=C/x86_64 --skip-stat --no-database --checksum=sha256 --unique-md-filenames", "C/os", "mkdir -p C/os/Packages C/cache && ln TOP/packages/*/*/*/*/*.rpm C/os/Packages && (cd C/os && ls -d Packages/*) >C/os.list"},
	{"pungi", "createrepo_c C/debug --outputdir=C/debug --pkglist=TOP/empty --update --update-md-path=C/x86_64 --skip-stat --no-database --checksum=sha256 --unique-md-filenames", "C/debug", "mkdir -p C/debug"},
	{"pungi", "modifyrepo_c C/productid C/os/repodata --mdtype=productid --compress --compress-type=gz", "C/os", "echo id >C/productid"},
	{"pungi", "modifyrepo_c --remove productid C/os/repodata", "C/os", ""},
}

// TestRecordedCommands runs what koji and pungi run, on repogen and on createrepo_c: after each line both repositories must say the same.
func TestRecordedCommands(t *testing.T) {
	judges.Need(t, "createrepo_c", "mergerepo_c", "modifyrepo_c", "rpmbuild")
	s := buildSample(t, t.TempDir())
	tops := map[string]string{"repogen": t.TempDir(), "createrepo_c": t.TempDir()}
	for _, top := range tops {
		kojiTree(t, top, s)
	}
	names := t.TempDir()
	for _, name := range []string{"createrepo_c", "mergerepo_c", "modifyrepo_c"} {
		if err := os.Symlink(filepath.Join(binDir, "repogen"), filepath.Join(names, name)); err != nil {
			t.Fatal(err)
		}
	}
	version := regexp.MustCompile(`^Version: (\d+)\.(\d+)\.(\d+)`)
	for _, path := range []string{"mergerepo_c", filepath.Join(names, "mergerepo_c")} {
		if said := (program{}).must(t, path, "--version"); !version.MatchString(said) {
			t.Errorf("%s --version says %q, which koji does not read", path, said)
		}
	}
	for i, c := range recorded {
		said := map[string]repository{}
		for tool, top := range tops {
			place := func(s string) string {
				return regexp.MustCompile(`\b(TOP|WORK|C)\b`).ReplaceAllStringFunc(s, func(name string) string { return filepath.Join(top, name) })
			}
			if c.before != "" {
				program{}.must(t, "sh", "-c", place(c.before))
			}
			fields := strings.Fields(place(c.line))
			command := fields[0]
			if tool == "repogen" {
				command = filepath.Join(names, command)
			}
			program{env: []string{"TMPDIR=" + filepath.Join(top, "WORK")}}.must(t, command, fields[1:]...)
			said[tool] = readRepository(t, place(c.repository), top)
			// createrepo_c before 1.0 has comps a second time, compressed, and databases where none is asked for.
			said[tool] = said[tool].without(func(kind string) bool {
				return kind == "group_gz" || strings.HasSuffix(kind, "_db") && !strings.Contains(c.line, " -vd ")
			})
		}
		if diff := gocmp.Diff(said["createrepo_c"], said["repogen"]); diff != "" {
			t.Errorf("%s, line %d: %s\n(-createrepo_c +repogen):\n%s", c.caller, i+1, c.line, diff)
		}
	}
	for _, caller := range []string{"koji", "pungi"} {
		record(t, "command lines that "+caller+" calls, on repogen", "createrepo_c", judgeVersion(t, "createrepo_c"),
			"TestRecordedCommands: the repositories say the same after each")
	}
}

// kojiTree makes koji's tree of packages and one repository's files below top.
func kojiTree(t *testing.T, top string, s sample) {
	t.Helper()
	arch := filepath.Join(top, "TOP/repos/build/1/x86_64")
	var list, all, dist []string
	for _, rpm := range append([]string{s.srpm}, s.rpms...) {
		name := filepath.Base(rpm)
		sub := "noarch"
		if rpm == s.srpm {
			sub = "src"
		}
		to := filepath.Join("packages/sample/1.2/3", sub, name)
		link(t, rpm, filepath.Join(top, "TOP", to))
		link(t, rpm, filepath.Join(top, "TOP/dist/Packages/s", name))
		list = append(list, filepath.Join("toplink", to))
		all = append(all, to)
		dist = append(dist, filepath.Join("Packages/s", name))
	}
	link(t, s.rpms[0], filepath.Join(top, "TOP/external", filepath.Base(s.rpms[0])))
	writeFile(t, filepath.Join(arch, "pkglist"), strings.Join(list[:2], "\n")+"\n")
	writeFile(t, filepath.Join(arch, "blocklist"), "blocked\n")
	writeFile(t, filepath.Join(top, "TOP/all"), strings.Join(all, "\n")+"\n")
	writeFile(t, filepath.Join(top, "TOP/empty"), "")
	writeFile(t, filepath.Join(top, "TOP/dist/pkglist"), strings.Join(dist, "\n")+"\n")
	writeFile(t, filepath.Join(top, "TOP/repos/build/1/groups/comps.xml"), `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps><group><id>build</id><name>build</name><description/><default>false</default><uservisible>true</uservisible><packagelist><packagereq type="mandatory">sample</packagereq></packagelist></group></comps>
`)
	if err := os.Symlink("../../../..", filepath.Join(arch, "toplink")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(top, "WORK/repo"), 0o777); err != nil {
		t.Fatal(err)
	}
}

// link puts a file into a tree.
func link(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(from, to); err != nil {
		t.Fatal(err)
	}
}

// repository is what a client learns.
type repository struct {
	Types    []string // of the records of repomd.xml
	Packages []string // NEVRA, digest, base and location of each
}

// without leaves out some types of records.
func (r repository) without(drop func(kind string) bool) repository {
	r.Types = slices.DeleteFunc(r.Types, drop)
	return r
}

// readRepository reads a repository; paths below top are as if top were not there.
func readRepository(t *testing.T, dir, top string) repository {
	t.Helper()
	var md struct {
		Data []struct {
			Type     string `xml:"type,attr"`
			Location struct {
				Href string `xml:"href,attr"`
			} `xml:"location"`
		} `xml:"data"`
	}
	decode(t, filepath.Join(dir, "repodata/repomd.xml"), &md)
	var r repository
	for _, d := range md.Data {
		r.Types = append(r.Types, d.Type)
		if d.Type != "primary" {
			continue
		}
		var primary struct {
			Package []struct {
				Name    string `xml:"name"`
				Arch    string `xml:"arch"`
				Version struct {
					Epoch string `xml:"epoch,attr"`
					Ver   string `xml:"ver,attr"`
					Rel   string `xml:"rel,attr"`
				} `xml:"version"`
				Checksum string `xml:"checksum"`
				Location struct {
					Base string `xml:"base,attr"`
					Href string `xml:"href,attr"`
				} `xml:"location"`
			} `xml:"package"`
		}
		decode(t, filepath.Join(dir, d.Location.Href), &primary)
		for _, p := range primary.Package {
			r.Packages = append(r.Packages, strings.ReplaceAll(fmt.Sprintf("%s-%s:%s-%s.%s %s %s %s", p.Name, p.Version.Epoch, p.Version.Ver, p.Version.Rel, p.Arch,
				p.Checksum, p.Location.Base, p.Location.Href), top, ""))
		}
	}
	slices.Sort(r.Types)
	slices.SortFunc(r.Packages, cmp.Compare[string])
	return r
}

// decode reads an XML file, compressed or not.
func decode(t *testing.T, path string, v any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := xml.NewDecoder(f)
	switch filepath.Ext(path) {
	case ".gz":
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(path, err)
		}
		d = xml.NewDecoder(z)
	case ".zst":
		out, err := exec.Command("zstd", "-dc", path).Output()
		if err != nil {
			t.Fatal(path, err)
		}
		d = xml.NewDecoder(strings.NewReader(string(out)))
	}
	if err := d.Decode(v); err != nil {
		t.Fatal(path, err)
	}
}
