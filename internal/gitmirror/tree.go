package gitmirror

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// The modes of tree entries.
const (
	modeTree    = 0o40000
	modeRegular = 0o100644
	modeExec    = 0o100755
	modeLink    = 0o120000
	modeCommit  = 0o160000 // of a submodule
)

// entry is one line of a tree object; in a flat list, name is a path.
type entry struct {
	name string
	mode uint32
	hash Hash
}

// compareEntries orders the entries of a tree as git does: a directory as if its name ended in a slash.
func compareEntries(a, b entry) int {
	n := min(len(a.name), len(b.name))
	if c := strings.Compare(a.name[:n], b.name[:n]); c != 0 {
		return c
	}
	return int(a.after(n)) - int(b.after(n))
}

// after is the byte behind the first n of the name, as git orders it.
func (e entry) after(n int) byte {
	switch {
	case n < len(e.name):
		return e.name[n]
	case e.mode == modeTree:
		return '/'
	}
	return 0
}

// readTree returns the entries of one tree object.
func (r *repo) readTree(h Hash) ([]entry, error) {
	data, err := r.read(h, gitpack.Tree)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for len(data) > 0 {
		head, rest, ok := bytes.Cut(data, []byte{0})
		mode, name, ok2 := strings.Cut(string(head), " ")
		m, err := strconv.ParseUint(mode, 8, 32)
		if !ok || !ok2 || err != nil || len(rest) < len(Hash{}) {
			return nil, fmt.Errorf("tree %s: damaged", h)
		}
		entries = append(entries, entry{name, uint32(m), Hash(rest[:20])})
		data = rest[20:]
	}
	return entries, nil
}

// addTree stores one tree object.
func (r *repo) addTree(entries []entry) (Hash, error) {
	return r.add(gitpack.Tree, encodeTree(entries))
}

// addEdited stores a tree that has come of another, of which it is a small change if it is large.
func (r *repo) addEdited(entries []entry, old Hash) (Hash, error) {
	const large = 16 << 10
	data := encodeTree(entries)
	if len(data) < large {
		return r.add(gitpack.Tree, data)
	}
	w, err := r.writer()
	if err != nil {
		return Hash{}, err
	}
	return w.AddChanged(gitpack.Tree, data, old)
}

func encodeTree(entries []entry) []byte {
	slices.SortFunc(entries, compareEntries)
	size := 0
	for _, e := range entries {
		size += len("100644 ") + len(e.name) + 1 + len(e.hash)
	}
	b := make([]byte, 0, size)
	for _, e := range entries {
		b = append(strconv.AppendUint(b, uint64(e.mode), 8), ' ')
		b = append(append(b, e.name...), 0)
		b = append(b, e.hash[:]...)
	}
	return b
}

// maxTreeDepth bounds how deep a tree is, as git's core.maxTreeDepth does. A path that tarmodel.Unsafe lets pass is not so deep.
const maxTreeDepth = 2048

// listTree returns all files below a tree with their paths, in the order of paths by bytes.
func (r *repo) listTree(root Hash) ([]entry, error) {
	var all []entry
	var walk func(h Hash, prefix string, depth int) error
	walk = func(h Hash, prefix string, depth int) error {
		if depth > maxTreeDepth {
			return fmt.Errorf("tree %s: too deep", root)
		}
		entries, err := r.readTree(h)
		if err != nil {
			return err
		}
		for _, e := range entries {
			path := prefix + e.name
			if e.mode == modeTree {
				if err := walk(e.hash, path+"/", depth+1); err != nil {
					return err
				}
				continue
			}
			all = append(all, entry{path, e.mode, e.hash})
		}
		return nil
	}
	err := walk(root, "", 0)
	return all, err
}

// buildTree stores the trees above files that are sorted by path, and returns the root.
func (r *repo) buildTree(files []entry) (Hash, error) {
	h, _, err := r.buildBelow(files, "")
	return h, err
}

