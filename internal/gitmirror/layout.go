package gitmirror

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// layout is what %setup makes of the archives.
type layout struct {
	main   int  // number of the source that the tree is made of, -1 for none
	create bool // -c: the main archive is unpacked inside of a new directory
	unpack []unpacking

	setup string // the directory of the first %setup, "" without one
	root  string // the one directory below the build directory that the tree is, "" if the tree is the build directory itself
}

// unpacking is an archive and the directory below the build directory in which %setup unpacks it.
type unpacking struct {
	source int
	dir    string
}

// layout finds out which archives %prep unpacks where.
func (s *specInfo) layout() layout {
	out := layout{main: -1}
	first := true
	for _, st := range s.steps {
		if st.kind == "gem" && st.active {
			for _, n := range s.order {
				if slices.Contains(st.words, s.sources[n]) {
					out.add(n, st.dir)
				}
			}
		}
		if st.kind != "setup" || !st.active {
			continue
		}
		opts, _ := options(st.words, setupValues)
		_, without := opts['T']
		_, create := opts['c']
		before := ""
		if create {
			before = st.dir
		}
		if first {
			out.setup, out.create, first = st.dir, create, false
			if !without {
				out.main = s.firstSource()
			}
		}
		if !without {
			out.add(s.firstSource(), before)
		}
		out.addAll(opts['b'], before)
		out.addAll(opts['a'], st.dir)
	}
	if first {
		if out.main = s.firstSource(); out.main >= 0 { // no %setup: the first source, if it is an archive
			out.add(out.main, "")
		}
	}
	if out.main < 0 && len(out.unpack) > 0 && out.unpack[0].dir == "" {
		out.main = out.unpack[0].source
	}
	return out
}

// firstSource is the number of what %setup unpacks unasked, -1 if there is nothing.
func (s *specInfo) firstSource() int {
	if _, ok := s.sources[0]; ok || len(s.order) == 0 {
		return min(0, len(s.order)-1)
	}
	return s.order[0]
}

func (l *layout) add(source int, dir string) {
	if u := (unpacking{source, dir}); !slices.Contains(l.unpack, u) {
		l.unpack = append(l.unpack, u)
	}
}

func (l *layout) addAll(numbers []string, dir string) {
	for _, v := range numbers {
		if n, err := strconv.Atoi(v); err == nil {
			l.add(n, dir)
		}
	}
}

// inTree is the directory of the tree that a directory below the build directory is.
func (l *layout) inTree(dir string) string {
	first, below, _ := strings.Cut(dir, "/")
	setup, _, _ := strings.Cut(l.setup, "/")
	switch {
	case dir == "" || dir == "." && l.root == "":
		return ""
	case l.root == "":
		return dir
	case dir == ".":
		return ".."
	case first == l.root || first == setup: // what the spec calls it may need a macro that is not known
		return below
	}
	return "../" + dir
}

// upstreamTree is what the archives unpack to, the newest time in them, and their names.
func (j *job) upstreamTree() (tree Hash, date int64, names []string, err error) {
	var parts []part
	for _, u := range j.lay.unpack {
		name := j.info.sources[u.source]
		st := j.stored[name]
		if st == nil || st.tree.IsZero() {
			continue
		}
		dir := path.Join(u.dir, st.recipe.Top)
		if why := tarmodel.Unsafe(dir); dir != "" && why != "" {
			j.note("%s: unpacked in %q: %s, kept out of the tree", name, dir, why)
			continue
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		date = max(date, st.recipe.MTime)
		parts = append(parts, part{dir, st.tree})
	}
	if len(parts) == 0 {
		j.lay.root, _, _ = strings.Cut(j.lay.setup, "/")
		return j.plainTree()
	}
	tree, j.lay.root, err = j.r.assemble(parts)
	return tree, date, names, err
}

// part is a tree and where it belongs.
type part struct {
	dir  string
	tree Hash
}

// assemble puts trees into their directories, one over the other as tar unpacks them. If all is in one directory, that
// is the result, and root its name.
func (r *repo) assemble(parts []part) (tree Hash, root string, err error) {
	for i, p := range parts {
		top := []string{p.dir}
		if p.dir == "" {
			if top, err = r.directories(p.tree); err != nil {
				return tree, "", err
			}
		}
		first := ""
		if len(top) == 1 {
			first, _, _ = strings.Cut(top[0], "/")
		}
		if i == 0 {
			root = first
		} else if first != root {
			root = ""
		}
	}
	for _, p := range parts {
		dir := p.dir
		switch {
		case root == "":
		case dir == "":
			e, _, err := r.lookup(p.tree, root)
			if err != nil {
				return tree, root, err
			}
			p.tree = e.hash
		default:
			_, dir, _ = strings.Cut(dir, "/")
		}
		if tree.IsZero() && dir == "" {
			tree = p.tree
		} else if tree, err = r.overlay(tree, dir, p.tree); err != nil {
			return tree, root, err
		}
	}
	return tree, root, nil
}

// directories names what stands in the top of a tree, nothing if there is something else than directories.
func (r *repo) directories(tree Hash) ([]string, error) {
	entries, err := r.readTree(tree)
	var names []string
	for _, e := range entries {
		if e.mode != modeTree {
			return nil, err
		}
		names = append(names, e.name)
	}
	return names, err
}

// overlay unpacks one tree over another in a directory of that, as tar does.
func (r *repo) overlay(under Hash, dir string, over Hash) (Hash, error) {
	files, err := r.listTree(over)
	if err != nil {
		return under, err
	}
	edits := make(map[string]entry, len(files))
	for _, f := range files {
		edits[path.Join(dir, f.name)] = f
	}
	return r.editTree(under, edits)
}
