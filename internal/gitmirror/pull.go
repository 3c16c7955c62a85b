package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/weld-linux/weld-bridge/internal/pristine"
)

// Upstream is packages/NAME/upstream.toml: where a package's upstream lives. People write it; imports leave it alone.
type Upstream struct {
	Kind    string `toml:"kind"`    // git, svn, hg, tarball or patches
	URL     string `toml:"url"`     // {version} stands for Version
	Branch  string `toml:"branch"`  // git and hg: the branch, default upstream's own; svn: its path, default "trunk"
	Into    string `toml:"into"`    // branch of the mirror, default "upstream"
	Tags    string `toml:"tags"`    // pattern of upstream's tags: "v{version}"; default "{version}"; svn: below tags/
	Version string `toml:"version"` // tarball, patches: the version to pull
	SHA256  string `toml:"sha256"`  // tarball, patches: of the archive; "" to take it as it is
	// Signature is the URL of a detached OpenPGP signature of the archive, Keyring a file beside upstream.toml.
	Signature string `toml:"signature"`
	Keyring   string `toml:"keyring"`
	Patches   string `toml:"patches"` // URL of the numbered patches: {n} is the number, {n:3} the same in three digits
	Last      int    `toml:"last"`    // patches: the last number; 0: until there is none
	Strip     int    `toml:"strip"`   // patches: as in patch -p
	Name      string `toml:"patched"` // patches: the version of number n, default "{version}.{n}"
}

// Pulled says what a pull did.
type Pulled struct {
	Kind    string   `json:"kind"`
	Commits int      `json:"commits"`         // new on the branch
	Tags    []string `json:"tags,omitempty"`  // new tags
	Moved   []string `json:"moved,omitempty"` // tags that upstream has moved; the mirror's stay
}

// Puller brings upstream into the mirrors.
type Puller struct {
	Mirrors   string
	Metadata  string
	Encoders  *pristine.Encoders
	MaxSearch int64
}

// readUpstream reads and checks upstream.toml.
func readUpstream(dir, name string) (*Upstream, error) {
	path := filepath.Join(dir, "packages", name, "upstream.toml")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no %s says where upstream is", path)
	}
	if err != nil {
		return nil, err
	}
	u := Upstream{Into: "upstream"}
	meta, err := toml.Decode(string(data), &u)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", path, oneLine(err.Error()))
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		return nil, fmt.Errorf("%s: unknown key %q", path, extra[0].String())
	}
	if err := u.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &u, nil
}

func (u *Upstream) check() error {
	if !slices.Contains([]string{"git", "svn", "hg", "tarball", "patches"}, u.Kind) {
		return fmt.Errorf("kind %q: want git, svn, hg, tarball or patches", u.Kind)
	}
	if u.URL == "" || strings.HasPrefix(u.URL, "-") {
		return errors.New("url is missing")
	}
	if strings.HasPrefix(u.Branch, "-") {
		return fmt.Errorf("branch %q begins with a hyphen", u.Branch)
	}
	if err := checkRefName("refs/heads/" + u.Into); err != nil {
		return fmt.Errorf("into: %w", err)
	}
	archive := u.Kind == "tarball" || u.Kind == "patches"
	switch {
	case archive && u.Version == "":
		return errors.New("version is missing")
	case u.SHA256 != "" && !isSHA256(u.SHA256):
		return fmt.Errorf("sha256 %q is not one", u.SHA256)
	case u.Signature != "" && u.Keyring == "":
		return errors.New("a signature needs a keyring")
	case u.Keyring != filepath.Base(u.Keyring) && u.Keyring != "":
		return fmt.Errorf("keyring %q is not a file beside upstream.toml", u.Keyring)
	case u.Kind == "patches" && !strings.Contains(u.Patches, "{n"):
		return errors.New("patches: the URL has no {n}")
	}
	return nil
}

