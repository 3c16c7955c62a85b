package tarmodel

import (
	"fmt"
	"slices"
	"strings"
)

// Tree is the git tree that an archive unpacks to.
type Tree struct {
	Files []File   // sorted by path
	Extra []Hash   // contents that no file holds: second copies of a name, names that git refuses
	Notes []string // what was left out and why, in the order of the archive

	prefix string // what stands before the paths in the archive
	strip  string // the part of it that is a directory, "" if none
	// bareDirs says that directories are spelled without a final slash, as old archives do.
	bareDirs bool
}

// Top is the one directory of the archive that the paths leave out, "" if none.
func (t *Tree) Top() string { return t.strip }

// maxNotes bounds the notes of a hostile archive.
const maxNotes = 20

// Tree decides which member becomes which file. With strip, a single top directory that holds all members is left out, as a
// repository has it. Names that git or a file system cannot hold safely stay in the recipe; links are never followed.
// A name with a ".." component or a hard link that leads out of the archive is an error.
func (a *Archive) Tree(strip bool) (*Tree, error) {
	t := &Tree{}
	if strip {
		t.strip = a.topDirectory()
	}
	t.prefix = a.spelledPrefix(t.strip)
	t.bareDirs = a.hasBareDirs()
	winner := map[string]int{} // path -> entry
	linkHash := map[string]Hash{}
	for i := range a.Entries {
		e := &a.Entries[i]
		path, err := t.place(e)
		if err != nil {
			return nil, err
		}
		if e.Type == '1' {
			target, err := cleanName(e.Link)
			if err != nil {
				return nil, fmt.Errorf("%q: link: %w", e.Name, err)
			}
			e.Hash = linkHash[target]
			if e.Hash == (Hash{}) {
				t.note("%q: hard link to %q, which the archive does not hold before it", e.Name, e.Link)
				continue
			}
		}
		if clean, err := cleanName(e.Name); err == nil && isFile(e.Type) {
			linkHash[clean] = e.Hash
		}
		if path == "" || !isFile(e.Type) && e.Type != '2' {
			continue
		}
		if _, twice := winner[path]; twice {
			t.note("%q: stands in the archive more than once, the last one counts", e.Name)
		}
		winner[path] = i
	}
	t.settle(a, winner)
	return t, nil
}

