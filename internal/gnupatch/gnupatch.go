// Package gnupatch applies patch files to a tree of files as GNU patch does, without files on a disk and without running it.
//
// It reads unified and context diffs, and git's extended headers (new, deleted, renamed, copied files, modes); text around
// the diffs is skipped. It finds a hunk that has moved, tolerates fuzz, picks the file to patch from the names in the
// header, strips carriage returns of a patch that was sent by mail, and removes emptied files, all by the rules of GNU patch
// 2.7 and later. Apply changes nothing unless all hunks fit. Not applied are ed scripts, normal diffs and git's binary diffs.
package gnupatch

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Files is the tree to patch. Paths are relative, clean and slash separated.
type Files interface {
	// Read returns a regular file; ok is false when there is none. Links are not followed.
	Read(path string) (data []byte, exec, ok bool, err error)
}

// Options are the options of patch(1).
type Options struct {
	Strip       int    // -p; negative: no -p, which leaves the last part of a name
	Fuzz        int    // -F
	RemoveEmpty bool   // -E
	Reverse     bool   // -R
	Dir         string // -d
}

// Change is a file as the patch leaves it.
type Change struct {
	Path    string
	Removed bool
	Exec    bool
	Link    bool // a symbolic link, Data is its target
	Data    []byte
}

// Result is what a patch does.
type Result struct {
	Changes []Change // sorted by path, one a file
	Fuzz    int      // hunks that needed some
	Offset  int      // hunks that stood elsewhere
}

// ErrBinary marks a patch that needs git's binary diffs.
var ErrBinary = errors.New("git binary diff")

// maxPatch bounds a patch file.
const maxPatch = 256 << 20

// Apply applies a patch file to files. The error names the line of the patch, the file and the hunk that does not fit.
func Apply(files Files, patch []byte, o Options) (*Result, error) {
	if len(patch) > maxPatch {
		return nil, fmt.Errorf("patch of %d bytes is too large", len(patch))
	}
	a := &applier{files: files, o: o, over: map[string]*Change{}}
	p := newParser(patch, o)
	found := false
	for {
		d, err := p.next()
		if err != nil {
			return nil, err
		}
		if d == nil {
			break
		}
		found = true
		if err := a.diff(d); err != nil {
			return nil, fmt.Errorf("line %d: %w", d.line, err)
		}
	}
	if !found && len(patch) > 0 { // nothing at all is fine
		return nil, errors.New("no diff in the patch")
	}
	return a.result(), nil
}

// applier holds the files that the diffs so far have changed.
type applier struct {
	files  Files
	o      Options
	over   map[string]*Change
	fuzz   int
	offset int
}

func (a *applier) read(name string) (data []byte, exec, ok bool, err error) {
	if c, changed := a.over[name]; changed {
		return c.Data, c.Exec, !c.Removed, nil
	}
	return a.files.Read(name)
}

// diff applies the hunks of one file.
func (a *applier) diff(d *diff) error {
	if d.binary {
		return fmt.Errorf("%s: %w", d.anyName(), ErrBinary)
	}
	name, err := a.target(d)
	if err != nil {
		return err
	}
	data, exec, exists, err := a.read(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	creates, deletes := d.absent[0], d.absent[1]
	if !exists && creates == 0 && len(d.hunks) > 0 && len(d.hunks[0].old) > 0 {
		return fmt.Errorf("%s: no such file to patch", name)
	}
	in := splitLines(data)
	out, err := a.hunks(d, in, creates == 2 && len(data) > 0)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c := &Change{Path: name, Data: joinLines(out), Exec: exec}
	if d.mode != 0 {
		c.Exec = d.mode&0o111 != 0
		c.Link = !exists && d.mode == 0o120000
	}
	switch {
	case len(c.Data) == 0 && (deletes == 2 || a.o.RemoveEmpty && len(data) > 0):
		c.Removed = true
	case deletes == 2:
		return fmt.Errorf("%s: to be removed, but the patch does not name all of it", name)
	}
	if d.rename != "" && d.rename != name {
		target := a.join(d.rename)
		if !d.copy {
			a.over[name] = &Change{Path: name, Removed: true}
		}
		c.Path, name = target, target
	}
	a.over[name] = c
	return nil
}

// hunks places all hunks of a diff; occupied says that a file stands where one is to be created.
func (a *applier) hunks(d *diff, in []string, occupied bool) ([]string, error) {
	l := &locator{in: in}
	for i, h := range d.hunks {
		where, fuzz := 0, 0
		for most := min(a.o.Fuzz, max(h.prefix, h.suffix)); ; fuzz++ {
			if where = l.find(h, fuzz); where > 0 || fuzz >= most {
				break
			}
		}
		if where == 1 && occupied {
			return nil, errors.New("to be created, but it exists")
		}
		if where == 0 {
			return nil, fmt.Errorf("hunk %d at line %d of the patch does not fit", i+1, h.line)
		}
		if fuzz > 0 {
			a.fuzz++
		}
		if where != h.first {
			a.offset++
		}
		l.apply(h, where)
	}
	return l.finish(), nil
}

func (a *applier) join(name string) string { return path.Join(a.o.Dir, name) }

func (a *applier) result() *Result {
	r := &Result{Fuzz: a.fuzz, Offset: a.offset}
	for _, name := range sortedKeys(a.over) {
		r.Changes = append(r.Changes, *a.over[name])
	}
	return r
}

// splitLines cuts after each newline; the last line may lack one.
func splitLines(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	lines := strings.SplitAfter(string(b), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

func joinLines(lines []string) []byte {
	n := 0
	for _, l := range lines {
		n += len(l)
	}
	b := make([]byte, 0, n)
	for _, l := range lines {
		b = append(b, l...)
	}
	return b
}
