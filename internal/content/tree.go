package content

import (
	"strings"

	"github.com/weld-linux/weld-bridge/internal/ostree"
)

// node is a directory that is being put together.
type node struct {
	files map[string]ostree.Checksum
	dirs  map[string]*node
}

// dir gives the directory of a path below n and makes it; nil when a part of the path cannot stand in a tree or is a file.
func (n *node) dir(path string) *node {
	for part := range strings.SplitSeq(path, "/") {
		if path == "" {
			break
		}
		if !ostree.ValidName(part) || len(part) > 255 {
			return nil
		}
		if _, isFile := n.files[part]; isFile {
			return nil
		}
		sub := n.dirs[part]
		if sub == nil {
			sub = new(node)
			if n.dirs == nil {
				n.dirs = map[string]*node{}
			}
			n.dirs[part] = sub
		}
		n = sub
	}
	return n
}

// add puts a file at a path below n. It changes nothing and tells so when the path cannot stand in a tree or is taken.
func (n *node) add(path string, file ostree.Checksum) bool {
	dir, base := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, base = path[:i], path[i+1:]
	}
	if !ostree.ValidName(base) || len(base) > 255 || !cleanPath(dir) {
		return false
	}
	d := n.dir(dir)
	if d == nil || d.files[base] != (ostree.Checksum{}) || d.dirs[base] != nil {
		return false
	}
	if d.files == nil {
		d.files = map[string]ostree.Checksum{}
	}
	d.files[base] = file
	return true
}

func cleanPath(dir string) bool {
	if dir == "" {
		return true
	}
	for part := range strings.SplitSeq(dir, "/") {
		if !ostree.ValidName(part) || len(part) > 255 {
			return false
		}
	}
	return true
}

func (n *node) empty() bool { return len(n.files) == 0 && len(n.dirs) == 0 }

// write writes the directory and all below it.
func (n *node) write(w *ostree.Writer) (tree, meta ostree.Checksum, err error) {
	var t ostree.DirTree
	for name, sum := range n.files {
		t.Files = append(t.Files, ostree.TreeFile{Name: name, File: sum})
	}
	for name, sub := range n.dirs {
		subTree, subMeta, err := sub.write(w)
		if err != nil {
			return tree, meta, err
		}
		t.Dirs = append(t.Dirs, ostree.TreeDir{Name: name, Tree: subTree, Meta: subMeta})
	}
	t.Sort()
	if meta, err = w.PutMeta(dirMeta); err != nil {
		return tree, meta, err
	}
	tree, err = w.PutTree(t)
	return tree, meta, err
}

// finder reads files of a tree by their path, and remembers the directories that it read.
type finder struct {
	from objects
	root ostree.Checksum
	dirs map[string]ostree.DirTree
}

func newFinder(from objects, root ostree.Checksum) *finder {
	return &finder{from: from, root: root, dirs: map[string]ostree.DirTree{}}
}

func (f *finder) dir(path string) (ostree.DirTree, error) {
	if d, ok := f.dirs[path]; ok {
		return d, nil
	}
	sum := f.root
	if path != "" {
		parent, base := "", path
		if i := strings.LastIndexByte(path, '/'); i >= 0 {
			parent, base = path[:i], path[i+1:]
		}
		p, err := f.dir(parent)
		if err != nil {
			return p, err
		}
		sub, ok := p.Dir(base)
		if !ok {
			return p, ErrNotFound
		}
		sum = sub.Tree
	}
	d, err := f.from.ReadTree(sum)
	if err == nil {
		f.dirs[path] = d
	}
	return d, err
}

// file gives the object of a file.
func (f *finder) file(path string) (ostree.Checksum, error) {
	dir, base := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, base = path[:i], path[i+1:]
	}
	d, err := f.dir(dir)
	if err != nil {
		return ostree.Checksum{}, err
	}
	sum, ok := d.File(base)
	if !ok {
		return sum, ErrNotFound
	}
	return sum, nil
}
