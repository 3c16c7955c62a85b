package ostree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/flate"
	"golang.org/x/sys/unix"
)

// Level is how hard file objects are compressed. 5 of this encoder gives nearly what 6 of zlib gives, in half the time.
const Level = 5

// smallFile is the size in bytes up to which a file waits in memory until its checksum is known.
const smallFile = 4 << 20

// fewObjects is the number of objects up to which each is synchronised alone, and beyond which the file system is.
const fewObjects = 24

// Writer adds objects to a repository. They are staged until Flush moves them to their place; a Writer reads both. It
// holds the shared lock, so an object that it found in the repository stays there until Close.
// Its methods may be called from several goroutines.
type Writer struct {
	objectReader
	repo    *Repo
	dir     string
	release func()
	serial  atomic.Int64
	written atomic.Int64
	bytes   atomic.Int64

	mu     sync.Mutex
	staged map[Object]struct{}
	flush  sync.Mutex
}

// Begin starts to write. It removes what writers that died have staged.
func (r *Repo) Begin(ctx context.Context) (*Writer, error) {
	release, err := r.LockShared(ctx)
	if err != nil {
		return nil, err
	}
	r.removeStale()
	dir, err := os.MkdirTemp(r.path("tmp"), stagingPrefix)
	if err != nil {
		release()
		return nil, err
	}
	own, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = waitLock(ctx, own, unix.F_WRLCK, 0, 0)
	}
	if err != nil {
		release()
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	w := &Writer{repo: r, dir: dir, staged: map[Object]struct{}{}}
	w.release = func() { own.Close(); release() }
	w.open = w.openObject
	return w, nil
}

const stagingPrefix = "weld-staging-"

// removeStale removes the staging directories that nobody holds. One without a lock file is left alone for an hour: its
// owner may be about to lock it.
func (r *Repo) removeStale() {
	dirs, _ := filepath.Glob(r.path("tmp", stagingPrefix+"*"))
	for _, dir := range dirs {
		f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
		if err != nil {
			if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > time.Hour {
				os.RemoveAll(dir)
			}
			continue
		}
		lock := unix.Flock_t{Type: unix.F_WRLCK}
		held := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock) != nil
		info, err := f.Stat()
		// Made a moment ago, it may be not locked yet.
		if !held && err == nil && time.Since(info.ModTime()) > time.Minute {
			os.RemoveAll(dir)
		}
		f.Close()
	}
}

// Close gives up what has not been flushed and releases the lock.
func (w *Writer) Close() error {
	err := os.RemoveAll(w.dir)
	w.release()
	return err
}

// Written gives the number of objects that were new, and the bytes that they take.
func (w *Writer) Written() (objects, size int64) { return w.written.Load(), w.bytes.Load() }

func (w *Writer) stagedPath(o Object) string {
	return filepath.Join(w.dir, o.Checksum.String()+extensions[o.Type])
}

