package repo

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// task is one package file that goes into the metadata.
type task struct {
	full  string // path to open
	base  string // last element of the path
	dir   string // the rest of it, which orders files of the same name
	href  string // where clients find it
	media int    // number of the medium in split mode, 0 otherwise
}

// sortTasks puts tasks into the order of the metadata: by file name, then by directory.
func sortTasks(tasks []task) {
	slices.SortStableFunc(tasks, func(a, b task) int {
		return cmp.Or(strings.Compare(a.base, b.base), strings.Compare(a.dir, b.dir))
	})
}

// walker collects package files below a directory.
type walker struct {
	opts  *CreateOptions
	root  string // ends in a slash
	tasks []task
}

// walk visits dir, whose path has no slash at its end. above are the directories that lead to it.
func (w *walker) walk(dir string, above []os.FileInfo) {
	info, err := os.Stat(dir + "/")
	if err != nil || slices.ContainsFunc(above, func(up os.FileInfo) bool { return os.SameFile(up, info) }) {
		return // a link to a directory that contains it
	}
	entries, err := os.ReadDir(dir + "/")
	if err != nil {
		w.opts.warnf("cannot open directory: %v", err)
		return
	}
	above = append(above, info)
	for _, e := range entries {
		if w.opts.excluded(e.Name()) {
			continue
		}
		path := dir + "/" + e.Name()
		mode := e.Type()
		link := mode&os.ModeSymlink != 0
		if link {
			info, err := os.Stat(path)
			if err != nil {
				continue
			}
			mode = info.Mode().Type()
		}
		switch {
		case mode.IsDir():
			w.walk(path, above)
		case !mode.IsRegular(), link && w.opts.SkipSymlinks:
		case isModules(path):
			w.opts.warnf("module metadata is not merged, ignoring %s", path)
		case strings.HasSuffix(e.Name(), ".rpm") && !w.opts.excluded(path[len(w.root):]):
			w.tasks = append(w.tasks, task{full: path, base: e.Name(), dir: dir, href: path[len(w.root):]})
		}
	}
}

// isModules tells the files that libmodulemd would merge.
func isModules(path string) bool {
	for _, name := range []string{"modules.yaml", ".modulemd.yaml", ".modulemd-defaults.yaml"} {
		if strings.Contains(path, name) {
			return true
		}
	}
	return false
}

// listed makes tasks of the paths of a list, which are relative to root.
func (w *walker) listed(paths []string) {
	for _, path := range paths {
		if isModules(path) {
			w.opts.warnf("module metadata is not merged, ignoring %s", path)
			continue
		}
		if w.opts.excluded(path) {
			continue
		}
		// A slash at the very start does not separate anything.
		cut := max(strings.LastIndexByte(path, '/'), 0)
		base := path
		if cut > 0 {
			base = path[cut+1:]
		}
		w.tasks = append(w.tasks, task{full: w.root + path, base: base, dir: path[:cut], href: path})
	}
}

// normalDir makes path end in exactly one slash.
func normalDir(path string) string {
	if path == "" {
		return "./"
	}
	return strings.TrimRight(path, "/") + "/"
}

// cutDirs drops the first n directories of path; the file name always stays.
func cutDirs(path string, n int) string {
	for ; n > 0; n-- {
		_, rest, ok := strings.Cut(strings.TrimLeft(path, "/"), "/")
		if !ok {
			break
		}
		path = strings.TrimLeft(rest, "/")
	}
	return path
}

// mediaBase returns the base of locations on the given medium of a set.
func mediaBase(media string, base string) string {
	switch {
	case base == "":
		return "media:#" + media
	case strings.HasSuffix(base, "://"):
		return strings.TrimSuffix(base, "//") + "#" + media
	}
	return base + "#" + media
}

// globMatch matches whole names: * stands for any characters, slashes too, and ? for one.
func globMatch(pattern, name string) bool {
	star, back := -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, back = p, n
			p++
		case p < len(pattern) && pattern[p] == '?':
			_, size := utf8.DecodeRuneInString(name[n:])
			p++
			n += size
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			back++
			p, n = star+1, back
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// cleanHref drops the "./" that lists may put before a path.
func cleanHref(href string) string {
	for strings.HasPrefix(href, "./") {
		href = href[2:]
	}
	return href
}

// joinPrefix puts prefix before href with one slash between them.
func joinPrefix(prefix, href string) string {
	if prefix == "" {
		return href
	}
	if trimmed := strings.TrimRight(prefix, "/"); trimmed != "" {
		return trimmed + "/" + strings.TrimLeft(href, "/")
	}
	return "/" + strings.TrimLeft(href, "/")
}

// within reports whether path is dir or below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}
