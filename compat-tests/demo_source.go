package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed hello/hello.spec
var helloSpec string

// fetchTarball brings GNU hello's tarball from the distribution's own source archive.
func (d *demo) fetchTarball() error {
	dir := d.path("downloads")
	pattern := filepath.Join(dir, "hello-[0-9]*.tar.gz")
	if _, err := one(pattern); err != nil {
		download := d.fetchFedora
		if _, err := exec.LookPath("apt-get"); err == nil {
			download = d.fetchDebian
		}
		if err := download(dir); err != nil {
			return err
		}
	}
	var err error
	if d.tarball, err = one(pattern); err != nil {
		return err
	}
	name := filepath.Base(d.tarball)
	d.version = strings.TrimSuffix(strings.TrimPrefix(name, "hello-"), ".tar.gz")
	d.done("upstream", "the distribution's source archive", name, "the archive's own signature")
	return nil
}

// fetchDebian downloads without touching the machine's package lists.
func (d *demo) fetchDebian(dir string) error {
	sources, err := sourceLists()
	if err != nil {
		return err
	}
	lists := d.path("apt")
	if err := os.MkdirAll(filepath.Join(lists, "lists", "partial"), 0o777); err != nil {
		return err
	}
	for name, text := range sources {
		if err := os.WriteFile(filepath.Join(lists, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	options := []string{
		"-o", "Dir::Etc::sourcelist=/dev/null", "-o", "Dir::Etc::sourceparts=" + lists,
		"-o", "Dir::State::lists=" + filepath.Join(lists, "lists"), "-o", "APT::Sandbox::User=", "-qq",
	}
	if _, err := d.run("apt-get", append(options, "update")...); err != nil {
		return err
	}
	if _, err := d.runIn(dir, "apt-get", append(options, "source", "--download-only", "hello")...); err != nil {
		return err
	}
	orig, err := one(filepath.Join(dir, "hello_*.orig.tar.gz"))
	if err != nil {
		return err
	}
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(orig), "hello_"), ".orig.tar.gz")
	return copyFile(orig, filepath.Join(dir, "hello-"+version+".tar.gz"))
}

// sourceLists turns the machine's lists of binary packages into lists of source packages.
func sourceLists() (map[string]string, error) {
	found, err := filepath.Glob("/etc/apt/sources.list.d/*.sources")
	if err != nil {
		return nil, err
	}
	found = append(found, "/etc/apt/sources.list")
	types := regexp.MustCompile(`(?m)^(Types:).*$|^deb\s`)
	lists := make(map[string]string)
	for _, path := range found {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		name := filepath.Base(path)
		if name == "sources.list" {
			name = "main.list"
		}
		lists[name] = types.ReplaceAllStringFunc(string(text), func(s string) string {
			if strings.HasPrefix(s, "Types:") {
				return "Types: deb-src"
			}
			return "deb-src "
		})
	}
	if len(lists) == 0 {
		return nil, errors.New("no package lists in /etc/apt")
	}
	return lists, nil
}

func (d *demo) fetchFedora(dir string) error {
	// dnf 5 has one name for the option, dnf 4 the other.
	if _, err := d.runIn(dir, "dnf", "download", "--srpm", "hello"); err != nil {
		if _, err := d.runIn(dir, "dnf", "download", "--source", "hello"); err != nil {
			return err
		}
	}
	srpm, err := one(filepath.Join(dir, "hello-*.src.rpm"))
	if err != nil {
		return err
	}
	_, err = d.runIn(dir, "sh", "-c", `rpm2cpio "$1" | cpio -id --quiet 'hello-*.tar.gz'`, "sh", srpm)
	return err
}

// buildSRPM writes our packaging of hello and lets rpmbuild make the source package.
func (d *demo) buildSRPM() error {
	sources := d.path("sources")
	if err := os.MkdirAll(sources, 0o777); err != nil {
		return err
	}
	d.spec = filepath.Join(sources, "hello.spec")
	if err := os.WriteFile(d.spec, []byte(strings.ReplaceAll(helloSpec, "@VERSION@", d.version)), 0o666); err != nil {
		return err
	}
	if err := copyFile(d.tarball, filepath.Join(sources, filepath.Base(d.tarball))); err != nil {
		return err
	}
	if err := d.writePatch(filepath.Join(sources, "hello-greeting.patch")); err != nil {
		return err
	}
	if _, err := d.rpmbuild("build", "-bs", "--define", "_sourcedir "+sources, d.spec); err != nil {
		return err
	}
	var err error
	if d.srpm, err = one(d.path("build", "SRPMS", "*.src.rpm")); err != nil {
		return err
	}
	d.done("source package", "tarball, our spec and patch", filepath.Base(d.srpm), "rpmbuild -bs")
	return nil
}

// rpmbuild runs rpmbuild below a directory of the demo. Debian's rpm database knows no build requirements.
func (d *demo) rpmbuild(topdir string, args ...string) (string, error) {
	options := []string{"--nodeps", "--define", "_topdir " + d.path(topdir), "--define", "dist .weld1"}
	return d.run("rpmbuild", append(options, args...)...)
}

const patchHeader = `From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: Weld Bridge <bridge@weld.invalid>
Date: Mon, 2 Nov 2026 12:00:00 +0000
Subject: [PATCH] Greet Weld

The greeting names the distribution that carries the package.
---
`

// writePatch makes a patch of our own against the very tarball: one word of the greeting.
func (d *demo) writePatch(path string) error {
	const name = "src/hello.c"
	for _, side := range []string{"a", "b"} {
		dir := d.path("patch", side)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		if _, err := d.run("tar", "-xf", d.tarball, "-C", dir, "--strip-components=1", "hello-"+d.version+"/"+name); err != nil {
			return err
		}
	}
	changed := d.path("patch", "b", name)
	text, err := os.ReadFile(changed)
	if err != nil {
		return err
	}
	edited := strings.ReplaceAll(string(text), `"Hello, world!"`, `"Hello, Weld!"`)
	if edited == string(text) {
		return fmt.Errorf("%s: no greeting to change", changed)
	}
	if err := os.WriteFile(changed, []byte(edited), 0o666); err != nil {
		return err
	}
	diff, err := d.diff(d.path("patch"), "a/"+name, "b/"+name)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(patchHeader+diff), 0o666)
}

// diff gives the unified difference of two files; that there is one is no error.
func (d *demo) diff(dir, a, b string) (string, error) {
	cmd := d.command("diff", "-u", "--label", a, "--label", b, a, b)
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		err = nil
	}
	return string(out), err
}

// changedLines gives the lines that a unified difference takes away and adds.
func changedLines(diff string) (removed, added []string) {
	lines := bufio.NewScanner(strings.NewReader(diff))
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
		case strings.HasPrefix(line, "-"):
			removed = append(removed, line[1:])
		case strings.HasPrefix(line, "+"):
			added = append(added, line[1:])
		}
	}
	return removed, added
}