func (w *Writer) openObject(o Object) (*os.File, error) {
	w.mu.Lock()
	_, staged := w.staged[o]
	w.mu.Unlock()
	if staged {
		// Flush may be moving it; then it is at its place.
		if f, err := os.Open(w.stagedPath(o)); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return w.repo.openObject(o)
}

// Has tells whether the object is staged or in the repository.
func (w *Writer) Has(o Object) bool {
	w.mu.Lock()
	_, staged := w.staged[o]
	w.mu.Unlock()
	return staged || w.repo.Has(o)
}

// PutTree writes a directory. Its names must be sorted.
func (w *Writer) PutTree(d DirTree) (Checksum, error) {
	if err := d.check(); err != nil {
		return Checksum{}, err
	}
	return w.putMetadata(TypeDirTree, d.Marshal())
}

// PutMeta writes what is said about directories.
func (w *Writer) PutMeta(m DirMeta) (Checksum, error) {
	return w.putMetadata(TypeDirMeta, m.Marshal())
}

// PutCommit writes a commit.
func (w *Writer) PutCommit(c Commit) (Checksum, error) {
	return w.putMetadata(TypeCommit, c.Marshal())
}

func (w *Writer) putMetadata(t Type, b []byte) (Checksum, error) {
	obj := Object{t, sha256.Sum256(b)}
	if len(b) > MaxMetadata {
		return obj.Checksum, fmt.Errorf("%s of %d bytes: more than the %d that clients take", t, len(b), MaxMetadata)
	}
	if w.Has(obj) {
		return obj.Checksum, nil
	}
	return obj.Checksum, w.stage(obj, func(f *os.File) error {
		_, err := f.Write(b)
		return err
	})
}

// PutBytes writes a file object with this content.
func (w *Writer) PutBytes(info FileInfo, content []byte) (Checksum, error) {
	if err := info.check(); err != nil {
		return Checksum{}, err
	}
	obj := Object{TypeFile, info.Checksum(content)}
	if w.Has(obj) {
		return obj.Checksum, nil
	}
	return obj.Checksum, w.stageFile(obj, info, int64(len(content)), bytes.NewReader(content), Level)
}

// PutFile writes a file object with the next size bytes of r; fewer are io.ErrUnexpectedEOF.
func (w *Writer) PutFile(info FileInfo, size int64, r io.Reader) (Checksum, error) {
	return w.putFile(info, size, r, Level)
}

// PutStored is PutFile without compression, for content that is compressed already.
func (w *Writer) PutStored(info FileInfo, size int64, r io.Reader) (Checksum, error) {
	return w.putFile(info, size, r, flate.NoCompression)
}

var contentPool = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (w *Writer) putFile(info FileInfo, size int64, r io.Reader, level int) (Checksum, error) {
	if err := info.check(); err != nil {
		return Checksum{}, err
	}
	if size > smallFile {
		return w.putLarge(info, size, r, level)
	}
	buf := contentPool.Get().(*bytes.Buffer)
	defer contentPool.Put(buf)
	buf.Reset()
	if err := copyExactly(buf, r, size); err != nil {
		return Checksum{}, err
	}
	obj := Object{TypeFile, info.Checksum(buf.Bytes())}
	if w.Has(obj) {
		return obj.Checksum, nil
	}
	return obj.Checksum, w.stageFile(obj, info, size, bytes.NewReader(buf.Bytes()), level)
}

// putLarge lays the content down beside the staged objects until its checksum is known.
func (w *Writer) putLarge(info FileInfo, size int64, r io.Reader, level int) (Checksum, error) {
	f, err := w.create()
	if err != nil {
		return Checksum{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	h := sha256.New()
	h.Write(info.hashHeader())
	if err := copyExactly(io.MultiWriter(f, h), r, size); err != nil {
		return Checksum{}, err
	}
	obj := Object{TypeFile, Checksum(h.Sum(nil))}
	if w.Has(obj) {
		return obj.Checksum, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return obj.Checksum, err
	}
	return obj.Checksum, w.stageFile(obj, info, size, f, level)
}

func copyExactly(dst io.Writer, src io.Reader, size int64) error {
	n, err := io.CopyN(dst, src, size)
	if err == io.EOF && n < size {
		return io.ErrUnexpectedEOF
	}
	return err
}

var deflatePool = sync.Map{} // of level: *sync.Pool of *flate.Writer

func deflateWriter(out io.Writer, level int) (*flate.Writer, *sync.Pool, error) {
	p, _ := deflatePool.LoadOrStore(level, &sync.Pool{})
	pool := p.(*sync.Pool)
	if z, ok := pool.Get().(*flate.Writer); ok {
		z.Reset(out)
		return z, pool, nil
	}
	z, err := flate.NewWriter(out, level)
	return z, pool, err
}

func (w *Writer) stageFile(obj Object, info FileInfo, size int64, content io.Reader, level int) error {
	return w.stage(obj, func(f *os.File) error {
		if _, err := f.Write(info.archiveHeader(size)); err != nil || info.IsSymlink() {
			return err
		}
		z, pool, err := deflateWriter(f, level)
		if err != nil {
			return err
		}
		defer pool.Put(z)
		if _, err := io.Copy(z, content); err != nil {
			return err
		}
		return z.Close()
	})
}

func (w *Writer) create() (*os.File, error) {
	name := fmt.Sprintf("new-%d", w.serial.Add(1))
	return os.OpenFile(filepath.Join(w.dir, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
}

// TempFile makes a file without a name for a caller who needs room on the repository's disk.
func (w *Writer) TempFile() (*os.File, error) {
	f, err := w.create()
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// stage makes an object's file; only a whole one gets the object's name.
func (w *Writer) stage(obj Object, write func(*os.File) error) error {
	f, err := w.create()
	if err != nil {
		return err
	}
	err = write(f)
	info, serr := f.Stat()
	if err = errors.Join(err, serr, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.staged[obj]; ok { // another goroutine was faster
		return os.Remove(f.Name())
	}
	if err := os.Rename(f.Name(), w.stagedPath(obj)); err != nil {
		return err
	}
	w.staged[obj] = struct{}{}
	w.written.Add(1)
	w.bytes.Add(info.Size())
	return nil
}

// Flush moves what is staged to its place: when it returns, a reference to it may be published. What other goroutines
// stage meanwhile waits for the next Flush.
func (w *Writer) Flush() error {
	w.flush.Lock()
	defer w.flush.Unlock()
	w.mu.Lock()
	objects := make([]Object, 0, len(w.staged))
	for o := range w.staged {
		objects = append(objects, o)
	}
	w.mu.Unlock()
	if err := w.syncStaged(objects); err != nil {
		return err
	}
	dirs := map[string]bool{}
	for _, o := range objects {
		to := w.repo.path("objects", o.path())
		dir := filepath.Dir(to)
		err := os.Rename(w.stagedPath(o), to)
		if errors.Is(err, fs.ErrNotExist) && os.MkdirAll(dir, 0o777) == nil {
			dirs[filepath.Dir(dir)] = true
			err = os.Rename(w.stagedPath(o), to)
		}
		if err != nil {
			return err
		}
		dirs[dir] = true
		w.mu.Lock()
		delete(w.staged, o)
		w.mu.Unlock()
	}
	return w.repo.syncDirs(dirs)
}

func (w *Writer) syncStaged(objects []Object) error {
	if w.repo.noSync || len(objects) == 0 {
		return nil
	}
	if len(objects) > fewObjects {
		return syncFS(w.dir)
	}
	for _, o := range objects {
		f, err := os.Open(w.stagedPath(o))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repo) syncDirs(dirs map[string]bool) error {
	if r.noSync || len(dirs) == 0 {
		return nil
	}
	if len(dirs) > fewObjects {
		return syncFS(r.dir)
	}
	for dir := range dirs {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// syncFS synchronises the file system that holds dir.
func syncFS(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Syncfs(int(d.Fd())), d.Close()); err != nil {
		return fmt.Errorf("synchronise %s: %w", strings.TrimSuffix(dir, "/"), err)
	}
	return nil
}
