package gitmirror

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/gitpack"
)

// Hash names a git object.
type Hash = gitpack.Hash

// repo is a git repository that is being read, and written through one pack.
type repo struct {
	dir    string // the git directory
	st     *filesystem.Storage
	pack   *gitpack.Writer // nil until something is to be written
	lock   *os.File
	proven map[Hash]bool   // objects that whole has seen
	view   map[string]Hash // the references as a rebuild sees them; nil: as they are
	seen   map[string]Hash // what references were when they were read
}

// glob lists what matches a pattern below dir, by its names below dir: the name of dir itself is no pattern.
func glob(dir, pattern string) ([]string, error) { return fs.Glob(os.DirFS(dir), pattern) }

// openRepo opens the git directory dir.
func openRepo(dir string) (*repo, error) {
	if _, err := os.Stat(filepath.Join(dir, "objects")); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: not a git repository: %w", dir, fs.ErrNotExist)
		}
		return nil, err
	}
	r := &repo{dir: dir, seen: map[string]Hash{}}
	r.reopen()
	return r, nil
}

// reopen makes published packs visible.
func (r *repo) reopen() {
	if r.st != nil {
		r.st.Close()
	}
	r.st = filesystem.NewStorageWithOptions(osfs.New(r.dir), cache.NewObjectLRU(16<<20),
		filesystem.Options{KeepDescriptors: true, LargeObjectThreshold: 1 << 20})
}

// newRepoPrefix begins the name of a repository that is being made, which takes moments.
const newRepoPrefix = ".new-git-"

// sweepNew removes repositories from a directory that a crash left half made, an hour ago or more.
func sweepNew(dir string) {
	found, _ := glob(dir, newRepoPrefix+"*")
	for _, name := range found {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > time.Hour {
			os.RemoveAll(path)
		}
	}
}

