package gitmirror

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// Place is a pair of directories that imports have gone to.
type Place struct {
	Name              string // what messages call it
	Mirrors, Metadata string
}

// origin is a place that a merge takes from. It is only read.
type origin struct {
	place   Place
	names   map[string]bool       // of packages, in the mirrors or the metadata
	history map[string][]pkgState // of the metadata

	mu   sync.Mutex
	meta *repo // nil: there are no metadata
}

func (o *origin) String() string { return o.place.Name }

// pkgState is what the directory of a package's metadata was after a commit.
type pkgState struct {
	tree            Hash
	author, message string
	date            int64
}

func openOrigin(p Place) (*origin, error) {
	o := &origin{place: p, names: map[string]bool{}}
	names, err := (&Exporter{Mirrors: p.Mirrors}).Names()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if o.history, err = historyIn(p.Metadata); err != nil {
		return nil, err
	}
	for _, name := range names {
		o.names[name] = true
	}
	for name := range o.history {
		o.names[name] = true
	}
	if len(o.history) > 0 {
		o.meta, err = openRepo(filepath.Join(p.Metadata, ".git"))
	}
	return o, err
}

func (o *origin) close() error {
	if o.meta == nil {
		return nil
	}
	return o.meta.Close()
}

// lock reads the lock of a state.
func (o *origin) lock(st pkgState) (*Lock, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, ok, err := o.meta.lookup(st.tree, "sources.lock")
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.New("its metadata have no sources.lock")
	}
	data, err := o.meta.read(e.hash, gitpack.Blob)
	if err != nil {
		return nil, err
	}
	return decodeLock(data)
}

// objects reads a tree and all that is below, and compares each object with its name.
func (o *origin) objects(tree Hash) (list []object, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	add := func(h Hash, t gitpack.Type) error {
		data, err := o.meta.read(h, t)
		if err == nil && gitpack.Sum(t, data) != h {
			err = fmt.Errorf("%s %s: damaged", t, h)
		}
		list = append(list, object{t, data})
		return err
	}
	var walk func(h Hash, depth int) error
	walk = func(h Hash, depth int) error {
		if depth > 100 {
			return fmt.Errorf("tree %s: too deep", tree)
		}
		if err := add(h, gitpack.Tree); err != nil {
			return err
		}
		entries, err := o.meta.readTree(h)
		if err != nil {
			return err
		}
		for _, e := range entries {
			// What comes from elsewhere is written to a work tree.
			if why := tarmodel.Unsafe(e.name); why != "" || strings.Contains(e.name, "/") {
				return fmt.Errorf("metadata of %s: %q: %s", o, e.name, orElse(why, "a name with a slash"))
			}
			switch e.mode {
			case modeTree:
				err = walk(e.hash, depth+1)
			case modeRegular, modeExec:
				err = add(e.hash, gitpack.Blob)
			default:
				err = fmt.Errorf("metadata of %s: %q: neither a file nor a directory", o, e.name)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	err = walk(tree, 0)
	return list, err
}

// historyIn gives the states of each package in a metadata repository, the oldest first; none if there is no repository.
func historyIn(dir string) (map[string][]pkgState, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	r, err := openRepo(filepath.Join(dir, ".git"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	history, err := r.packageStates()
	if err != nil {
		return nil, fmt.Errorf("metadata %s: %w", dir, err)
	}
	return history, nil
}

// packageStates follows the branch of the metadata by first parents.
func (r *repo) packageStates() (map[string][]pkgState, error) {
	tip, err := r.ref(metadataBranch)
	if err != nil {
		return nil, err
	}
	var line []Hash
	for !tip.IsZero() {
		line = append(line, tip)
		c, err := r.readCommit(tip)
		if err != nil {
			return nil, err
		}
		if tip = (Hash{}); len(c.parents) > 0 {
			tip = c.parents[0]
		}
	}
	history := map[string][]pkgState{}
	before := map[string]Hash{}
	for i := range line {
		c, err := r.readCommit(line[len(line)-1-i])
		if err != nil {
			return nil, err
		}
		now, err := r.packagesOf(c.tree)
		if err != nil {
			return nil, err
		}
		for name, tree := range now {
			if before[name] != tree {
				history[name] = append(history[name], pkgState{tree, c.author, strings.TrimRight(c.message, "\n"), c.date})
			}
		}
		before = now
	}
	for name := range history {
		if before[name].IsZero() { // somebody has removed it
			delete(history, name)
		}
	}
	return history, nil
}

// packagesOf gives the directories below packages/.
func (r *repo) packagesOf(root Hash) (map[string]Hash, error) {
	e, ok, err := r.lookup(root, "packages")
	if err != nil || !ok || e.mode != modeTree {
		return nil, err
	}
	entries, err := r.readTree(e.hash)
	if err != nil {
		return nil, err
	}
	dirs := make(map[string]Hash, len(entries))
	for _, e := range entries {
		if e.mode == modeTree && checkName(e.name) == nil {
			dirs[e.name] = e.hash
		}
	}
	return dirs, nil
}
