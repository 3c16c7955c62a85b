package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
)

// git fetches a branch and the tags of a git repository. Everything goes to a repository of its own first, which borrows the
// mirror's objects; only when that is complete do its packs move over.
func (p *pull) git(ctx context.Context) error {
	dir := filepath.Join(p.spool, "fetch")
	if err := createRepo(dir, true, "incoming"); err != nil {
		return err
	}
	st := filesystem.NewStorageWithOptions(osfs.New(dir), cache.NewObjectLRUDefault(), filesystem.Options{})
	defer st.Close()
	if err := p.borrow(st, dir); err != nil {
		return err
	}
	remote := git.NewRemote(st, &config.RemoteConfig{Name: "upstream", URLs: []string{p.u.URL}})
	branch, err := p.remoteBranch(ctx, remote)
	if err != nil {
		return err
	}
	err = remote.FetchContext(ctx, &git.FetchOptions{
		RefSpecs: []config.RefSpec{
			config.RefSpec("+refs/heads/" + branch + ":refs/incoming/branch"),
			"+refs/tags/*:refs/incoming/tags/*",
		},
		Tags: git.NoTags,
	})
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return fmt.Errorf("fetch: %w", err)
	}
	tip, err := st.Reference("refs/incoming/branch")
	if err != nil {
		return err
	}
	tags, err := incomingTags(st)
	if err != nil {
		return err
	}
	if err := p.takePacks(dir); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		if version, ok := p.u.versionOf(name); ok {
			if err := p.tag(version, tags[name]); err != nil {
				return err
			}
		}
	}
	return p.advance(Hash(tip.Hash()))
}

// incomingTags are the tags that were fetched, by their names upstream.
func incomingTags(st *filesystem.Storage) (map[string]Hash, error) {
	it, err := st.IterReferences()
	if err != nil {
		return nil, err
	}
	tags := map[string]Hash{}
	err = it.ForEach(func(ref *plumbing.Reference) error {
		if name, ok := strings.CutPrefix(ref.Name().String(), "refs/incoming/tags/"); ok {
			tags[name] = Hash(ref.Hash())
		}
		return nil
	})
	return tags, err
}

// borrow lets the repository at dir read the mirror's objects and know its references, so that only what is new comes.
func (p *pull) borrow(st *filesystem.Storage, dir string) error {
	objects, err := filepath.Abs(filepath.Join(p.r.dir, "objects"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "objects", "info", "alternates"), []byte(objects+"\n"), 0o666); err != nil {
		return err
	}
	refs, err := p.r.refs("refs/")
	if err != nil {
		return err
	}
	for name, h := range refs {
		if strings.HasPrefix(name, "refs/srpm2git/") {
			continue
		}
		if err := st.SetReference(plumbing.NewHashReference(plumbing.ReferenceName(name), plumbing.Hash(h))); err != nil {
			return err
		}
	}
	return nil
}

// remoteBranch is the branch to fetch: the one that is configured, or the one that upstream's HEAD names.
func (p *pull) remoteBranch(ctx context.Context, remote *git.Remote) (string, error) {
	if p.u.Branch != "" {
		return p.u.Branch, nil
	}
	refs, err := remote.ListContext(ctx, &git.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("list: %w", err)
	}
	for _, ref := range refs {
		if ref.Name() == plumbing.HEAD && ref.Type() == plumbing.SymbolicReference {
			return ref.Target().Short(), nil
		}
	}
	return "", errors.New("upstream does not say which branch is its main one; say branch = ... in upstream.toml")
}

// takePacks moves what was fetched into the mirror, durably.
func (p *pull) takePacks(dir string) error {
	var names []string
	for _, pattern := range []string{"objects/pack/*.idx", "objects/pack/*.pack", "objects/??/*"} {
		found, err := glob(dir, pattern)
		if err != nil {
			return err
		}
		names = append(names, found...)
	}
	for _, rel := range names {
		name, target := filepath.Join(dir, rel), filepath.Join(p.r.dir, rel)
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			return err
		}
		if err := syncFile(name); err != nil {
			return err
		}
		if err := os.Rename(name, target); err != nil {
			return err
		}
		if err := atomicfile.SyncDir(filepath.Dir(target)); err != nil {
			return err
		}
	}
	p.r.reopen()
	return nil
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
