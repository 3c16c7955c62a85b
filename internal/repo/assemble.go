package repo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// assemble joins the frames to the package files. An error that wraps errFrame says that frames went from the cache.
func (g *generator) assemble(ctx context.Context, work string, t time.Time) ([]repodata.Record, error) {
	l := &g.opts.Profile.Layout
	records := make([]repodata.Record, len(frameKinds))
	errs := make([]error, len(frameKinds))
	var wait sync.WaitGroup
	for i, k := range frameKinds {
		wait.Go(func() {
			j := &joining{g: g, i: i, kind: k}
			records[i], errs[i] = j.run(ctx, filepath.Join(work, k.String()+".xml"+l.XML.Suffix()), t)
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if g.opts.CacheDir == "" {
		return records, nil
	}
	return records, g.sums.states().write(g.statesPath())
}

// statesPath names the file of the hash states of the collection.
func (g *generator) statesPath() string {
	return filepath.Join(g.cache.dir, "states", digest([]byte(g.settings + "\n" + g.collection))[:32])
}

// openSize gives the size of the i-th package file before compression.
func (g *generator) openSize(i int) int64 {
	size := int64(len(repodata.AppendHeader(nil, frameKinds[i], g.count)) + len(repodata.Footer(frameKinds[i])))
	for _, head := range g.heads {
		size += int64(head.raw[i])
	}
	return size
}

// joining puts one package file together from compressed pieces.
type joining struct {
	g    *generator
	i    int // the place of kind in frameKinds
	kind repodata.Kind

	file *os.File
	out  hash.Hash
	size int64
	zip  *repodata.Compressor
}

// run writes the file, makes it durable, names it by its checksum and describes it.
func (j *joining) run(ctx context.Context, path string, t time.Time) (repodata.Record, error) {
	l := &j.g.opts.Profile.Layout
	var none repodata.Record
	var err error
	if j.zip, err = repodata.NewCompressor(l.XML); err != nil {
		return none, err
	}
	j.out = sha256.New()
	// A file that an attempt before has left is written anew.
	if j.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666); err != nil {
		return none, err
	}
	defer j.file.Close()
	if err := j.join(ctx); err != nil {
		return none, fmt.Errorf("%s: %w", j.kind, err)
	}
	r := repodata.Record{
		Type: j.kind.String(), Timestamp: t.Unix(), Size: j.size,
		Checksum:     repodata.Checksum{Type: "sha256", Value: hex.EncodeToString(j.out.Sum(nil))},
		OpenChecksum: j.g.sums.sum(j.i), OpenSize: j.g.openSize(j.i),
	}
	if err := j.file.Sync(); err != nil {
		return r, err
	}
	if err := j.file.Close(); err != nil {
		return r, err
	}
	dir, base := filepath.Split(path)
	err = rename(dir, base, l.fileName(base, r.Checksum), &r, t)
	return r, err
}

func (j *joining) join(ctx context.Context) error {
	if err := j.plain(repodata.AppendHeader(nil, j.kind, j.g.count)); err != nil {
		return err
	}
	var data []byte
	for n := range j.g.frames {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if data, err = j.g.cache.part(j.g.opts.Profile.Layout.XML, j.g.frames[n].key, j.i, data); err != nil {
			return err
		}
		if err := j.write(data); err != nil {
			return err
		}
	}
	return j.plain([]byte(repodata.Footer(j.kind)))
}

// plain adds content that belongs to no frame.
func (j *joining) plain(b []byte) error {
	data, err := j.zip.Compress(b)
	if err != nil {
		return err
	}
	return j.write(data)
}

func (j *joining) write(data []byte) error {
	j.out.Write(data)
	j.size += int64(len(data))
	_, err := j.file.Write(data)
	return err
}
