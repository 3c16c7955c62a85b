package gitmirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// maxDownload bounds a download in bytes.
const maxDownload = 16 << 30

var errNotThere = errors.New("not there")

// download fetches an http, https or file URL into the spool. errNotThere says that the server has no such file.
func (p *pull) download(ctx context.Context, raw, name string) (path string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	var in io.ReadCloser
	switch u.Scheme {
	case "file":
		if in, err = os.Open(u.Path); errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("%s: %w", raw, errNotThere)
		} else if err != nil {
			return "", err
		}
	case "http", "https":
		if in, err = p.get(ctx, raw); err != nil {
			return "", err
		}
	default:
		return "", fmt.Errorf("%s: want an http, https or file URL", raw)
	}
	defer in.Close()
	path = filepath.Join(p.spool, name)
	out, err := os.Create(path)
	if err != nil {
		return "", err
	}
	n, err := io.Copy(out, io.LimitReader(in, maxDownload+1))
	if n > maxDownload {
		err = fmt.Errorf("more than %d bytes", int64(maxDownload))
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return "", fmt.Errorf("%s: %w", raw, err)
	}
	return path, nil
}

// maxIdle is how long a server may be silent.
const maxIdle = 2 * time.Minute

var errIdle = fmt.Errorf("the server was silent for %v", maxIdle)

// get opens an http or https URL.
func (p *pull) get(ctx context.Context, raw string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	body := &body{ctx: ctx, cancel: cancel, idle: time.AfterFunc(maxIdle, func() { cancel(errIdle) })}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, raw, nil)
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, errors.Join(body.why(err), body.Close())
	}
	body.r = resp.Body
	if resp.StatusCode == http.StatusOK {
		return body, nil
	}
	body.Close()
	err = fmt.Errorf("%s: %s", raw, resp.Status)
	if resp.StatusCode == http.StatusNotFound {
		err = fmt.Errorf("%s: %w", raw, errNotThere)
	}
	return nil, err
}

// body is what a server sends, until it is silent for too long.
type body struct {
	r      io.ReadCloser // nil before there is one
	ctx    context.Context
	cancel context.CancelCauseFunc
	idle   *time.Timer
}

func (b *body) Read(data []byte) (int, error) {
	n, err := b.r.Read(data)
	b.idle.Reset(maxIdle)
	return n, b.why(err)
}

// why is the reason for an error.
func (b *body) why(err error) error {
	if errors.Is(context.Cause(b.ctx), errIdle) {
		return errIdle
	}
	return err
}

func (b *body) Close() error {
	b.idle.Stop()
	b.cancel(nil)
	if b.r == nil {
		return nil
	}
	return b.r.Close()
}

// tarball brings one release archive onto the branch, as an import of a source RPM with that archive would.
func (p *pull) tarball(ctx context.Context) error {
	tip, err := p.release(ctx)
	if err != nil {
		return err
	}
	return p.advanceTo(tip)
}

// advanceTo moves the branch forward along a line of commits that this pull made or found.
func (p *pull) advanceTo(tip Hash) error {
	old, err := p.r.ref(p.branchRef())
	if err != nil || old == tip {
		return err
	}
	if !old.IsZero() {
		if known, err := p.r.reach(old); err != nil || known[tip] {
			return err // an older release: it is there already
		}
	}
	return p.advance(tip)
}

// release stores the archive and returns its commit.
func (p *pull) release(ctx context.Context) (Hash, error) {
	src, err := p.archive(ctx)
	if err != nil {
		return Hash{}, err
	}
	pt, err := p.r.openPristine()
	if err != nil {
		return Hash{}, err
	}
	im := &Importer{Encoders: p.pl.Encoders, MaxSearch: p.pl.MaxSearch}
	st, err := im.storeSource(ctx, pt, src, true)
	if err != nil {
		return Hash{}, fmt.Errorf("%s: %w", src.name, err)
	}
	if st.tree.IsZero() {
		return Hash{}, fmt.Errorf("%s is not an archive: %s", src.name, orElse(st.recipe.Why, "neither tar nor zip"))
	}
	if old, err := p.released(st.tree); err != nil || !old.IsZero() {
		return old, err
	}
	c := upstreamCommit(p.name, p.u.Version, st.tree, st.recipe.MTime, [][2]string{{src.name, src.sha256}})
	if prev, err := p.r.ref(p.branchRef()); err != nil {
		return Hash{}, err
	} else if !prev.IsZero() {
		c.parents = []Hash{prev}
	}
	tip, err := p.r.addCommit(c)
	if err != nil {
		return Hash{}, err
	}
	if p.refs[pristineRef], err = pt.commit("Pull "+p.name+" "+p.u.Version, c.date); err != nil {
		return Hash{}, err
	}
	return tip, p.tag(p.u.Version, tip)
}

// archive fetches the release and holds it against its digest and its signature.
func (p *pull) archive(ctx context.Context) (*source, error) {
	raw := strings.ReplaceAll(p.u.URL, "{version}", p.u.Version)
	path, err := p.download(ctx, raw, "archive")
	if err != nil {
		return nil, err
	}
	src := &source{name: baseName(raw), path: path}
	if src.sha256, src.size, err = sumFile(path); err != nil {
		return nil, err
	}
	if p.u.SHA256 != "" && p.u.SHA256 != src.sha256 {
		return nil, fmt.Errorf("%s has SHA-256 %s, not %s", src.name, src.sha256, p.u.SHA256)
	}
	return src, p.checkSignature(ctx, path)
}

