package repo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

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
	opts   *PublishOptions
	dir    string // where the files go
	cache  frameCache
	frames []frame
	count  int
	latest int64
	missed int
	mu     sync.Mutex
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
	g := &generator{opts: opts, dir: dir, cache: frameCache{opts.CacheDir}}
	if opts.CacheDir == "" {
		tmp, err := os.MkdirTemp(dir, ".frames-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(tmp)
		g.cache.dir = tmp
	}
	g.frames = frames(list, opts.Profile.settings(fmt.Sprint(opts.Form)+" "+opts.BaseURL), frameMean)
	if err := g.build(ctx); err != nil {
		return nil, err
	}
	md, err := g.records(ctx)
	if err != nil {
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

// build makes the frames that the cache lacks, and counts the packages of all.
func (g *generator) build(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *frame)
	go func() {
		defer close(next)
		for i := range g.frames {
			select {
			case next <- &g.frames[i]:
			case <-ctx.Done():
				return
			}
		}
	}()
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			r := &renderer{form: g.opts.Form, base: g.opts.BaseURL, warn: g.opts.Warn}
			r.builder.ChangelogLimit = g.opts.Profile.ChangelogLimit
			for f := range next {
				built, err := g.frame(ctx, f, r)
				if err != nil {
					cancel(err)
					return
				}
				g.mu.Lock()
				g.count += int(built.count)
				g.missed += len(f.members) - int(built.count)
				g.latest = max(g.latest, built.latest)
				g.mu.Unlock()
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

// frame returns a built frame from the cache or builds it.
func (g *generator) frame(ctx context.Context, f *frame, r *renderer) (*builtFrame, error) {
	if built := g.cache.get(f.key); built != nil {
		return built, nil
	}
	built, err := buildFrame(ctx, f, &g.opts.Profile, r)
	if err != nil {
		return nil, err
	}
	return built, g.cache.put(f.key, built)
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
	in, err := os.Open(x.Path)
	if err != nil {
		return repodata.Record{}, err
	}
	defer in.Close()
	comp := g.opts.Profile.Layout.Extra
	if x.Type == "group" && g.opts.Profile.PlainGroup {
		comp = repodata.None
	}
	return writeExtra(work, x.Type, groupBase(x.Path), in, comp, &g.opts.Profile.Layout, t)
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

// assemble joins the frames to the package files.
func (g *generator) assemble(ctx context.Context, work string, t time.Time) ([]repodata.Record, error) {
	l := &g.opts.Profile.Layout
	records := make([]repodata.Record, len(frameKinds))
	files := make([]*joined, len(frameKinds))
	for i, k := range frameKinds {
		var err error
		if files[i], err = newJoined(filepath.Join(work, k.String()+".xml"+l.XML.Suffix()), l.XML); err != nil {
			return nil, err
		}
		defer files[i].file.Close()
	}
	errs := make([]error, len(frameKinds))
	var wait sync.WaitGroup
	for i, k := range frameKinds {
		wait.Go(func() {
			if errs[i] = g.join(ctx, files[i], i, k); errs[i] == nil {
				records[i], errs[i] = files[i].record(k.String(), l, t)
			}
		})
	}
	wait.Wait()
	return records, errors.Join(errs...)
}

// join writes the file of kind k, the i-th of a frame.
func (g *generator) join(ctx context.Context, j *joined, i int, k repodata.Kind) error {
	if err := j.plain(repodata.AppendHeader(nil, k, g.count)); err != nil {
		return err
	}
	for n := range g.frames {
		if err := ctx.Err(); err != nil {
			return err
		}
		built := g.cache.get(g.frames[n].key)
		if built == nil {
			return fmt.Errorf("frame %s went from the cache", g.frames[n].key)
		}
		if err := j.frame(built.data[i], built.raw[i]); err != nil {
			return err
		}
	}
	return j.plain([]byte(repodata.Footer(k)))
}

// joined is a file that is put together from compressed pieces.
type joined struct {
	path    string
	comp    repodata.Compression
	file    *os.File
	in, out hash.Hash
	inSize  int64
	outSize int64
	zstd    *zstd.Decoder
	buf     []byte
}

func newJoined(path string, c repodata.Compression) (*joined, error) {
	j := &joined{path: path, comp: c, in: sha256.New(), out: sha256.New()}
	var err error
	j.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	return j, err
}

// plain adds content.
func (j *joined) plain(b []byte) error {
	data, err := compress(b, j.comp)
	if err != nil {
		return err
	}
	j.in.Write(b)
	j.inSize += int64(len(b))
	return j.write(data)
}

func (j *joined) write(data []byte) error {
	j.out.Write(data)
	j.outSize += int64(len(data))
	_, err := j.file.Write(data)
	return err
}

// frame adds a compressed piece of raw bytes of content, which it uncompresses for the checksum.
func (j *joined) frame(data []byte, raw uint64) error {
	n, err := j.hashContent(data, raw)
	if err != nil {
		return err
	}
	if n != int64(raw) {
		return fmt.Errorf("%w: %d bytes of content where %d are promised", errFrame, n, raw)
	}
	j.inSize += n
	return j.write(data)
}

func (j *joined) hashContent(data []byte, raw uint64) (int64, error) {
	if j.comp != repodata.Zstd {
		r, err := repodata.NewReader(bytes.NewReader(data))
		if err != nil {
			return 0, err
		}
		defer r.Close()
		return io.Copy(j.in, r)
	}
	if j.zstd == nil {
		var err error
		if j.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1)); err != nil {
			return 0, err
		}
	}
	j.buf = slices.Grow(j.buf[:0], int(min(raw, maxFrameContent)))
	b, err := j.zstd.DecodeAll(data, j.buf)
	j.buf = b
	j.in.Write(b)
	return int64(len(b)), err
}

// maxFrameContent bounds what is set aside before a frame is uncompressed.
const maxFrameContent = 256 << 20

// record makes the file durable, names it by its checksum and describes it.
func (j *joined) record(typ string, l *Layout, t time.Time) (repodata.Record, error) {
	r := repodata.Record{
		Type: typ, Timestamp: t.Unix(), Size: j.outSize, OpenSize: j.inSize,
		Checksum:     repodata.Checksum{Type: "sha256", Value: hex.EncodeToString(j.out.Sum(nil))},
		OpenChecksum: repodata.Checksum{Type: "sha256", Value: hex.EncodeToString(j.in.Sum(nil))},
	}
	if err := j.file.Sync(); err != nil {
		return r, err
	}
	if err := j.file.Close(); err != nil {
		return r, err
	}
	dir, base := filepath.Split(j.path)
	err := rename(dir, base, l.fileName(base, r.Checksum), &r, t)
	return r, err
}
