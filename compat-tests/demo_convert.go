package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// throughGit imports the SRPM into git and exports the same SRPM again.
func (d *demo) throughGit() error {
	repos := d.gitRepositories()
	if _, err := d.run("srpm2git", append(repos.flags("import"), d.srpm)...); err != nil {
		return err
	}
	for _, dir := range []string{repos.mirror("hello"), repos.metadata} {
		if _, err := d.git(dir, "fsck", "--strict"); err != nil {
			return err
		}
	}
	subject, err := d.git(repos.mirror("hello"), "log", "-1", "--format=%s", "distro")
	if err != nil {
		return err
	}
	if strings.TrimSpace(subject) != "Greet Weld" {
		return fmt.Errorf("the last commit on distro is %q, not our patch", strings.TrimSpace(subject))
	}
	tags, err := d.git(repos.mirror("hello"), "tag")
	if err != nil {
		return err
	}
	if _, err := d.run("srpm2git", append(repos.flags("export"), "-o", d.path("export"), "hello")...); err != nil {
		return err
	}
	if err := d.same(d.srpm, d.path("export", filepath.Base(d.srpm))); err != nil {
		return err
	}
	d.done("SRPM to git", filepath.Base(d.srpm), "hello.git: upstream, distro, "+strings.Join(strings.Fields(tags), ", "), "git fsck --strict")
	d.done("git to SRPM", "hello.git, metadata", filepath.Base(d.srpm), "cmp: the same bytes")
	return nil
}

// repositories are where srpm2git keeps its mirrors and the metadata.
type repositories struct{ mirrors, metadata string }

func (d *demo) gitRepositories() repositories {
	return repositories{d.path("mirrors"), d.path("metadata")}
}

func (r repositories) mirror(name string) string { return filepath.Join(r.mirrors, name+".git") }

func (r repositories) flags(command string) []string {
	return []string{command, "--mirrors", r.mirrors, "--metadata", r.metadata}
}

func (d *demo) git(dir string, args ...string) (string, error) {
	identity := []string{"-C", dir, "-c", "safe.directory=*", "-c", "user.name=Weld Bridge", "-c", "user.email=bridge@weld.invalid"}
	return d.run("git", append(identity, args...)...)
}

// throughTOML converts the spec to TOML and back.
func (d *demo) throughTOML() error {
	document, back := d.path("toml", "hello.toml"), d.path("toml", "hello.spec")
	if err := os.MkdirAll(d.path("toml"), 0o777); err != nil {
		return err
	}
	if _, err := d.run("spec2toml", "-o", document, d.spec); err != nil {
		return err
	}
	if _, err := d.run("toml2spec", "-o", back, document); err != nil {
		return err
	}
	if err := d.same(d.spec, back); err != nil {
		return err
	}
	d.done("spec to TOML", "hello.spec", "hello.toml", "toml2spec --check")
	d.done("TOML to spec", "hello.toml", "hello.spec", "cmp: the same bytes")
	_, err := d.run("toml2spec", "--check", "-o", back, document)
	return err
}

// edit changes the release and adds a changelog entry in the metadata, as a packager would, and builds what comes of it.
func (d *demo) edit() error {
	repos := d.gitRepositories()
	dir := filepath.Join(repos.metadata, "packages", "hello")
	document, spec := filepath.Join(dir, "package.toml"), filepath.Join(dir, "hello.spec")
	before := d.path("toml", "before.spec")
	if err := copyFile(spec, before); err != nil {
		return err
	}
	if err := d.editDocument(document); err != nil {
		return err
	}
	if _, err := d.run("toml2spec", "-o", spec, document); err != nil {
		return err
	}
	change, err := d.diff("/", before, spec)
	if err != nil {
		return err
	}
	fmt.Print(change)
	removed, added := changedLines(change)
	if len(removed) != 1 || len(added) != 4 {
		return fmt.Errorf("the edit took %d lines away and added %d, want 1 and 4", len(removed), len(added))
	}
	if _, err := d.git(repos.metadata, "commit", "-q", "-am", "hello: rebuild"); err != nil {
		return err
	}
	if _, err := d.run("srpm2git", append(repos.flags("srpm"), "-o", d.path("srpm"), "hello")...); err != nil {
		return err
	}
	srpm, err := one(d.path("srpm", "hello-*-2*.src.rpm"))
	if err != nil {
		return err
	}
	if _, err := d.run("rpm", "-qpi", srpm); err != nil {
		return err
	}
	if _, err := d.rpmbuild("rebuild", "--rebuild", srpm); err != nil {
		return err
	}
	if d.rpms, err = filepath.Glob(d.path("rebuild", "RPMS", "*", "*.rpm")); err != nil || len(d.rpms) != 2 {
		return fmt.Errorf("rpmbuild made %q, %v", d.rpms, err)
	}
	d.done("one edit", "release and changelog in package.toml", filepath.Base(srpm), "diff: 1 line changed, 3 added")
	d.done("build", filepath.Base(srpm), fmt.Sprint(len(d.rpms), " binary packages"), "rpmbuild --rebuild")
	return nil
}

// editDocument edits the text of the document, so that nothing else in it moves.
func (d *demo) editDocument(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := string(data)
	for _, edit := range [][2]string{
		{`release = "1%{?dist}"`, `release = "2%{?dist}"`},
		{"[[changelog.entry]]\n", "[[changelog.entry]]\n" + `date = 2026-11-23
author = "Weld Bridge <bridge@weld.invalid>"
evr = "` + d.version + `-2"
text = "- Rebuilt from its package document"

[[changelog.entry]]
`},
	} {
		if strings.Count(text, edit[0]) != 1 {
			return fmt.Errorf("%s: %d times %q, want once", path, strings.Count(text, edit[0]), edit[0])
		}
		text = strings.Replace(text, edit[0], edit[1], 1)
	}
	return os.WriteFile(path, []byte(text), 0o666)
}
