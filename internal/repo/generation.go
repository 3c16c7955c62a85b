package repo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// Extra is a metadata file that is published with a collection as it is.
type Extra struct {
	Type string // of the record, "group"
	Path string
}

// PublishOptions say how a collection becomes a repository.
type PublishOptions struct {
	Profile  Profile
	Form     content.Form // of the packages: under which key, or unsigned
	Extras   []Extra
	Revision string // default: the build time of the youngest package
	Signer   *Signer
	CacheDir string       // keeps what is compressed for the next run; may be empty
	BaseURL  string       // of the packages, where they are not beside the metadata
	Warn     func(string) // told of packages that are left out; may be nil
}

// Generation is one state of a repository's metadata. Equal collections give equal generations.
type Generation struct {
	ID        string // SHA-256 of Repomd
	Commit    string // of the collection
	Repomd    []byte
	Signature []byte // armored, over Repomd; nil when not signed
	Key       []byte // the public key
	Time      time.Time
	Packages  int
	LeftOut   int
	Records   []repodata.Record
	members   []member
}

// Files names the files of g besides repomd.xml and its signature, relative to repodata.
func (g *Generation) Files() []string {
	var names []string
	for _, r := range g.Records {
		names = append(names, filepath.Base(r.LocationHref))
	}
	return names
}

// generator makes one generation.
type generator struct {
	opts       *PublishOptions
	store      *content.Store
	collection string
	settings   string // what frames depend on besides their packages
	dir        string // where the files go
	cache      frameCache
	frames     []frame
	heads      []*frameHead // of the frames that are in the cache, else nil
	sums       *openSums

	count  int // packages
	missed int // packages that are left out
	latest int64
}

// generate writes the metadata files of c into dir, except repomd.xml. Files that are there already stay as they are:
// their names are their checksums.
func generate(ctx context.Context, c *content.Collection, dir string, opts *PublishOptions) (*Generation, error) {
	if err := opts.Profile.Layout.check(); err != nil {
		return nil, err
	}
	if opts.Warn == nil {
		opts.Warn = func(string) {}
	}
	list, err := members(c)
	if err != nil {
		return nil, err
	}
	g := &generator{
		opts: opts, store: c.Store(), collection: c.Name, dir: dir,
		settings: opts.Profile.settings(fmt.Sprint(opts.Form) + " " + opts.BaseURL),
		cache:    frameCache{dir: opts.CacheDir, plain: opts.CacheDir != "", limit: frameCacheLimit},
	}
	if opts.CacheDir == "" {
		tmp, err := os.MkdirTemp(dir, ".frames-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(tmp)
		g.cache.dir = tmp
	}
	g.frames = frames(list, g.settings, frameMean)
	md, err := g.make(ctx)
	if err != nil {
		return nil, err
	}
	if err := md.Check(); err != nil {
		return nil, err
	}
	gen := &Generation{
		Commit: c.Commit.String(), Repomd: md.Append(nil), Time: time.Unix(g.latest, 0).UTC(),
		Packages: g.count, LeftOut: g.missed, Records: md.Records, members: list,
	}
	sum := sha256.Sum256(gen.Repomd)
	gen.ID = hex.EncodeToString(sum[:])
	if opts.Signer != nil {
		gen.Key = opts.Signer.PublicKey()
		if gen.Signature, err = opts.Signer.Sign(gen.Repomd, gen.Time); err != nil {
			return nil, fmt.Errorf("sign repomd.xml: %w", err)
		}
	}
	return gen, nil
}

// make builds what is missing and writes all files. Frames may go from the cache meanwhile, which others prune, or turn out to be damaged.
func (g *generator) make(ctx context.Context) (md *repodata.Repomd, err error) {
	const attempts = 3
	for range attempts {
		if err := g.build(ctx); err != nil {
			return nil, err
		}
		if md, err = g.records(ctx); !errors.Is(err, errFrame) {
			break
		}
		g.dropDamaged()
	}
	if err != nil || g.opts.CacheDir == "" {
		return md, err
	}
	keep := make(map[string]bool, len(g.frames))
	for i := range g.frames {
		keep[hex.EncodeToString(g.frames[i].key[:])] = true
	}
	return md, g.cache.prune(keep)
}

// records writes all files and returns what repomd.xml says.
func (g *generator) records(ctx context.Context) (*repodata.Repomd, error) {
	md := &repodata.Repomd{Revision: g.opts.Revision}
	if md.Revision == "" {
		md.Revision = strconv.FormatInt(g.latest, 10)
	}
	if err := os.MkdirAll(g.dir, 0o777); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(g.dir, ".new-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	t := time.Unix(g.latest, 0)
	if md.Records, err = g.assemble(ctx, work, t); err != nil {
		return nil, err
	}
	l := &g.opts.Profile.Layout
	if l.SQLite {
		dbs, err := writeDatabases(ctx, work, work, l, md.Records, t)
		if err != nil {
			return nil, err
		}
		md.Records = append(md.Records, dbs...)
	}
	for _, x := range g.opts.Extras {
		r, err := g.extra(work, x, t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.Path, err)
		}
		md.Records = append(md.Records, r)
	}
	md.Sort()
	return md, g.install(work, md.Records)
}

func (g *generator) extra(work string, x Extra, t time.Time) (repodata.Record, error) {
	b, err := readExtra(x)
	if err != nil {
		return repodata.Record{}, err
	}
	comp := g.opts.Profile.Layout.Extra
	if x.Type == "group" && g.opts.Profile.PlainGroup {
		comp = repodata.None
	}
	return writeExtra(work, x.Type, groupBase(x.Path), bytes.NewReader(b), comp, &g.opts.Profile.Layout, t)
}

// maxExtra bounds the size of additional metadata, uncompressed, in bytes.
const maxExtra = 1 << 30

// readExtra reads additional metadata, which may be compressed, and checks it.
func readExtra(x Extra) ([]byte, error) {
	in, err := os.Open(x.Path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	plain, err := repodata.NewReader(in)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	b, err := io.ReadAll(io.LimitReader(plain, maxExtra+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxExtra {
		return nil, fmt.Errorf("more than %d bytes", maxExtra)
	}
	return b, repodata.CheckExtra(x.Type, b)
}

// install moves the files from work to where clients look for them, unless they are there.
func (g *generator) install(work string, records []repodata.Record) error {
	for _, r := range records {
		name := filepath.Base(r.LocationHref)
		to := filepath.Join(g.dir, name)
		if info, err := os.Stat(to); err == nil && info.Size() == r.Size {
			continue
		}
		if err := os.Rename(filepath.Join(work, name), to); err != nil {
			return err
		}
	}
	return atomicfile.SyncDir(g.dir)
}
