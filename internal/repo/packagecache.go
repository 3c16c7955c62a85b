package repo

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

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
		switch {
		case err != nil || !info.Mode().IsRegular():
		case strings.HasPrefix(e.Name(), fillPrefix):
			dropFill(c.path(e.Name()), info)
		case len(e.Name()) == 2*sha256.Size && isHex(e.Name()):
			infos = append(infos, info) // the rest is not ours
		}
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range infos {
		c.insert(info.Name(), info.Size())
	}
	return c, nil
}

// dropFill removes a file that a killed server has left, but not one that another server is making just now.
func dropFill(path string, info fs.FileInfo) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	if time.Since(info.ModTime()) > fillIdle && unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		os.Remove(path)
	}
}

// fillIdle is what lies between the making of a file and its locking, and much more.
const fillIdle = time.Minute

func (c *packageCache) path(sum string) string { return filepath.Join(c.dir, sum) }

// open gives the file of an export, which may still be made while it is read. With whole, nothing is read before all is checked.
func (c *packageCache) open(ctx context.Context, store *content.Store, pkg *content.Package, e content.Export, whole bool) (io.ReadSeekCloser, error) {
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
		return &fillReader{ctx: ctx, fill: f, whole: whole}, nil
	}
}

// cached returns the file with the given checksum, or nil.
func (c *packageCache) cached(sum string) *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	file := c.openCached(sum)
	if file != nil {
		c.hits.Add(1)
	}
	return file
}

// openCached opens a file of the cache and notes its use. c.mu is held.
func (c *packageCache) openCached(sum string) *os.File {
	el := c.files[sum]
	if el == nil {
		return nil
	}
	file, err := os.Open(c.path(sum))
	if err != nil {
		c.drop(el) // somebody removed it
		return nil
	}
	c.order.MoveToFront(el)
	return file
}

// lookup returns the file with the given checksum, or a reference to its making, or neither.
func (c *packageCache) lookup(sum string) (*os.File, *filling) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if file := c.openCached(sum); file != nil {
		return file, nil
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
		_ = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) // see dropFill
		f.begin(file)
		err = c.export(ctx, store, pkg, e, f)
	}
	keep := err == nil && e.Size <= c.limit
	if keep {
		err = file.Sync()
	}
	if keep && err == nil {
		err = os.Rename(file.Name(), c.path(e.SHA256))
	}
	if file != nil && (!keep || err != nil) {
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
	// whole is set where not even a part may be given before the check: the end, which waits for it, may not be asked for.
	whole bool
}

// Read waits for the bytes it is asked for.
func (r *fillReader) Read(b []byte) (int, error) {
	if r.at >= r.fill.size {
		return 0, io.EOF
	}
	limit, err := r.fill.wait(r.ctx, r.at, r.whole)
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

// wait returns the end of what may be read, which is behind at; with whole it waits for all.
func (f *filling) wait(ctx context.Context, at int64, whole bool) (int64, error) {
	stop := context.AfterFunc(ctx, f.changed.Broadcast)
	defer stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if f.done {
			return f.size, f.err
		}
		if limit := min(f.written, f.size-heldBack); limit > at && !whole {
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
	at, err := seek(r.at, r.fill.size, offset, whence)
	if err == nil {
		r.at = at
	}
	return at, err
}

// seek gives the place that offset means in a file of size bytes.
func seek(at, size, offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += at
	case io.SeekEnd:
		offset += size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	return offset, nil
}

// Close ends the reading.
func (r *fillReader) Close() error { return r.fill.release() }

// lazyFile opens a file when its content is asked for: answers that a package has not changed, or to HEAD, must not make it.
type lazyFile struct {
	size int64
	open func() (io.ReadSeekCloser, error)
	file io.ReadSeekCloser
	at   int64
}

// Read reads from where Seek went.
func (l *lazyFile) Read(b []byte) (int, error) {
	if l.file == nil {
		file, err := l.open()
		if err != nil {
			return 0, err
		}
		l.file = file
		if _, err := file.Seek(l.at, io.SeekStart); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Read(b)
	l.at += int64(n)
	return n, err
}

// Seek moves within the size that the file has.
func (l *lazyFile) Seek(offset int64, whence int) (int64, error) {
	at, err := seek(l.at, l.size, offset, whence)
	if err == nil && l.file != nil {
		_, err = l.file.Seek(at, io.SeekStart)
	}
	if err == nil {
		l.at = at
	}
	return at, err
}

// Close closes the file, if it was opened.
func (l *lazyFile) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
