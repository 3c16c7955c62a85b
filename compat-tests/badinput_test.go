package main

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBadInput gives each stage what it cannot take: one clear line with file and place, status 1, nothing written.
func TestBadInput(t *testing.T) {
	s := buildSample(t, t.TempDir())
	work := t.TempDir()
	at := func(name string) string { return filepath.Join(work, name) }

	rpm := readFile(t, s.rpms[0])
	srpm := readFile(t, s.srpm)
	writeFile(t, at("cut-lead.rpm"), rpm[:50])
	writeFile(t, at("cut-header.rpm"), rpm[:1000])
	writeFile(t, at("cut-payload.rpm"), rpm[:len(rpm)-20])
	writeFile(t, at("text.src.rpm"), "This is no package.\n")
	writeFile(t, at("binary.src.rpm"), rpm)
	writeFile(t, at("cut.src.rpm"), srpm[:len(srpm)-20])
	writeFile(t, at("unterminated.spec"), "Name: x\nVersion: 1\n%if 1\nRelease: 1\n")
	writeFile(t, at("unknown.toml"), "[package]\nname = \"x\"\nsumary = \"y\"\n")
	writeFile(t, at("syntax.toml"), "[package]\nname = x\n")
	writeFile(t, at("file-for-store"), "no store\n")
	if err := os.Mkdir(at("empty"), 0o777); err != nil {
		t.Fatal(err)
	}
	p := program{dir: work}
	p.must(t, "rpmstore", "init", at("store"))
	p.must(t, "rpmstore", "import", "--store", at("store"), "--into", "main", s.rpms[1])
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()

	for _, c := range []struct {
		name string
		args string
		says []string // parts of the line: the file, the place
	}{
		{"rpm cut in the lead", "rpmstore import --store store --into main cut-lead.rpm", []string{"cut-lead.rpm"}},
		{"rpm cut in the header", "rpmstore import --store store --into main cut-header.rpm", []string{"cut-header.rpm", "0x60"}},
		{"rpm cut in the payload", "rpmstore import --store store --into main cut-payload.rpm", []string{"cut-payload.rpm", "payload"}},
		{"not an rpm", "rpmstore import --store store --into main text.src.rpm", []string{"text.src.rpm"}},
		{"no such rpm", "rpmstore import --store store --into main none.rpm", []string{"none.rpm", "no such file"}},
		{"not a store", "rpmstore list --store empty", []string{"empty"}},
		{"a file for a store", "rpmstore import --store file-for-store --into main " + s.rpms[0], []string{"file-for-store"}},
		{"no such store", "rpmstore export --store none -o out", []string{"none"}},
		{"no such package", "rpmstore export --store store -o out nothing-1-1.noarch", []string{"nothing-1-1.noarch"}},
		{"not an srpm", "srpm2git import --mirrors mirrors --metadata metadata text.src.rpm", []string{"text.src.rpm"}},
		{"a binary package", "srpm2git import --mirrors mirrors --metadata metadata binary.src.rpm", []string{"binary.src.rpm", "source"}},
		{"srpm cut short", "srpm2git import --mirrors mirrors --metadata metadata cut.src.rpm", []string{"cut.src.rpm"}},
		{"unterminated %if", "spec2toml -o out.toml unterminated.spec", []string{"unterminated.spec:3", "%if"}},
		{"no such spec", "spec2toml -o out.toml none.spec", []string{"none.spec"}},
		{"unknown key", "toml2spec -o out.spec unknown.toml", []string{"unknown.toml:3", "sumary", "summary"}},
		{"broken TOML", "toml2spec -o out.spec syntax.toml", []string{"syntax.toml:2"}},
		{"repository of no store", "repogen publish --store empty --collection main -o out", []string{"empty"}},
		{"repository of no collection", "repogen publish --store store --collection none -o out", []string{"none"}},
		{"repodata of no directory", "repogen create none", []string{"none"}},
		{"port in use", "repogen serve --store store --listen " + port.Addr().String(), []string{port.Addr().String(), "in use"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := listing(t, work)
			words := strings.Fields(c.args)
			status, said := p.status(t, words[0], words[1:]...)
			if status != 1 {
				t.Errorf("status %d, want 1", status)
			}
			if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, words[0]+": ") {
				t.Errorf("it says more or less than one line of its own:\n%s", said)
			}
			for _, part := range c.says {
				if !strings.Contains(said, part) {
					t.Errorf("it does not name %q:\n%s", part, said)
				}
			}
			if diff := cmp.Diff(before, listing(t, work)); diff != "" {
				t.Errorf("files before and after: %s", diff)
			}
		})
	}
}

// TestUsage holds status 2 for every tool.
func TestUsage(t *testing.T) {
	for _, tool := range tools {
		if status, said := (program{}).status(t, tool, "--no-such-flag"); status != 2 || !strings.Contains(said, "no-such-flag") {
			t.Errorf("%s: status %d, it says %s", tool, status, said)
		}
	}
}

// listing names all files below dir with their sizes, less what a store keeps for itself: locks and scratch.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "tmp" {
			return filepath.SkipDir
		}
		if d.Name() != ".lock" {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
