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
	g         *generator
	fragments *content.Fragments
	zip       *repodata.Compressor
	xml       [len(frameKinds)][]byte
}

func newFrameBuilder(g *generator) (*frameBuilder, error) {
	zip, err := repodata.NewCompressor(g.opts.Profile.Layout.XML)
	return &frameBuilder{g: g, fragments: g.store.Fragments(g.opts.Profile.ChangelogLimit), zip: zip}, err
}

// ensure puts the n-th frame into the cache, unless it is there, and into the checksums that do not cover it.
func (b *frameBuilder) ensure(ctx context.Context, n int) error {
	g, f := b.g, &b.g.frames[n]
	if g.heads[n] != nil && n < g.sums.from {
		return nil
	}
	plain := b.cached(f)
	if plain == nil {
		var err error
		if plain, err = b.render(ctx, f); err != nil {
			return err
		}
		if g.cache.plain {
			if err := g.cache.put(repodata.None, f.key, plain); err != nil {
				return err
			}
		}
	}
	if n >= g.sums.from {
		if err := g.sums.add(ctx, n, &plain.data); err != nil {
			return err
		}
	}
	if g.heads[n] != nil {
		return nil
	}
	built := &builtFrame{frameHead: plain.frameHead}
	for i, xml := range plain.data {
		var err error
		if built.data[i], err = b.zip.Compress(xml); err != nil {
			return fmt.Errorf("%s: %w", frameKinds[i], err)
		}
	}
	g.heads[n] = &built.frameHead
	return g.cache.put(g.opts.Profile.Layout.XML, f.key, built)
}

// dropDamaged removes the frames of the generation that cannot be read from the cache.
func (g *generator) dropDamaged() {
	comp := g.opts.Profile.Layout.XML
	var buf []byte
	for n := range g.frames {
		for i := range frameKinds {
			var err error
			if buf, err = g.cache.part(comp, g.frames[n].key, i, buf); err != nil {
				g.cache.drop(comp, g.frames[n].key)
				break
			}
		}
	}
}

// cached returns the plain frame, which an earlier run or another profile may have left, or nil. One that is lost is rendered
// again: that is faster than to uncompress it, where it is not zstd.
func (b *frameBuilder) cached(f *frame) *builtFrame {
	head, err := b.g.cache.head(repodata.None, f.key)
	if err != nil {
		return nil
	}
	plain := &builtFrame{frameHead: *head}
	for i := range b.xml {
		part, err := b.g.cache.part(repodata.None, f.key, i, b.xml[i])
		if err != nil || uint64(len(part)) != head.raw[i] {
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
			b.g.opts.Warn(fmt.Sprintf("left out: %s: %s", p.NEVRA(), fragment.Unfit))
			return nil
		}
		file, ok := fragment.Instance(b.g.opts.Form)
		if !ok {
			_, err := p.Select(b.g.opts.Form)
			return err
		}
		file.Href, file.Base = f.members[i].href, b.g.opts.BaseURL
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

// build makes the frames that the cache lacks, and sums up all.
func (g *generator) build(ctx context.Context) error {
	g.heads = make([]*frameHead, len(g.frames))
	for n := range g.frames {
		g.heads[n], _ = g.cache.head(g.opts.Profile.Layout.XML, g.frames[n].key)
	}
	// The number of packages stands before them all. Only when all are rendered is it known how many are left out.
	for count := -1; count != g.expected(); {
		count = g.expected()
		g.sums = newOpenSums(count, g.frames, readHashStates(g.statesPath()))
		if err := g.buildAll(ctx); err != nil {
			return err
		}
	}
	g.count, g.latest, g.missed = g.expected(), 0, 0
	for i, head := range g.heads {
		g.missed += len(g.frames[i].members) - int(head.count)
		g.latest = max(g.latest, head.latest)
	}
	return nil
}

// expected gives the number of packages, as far as it is known.
func (g *generator) expected() int {
	n := 0
	for i, head := range g.heads {
		if head != nil {
			n += int(head.count)
		} else {
			n += len(g.frames[i].members)
		}
	}
	return n
}

func (g *generator) buildAll(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Each frame waits for its turn to be summed up, so the lowest number must always be at work.
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
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			b, err := newFrameBuilder(g)
			for i := range next {
				if err == nil {
					err = b.ensure(ctx, i)
				}
				if err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}
