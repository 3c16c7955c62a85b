package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// signedModule carries ten signed packages of CentOS and EPEL.
const signedModule = "github.com/cavaliergopher/rpm@v1.3.0"

// signedPackages finds the RPMs in a Go module.
func (d *demo) signedPackages() ([]string, error) {
	out, err := d.run("go", "mod", "download", "-json", signedModule)
	if err != nil {
		return nil, err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(out), &module); err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(module.Dir, "testdata", "*.rpm"))
	if err == nil && len(found) != 10 {
		err = fmt.Errorf("%s: %d packages, want 10", signedModule, len(found))
	}
	return found, err
}

// throughStore imports what was built and what others signed, and exports it all again.
func (d *demo) throughStore() error {
	signed, err := d.signedPackages()
	if err != nil {
		return err
	}
	store := d.path("store")
	if _, err := d.run("rpmstore", "init", store); err != nil {
		return err
	}
	for collection, rpms := range map[string][]string{"hello": d.rpms, "centos": signed} {
		if _, err := d.run("rpmstore", append([]string{"import", "--store", store, "--into", collection}, rpms...)...); err != nil {
			return err
		}
		if _, err := d.run("rpmstore", "export", "--store", store, "--collection", collection, "-o", d.path("rpms", collection)); err != nil {
			return err
		}
		for _, rpm := range rpms {
			name, err := d.run("rpm", "-qp", "--nosignature", "--qf", "%{NVRA}.rpm", rpm)
			if err != nil {
				return err
			}
			if err := d.same(rpm, d.path("rpms", collection, name)); err != nil {
				return err
			}
		}
	}
	if _, err := d.run("ostree", "fsck", "--repo="+store); err != nil {
		return err
	}
	stats, err := d.run("rpmstore", "stats", "--store", store)
	if err != nil {
		return err
	}
	fmt.Print(stats)
	all := fmt.Sprint(len(d.rpms)+len(signed), " packages")
	d.done("content store", all+", 10 of them signed by CentOS and EPEL", "an OSTree repository", "ostree fsck")
	d.done("out of the store", "the store", all, "cmp: the same bytes")
	return nil
}

// signingKey is a key that the demo made for itself.
type signingKey struct {
	id             string // 16 hexadecimal digits, lower case
	secret, public string // armored files
}

const keyOwner = "Weld Bridge demo <demo@weld.invalid>"

// makeKey makes a key in a gpg home that is gone afterwards: the path of an agent's socket has to be short.
func (d *demo) makeKey() (err error) {
	home, err := os.MkdirTemp("", "weld-gpg")
	if err != nil {
		return err
	}
	d.env = append(d.env, "GNUPGHOME="+home)
	defer func() {
		_, stopErr := d.run("gpgconf", "--kill", "all")
		err = errors.Join(err, stopErr, os.RemoveAll(home))
	}()
	gpg := []string{"--batch", "--pinentry-mode", "loopback", "--passphrase", ""}
	if _, err := d.run("gpg", append(gpg, "--quick-generate-key", keyOwner, "rsa3072", "sign", "never")...); err != nil {
		return err
	}
	d.key = signingKey{secret: d.path("signed", "secret.asc"), public: d.path("signed", "public.asc")}
	if err := os.MkdirAll(d.path("signed"), 0o777); err != nil {
		return err
	}
	for file, command := range map[string]string{d.key.secret: "--export-secret-keys", d.key.public: "--export"} {
		if _, err := d.run("gpg", append(gpg, "--armor", "--output", file, command, keyOwner)...); err != nil {
			return err
		}
	}
	listing, err := d.run("gpg", "--with-colons", "--list-keys", keyOwner)
	if err != nil {
		return err
	}
	for line := range strings.Lines(listing) {
		if fields := strings.Split(line, ":"); fields[0] == "pub" && len(fields) > 4 {
			d.key.id = strings.ToLower(fields[4])
			return nil
		}
	}
	return errors.New("gpg lists no key")
}

// sign signs the built packages under a key made on the spot; rpm judges.
func (d *demo) sign() error {
	if err := d.makeKey(); err != nil {
		return err
	}
	store := d.path("store")
	if _, err := d.run("rpmstore", "sign", "--store", store, "--collection", "hello", "--key", d.key.secret); err != nil {
		return err
	}
	if _, err := d.run("rpmstore", "export", "--store", store, "--collection", "hello", "--key", d.key.id, "-o", d.path("signed")); err != nil {
		return err
	}
	database := d.path("rpmdb")
	if _, err := d.run("rpmkeys", "--dbpath", database, "--import", d.key.public); err != nil {
		return err
	}
	for _, rpm := range d.rpms {
		said, err := d.run("rpmkeys", "--dbpath", database, "-Kv", d.path("signed", filepath.Base(rpm)))
		if err != nil {
			return err
		}
		if !strings.Contains(strings.ToLower(said), d.key.id[8:]+": ok") {
			return fmt.Errorf("rpmkeys sees no signature of key %s:\n%s", d.key.id, said)
		}
	}
	d.done("signatures", fmt.Sprint(len(d.rpms), " packages, a new key"), "the same packages, signed", "rpmkeys -K")
	return nil
}

// serve serves the signed packages to dnf, which installs them into an empty root.
func (d *demo) serve() (err error) {
	server := d.command("repogen", "serve", "--store", d.path("store"), "--listen", "127.0.0.1:0", "--key", d.key.id)
	url, stop, err := d.start(server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	repos := d.path("dnf", "repos")
	if err := os.MkdirAll(repos, 0o777); err != nil {
		return err
	}
	config := fmt.Sprintf("[hello]\nname=hello\nbaseurl=%s/hello/\nenabled=1\ngpgcheck=1\ngpgkey=file://%s\n", strings.TrimSuffix(url, "/"), d.key.public)
	if err := os.WriteFile(filepath.Join(repos, "hello.repo"), []byte(config), 0o666); err != nil {
		return err
	}
	d.installed = d.path("root")
	dnf := func(args ...string) (string, error) {
		options := []string{
			"-y", "--installroot=" + d.installed, "--releasever=1", "--setopt=reposdir=" + repos, "--setopt=cachedir=" + d.path("dnf", "cache"),
			"--setopt=install_weak_deps=0", "--setopt=keepcache=1",
		}
		return d.root("dnf", append(options, args...)...)
	}
	listed, err := dnf("list", "--available", "hello*")
	if err != nil {
		return err
	}
	fmt.Print(listed)
	if _, err := dnf("install", "hello", "hello-lang"); err != nil {
		return err
	}
	greeting, err := d.root("chroot", d.installed, "/usr/bin/hello")
	if err != nil {
		return err
	}
	if greeting != "Hello, Weld!\n" {
		return fmt.Errorf("the installed hello says %q", greeting)
	}
	d.done("repository", "the collection hello", url+"hello/", "dnf, gpgcheck on: lists, downloads, installs")
	d.done("installed", "an empty root", "hello, hello-lang", "it says "+strings.TrimSpace(greeting))
	return nil
}

// start starts a server that prints its address, and gives the address and how to end it.
func (d *demo) start(server *exec.Cmd) (url string, stop func() error, err error) {
	fmt.Println("+", strings.Join(server.Args, " "))
	out, err := server.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	server.Stderr = d.log
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error {
		if err := server.Process.Signal(os.Interrupt); err != nil {
			return err
		}
		return server.Wait()
	}
	var greeting string
	if _, err := fmt.Fscanf(out, "listening on %s\n", &greeting); err != nil {
		return "", nil, errors.Join(fmt.Errorf("the server does not say where it listens: %w", err), stop())
	}
	return greeting, stop, nil
}