func (r *repo) buildBelow(files []entry, prefix string) (Hash, int, error) {
	var entries []entry
	i := 0
	for i < len(files) && strings.HasPrefix(files[i].name, prefix) {
		f := files[i]
		name, _, deeper := strings.Cut(f.name[len(prefix):], "/")
		if !deeper {
			entries = append(entries, entry{name, f.mode, f.hash})
			i++
			continue
		}
		h, n, err := r.buildBelow(files[i:], prefix+name+"/")
		if err != nil {
			return h, 0, err
		}
		entries = append(entries, entry{name, modeTree, h})
		i += n
	}
	h, err := r.addTree(entries)
	return h, i, err
}

// editTree returns root with changes made: path to entry, a zero hash removes the path. Directories that become empty go.
// Only the trees on the way are read and written. A zero root is an empty tree.
func (r *repo) editTree(root Hash, changes map[string]entry) (Hash, error) {
	h, _, err := r.editBelow(root, changes)
	return h, err
}

func (r *repo) editBelow(h Hash, changes map[string]entry) (Hash, bool, error) {
	var entries []entry
	if !h.IsZero() {
		var err error
		if entries, err = r.readTree(h); err != nil {
			return h, false, err
		}
	}
	here, below := byDepth(changes)
	kept := make([]entry, 0, len(entries)+len(changes))
	isTree := map[string]bool{} // what stands below a name goes before what is to stand there
	for _, e := range entries {
		if sub, ok := below[e.name]; ok {
			old := e.hash
			if e.mode != modeTree {
				old = Hash{}
			}
			delete(below, e.name)
			h, empty, err := r.editBelow(old, sub)
			if err != nil {
				return h, false, err
			}
			if !empty {
				kept, isTree[e.name] = append(kept, entry{e.name, modeTree, h}), true
			}
			continue
		}
		if _, ok := here[e.name]; !ok {
			kept = append(kept, e)
		}
	}
	for name, sub := range below {
		h, empty, err := r.editBelow(Hash{}, sub)
		if err != nil {
			return h, false, err
		}
		if !empty {
			kept, isTree[name] = append(kept, entry{name, modeTree, h}), true
		}
	}
	for name, e := range here {
		if !e.hash.IsZero() && !isTree[name] {
			kept = append(kept, entry{name, e.mode, e.hash})
		}
	}
	if len(kept) == 0 && len(changes) > 0 {
		return Hash{}, true, nil
	}
	out, err := r.addEdited(kept, h)
	return out, false, err
}

// byDepth tells the changes of a tree's own entries from those below them.
func byDepth(changes map[string]entry) (here map[string]entry, below map[string]map[string]entry) {
	here, below = map[string]entry{}, map[string]map[string]entry{}
	for path, e := range changes {
		name, rest, deeper := strings.Cut(path, "/")
		if !deeper {
			here[name] = e
			continue
		}
		if below[name] == nil {
			below[name] = map[string]entry{}
		}
		below[name][rest] = e
	}
	return here, below
}

// lookup finds what stands at a path below root; ok is false when nothing does.
func (r *repo) lookup(root Hash, path string) (e entry, ok bool, err error) {
	if root.IsZero() {
		return e, false, nil
	}
	e = entry{mode: modeTree, hash: root}
	for part := range strings.SplitSeq(path, "/") {
		if e.mode != modeTree {
			return e, false, nil
		}
		entries, err := r.readTree(e.hash)
		if err != nil {
			return e, false, err
		}
		i := slices.IndexFunc(entries, func(e entry) bool { return e.name == part })
		if i < 0 {
			return e, false, nil
		}
		e = entries[i]
	}
	return e, true, nil
}

var gitModes = map[tarmodel.Mode]uint32{tarmodel.Regular: modeRegular, tarmodel.Executable: modeExec, tarmodel.Symlink: modeLink}

// fromTar and toTar translate the files of an archive.
func fromTar(files []tarmodel.File) []entry {
	list := make([]entry, len(files))
	for i, f := range files {
		list[i] = entry{f.Path, gitModes[f.Mode], Hash(f.Hash)}
	}
	return list
}

func toTar(files []entry) []tarmodel.File {
	list := make([]tarmodel.File, len(files))
	for i, f := range files {
		list[i] = tarmodel.File{Path: f.name, Hash: tarmodel.Hash(f.hash)}
		switch f.mode {
		case modeExec:
			list[i].Mode = tarmodel.Executable
		case modeLink:
			list[i].Mode = tarmodel.Symlink
		}
	}
	return list
}
