package gitmirror

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/gitpack"
)

// metadataBranch is the branch of the metadata repository that imports commit to.
const metadataBranch = "refs/heads/main"

// keptFiles are files of a package's directory that people write and imports leave alone.
var keptFiles = []string{"upstream.toml", "README.md"}

// metadata is the one metadata repository: git with a work tree, packages/NAME/ each. Its history has one commit for each import, in the
// order of the places that the imports were given before they began, whenever they end: it depends neither on their speed nor on how
// many are published at once. What waits for its turn is stored, so that memory does not grow with it.
type metadata struct {
	dir     string
	mu      sync.Mutex
	places  int               // given away
	next    int               // the first place that has not ended, or whose changes are not committed
	ended   map[int]bool      // those from next on
	changes map[int][]*change // of the places from next on
	held    int               // changes whose files are in memory
	group   int               // how many of those there may be
}

// change is the new state of one package's directory.
type change struct {
	name    string
	message string
	author  string // "": the import
	date    int64
	files   map[string][]byte
	stored  map[string]Hash // instead of files, once they are in the repository
	tree    Hash            // instead of both: the whole directory,
	objects []object        // and what it consists of, until that is in the repository
}

// object is a git object in memory.
type object struct {
	typ  gitpack.Type
	data []byte
}

// group is how many changes are published at once in bulk.
const group = 64

func packageDir(name string) string { return "packages/" + name }

// openMetadata opens the repository in dir, which is made when the first change is committed.
func openMetadata(dir string) (*metadata, error) {
	m := &metadata{dir: dir, ended: map[int]bool{}, changes: map[int][]*change{}, group: group}
	return m, m.recover()
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

// reserve gives away the next place in the history. It must be ended, with a change or without.
func (m *metadata) reserve() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.places++
	return m.places - 1
}

// add gives a place a change, which is published with its group once the place and those before it have ended.
func (m *metadata) add(place int, c change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes[place] = append(m.changes[place], &c)
	if m.held++; m.held < m.group {
		return nil
	}
	return m.flush(false)
}

// end says that a place gets no more changes.
func (m *metadata) end(place int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended[place] = true
	for m.ended[m.next] && m.changes[m.next] == nil {
		delete(m.ended, m.next)
		m.next++
	}
}

// close publishes what is left.
func (m *metadata) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.flush(true)
}

// flush publishes the changes whose turn has come, of all that there are if last, and brings the work tree along. The others it only stores.
func (m *metadata) flush(last bool) error {
	var ready []int
	for place := m.next; m.ended[place]; place++ {
		ready = append(ready, place)
	}
	if last {
		ready = slices.Sorted(maps.Keys(m.changes))
	}
	if m.held == 0 && len(ready) == 0 {
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
	if err := m.store(r, ready); err != nil {
		return fmt.Errorf("metadata %s: %w", m.dir, err)
	}
	return nil
}

// store writes what all changes consist of and commits those of the places that are ready.
func (m *metadata) store(r *repo, ready []int) error {
	stored := map[*change]map[string]Hash{}
	for _, place := range slices.Sorted(maps.Keys(m.changes)) {
		for _, c := range m.changes[place] {
			files, err := c.store(r)
			if err != nil {
				return err
			}
			stored[c] = files
		}
	}
	var changes []*change
	for _, place := range ready {
		changes = append(changes, m.changes[place]...)
	}
	if err := m.commit(r, changes, stored); err != nil {
		return err
	}
	for c, files := range stored {
		c.stored, c.files, c.objects = files, nil, nil
	}
	m.held = 0
	for _, place := range ready {
		delete(m.changes, place)
		delete(m.ended, place)
		m.next = max(m.next, place+1)
	}
	return nil
}

// store writes what the change consists of, and gives the files.
func (c *change) store(r *repo) (map[string]Hash, error) {
	if c.stored != nil {
		return c.stored, nil
	}
	stored := map[string]Hash{}
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		h, err := r.add(gitpack.Blob, c.files[name])
		if err != nil {
			return nil, err
		}
		stored[name] = h
	}
	for _, o := range c.objects {
		if _, err := r.add(o.typ, o.data); err != nil {
			return nil, err
		}
	}
	return stored, nil
}

// commit makes one commit of each change, one after the other, publishes them together and writes the work tree.
func (m *metadata) commit(r *repo, changes []*change, stored map[*change]map[string]Hash) error {
	tip, err := r.ref(metadataBranch)
	if err != nil {
		return err
	}
	root, err := r.rootOf(metadataBranch)
	if err != nil {
		return err
	}
	touched := map[string]entry{}
	for _, c := range changes {
		edits, err := r.edits(root, c, stored[c], touched)
		if err != nil {
			return err
		}
		next, err := r.editTree(root, edits)
		if err != nil {
			return err
		}
		if next == root {
			continue
		}
		root = next
		commit := commit{tree: root, author: c.author, date: c.date, message: c.message + "\n"}
		if !tip.IsZero() {
			commit.parents = []Hash{tip}
		}
		if tip, err = r.addCommit(commit); err != nil {
			return err
		}
	}
	if err := r.publish(); err != nil || len(touched) == 0 {
		return err
	}
	return m.move(r, tip, touched)
}

// move sets the branch to tip and writes the touched files.
func (m *metadata) move(r *repo, tip Hash, touched map[string]entry) error {
	var names strings.Builder
	for _, name := range slices.Sorted(maps.Keys(touched)) {
		names.WriteString(nameText(name) + "\n")
	}
	if err := atomicfile.Write(filepath.Join(r.dir, checkoutFile), []byte(names.String()), 0o666); err != nil {
		return err
	}
	if err := r.update(map[string]Hash{metadataBranch: tip}); err != nil {
		return err
	}
	return m.checkout(r, touched)
}

// edits replaces the files of a package's directory but for those that people write, or all of it, and notes the files in touched.
func (r *repo) edits(root Hash, c *change, stored map[string]Hash, touched map[string]entry) (map[string]entry, error) {
	edits := map[string]entry{}
	dir := packageDir(c.name)
	e, ok, err := r.lookup(root, dir)
	if err != nil {
		return nil, err
	}
	if !c.tree.IsZero() {
		pairs, err := r.diffTrees(e.hash, c.tree)
		for _, p := range pairs {
			touched[dir+"/"+p.path] = p.new
		}
		edits[dir] = entry{mode: modeTree, hash: c.tree}
		return edits, err
	}
	if ok {
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
	for name, h := range stored {
		edits[dir+"/"+name] = entry{mode: modeRegular, hash: h}
	}
	maps.Copy(touched, edits)
	return edits, nil
}
