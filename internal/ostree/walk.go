package ostree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
)

// Seen is the objects that a walk has come by: a Set, or Marks.
type Seen interface {
	// Add tells whether the object is new. Of a directory or commit it must be right.
	Add(o Object) bool
}

// Walk adds to seen all that a commit reaches: its parents, as far as they are there, its trees and files. What is in seen
// already is not entered again. Files are not opened.
func (r Reader) Walk(ctx context.Context, commit Checksum, seen Seen) error {
	for child := false; !commit.IsZero(); child = true {
		c, err := r.ReadCommit(commit)
		if child && errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if !seen.Add(Object{TypeCommit, commit}) {
			return nil
		}
		seen.Add(Object{TypeDirMeta, c.Meta})
		if err := r.WalkTree(ctx, c.Tree, seen); err != nil {
			return fmt.Errorf("commit %s: %w", commit, err)
		}
		commit = c.Parent
	}
	return nil
}

// WalkTree adds to seen all that a directory reaches.
func (r Reader) WalkTree(ctx context.Context, tree Checksum, seen Seen) error {
	todo := []Checksum{tree}
	for len(todo) > 0 {
		tree, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if !seen.Add(Object{TypeDirTree, tree}) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		d, err := r.ReadTree(tree)
		if err != nil {
			return err
		}
		for _, f := range d.Files {
			seen.Add(Object{TypeFile, f.File})
		}
		for _, sub := range d.Dirs {
			seen.Add(Object{TypeDirMeta, sub.Meta})
			todo = append(todo, sub.Tree)
		}
	}
	return nil
}

// Reachable adds to seen all that the references reach.
func (r *Repo) Reachable(ctx context.Context, seen Seen) error {
	roots, err := r.roots()
	if err != nil {
		return err
	}
	for name, commit := range roots {
		if err := r.Walk(ctx, commit, seen); err != nil {
			return fmt.Errorf("reference %s: %w", name, err)
		}
	}
	return nil
}

// Objects gives the objects that are there, a fan-out directory at a time.
func (r *Repo) Objects() iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		fanout, err := os.ReadDir(r.path("objects"))
		if err != nil {
			yield(Object{}, err)
			return
		}
		for _, d := range fanout {
			if len(d.Name()) != 2 || !d.IsDir() {
				continue
			}
			files, err := os.ReadDir(r.path("objects", d.Name()))
			if err != nil && !yield(Object{}, err) {
				return
			}
			for _, f := range files {
				if o, ok := parsePath(d.Name(), f.Name()); ok && !yield(o, nil) {
					return
				}
			}
		}
	}
}

// Pruned tells what Prune did, or would do.
type Pruned struct {
	Objects int   `json:"objects"` // removed
	Bytes   int64 `json:"bytes"`   // that they took
	Kept    int   `json:"kept"`
}

// Prune removes the objects that no reference reaches. Parents go before their children, so an interrupted run leaves no directory with something
// missing below it. A dry run removes nothing. An object that is reachable but missing or damaged stops it before anything is removed.
// The caller has the exclusive lock. spare, which may be nil, takes from the garbage what is needed elsewhere.
func (r *Repo) Prune(ctx context.Context, dry bool, spare func(garbage *Set) error) (p Pruned, err error) {
	keep, garbage := NewMarks(), NewSet()
	if err := r.Reachable(ctx, keep); err != nil {
		return p, err
	}
	for o, err := range r.Objects() {
		if err != nil {
			return p, err
		}
		if p.Kept++; !keep.Has(o) {
			garbage.Add(o)
		}
	}
	if spare != nil {
		if err := spare(garbage); err != nil {
			return p, err
		}
	}
	var gone [len(extensions)][]Checksum
	if err := garbage.Each(func(o Object) error {
		size, err := r.StoredSize(o)
		p.Bytes += size
		gone[o.Type] = append(gone[o.Type], o.Checksum)
		return err
	}); err != nil {
		return p, err
	}
	p.Objects = garbage.Len()
	p.Kept -= p.Objects
	if dry {
		return p, nil
	}
	r.removeStale(true)
	gone[TypeDirTree] = r.parentsFirst(gone[TypeDirTree])
	for _, t := range []Type{TypeCommit, TypeDirTree, TypeDirMeta, TypeFile} {
		if err := r.removeObjects(ctx, t, gone[t]); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (r *Repo) removeObjects(ctx context.Context, t Type, sums []Checksum) error {
	dirs := map[string]bool{}
	for _, sum := range sums {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := r.path("objects", Object{t, sum}.path())
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if t == TypeCommit { // what is said about a commit outside of it
			os.Remove(path + "meta")
			os.Remove(r.partialPath(sum))
		}
		dirs[filepath.Dir(path)] = true
	}
	return r.syncDirs(dirs)
}

// parentsFirst orders directories so that each comes before those that it contains. Unreadable ones come first.
func (r *Repo) parentsFirst(trees []Checksum) []Checksum {
	place := make(map[Checksum]uint32, len(trees))
	for i, sum := range trees {
		place[sum] = uint32(i)
	}
	children := make([][]uint32, len(trees)) // those among trees
	parents := make([]uint32, len(trees))    // how many of them
	for i, sum := range trees {
		d, err := r.ReadTree(sum)
		if err != nil {
			continue
		}
		for _, sub := range d.Dirs {
			if child, ok := place[sub.Tree]; ok {
				children[i] = append(children[i], child)
				parents[child]++
			}
		}
	}
	ordered := make([]Checksum, 0, len(trees))
	var ready []uint32
	for i := range trees {
		if parents[i] == 0 {
			ready = append(ready, uint32(i))
		}
	}
	for len(ready) > 0 {
		tree := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		ordered = append(ordered, trees[tree])
		for _, child := range children[tree] {
			if parents[child]--; parents[child] == 0 {
				ready = append(ready, child)
			}
		}
	}
	return ordered
}
