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

// Walk adds to seen all that a commit reaches: its parents, as far as they are there, its trees and files. What is in seen
// already is not entered again. Files are not opened.
func (r Reader) Walk(ctx context.Context, commit Checksum, seen *Set) error {
	for child := false; !commit.IsZero() && seen.Add(Object{TypeCommit, commit}); {
		c, err := r.ReadCommit(commit)
		if err != nil && child && errors.Is(err, ErrNotFound) {
			seen.Remove(Object{TypeCommit, commit})
			return nil
		}
		if err != nil {
			return err
		}
		seen.Add(Object{TypeDirMeta, c.Meta})
		if err := r.WalkTree(ctx, c.Tree, seen); err != nil {
			return fmt.Errorf("commit %s: %w", commit, err)
		}
		commit, child = c.Parent, true
	}
	return nil
}

// WalkTree adds to seen all that a directory reaches.
func (r Reader) WalkTree(ctx context.Context, tree Checksum, seen *Set) error {
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

// Reachable gives all that the references reach.
func (r *Repo) Reachable(ctx context.Context) (*Set, error) {
	seen := NewSet()
	roots, err := r.roots()
	if err != nil {
		return seen, err
	}
	for name, commit := range roots {
		if err := r.Walk(ctx, commit, seen); err != nil {
			return seen, fmt.Errorf("reference %s: %w", name, err)
		}
	}
	return seen, nil
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
// The caller has the exclusive lock. hold, which may be nil, puts more into the set of what is kept: what references elsewhere reach.
func (r *Repo) Prune(ctx context.Context, dry bool, hold func(keep *Set) error) (p Pruned, err error) {
	keep, err := r.Reachable(ctx)
	if err == nil && hold != nil {
		err = hold(keep)
	}
	if err != nil {
		return p, err
	}
	var garbage [len(extensions)][]Checksum
	for o, err := range r.Objects() {
		if err != nil {
			return p, err
		}
		if keep.Has(o) {
			p.Kept++
			continue
		}
		size, err := r.StoredSize(o)
		if err != nil {
			return p, err
		}
		p.Objects++
		p.Bytes += size
		garbage[o.Type] = append(garbage[o.Type], o.Checksum)
	}
	if dry {
		return p, nil
	}
	r.removeStale()
	garbage[TypeDirTree] = r.parentsFirst(garbage[TypeDirTree])
	for _, t := range []Type{TypeCommit, TypeDirTree, TypeDirMeta, TypeFile} {
		if err := r.removeObjects(ctx, t, garbage[t]); err != nil {
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
			os.Remove(r.path("state", sum.String()+".commitpartial"))
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