// Pull brings the upstream of a package into its mirror. A pull that fails leaves all references as they were.
func (pl *Puller) Pull(ctx context.Context, name string) (*Pulled, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	u, err := readUpstream(pl.Metadata, name)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(pl.Mirrors, name+".git")
	r, err := lockedRepo(dir, "distro")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	spool, err := os.MkdirTemp(r.dir, "srpm2git.spool-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(spool)
	if pl.Encoders == nil {
		pl.Encoders = pristine.OpenEncoders()
	}
	p := &pull{pl: pl, name: name, u: u, r: r, spool: spool, out: &Pulled{Kind: u.Kind}, refs: map[string]Hash{}}
	p.client = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}
	defer p.client.CloseIdleConnections()
	if err := p.run(ctx); err != nil {
		r.removeIfEmpty()
		return nil, fmt.Errorf("%s: %w", u.URL, err)
	}
	return p.out, nil
}

// pull is one pull under way.
type pull struct {
	pl    *Puller
	name  string
	u     *Upstream
	r     *repo
	spool string
	out   *Pulled
	refs  map[string]Hash

	client *http.Client
}

func (p *pull) run(ctx context.Context) error {
	work := map[string]func(context.Context) error{
		"git": p.git, "svn": p.svn, "hg": p.hg, "tarball": p.tarball, "patches": p.patchSeries,
	}[p.u.Kind]
	if err := work(ctx); err != nil {
		return err
	}
	if err := p.r.publish(); err != nil {
		return err
	}
	return p.r.update(p.refs)
}

func (p *pull) branchRef() string { return "refs/heads/" + p.u.Into }

// advance moves the branch of the mirror to tip, which must have what the branch has.
func (p *pull) advance(tip Hash) error {
	old, err := p.r.ref(p.branchRef())
	if err != nil || old == tip {
		return err
	}
	n, reached, err := p.r.countNew(tip, old)
	if err != nil {
		return err
	}
	if !old.IsZero() && !reached {
		return fmt.Errorf("branch %s of the mirror holds other commits (%s); say into = \"another-branch\" in upstream.toml", p.u.Into, old)
	}
	p.out.Commits = n
	p.refs[p.branchRef()] = tip
	return nil
}

// countNew counts the commits from tip on that old does not reach, and reports whether old was met.
func (r *repo) countNew(tip, old Hash) (n int, met bool, err error) {
	known := map[Hash]bool{}
	queue := []Hash{tip}
	if !old.IsZero() {
		// What old reaches does not count; walking it is bounded by the history itself.
		if known, err = r.reach(old); err != nil {
			return 0, false, err
		}
	}
	seen := map[Hash]bool{}
	for len(queue) > 0 {
		h := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if h == old {
			met = true
		}
		if seen[h] || known[h] {
			continue
		}
		seen[h] = true
		c, err := r.readCommit(h)
		if err != nil {
			return 0, false, err
		}
		queue = append(queue, c.parents...)
	}
	return len(seen), met, nil
}

// reach is the set of commits that h has in its history.
func (r *repo) reach(h Hash) (map[Hash]bool, error) {
	seen := map[Hash]bool{}
	queue := []Hash{h}
	for len(queue) > 0 {
		h := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if seen[h] {
			continue
		}
		seen[h] = true
		c, err := r.readCommit(h)
		if err != nil {
			return nil, err
		}
		queue = append(queue, c.parents...)
	}
	return seen, nil
}

// tag notes an upstream tag under upstream/. A tag that is there already and names something else stays.
func (p *pull) tag(version string, h Hash) error {
	name := "refs/tags/upstream/" + refEscape(version)
	old, err := p.r.ref(name)
	switch {
	case err != nil || old == h:
		return err
	case !old.IsZero():
		p.out.Moved = append(p.out.Moved, version)
	default:
		p.out.Tags = append(p.out.Tags, version)
		p.refs[name] = h
	}
	return nil
}

// versionOf takes the version out of the name of an upstream tag; ok is false for a tag that is no version.
func (u *Upstream) versionOf(tag string) (string, bool) {
	before, after, has := strings.Cut(orElse(u.Tags, "{version}"), "{version}")
	if !has {
		return "", false
	}
	rest, ok := strings.CutPrefix(tag, before)
	if !ok {
		return "", false
	}
	rest, ok = strings.CutSuffix(rest, after)
	return rest, ok && rest != ""
}