// createRepo makes an empty repository whose HEAD is branch, unless there is one. It appears at dir all at once.
func createRepo(dir string, bare bool, branch string) error {
	gitDir := dir
	if !bare {
		gitDir = filepath.Join(dir, ".git")
	}
	if _, err := os.Stat(filepath.Join(gitDir, "objects")); err == nil {
		return nil
	}
	parent := filepath.Dir(gitDir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, newRepoPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	for _, d := range []string{"objects/pack", "objects/info", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(tmp, d), 0o777); err != nil {
			return err
		}
	}
	config := fmt.Sprintf("[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = %v\n", bare)
	for name, text := range map[string]string{"HEAD": "ref: refs/heads/" + branch + "\n", "config": config} {
		if err := atomicfile.Write(filepath.Join(tmp, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp, gitDir); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	return atomicfile.SyncDir(parent)
}

// errGone says that the holder of the lock has taken the repository away: it was made for an import that failed.
var errGone = errors.New("the repository was removed")

// lockedRepo opens the bare repository at dir for a writer; it makes one whose HEAD is branch if there is none.
func lockedRepo(dir, branch string) (*repo, error) {
	for {
		if err := createRepo(dir, true, branch); err != nil {
			return nil, err
		}
		r, err := openRepo(dir)
		if err != nil {
			return nil, err
		}
		if err = r.acquire(); err == nil {
			return r, nil
		}
		r.Close()
		if !errors.Is(err, errGone) && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// isAt reports whether path still is the name of f.
func isAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}

// acquire takes the lock of the repository for one writer and finishes what a crashed one has promised.
func (r *repo) acquire() error {
	f, err := os.OpenFile(filepath.Join(r.dir, "srpm2git.lock"), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	if !isAt(f, f.Name()) {
		f.Close()
		return errGone
	}
	r.lock = f
	r.sweep()
	return r.finishUpdate()
}

// sweep removes what a crashed writer left over. Only the holder of the lock may.
func (r *repo) sweep() {
	for _, pattern := range []string{"objects/pack/tmp_pack_*", "objects/pack/.pack-*.tmp*", ".srpm2git.ref*.tmp*", newRefFile, "srpm2git.spool-*"} {
		found, _ := glob(r.dir, pattern)
		for _, name := range found {
			os.RemoveAll(filepath.Join(r.dir, name))
		}
	}
	indexes, _ := glob(r.dir, "objects/pack/pack-*.idx")
	for _, name := range indexes {
		name = filepath.Join(r.dir, name)
		if _, err := os.Stat(strings.TrimSuffix(name, ".idx") + ".pack"); errors.Is(err, fs.ErrNotExist) {
			os.Remove(name)
		}
	}
}

// Close gives up what was not published, and the lock.
func (r *repo) Close() error {
	if r.pack != nil {
		r.pack.Discard()
	}
	var err error
	if r.lock != nil {
		err = r.lock.Close()
	}
	return errors.Join(err, r.st.Close())
}

// writer is the pack that takes new objects.
func (r *repo) writer() (*gitpack.Writer, error) {
	if r.pack == nil {
		has := func(h Hash) bool { return r.st.HasEncodedObject(plumbing.Hash(h)) == nil }
		if r.empty() {
			has = nil
		}
		w, err := gitpack.NewWriter(filepath.Join(r.dir, "objects"), has)
		if err != nil {
			return nil, err
		}
		r.pack = w
	}
	return r.pack, nil
}

// empty reports that there are no objects to look for.
func (r *repo) empty() bool {
	for _, pattern := range []string{"objects/pack/pack-*", "objects/[0-9a-f][0-9a-f]", "objects/info/alternates"} {
		if found, err := glob(r.dir, pattern); err != nil || len(found) > 0 {
			return false
		}
	}
	return true
}

func (r *repo) add(t gitpack.Type, data []byte) (Hash, error) {
	w, err := r.writer()
	if err != nil {
		return Hash{}, err
	}
	return w.Add(t, data)
}

// publish makes what was written durable and readable.
func (r *repo) publish() error {
	if r.pack == nil {
		return nil
	}
	if err := r.pack.Publish(); err != nil {
		return err
	}
	r.pack = nil
	r.reopen()
	return nil
}

// open returns an object that is stored or about to be. One object is open at a time.
func (r *repo) open(h Hash, want gitpack.Type) (int64, io.ReadCloser, error) {
	if r.pack != nil {
		if t, size, in, ok, err := r.pack.Open(h); ok || err != nil {
			if err == nil && t != want {
				err = fmt.Errorf("object %s is a %s, not a %s", h, t, want)
			}
			return size, io.NopCloser(in), err
		}
	}
	o, err := r.st.EncodedObject(plumbing.ObjectType(want), plumbing.Hash(h))
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", want, h, err)
	}
	in, err := o.Reader()
	return o.Size(), in, err
}

// maxObject bounds objects that are read into memory: trees, commits, recipes, files to patch.
const maxObject = 1 << 30

// read returns the bytes of an object.
func (r *repo) read(h Hash, want gitpack.Type) ([]byte, error) {
	size, in, err := r.open(h, want)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if size > maxObject {
		return nil, fmt.Errorf("%s %s: %d bytes are too many to keep in memory", want, h, size)
	}
	var b bytes.Buffer
	b.Grow(int(size))
	_, err = b.ReadFrom(in)
	return b.Bytes(), err
}

// ref returns what a reference names, the zero hash if there is none.
func (r *repo) ref(name string) (Hash, error) {
	if r.view != nil {
		return r.view[name], nil
	}
	h, err := r.readRef(name)
	if _, again := r.seen[name]; err == nil && !again {
		r.seen[name] = h
	}
	return h, err
}

// readRef reads a reference from the disk.
func (r *repo) readRef(name string) (Hash, error) {
	ref, err := storer.ResolveReference(r.st, plumbing.ReferenceName(name))
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return Hash{}, nil
	}
	if err != nil {
		return Hash{}, fmt.Errorf("%s: %w", name, err)
	}
	return Hash(ref.Hash()), nil
}

// refs lists the references below a prefix.
func (r *repo) refs(prefix string) (map[string]Hash, error) {
	if r.view != nil {
		found := map[string]Hash{}
		for name, h := range r.view {
			if strings.HasPrefix(name, prefix) {
				found[name] = h
			}
		}
		return found, nil
	}
	it, err := r.st.IterReferences()
	if err != nil {
		return nil, err
	}
	found := map[string]Hash{}
	err = it.ForEach(func(ref *plumbing.Reference) error {
		if name := ref.Name().String(); strings.HasPrefix(name, prefix) && ref.Type() == plumbing.HashReference {
			found[name] = Hash(ref.Hash())
		}
		return nil
	})
	for name, h := range found {
		if _, again := r.seen[name]; !again {
			r.seen[name] = h
		}
	}
	return found, err
}