// released is the commit that the version's tag names, zero if there is no such tag. One of another tree is noted as moved.
func (p *pull) released(tree Hash) (Hash, error) {
	h, err := p.r.ref("refs/tags/upstream/" + refEscape(p.u.Version))
	if err != nil || h.IsZero() {
		return h, err
	}
	if h, err = p.r.peel(h); err != nil {
		return h, err
	}
	c, err := p.r.readCommit(h)
	if err == nil && c.tree != tree {
		p.out.Moved = append(p.out.Moved, p.u.Version)
	}
	return h, err
}

// checkSignature holds the archive against its detached signature.
func (p *pull) checkSignature(ctx context.Context, archive string) error {
	if p.u.Signature == "" {
		return nil
	}
	sigPath, err := p.download(ctx, strings.ReplaceAll(p.u.Signature, "{version}", p.u.Version), "signature")
	if err != nil {
		return err
	}
	sig, err := os.ReadFile(sigPath)
	if err != nil {
		return err
	}
	ring, err := os.ReadFile(filepath.Join(p.pl.Metadata, "packages", p.name, p.u.Keyring))
	if err != nil {
		return err
	}
	var keys openpgp.EntityList
	if bytes.HasPrefix(bytes.TrimSpace(ring), []byte("-----BEGIN")) {
		keys, err = openpgp.ReadArmoredKeyRing(bytes.NewReader(ring))
	} else {
		keys, err = openpgp.ReadKeyRing(bytes.NewReader(ring))
	}
	if err != nil {
		return fmt.Errorf("keyring %s: %w", p.u.Keyring, err)
	}
	in, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer in.Close()
	if bytes.HasPrefix(bytes.TrimSpace(sig), []byte("-----BEGIN")) {
		_, err = openpgp.CheckArmoredDetachedSignature(keys, in, bytes.NewReader(sig), nil)
	} else {
		_, err = openpgp.CheckDetachedSignature(keys, in, bytes.NewReader(sig), nil)
	}
	if err != nil {
		return fmt.Errorf("signature of the archive: %w", err)
	}
	return nil
}

// upstreamCommit is the commit of a release that came as archives.
func upstreamCommit(name, version string, tree Hash, date int64, sources [][2]string) commit {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n\n", name, version)
	for _, s := range sources {
		fmt.Fprintf(&b, "Upstream-source: %s %s\n", s[1], s[0])
	}
	fmt.Fprintf(&b, "Upstream-version: %s\n", version)
	return commit{tree: tree, date: date, message: b.String()}
}

var numberMark = regexp.MustCompile(`\{n(?::(\d))?\}`)

func numbered(pattern string, n int) string {
	return numberMark.ReplaceAllStringFunc(pattern, func(mark string) string {
		width := 0
		if g := numberMark.FindStringSubmatch(mark); g[1] != "" {
			width, _ = strconv.Atoi(g[1])
		}
		return fmt.Sprintf("%0*d", width, n)
	})
}

// patchSeries brings a release and upstream's numbered patches to it: a commit and a tag each.
func (p *pull) patchSeries(ctx context.Context) error {
	tip, err := p.release(ctx)
	if err != nil {
		return err
	}
	c, err := p.r.readCommit(tip)
	if err != nil {
		return err
	}
	const most = 100000
	for n := 1; n <= most && (p.u.Last == 0 || n <= p.u.Last); n++ {
		version := strings.ReplaceAll(numbered(orElse(p.u.Name, "{version}.{n}"), n), "{version}", p.u.Version)
		known, err := p.r.ref("refs/tags/upstream/" + refEscape(version))
		if err != nil {
			return err
		}
		if !known.IsZero() {
			if tip, err = p.r.peel(known); err != nil {
				return err
			}
			if c, err = p.r.readCommit(tip); err != nil {
				return err
			}
			continue
		}
		raw := strings.ReplaceAll(numbered(p.u.Patches, n), "{version}", p.u.Version)
		path, err := p.download(ctx, raw, "patch")
		if errors.Is(err, errNotThere) && p.u.Last == 0 && n > 1 {
			break
		}
		if err != nil {
			return err
		}
		if tip, c, err = p.addNumbered(tip, c, path, baseName(raw), version); err != nil {
			return fmt.Errorf("%s: %w", raw, err)
		}
	}
	return p.advanceTo(tip)
}

// addNumbered makes the commit and the tag of one numbered patch.
func (p *pull) addNumbered(parent Hash, before commit, path, name, version string) (Hash, commit, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return parent, before, err
	}
	patch, err := plainPatch(data)
	if err != nil {
		return parent, before, err
	}
	tree, err := p.r.applyPatch(before.tree, patch, use{strip: p.u.Strip, fuzz: 2})
	if err != nil {
		return parent, before, err
	}
	c := commit{
		tree: tree, parents: []Hash{parent}, date: max(newestStamp(patch), before.date),
		message: fmt.Sprintf("%s %s\n\nUpstream-patch: %s %s\nUpstream-version: %s\n", p.name, version, sha256Hex(data), name, version),
	}
	h, err := p.r.addCommit(c)
	if err != nil {
		return parent, before, err
	}
	return h, c, p.tag(version, h)
}

var stamp = regexp.MustCompile(`(?m)^(?:---|\+\+\+|\*\*\*) [^\t\n]+\t(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? ([+-]\d{4})`)

// newestStamp is the latest time that the headers of a patch name: the same wherever the patch was fetched from.
func newestStamp(patch []byte) int64 {
	var newest int64
	for _, g := range stamp.FindAllSubmatch(patch, 10000) {
		if t, err := time.Parse("2006-01-02 15:04:05 -0700", string(g[1])+" "+string(g[2])); err == nil {
			newest = max(newest, t.Unix())
		}
	}
	return newest
}
