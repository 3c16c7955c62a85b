package gitmirror

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/index"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/gitpack"
)

// metadataBranch is the branch of the metadata repository that imports commit to.
const metadataBranch = "refs/heads/main"

// keptFiles are files of a package's directory that people write and imports leave alone.
var keptFiles = []string{"upstream.toml", "README.md"}

// metadata is the one metadata repository: git with a work tree, packages/NAME/ each. Imports are gathered and committed
// in groups, so that a bulk import does not write the tree of all packages once for each.
type metadata struct {
	dir     string
	mu      sync.Mutex
	pending []change
}

// change is the new state of one package's directory.
type change struct {
	name    string
	subject string
	date    int64
	files   map[string][]byte
}

// group is how many packages are committed at once in bulk.
const group = 64

func packageDir(name string) string { return "packages/" + name }

// openMetadata opens the repository in dir, which is made when the first change is committed.
func openMetadata(dir string) (*metadata, error) {
	m := &metadata{dir: dir}
	return m, m.recover()
}

// checkoutFile names the files of the work tree that a commit is about to change. It is there only while that lasts, or
// after a crash.
const checkoutFile = "srpm2git.checkout"

// recover brings the work tree along with a commit behind which an earlier process crashed.
func (m *metadata) recover() error {
	marker := filepath.Join(m.dir, ".git", checkoutFile)
	if _, err := os.Stat(marker); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	r, err := openRepo(filepath.Join(m.dir, ".git"))
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.acquire(); err != nil {
		return err
	}
	names, err := os.ReadFile(marker)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another process was faster
	}
	if err != nil {
		return err
	}
	root, err := r.rootOf(metadataBranch)
	if err != nil {
		return err
	}
	touched := map[string]entry{}
	for name := range strings.Lines(string(names)) {
		name = strings.TrimSuffix(name, "\n")
		e, _, err := r.lookup(root, name)
		if err != nil {
			return err
		}
		if e.mode != modeRegular {
			e = entry{}
		}
		touched[name] = e
	}
	return m.checkout(r, touched)
}

// rootOf is the tree of a branch, zero if there is no such branch.
func (r *repo) rootOf(ref string) (Hash, error) {
	tip, err := r.ref(ref)
	if err != nil || tip.IsZero() {
		return Hash{}, err
	}
	c, err := r.readCommit(tip)
	return c.tree, err
}

// readLock reads the lock of a package from the work tree; nil when there is none.
func readLock(dir, name string) (*Lock, error) {
	path := filepath.Join(dir, "packages", name, "sources.lock")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := decodeLock(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Dir(path), err)
	}
	return l, nil
}

// add takes a change; it is committed with the group.
func (m *metadata) add(c change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = append(m.pending, c)
	if len(m.pending) < group {
		return nil
	}
	return m.flush()
}

// close commits what is left.
func (m *metadata) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.flush()
}

// flush commits the pending changes and brings the work tree along.
func (m *metadata) flush() error {
	if len(m.pending) == 0 {
		return nil
	}
	if err := createRepo(m.dir, false, "main"); err != nil {
		return err
	}
	r, err := openRepo(filepath.Join(m.dir, ".git"))
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.acquire(); err != nil {
		return err
	}
	slices.SortStableFunc(m.pending, func(a, b change) int { return strings.Compare(a.name, b.name) })
	if err := m.commit(r); err != nil {
		return fmt.Errorf("metadata %s: %w", m.dir, err)
	}
	m.pending = nil
	return nil
}

// commit makes one commit of each pending change, one after the other, publishes them together and writes the work tree.
func (m *metadata) commit(r *repo) error {
	tip, err := r.ref(metadataBranch)
	if err != nil {
		return err
	}
	root, err := r.rootOf(metadataBranch)
	if err != nil {
		return err
	}
	touched := map[string]entry{}
	for _, c := range m.pending {
		edits, err := m.edits(r, root, c)
		if err != nil {
			return err
		}
		next, err := r.editTree(root, edits)
		if err != nil {
			return err
		}
		for path, e := range edits {
			touched[path] = e
		}
		if next == root {
			continue
		}
		root = next
		commit := commit{tree: root, date: c.date, message: c.subject + "\n"}
		if !tip.IsZero() {
			commit.parents = []Hash{tip}
		}
		if tip, err = r.addCommit(commit); err != nil {
			return err
		}
	}
	if err := r.publish(); err != nil {
		return err
	}
	var names strings.Builder
	for _, name := range slices.Sorted(maps.Keys(touched)) {
		names.WriteString(name + "\n")
	}
	if err := atomicfile.Write(filepath.Join(r.dir, checkoutFile), []byte(names.String()), 0o666); err != nil {
		return err
	}
	if err := r.update(map[string]Hash{metadataBranch: tip}); err != nil {
		return err
	}
	return m.checkout(r, touched)
}

