package repo

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// frameBuilder turns members into frames. It is not safe for concurrent use.
type frameBuilder struct {
	opts      *PublishOptions
	cache     *frameCache
	fragments *content.Fragments
	zip       *repodata.Compressor
	xml       [len(frameKinds)][]byte
}

func newFrameBuilder(store *content.Store, opts *PublishOptions, cache *frameCache) (*frameBuilder, error) {
	fragments, err := store.Fragments(opts.Profile.ChangelogLimit)
	if err != nil {
		return nil, err
	}
	zip, err := repodata.NewCompressor(opts.Profile.Layout.XML)
	return &frameBuilder{opts: opts, cache: cache, fragments: fragments, zip: zip}, err
}

// ensure puts the frame into the cache, unless it is there.
func (b *frameBuilder) ensure(ctx context.Context, f *frame) (*frameHead, error) {
	comp := b.opts.Profile.Layout.XML
	if head, err := b.cache.head(comp, f.key); err == nil {
		return head, nil
	}
	plain := b.cached(f)
	if plain == nil {
		var err error
		if plain, err = b.render(ctx, f); err != nil {
			return nil, err
		}
		if b.cache.plain {
			if err := b.cache.put(repodata.None, f.key, plain); err != nil {
				return nil, err
			}
		}
	}
	built := &builtFrame{frameHead: plain.frameHead}
	for i, xml := range plain.data {
		var err error
		if built.data[i], err = b.zip.Compress(xml); err != nil {
			return nil, fmt.Errorf("%s: %w", frameKinds[i], err)
		}
	}
	return &built.frameHead, b.cache.put(comp, f.key, built)
}

// dropDamaged removes the frames of the generation that cannot be read from the cache.
func (g *generator) dropDamaged() {
	var buf []byte
	for n := range g.frames {
		for _, comp := range []repodata.Compression{g.opts.Profile.Layout.XML, repodata.None} {
			for i := range frameKinds {
				var err error
				if buf, err = g.cache.part(comp, g.frames[n].key, i, buf); err != nil {
					g.cache.drop(comp, g.frames[n].key)
					break
				}
			}
		}
	}
}

// cached returns the plain frame, which another profile may have left, or nil.
func (b *frameBuilder) cached(f *frame) *builtFrame {
	head, err := b.cache.head(repodata.None, f.key)
	if err != nil {
		return nil
	}
	plain := &builtFrame{frameHead: *head}
	for i := range b.xml {
		part, err := b.cache.part(repodata.None, f.key, i, b.xml[i])
		if err != nil {
			return nil
		}
		b.xml[i], plain.data[i] = part, part
	}
	return plain
}

// render makes the XML of a frame. No payload is read.
func (b *frameBuilder) render(ctx context.Context, f *frame) (*builtFrame, error) {
	plain := new(builtFrame)
	packages := make([]*content.Package, len(f.members))
	for i := range f.members {
		packages[i] = f.members[i].pkg
	}
	for j := range b.xml {
		b.xml[j] = b.xml[j][:0]
	}
	err := b.fragments.Each(packages, func(i int, p *content.Package, fragment *content.Fragment) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if fragment.Unfit != "" {
			b.opts.Warn(fmt.Sprintf("left out: %s: %s", p.NEVRA(), fragment.Unfit))
			return nil
		}
		file, ok := fragment.Instance(b.opts.Form)
		if !ok {
			_, err := p.Select(b.opts.Form)
			return err
		}
		file.Href, file.Base = f.members[i].href, b.opts.BaseURL
		for j, k := range frameKinds {
			b.xml[j] = fragment.Template.Append(b.xml[j], k, &file)
		}
		plain.count++
		plain.latest = max(plain.latest, fragment.Template.TimeBuild)
		return nil
	})
	for j := range b.xml {
		plain.data[j], plain.raw[j] = b.xml[j], uint64(len(b.xml[j]))
	}
	return plain, err
}

// build makes the frames that the cache lacks, and gives the heads of all.
func (g *generator) build(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	go func() {
		defer close(next)
		for i := range g.frames {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	g.heads = make([]*frameHead, len(g.frames))
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			b, err := newFrameBuilder(g.store, g.opts, &g.cache)
			for i := range next {
				if err == nil {
					g.heads[i], err = b.ensure(ctx, &g.frames[i])
				}
				if err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wait.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	g.count, g.latest, g.missed = 0, 0, 0
	for i, head := range g.heads {
		g.count += int(head.count)
		g.missed += len(g.frames[i].members) - int(head.count)
		g.latest = max(g.latest, head.latest)
	}
	return nil
}
