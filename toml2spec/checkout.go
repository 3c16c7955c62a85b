package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/convert"
	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

const (
	// stubMark begins a spec that stands in a repository for the one that its document gives: koji looks for a spec
	// before it lets anybody write one.
	stubMark = "# toml2spec stub"
	// checkoutConfig says where sources are, on builders and in buildroots.
	checkoutConfig = "/etc/weld-bridge/checkout.toml"
	// maxDocument bounds what is read of one file of a checkout, in bytes.
	maxDocument = 64 << 20
)

// checkout is a working tree of one package: its document, perhaps a spec or a stub of one, and its sources.
type checkout struct {
	Lookaside []string `toml:"lookaside"` // URLs or directories of sources by digest
	Mirrors   string   `toml:"mirrors"`   // URL or directory of the mirrors of srpm2git

	config    string
	dir, out  string
	stub      bool
	noSources bool
	force     bool
	silence   time.Duration // how long a cache may say nothing; 0: maxSilence
}

func newCheckoutCmd() *cobra.Command {
	var c checkout
	cmd := &cobra.Command{
		Use:   "checkout [flags] [DIR]",
		Short: "Make a checkout of a package ready for rpmbuild -bs: its spec and its sources",
		Long: `Make a checkout of a package ready for rpmbuild -bs: its spec and its sources.

DIR (default: where you are) holds package.toml, or one other document. Its
spec is written over the stub that is there, or to NAME.spec. Then every file
of sources.lock that is missing is taken from the lookaside caches, in their
order, and then from the git mirror by srpm2git; what arrives must have the
digest that sources.lock says, and a cache that is out of order is passed
over. toml2spec without arguments does the same.

It is koji's source_cmd, runs in koji's builder plugin, and in mock. Where
sources are is read from ` + checkoutConfig + `:

  lookaside = ["https://cache.example/{name}/{file}/sha256/{sha256}/{file}"]
  mirrors = "git://git.example/mirrors"

A spec that says something else, and is no stub, is left alone unless -f is
given: somebody edited it, or forgot to run toml2spec before the commit.`,
		Example: `  toml2spec checkout --lookaside file:///srv/cache
  toml2spec checkout --stub              writes the stub to commit`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.dir = "."
			if len(args) == 1 {
				c.dir = args[0]
			}
			return c.run(cmd)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.config, "config", "", "read `FILE` instead of "+checkoutConfig)
	f.StringArrayVar(&c.Lookaside, "lookaside", nil, "take sources from `URL` (http, https, file or a directory); may be given often")
	f.StringVar(&c.Mirrors, "mirrors", "", "take sources from the git mirrors at `URL` (or in a directory)")
	f.StringVarP(&c.out, "output", "o", "", "write the spec to `FILE`, whatever it says")
	f.BoolVar(&c.stub, "stub", false, "write the stub of a spec, and no sources")
	f.BoolVar(&c.noSources, "no-sources", false, "write the spec alone")
	f.BoolVarP(&c.force, "force", "f", false, "overwrite a spec that says something else")
	return cmd
}

func (c *checkout) run(cmd *cobra.Command) error {
	if err := c.configure(); err != nil {
		return err
	}
	text, err := c.convert()
	if err != nil {
		return err
	}
	path, err := c.specPath(text)
	if err != nil {
		return err
	}
	if c.stub {
		text = stub(packageName(text, c.dir))
	}
	if err := c.writeSpec(path, text); err != nil || c.stub || c.noSources {
		return err
	}
	return c.fetch(cmd.Context())
}

