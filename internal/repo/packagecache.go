package repo

import (
	"container/list"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weld-linux/weld-bridge/internal/content"
)

// packageCache keeps regenerated package files, named by their SHA-256, up to a number of bytes. A file gets its name
// once its digest has been checked. Those that nobody asked for longest go first.
type packageCache struct {
	dir   string
	limit int64
	slots chan struct{} // bounds the regenerations at work

	mu      sync.Mutex
	used    int64
	order   *list.List // of *cachedFile, most recently used first
	files   map[string]*list.Element
	filling map[string]*filling

	hits, misses, evictions, failures atomic.Int64
}

type cachedFile struct {
	sum  string
	size int64
}

// fillPrefix marks files that are not checked yet.
const fillPrefix = ".fill-"

// newPackageCache opens the cache in dir for at most limit bytes, with the files that an earlier run left.
func newPackageCache(dir string, limit int64, workers int) (*packageCache, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	c := &packageCache{
		dir: dir, limit: limit, slots: make(chan struct{}, workers), order: list.New(),
		files: map[string]*list.Element{}, filling: map[string]*filling{},
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var infos []fs.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if strings.HasPrefix(e.Name(), fillPrefix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range infos {
		c.insert(info.Name(), info.Size())
	}
	return c, nil
}

func (c *packageCache) path(sum string) string { return filepath.Join(c.dir, sum) }

// open gives the file of an export, which may still be made while it is read.
func (c *packageCache) open(ctx context.Context, store *content.Store, pkg *content.Package, e content.Export) (io.ReadSeekCloser, error) {
	for {
		file, f := c.lookup(e.SHA256)
		if file != nil {
			c.hits.Add(1)
			return file, nil
		}
		if f == nil {
			select {
			case c.slots <- struct{}{}:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if f = c.start(ctx, store, pkg, e); f == nil {
				<-c.slots
				continue
			}
		}
		return &fillReader{ctx: ctx, fill: f}, nil
	}
}

// lookup returns the file with the given checksum, or a reference to its making, or neither.
func (c *packageCache) lookup(sum string) (*os.File, *filling) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el := c.files[sum]; el != nil {
		if file, err := os.Open(c.path(sum)); err == nil {
			c.order.MoveToFront(el)
			return file, nil
		}
		// Somebody removed it.
		c.drop(el)
	}
	f := c.filling[sum]
	if f != nil {
		f.refs++
	}
	return nil, f
}

// start begins a regeneration, for which the caller holds a slot, and returns a reference to it; nil when another is at
// it or done.
func (c *packageCache) start(ctx context.Context, store *content.Store, pkg *content.Package, e content.Export) *filling {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.filling[e.SHA256] != nil || c.files[e.SHA256] != nil {
		return nil
	}
	c.misses.Add(1)
	f := &filling{cache: c, size: e.Size, refs: 2}
	f.changed = sync.NewCond(&f.mu)
	c.filling[e.SHA256] = f
	// Others may come to wait for the same file, so it is finished even when the first one leaves.
	go c.fill(context.WithoutCancel(ctx), store, pkg, e, f)
	return f
}

func (c *packageCache) fill(ctx context.Context, store *content.Store, pkg *content.Package, e content.Export, f *filling) {
	defer func() { <-c.slots }()
	file, err := os.CreateTemp(c.dir, fillPrefix)
	if err == nil {
		f.begin(file)
		err = c.export(ctx, store, pkg, e, f)
	}
	keep := err == nil && e.Size <= c.limit
	if keep {
		err = file.Sync()
	}
	if keep && err == nil {
		err = os.Rename(file.Name(), c.path(e.SHA256))
	} else if file != nil {
		os.Remove(file.Name())
	}
	if err != nil {
		c.failures.Add(1)
	}
	c.mu.Lock()
	delete(c.filling, e.SHA256)
	if keep && err == nil {
		c.insert(e.SHA256, e.Size)
	}
	c.mu.Unlock()
	f.finish(err)
	f.release()
}

func (c *packageCache) export(ctx context.Context, store *content.Store, pkg *content.Package, e content.Export, f *filling) error {
	release, err := store.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	return pkg.WriteExport(ctx, e, f)
}

// insert adds a file and removes the least used ones beyond the limit. c.mu is held, or nobody else has c yet.
func (c *packageCache) insert(sum string, size int64) {
	c.files[sum] = c.order.PushFront(&cachedFile{sum: sum, size: size})
	c.used += size
	for c.used > c.limit && c.order.Len() > 0 {
		last := c.order.Back()
		c.drop(last)
		c.evictions.Add(1)
		os.Remove(c.path(last.Value.(*cachedFile).sum))
	}
}

// drop takes a file out of the books. c.mu is held.
func (c *packageCache) drop(el *list.Element) {
	file := c.order.Remove(el).(*cachedFile)
	delete(c.files, file.sum)
	c.used -= file.size
}

// filling is a package file while it is made. Readers follow the writer, but the end of the file is held back until its
// digest has been checked.
type filling struct {
	cache *packageCache
	size  int64
	refs  int // guarded by cache.mu; the file is closed with the last one

	mu      sync.Mutex
	changed *sync.Cond
	file    *os.File
	written int64
	done    bool
	err     error
}

// heldBack is the number of bytes at the end that wait for the check.
const heldBack = 1

func (f *filling) begin(file *os.File) {
	f.mu.Lock()
	f.file = file
	f.mu.Unlock()
}

// release gives one reference back.
func (f *filling) release() error {
	f.cache.mu.Lock()
	f.refs--
	last := f.refs == 0
	f.cache.mu.Unlock()
	if last && f.file != nil {
		return f.file.Close()
	}
	return nil
}

// Write appends to the file.
func (f *filling) Write(b []byte) (int, error) {
	n, err := f.file.Write(b)
	f.mu.Lock()
	f.written += int64(n)
	f.mu.Unlock()
	f.changed.Broadcast()
	return n, err
}

func (f *filling) finish(err error) {
	f.mu.Lock()
	f.done, f.err = true, err
	f.mu.Unlock()
	f.changed.Broadcast()
}

// fillReader reads a file that is being made.
type fillReader struct {
	ctx  context.Context // of the request; the interfaces it serves have no place for one
	fill *filling
	at   int64
}

// Read waits for the bytes it is asked for.
func (r *fillReader) Read(b []byte) (int, error) {
	if r.at >= r.fill.size {
		return 0, io.EOF
	}
	limit, err := r.fill.wait(r.ctx, r.at)
	if err != nil {
		return 0, err
	}
	b = b[:min(int64(len(b)), limit-r.at)]
	n, err := r.fill.file.ReadAt(b, r.at)
	r.at += int64(n)
	if err == io.EOF && n > 0 {
		err = nil
	}
	return n, err
}

// wait returns the end of what may be read, which is behind at.
func (f *filling) wait(ctx context.Context, at int64) (int64, error) {
	stop := context.AfterFunc(ctx, f.changed.Broadcast)
	defer stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if f.done {
			return f.size, f.err
		}
		if limit := min(f.written, f.size-heldBack); limit > at {
			return limit, nil
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		f.changed.Wait()
	}
}

// Seek moves within the size that the file will have.
func (r *fillReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.fill.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	r.at = offset
	return offset, nil
}

// Close ends the reading.
func (r *fillReader) Close() error { return r.fill.release() }
