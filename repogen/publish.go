package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/repo"
)

// storeFlags are the options that publish and serve share.
type storeFlags struct {
	store     cli.StoreFlag
	profile   string
	key       string
	unsigned  bool
	signKey   string
	signPass  string
	group     string
	extras    []string
	changelog int
}

func (f *storeFlags) add(cmd *cobra.Command) {
	p := cmd.Flags()
	f.store.Add(cmd)
	p.StringVar(&f.profile, "profile", "fedora", "clients to write for: fedora, el7 or zypper")
	p.StringVar(&f.key, "key", "", "take packages as signed by the key with this ID")
	p.BoolVar(&f.unsigned, "unsigned", false, "take packages without signature")
	p.StringVar(&f.signKey, "sign-key", "", "sign repomd.xml with the armored OpenPGP private key in `FILE`")
	p.StringVar(&f.signPass, "passphrase-file", "", "the `FILE` that holds the passphrase of the key of --sign-key")
	p.StringVarP(&f.group, "groupfile", "g", "", "comps file to include")
	p.StringArrayVar(&f.extras, "metadata", nil, "metadata to include, as `TYPE=FILE`")
	p.IntVar(&f.changelog, "changelog-limit", 10, "changelog entries to keep of each package; -1 for all")
}

// options reads what the flags name.
func (f *storeFlags) options() (repo.PublishOptions, error) {
	o := repo.PublishOptions{Form: content.Form{Key: f.key, Unsigned: f.unsigned}}
	if f.key != "" && f.unsigned {
		return o, cli.Usagef("--key and --unsigned exclude each other")
	}
	var err error
	if o.Profile, err = repo.FindProfile(f.profile); err != nil {
		return o, cli.Usagef("--profile: %v", err)
	}
	o.Profile.ChangelogLimit = max(f.changelog, -1)
	if f.signKey != "" {
		var passphrase []byte
		if f.signPass != "" {
			if passphrase, err = os.ReadFile(f.signPass); err != nil {
				return o, fmt.Errorf("--passphrase-file: %w", err)
			}
		}
		if o.Signer, err = repo.LoadSigner(f.signKey, bytes.TrimRight(passphrase, "\r\n")); err != nil {
			return o, fmt.Errorf("--sign-key: %w", err)
		}
	}
	if f.group != "" {
		o.Extras = append(o.Extras, repo.Extra{Type: "group", Path: f.group})
	}
	for _, x := range f.extras {
		typ, path, ok := strings.Cut(x, "=")
		if !ok || typ == "" || path == "" {
			return o, cli.Usagef("--metadata %s: want TYPE=FILE", x)
		}
		o.Extras = append(o.Extras, repo.Extra{Type: typ, Path: path})
	}
	return o, nil
}

// openStore opens the store that the flags name.
func (f *storeFlags) openStore() (*content.Store, string, error) {
	path, err := f.store.Path()
	if err != nil {
		return nil, "", err
	}
	s, err := content.Open(path, content.Options{})
	return s, path, err
}

// cacheDir returns the directory for what is kept between runs: beside the store's other caches, or nowhere when the
// store cannot be written to.
func cacheDir(store string) string {
	dir := filepath.Join(store, "cache", "repogen")
	if os.MkdirAll(dir, 0o777) != nil {
		return ""
	}
	probe, err := os.CreateTemp(dir, ".probe-")
	if err != nil {
		return ""
	}
	if errors.Join(probe.Close(), os.Remove(probe.Name())) != nil {
		return ""
	}
	return dir
}

type publishFlags struct {
	storeFlags
	collection, output, packages string
	baseURL, revision, cache     string
	keep                         int
	asJSON                       bool
}

func newPublishCmd() *cobra.Command {
	f := &publishFlags{}
	cmd := &cobra.Command{
		Use:   "publish --store STORE --collection C -o DIR",
		Short: "Publish a collection of a content store as a repository",
		Long: `Publish makes DIR a repository of the packages in a collection. The metadata is made from headers alone and
what has not changed is taken from the last run. Clients see the old state or the new one, each with its signature;
the files of some generations before stay for those who are still reading them.

A collection that has not changed is not published again.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 published, but packages were left out.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.add(cmd)
	p := cmd.Flags()
	p.StringVar(&f.collection, "collection", "", "the collection to publish")
	p.StringVarP(&f.output, "output", "o", "", "directory to publish in")
	p.StringVar(&f.packages, "packages", "link", "link: package files beside the metadata, each made once; none: metadata only")
	p.StringVar(&f.baseURL, "baseurl", "", "`URL` of the packages, when they are not beside the metadata")
	p.StringVar(&f.revision, "revision", "", "revision of the repository (default: build time of the youngest package)")
	p.StringVar(&f.cache, "cache", "", "directory to keep compressed metadata in (default: in the store)")
	p.IntVar(&f.keep, "keep", 3, "generations whose files stay, the present one included")
	p.BoolVar(&f.asJSON, "json", false, "print what was done as JSON")
	return cmd
}

func (f *publishFlags) run(cmd *cobra.Command) error {
	if f.collection == "" || f.output == "" {
		return cli.Usagef("want --collection and -o")
	}
	if f.packages != "link" && f.packages != "none" {
		return cli.Usagef("--packages %s: want link or none", f.packages)
	}
	opts, err := f.options()
	if err != nil {
		return err
	}
	opts.BaseURL, opts.Revision = f.baseURL, f.revision
	opts.Warn = func(s string) { fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", s) }
	store, path, err := f.openStore()
	if err != nil {
		return err
	}
	defer store.Close()
	release, err := store.Lock(cmd.Context())
	if err != nil {
		return err
	}
	defer release()
	c, err := store.Collection(f.collection)
	if err != nil {
		return err
	}
	if opts.CacheDir = f.cache; opts.CacheDir == "" {
		opts.CacheDir = cacheDir(path)
	}
	target := repo.Target{Dir: f.output, Keep: f.keep, Packages: f.packages == "link"}
	done, err := repo.Publish(cmd.Context(), c, target, opts)
	if err != nil {
		return err
	}
	return f.report(cmd, done)
}

func (f *publishFlags) report(cmd *cobra.Command, done *repo.Published) error {
	if f.asJSON {
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{
			"collection": f.collection, "generation": done.ID, "commit": done.Commit, "packages": done.Packages,
			"left_out": done.LeftOut, "unchanged": done.Unchanged, "exported": done.Exported,
		}); err != nil {
			return err
		}
	} else {
		what := "published"
		if done.Unchanged {
			what = "unchanged"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %d packages, generation %.12s\n", f.collection, what, done.Packages, done.ID)
	}
	if done.LeftOut > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d packages were left out\n", done.LeftOut)
		return cli.ErrSomeFailed
	}
	return nil
}