// configure reads the configuration for what no flag says. Only a file that was asked for has to be there.
func (c *checkout) configure() error {
	path := c.config
	if path == "" {
		path = checkoutConfig
		if _, err := os.Stat(path); err != nil {
			return nil
		}
	}
	data, err := readBounded(path)
	if err != nil {
		return err
	}
	var file checkout
	meta, err := toml.Decode(string(data), &file)
	if err != nil {
		return fmt.Errorf("%s: %s", path, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		return fmt.Errorf("%s: unknown key %q", path, extra[0].String())
	}
	if c.Lookaside == nil {
		c.Lookaside = file.Lookaside
	}
	if c.Mirrors == "" {
		c.Mirrors = file.Mirrors
	}
	return nil
}

// convert gives the spec of the document.
func (c *checkout) convert() ([]byte, error) {
	path, err := documentOf(c.dir)
	if err != nil {
		return nil, err
	}
	data, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	doc, err := pkgtoml.Decode(path, data)
	if err != nil {
		return nil, err
	}
	text, err := convert.ToSpec(doc, convert.Options{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// documentOf finds the package document of a checkout.
func documentOf(dir string) (string, error) {
	path := filepath.Join(dir, "package.toml")
	if _, err := os.Lstat(path); err == nil {
		return path, nil
	}
	found, err := filepath.Glob(filepath.Join(globQuoted(dir), "*.toml"))
	if err != nil {
		return "", err
	}
	var documents []string
	for _, path := range found {
		switch filepath.Base(path) {
		case "upstream.toml", "comps.toml", "checkout.toml":
		default:
			documents = append(documents, path)
		}
	}
	if len(documents) != 1 {
		return "", cli.Usagef("%s: no package.toml, and %d other documents", dir, len(documents))
	}
	return documents[0], nil
}

// globQuoted makes a pattern that matches dir alone.
func globQuoted(dir string) string {
	return regexp.MustCompile(`[\\*?\[]`).ReplaceAllString(dir, `\$0`)
}

// specPath is where the spec goes: where koji found one before, or by the name of the package.
func (c *checkout) specPath(text []byte) (string, error) {
	if c.out != "" {
		return c.out, nil
	}
	for _, dir := range []string{c.dir, filepath.Join(c.dir, "SPECS")} {
		if info, err := os.Lstat(dir); dir != c.dir && (err != nil || !info.IsDir()) {
			continue // a link may lead out of the checkout
		}
		found, err := filepath.Glob(filepath.Join(globQuoted(dir), "*.spec"))
		switch {
		case err != nil:
			return "", err
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return "", fmt.Errorf("%s: %d specs, want one", dir, len(found))
		}
	}
	return filepath.Join(c.dir, packageName(text, c.dir)+".spec"), nil
}

var nameTag = regexp.MustCompile(`(?mi)^Name[ \t]*:[ \t]*([A-Za-z0-9_.+-]+)[ \t]*$`)

// packageName is what the spec says, or the name of the directory where it says that with macros.
func packageName(spec []byte, dir string) string {
	if m := nameTag.FindSubmatch(spec); m != nil {
		return string(m[1])
	}
	if path, err := filepath.Abs(dir); err == nil {
		return filepath.Base(path)
	}
	return "package"
}

func stub(name string) []byte {
	return []byte(stubMark + `: package.toml is the source; toml2spec writes the spec over this file before the source package is made.
Name:           ` + name + `
Version:        0
Release:        0
Summary:        Stub
License:        MIT

%description
Stub.
`)
}

// writeSpec writes the spec unless that would lose what somebody wrote. A link is no place for a spec: the checkout
// may come from anybody.
func (c *checkout) writeSpec(path string, text []byte) error {
	if c.out == "" {
		info, err := os.Lstat(path)
		if err == nil && !info.Mode().IsRegular() {
			return fmt.Errorf("%s: not a regular file", path)
		}
		if err == nil {
			old, err := readBounded(path)
			switch {
			case err != nil:
				return err
			case bytes.Equal(old, text):
				return nil
			case !c.force && !bytes.HasPrefix(old, []byte(stubMark)):
				return fmt.Errorf("%s says something else than the document, and is no stub: run toml2spec before the commit, or give -f", path)
			}
		}
	}
	return atomicfile.Write(path, text, 0o644)
}

// readBounded reads a regular file of at most maxDocument bytes.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrInvalid}
	case info.Size() > maxDocument:
		return nil, fmt.Errorf("%s: %d bytes, more than %d", path, info.Size(), maxDocument)
	}
	return os.ReadFile(path)
}