// edits replaces the files of a package's directory but for those that people write.
func (m *metadata) edits(r *repo, root Hash, c change) (map[string]entry, error) {
	edits := map[string]entry{}
	dir := packageDir(c.name)
	if e, ok, err := r.lookup(root, dir); err != nil {
		return nil, err
	} else if ok {
		old, err := r.readTree(e.hash)
		if err != nil {
			return nil, err
		}
		for _, o := range old {
			if !slices.Contains(keptFiles, o.name) {
				edits[dir+"/"+o.name] = entry{}
			}
		}
	}
	for name, data := range c.files {
		h, err := r.add(gitpack.Blob, data)
		if err != nil {
			return nil, err
		}
		edits[dir+"/"+name] = entry{mode: modeRegular, hash: h}
	}
	return edits, nil
}

// checkout writes the touched files to the work tree and the index.
func (m *metadata) checkout(r *repo, touched map[string]entry) error {
	idx, err := r.st.Index()
	if err != nil { // cut short by a crash
		if idx, err = r.indexOf(metadataBranch); err != nil {
			return err
		}
	}
	byName := make(map[string]*index.Entry, len(idx.Entries))
	for _, e := range idx.Entries {
		byName[e.Name] = e
	}
	for path, e := range touched {
		file := filepath.Join(m.dir, filepath.FromSlash(path))
		if e.hash.IsZero() {
			delete(byName, path)
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		data, err := r.read(e.hash, gitpack.Blob)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			return err
		}
		if old, err := os.ReadFile(file); err != nil || !bytes.Equal(old, data) {
			if err := atomicfile.Write(file, data, 0o666); err != nil {
				return err
			}
		}
		byName[path] = &index.Entry{Name: path, Hash: plumbing.Hash(e.hash), Mode: filemode.Regular, Size: uint32(len(data))}
	}
	idx.Entries = idx.Entries[:0]
	for _, e := range byName {
		idx.Entries = append(idx.Entries, e)
	}
	slices.SortFunc(idx.Entries, func(a, b *index.Entry) int { return strings.Compare(a.Name, b.Name) })
	idx.Version, idx.Cache, idx.ResolveUndo, idx.EndOfIndexEntry = 2, nil, nil, nil
	if err := r.st.SetIndex(idx); err != nil {
		return err
	}
	return os.Remove(filepath.Join(r.dir, checkoutFile))
}

// indexOf makes an index of a branch.
func (r *repo) indexOf(ref string) (*index.Index, error) {
	root, err := r.rootOf(ref)
	if err != nil || root.IsZero() {
		return &index.Index{}, err
	}
	files, err := r.listTree(root)
	idx := &index.Index{}
	for _, f := range files {
		idx.Entries = append(idx.Entries, &index.Entry{Name: f.name, Hash: plumbing.Hash(f.hash), Mode: filemode.FileMode(f.mode)})
	}
	return idx, err
}

// dirty names a file of a package that was edited and not committed; "" if there is none.
func (m *metadata) dirty(name string) (string, error) {
	r, err := openRepo(filepath.Join(m.dir, ".git"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer r.Close()
	root, err := r.rootOf(metadataBranch)
	if err != nil {
		return "", err
	}
	e, ok, err := r.lookup(root, packageDir(name))
	if err != nil || !ok {
		return "", err
	}
	entries, err := r.readTree(e.hash)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(m.dir, "packages", name, e.name))
		if err != nil {
			continue // taken away, or never written because of a crash: an import puts it back
		}
		if gitpack.Sum(gitpack.Blob, data) != e.hash && !slices.Contains(keptFiles, e.name) {
			return packageDir(name) + "/" + e.name, nil
		}
	}
	return "", nil
}