// settle makes the list of files out of the winners: a file whose parent is a file or a link stays out.
func (t *Tree) settle(a *Archive, winner map[string]int) {
	t.Files = make([]File, 0, len(winner))
	for path, i := range winner {
		e := &a.Entries[i]
		blocked := false
		for j := range path {
			if path[j] == '/' {
				if _, ok := winner[path[:j]]; ok {
					blocked = true
				}
			}
		}
		if blocked {
			continue
		}
		f := File{Path: path, Hash: e.Hash}
		switch {
		case e.Type == '2':
			f.Mode = Symlink
		case e.Exec:
			f.Mode = Executable
		}
		t.Files = append(t.Files, f)
	}
	if len(t.Files) != len(winner) {
		t.note("%d names lie below a name that is not a directory; they are kept out of the tree", len(winner)-len(t.Files))
	}
	slices.SortFunc(t.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	seen := map[Hash]bool{}
	for _, f := range t.Files {
		seen[f.Hash] = true
	}
	for i := range a.Entries {
		e := &a.Entries[i]
		if mayHaveContent(e.Type) && e.Hash != (Hash{}) && !seen[e.Hash] {
			seen[e.Hash] = true
			t.Extra = append(t.Extra, e.Hash)
		}
	}
}

// place says at which path an entry stands in the tree, "" for nowhere.
func (t *Tree) place(e *Entry) (string, error) {
	path, err := cleanName(e.Name)
	if err != nil {
		return "", fmt.Errorf("%q: %w", e.Name, err)
	}
	if strings.HasPrefix(e.Name, "/") {
		t.note("%q: absolute name, taken as relative", e.Name)
	}
	if t.strip != "" {
		if path == t.strip {
			return "", nil
		}
		path = strings.TrimPrefix(path, t.strip+"/")
	}
	switch e.Type {
	case '3', '4', '6':
		t.note("%q: device or pipe, kept out of the tree", e.Name)
		return "", nil
	case '5':
		return path, nil
	}
	why := Unsafe(path)
	if why == "" && e.Type == '2' {
		why = UnsafeLink(path, e.Link)
	}
	if why != "" {
		t.note("%q: %s, kept out of the tree", e.Name, why)
		return "", nil
	}
	if e.Type == '2' && leadsOut(path, e.Link) {
		t.note("%q: symbolic link out of the tree (%q), kept as a link and never followed", e.Name, e.Link)
	}
	if !isFile(e.Type) && e.Type != '2' {
		t.note("%q: member of type %q, kept out of the tree", e.Name, e.Type)
	}
	return path, nil
}

// Drop keeps those files out of the tree after all for which refused gives a reason.
func (t *Tree) Drop(refused func(File) (why string, err error)) error {
	var dropped []Hash
	kept := make([]File, 0, len(t.Files))
	for _, f := range t.Files {
		why, err := refused(f)
		if err != nil {
			return err
		}
		if why == "" {
			kept = append(kept, f)
			continue
		}
		dropped = append(dropped, f.Hash)
		t.note("%q: %s, kept out of the tree", f.Path, why)
	}
	if len(dropped) == 0 {
		return nil
	}
	t.Files = kept
	held := map[Hash]bool{}
	for _, f := range kept {
		held[f.Hash] = true
	}
	for _, h := range t.Extra {
		held[h] = true
	}
	for _, h := range dropped {
		if !held[h] {
			held[h] = true
			t.Extra = append(t.Extra, h)
		}
	}
	return nil
}

func (t *Tree) note(format string, args ...any) {
	switch {
	case len(t.Notes) < maxNotes:
		t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
	case len(t.Notes) == maxNotes:
		t.Notes = append(t.Notes, "and more of the kind")
	}
}

func isLink(typ byte) bool { return typ == '1' || typ == '2' }

// mayHaveContent tells the members whose content counts from links, devices, directories and pipes.
func mayHaveContent(typ byte) bool { return typ < '1' || typ > '6' }

func isFile(typ byte) bool { return typ == '0' || typ == '7' || typ == '1' }

// topDirectory is the directory that holds all members, "" if there is none.
func (a *Archive) topDirectory() string {
	top := ""
	for i := range a.Entries {
		e := &a.Entries[i]
		path, err := cleanName(e.Name)
		if err != nil {
			return ""
		}
		if path == "" {
			continue
		}
		first, _, deeper := strings.Cut(path, "/")
		if top != "" && first != top || !deeper && e.Type != '5' {
			return ""
		}
		top = first
	}
	return top
}

// spelledPrefix is how the archive spells what stands before the paths of the tree: "./", "hello-2.12/", "./hello-2.12/".
func (a *Archive) spelledPrefix(strip string) string {
	dotted := 0
	for i := range a.Entries {
		if strings.HasPrefix(a.Entries[i].Name, "./") {
			dotted++
		}
	}
	prefix := ""
	if dotted*2 > len(a.Entries) {
		prefix = "./"
	}
	if strip != "" {
		prefix += strip + "/"
	}
	return prefix
}

func (a *Archive) hasBareDirs() bool {
	bare, slashed := 0, 0
	for i := range a.Entries {
		if e := &a.Entries[i]; e.Type == '5' {
			if strings.HasSuffix(e.Name, "/") {
				slashed++
			} else {
				bare++
			}
		}
	}
	return bare > slashed
}

// cleanName makes a relative path without "." and empty components; ".." is an error.
func cleanName(name string) (string, error) {
	if isClean(name) {
		return name, nil
	}
	parts := strings.Split(name, "/")
	kept := parts[:0]
	for _, p := range parts {
		switch p {
		case "", ".":
		case "..":
			return "", fmt.Errorf("name leads out of the archive")
		default:
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "/"), nil
}

func isClean(name string) bool {
	return name != "" && name[0] != '/' && name[0] != '.' && name[len(name)-1] != '/' &&
		!strings.Contains(name, "//") && !strings.Contains(name, "/.")
}

// leadsOut reports whether a symbolic link at path points outside of the tree, judged by the text alone.
func leadsOut(path, target string) bool {
	if strings.HasPrefix(target, "/") {
		return true
	}
	depth := strings.Count(path, "/")
	for p := range strings.SplitSeq(target, "/") {
		switch p {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}
