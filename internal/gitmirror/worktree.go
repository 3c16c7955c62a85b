package gitmirror

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/index"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/gitpack"
)

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
		name = textName(strings.TrimSuffix(name, "\n"))
		e, _, err := r.lookup(root, name)
		if err != nil {
			return err
		}
		if e.mode != modeRegular && e.mode != modeExec {
			e = entry{}
		}
		touched[name] = e
	}
	return m.checkout(r, touched)
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
		size, err := r.checkoutFile(file, e)
		if err != nil {
			return err
		}
		byName[path] = &index.Entry{Name: path, Hash: plumbing.Hash(e.hash), Mode: filemode.FileMode(e.mode), Size: uint32(size)}
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

// checkoutFile writes one file of the work tree, unless it is there, and gives its size.
func (r *repo) checkoutFile(file string, e entry) (int, error) {
	data, err := r.read(e.hash, gitpack.Blob)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return 0, err
	}
	if old, err := os.ReadFile(file); err != nil || !bytes.Equal(old, data) {
		if err := atomicfile.Write(file, data, 0o666); err != nil {
			return 0, err
		}
	}
	if e.mode == modeExec {
		return len(data), os.Chmod(file, 0o777) // as far as the work tree goes, git looks at one bit
	}
	return len(data), nil
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
	m.mu.Lock() // a commit and the work tree move one after the other
	defer m.mu.Unlock()
	r, err := openRepo(filepath.Join(m.dir, ".git"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer r.Close()
	if err := r.acquire(); err != nil {
		return "", err
	}
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
