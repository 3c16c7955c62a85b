package repo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// assemble joins the frames to the package files. An error that wraps errFrame says that frames went from the cache.
func (g *generator) assemble(ctx context.Context, work string, t time.Time) ([]repodata.Record, error) {
	l := &g.opts.Profile.Layout
	keys := chain(g.count, g.frames)
	old := readHashStates(g.statesPath())
	from, states := old.known(keys)
	now := make([][len(frameKinds)][]byte, len(keys))
	for n := 1; n <= from; n++ {
		now[n] = old[keys[n]]
	}
	records := make([]repodata.Record, len(frameKinds))
	errs := make([]error, len(frameKinds))
	var wait sync.WaitGroup
	for i, k := range frameKinds {
		wait.Go(func() {
			j := &joining{g: g, i: i, kind: k, from: from, state: states[i], keep: func(n int, s []byte) { now[n][i] = s }}
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
	next := hashStates{}
	for n := 1; n < len(keys); n++ {
		if now[n][0] != nil {
			next[keys[n]] = now[n]
		}
	}
	return records, next.write(g.statesPath())
}

// statesPath names the file of the hash states of the collection.
func (g *generator) statesPath() string {
	return filepath.Join(g.cache.dir, "states", digest([]byte(g.settings + "\n" + g.collection))[:32])
}

// joining puts one package file together from compressed pieces.
type joining struct {
	g    *generator
	i    int // the place of kind in frameKinds
	kind repodata.Kind

	from  int                       // frames whose content the state covers
	state []byte                    // of in, behind them; nil when there are none
	keep  func(n int, state []byte) // takes the state behind n frames

	file    *os.File
	in, out hash.Hash
	inSize  int64
	outSize int64

	zip        *repodata.Compressor
	unzip      *zstd.Decoder
	data, text []byte
}

// run writes the file, makes it durable, names it by its checksum and describes it.
func (j *joining) run(ctx context.Context, path string, t time.Time) (repodata.Record, error) {
	l := &j.g.opts.Profile.Layout
	var none repodata.Record
	var err error
	if j.zip, err = repodata.NewCompressor(l.XML); err != nil {
		return none, err
	}
	j.in, j.out = sha256.New(), sha256.New()
	// A file that an attempt before has left is written anew.
	if j.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666); err != nil {
		return none, err
	}
	defer j.file.Close()
	if err := j.join(ctx); err != nil {
		return none, fmt.Errorf("%s: %w", j.kind, err)
	}
	r := repodata.Record{
		Type: j.kind.String(), Timestamp: t.Unix(), Size: j.outSize, OpenSize: j.inSize,
		Checksum:     repodata.Checksum{Type: "sha256", Value: hex.EncodeToString(j.out.Sum(nil))},
		OpenChecksum: repodata.Checksum{Type: "sha256", Value: hex.EncodeToString(j.in.Sum(nil))},
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
	if j.state != nil {
		if err := j.in.(encoding.BinaryUnmarshaler).UnmarshalBinary(j.state); err != nil {
			j.from = 0 // of another version of the program
		}
	} else {
		j.from = 0
	}
	for n := range j.g.frames {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := j.frame(n); err != nil {
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
	j.in.Write(b)
	j.inSize += int64(len(b))
	return j.write(data)
}

func (j *joining) write(data []byte) error {
	j.out.Write(data)
	j.outSize += int64(len(data))
	_, err := j.file.Write(data)
	return err
}

// frame adds the n-th frame.
func (j *joining) frame(n int) (err error) {
	g, key := j.g, j.g.frames[n].key
	if j.data, err = g.cache.part(g.opts.Profile.Layout.XML, key, j.i, j.data); err != nil {
		return err
	}
	raw := g.heads[n].raw[j.i]
	j.inSize += int64(raw)
	if n >= j.from {
		if err := j.content(key, raw); err != nil {
			return err
		}
		state, err := j.in.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return err
		}
		j.keep(n+1, state)
	}
	return j.write(j.data)
}

// content adds the uncompressed content of the frame in j.data to the checksum.
func (j *joining) content(key frameKey, raw uint64) error {
	text, err := j.g.cache.part(repodata.None, key, j.i, j.text)
	if err != nil {
		text, err = j.uncompress(raw)
	}
	if err != nil {
		return err
	}
	j.text = text
	if uint64(len(text)) != raw {
		return fmt.Errorf("%w: %d bytes of content where %d are promised", errFrame, len(text), raw)
	}
	j.in.Write(text)
	return nil
}

// maxFrameContent bounds what is set aside before a frame is uncompressed.
const maxFrameContent = 256 << 20

func (j *joining) uncompress(raw uint64) ([]byte, error) {
	if j.g.opts.Profile.Layout.XML != repodata.Zstd {
		r, err := repodata.NewReader(bytes.NewReader(j.data))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		buf := bytes.NewBuffer(j.text[:0])
		_, err = io.Copy(buf, r)
		return buf.Bytes(), err
	}
	if j.unzip == nil {
		var err error
		if j.unzip, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1)); err != nil {
			return nil, err
		}
	}
	return j.unzip.DecodeAll(j.data, slices.Grow(j.text[:0], int(min(raw, maxFrameContent))))
}
