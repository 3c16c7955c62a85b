package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
)

// dependency is something that the build, the demo or a judge needs, under its two names.
type dependency struct {
	debian, fedora string // package names; empty: nothing to install there
	why            string
}

var dependencies = []dependency{
	{"gcc", "gcc", "compiles the encoder helpers, and hello in the demo"},
	{"libc6-dev", "glibc-static", "static linking"},
	{"make", "make", "runs the build"},
	{"git", "git", "judges git mirrors"},
	{"liblzma-dev", "xz-devel", "the xz encoder"},
	{"libbz2-dev", "bzip2-devel", "the bzip2 encoder"},
	{"pkg-config", "pkgconf-pkg-config", "finds libostree for the ostree-go test"},
	{"libostree-dev", "ostree-devel", "the ostree-go test"},
	{"rpm", "rpm-build", "rpm, rpmbuild and rpmkeys: judge packages and specs"},
	{"", "rpm-sign", "rpmsign: judges signatures"},
	{"createrepo-c", "createrepo_c", "judges repodata"},
	{"zchunk", "zchunk", "reads zchunk files"},
	{"python3-createrepo-c", "python3-createrepo_c", "compares repodata"},
	{"python3-libcomps", "python3-libcomps", "judges comps"},
	{"dnf", "dnf", "installs from what repogen serves"},
	{"", "dnf-plugins-core", "dnf download"},
	{"zypper", "zypper", "reads what repogen publishes"},
	{"ostree", "ostree", "judges the store"},
	{"patch", "patch", "judges the application of patches"},
	{"gnupg", "gnupg2", "makes the keys of the tests"},
	{"file", "file", "tells whether the tools are static"},
	{"cpio", "cpio", "judges payloads"},
	{"gzip", "gzip", "an encoder of source archives"},
	{"bzip2", "bzip2", "archives in tests"},
	{"xz-utils", "xz", "archives in tests"},
	{"zstd", "zstd", "archives in tests"},
	{"lzip", "lzip", "an encoder of source archives"},
	{"zip", "zip", "archives in tests"},
	{"strace", "strace", "shows that publishing reads no payload"},
	{"subversion", "subversion", "upstreams in Subversion"},
	{"mercurial", "mercurial", "upstreams in Mercurial"},
	{"dpkg-dev", "", "apt-get source"},
	{"debootstrap", "debootstrap", "Debian unstable, for newer judges"},
	{"chromium", "chromium-headless", "opens the pages that people read"},
	{"python3", "python3", "tomllib reads our documents"},
}

func newDepsCmd() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "deps",
		Short: "Install what the build, the tests and the demo need, by apt or dnf; nothing twice",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return installDeps(check)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "install nothing; fail when something is missing")
	return cmd
}

// packager installs packages on one family of distributions.
type packager struct {
	name    func(dependency) string
	has     func(pkg string) bool
	install [][]string // commands; the last one takes the packages
}

func thisPackager() (packager, error) {
	if _, err := exec.LookPath("apt-get"); err == nil {
		return packager{
			name: func(d dependency) string { return d.debian },
			has: func(pkg string) bool {
				out, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Status}", pkg).Output()
				return err == nil && string(out) == "installed"
			},
			install: [][]string{
				{"apt-get", "update", "-qq"},
				{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends"},
			},
		}, nil
	}
	if _, err := exec.LookPath("dnf"); err == nil {
		return packager{
			name:    func(d dependency) string { return d.fedora },
			has:     func(pkg string) bool { return exec.Command("rpm", "-q", "--whatprovides", pkg).Run() == nil },
			install: [][]string{{"dnf", "install", "-y", "-q", "--setopt=install_weak_deps=False"}},
		}, nil
	}
	return packager{}, errors.New("neither apt-get nor dnf is here: install the programs of docs/dependencies.md by hand")
}

func installDeps(check bool) error {
	p, err := thisPackager()
	if err != nil {
		return err
	}
	var missing []string
	for _, d := range dependencies {
		pkg := p.name(d)
		if pkg == "" || p.has(pkg) {
			continue
		}
		fmt.Printf("missing: %-24s %s\n", pkg, d.why)
		missing = append(missing, pkg)
	}
	if len(missing) == 0 {
		return nil
	}
	if check {
		return fmt.Errorf("missing: %s", strings.Join(missing, " "))
	}
	for i, command := range p.install {
		if i == len(p.install)-1 {
			command = append(command, missing...)
		}
		if err := asRoot(command); err != nil {
			return err
		}
	}
	return nil
}

func asRoot(command []string) error {
	if os.Geteuid() != 0 {
		command = append([]string{"sudo"}, command...)
	}
	fmt.Println("+", strings.Join(command, " "))
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin = os.Stdin
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out)
	}
	return nil
}
