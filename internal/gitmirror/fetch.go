package gitmirror

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/gitpack"
)

// fetch brings the objects of the other mirror and moves references. The objects are copied beside the mirror's own and proven there first.
func (g *merging) fetch(ctx context.Context, s *side, moves map[string]Hash) error {
	spool, err := os.MkdirTemp(g.r.dir, "srpm2git.spool-")
	if err != nil {
		return failed("fetch", "spool", err)
	}
	defer os.RemoveAll(spool)
	if err := os.MkdirAll(filepath.Join(spool, "refs"), 0o777); err != nil {
		return failed("fetch", "spool", err)
	}
	files, err := copyObjects(ctx, s.r.dir, spool)
	if err != nil {
		return failed("fetch", "mirror", err)
	}
	staged, err := openRepo(spool)
	if err != nil {
		return failed("fetch", "mirror", err)
	}
	defer staged.Close()
	staged.view = s.refs
	for name, h := range moves {
		if err := checkRefName(name); err != nil {
			return failed("verify", "damaged", err)
		}
		if err := staged.whole(ctx, h); err != nil {
			return failed("verify", "damaged", fmt.Errorf("%s: %w", name, err))
		}
	}
	if g.Prove {
		if _, err := staged.verify(ctx, g.im.Encoders); err != nil {
			return failed("prove", "differs", err)
		}
	}
	if err := moveObjects(spool, g.r.dir, files); err != nil {
		return failed("publish", "git", err)
	}
	g.r.reopen()
	return failed("publish", "git", g.r.update(moves))
}

// copyObjects copies the files that hold the objects of a repository, durably, and names them: each index before its pack, as writers publish them.
func copyObjects(ctx context.Context, from, to string) (files []string, err error) {
	for _, pattern := range []string{"objects/pack/pack-*.idx", "objects/[0-9a-f][0-9a-f]/*"} {
		found, err := glob(from, pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			if pack, ok := strings.CutSuffix(name, ".idx"); ok {
				if _, err := os.Stat(filepath.Join(from, pack+".pack")); errors.Is(err, fs.ErrNotExist) {
					continue // what a crash left
				}
				files = append(files, name, pack+".pack")
			} else if len(filepath.Base(name)) == 2*len(Hash{})-2 {
				files = append(files, name)
			}
		}
	}
	for _, name := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := copyObject(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return nil, err
		}
	}
	return files, os.MkdirAll(filepath.Join(to, "objects"), 0o777)
}

func copyObject(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// moveObjects puts proven files among the objects of a repository. Files of one name hold the same objects.
func moveObjects(from, to string, files []string) error {
	dirs := map[string]bool{}
	for _, name := range files {
		path := filepath.Join(to, name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		dirs[filepath.Dir(path)] = true
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(from, name), path); err != nil {
			return err
		}
	}
	for dir := range dirs {
		if err := atomicfile.SyncDir(dir); err != nil {
			return err
		}
	}
	return atomicfile.SyncDir(filepath.Join(to, "objects"))
}

// whole fails unless everything that h refers to is there and is what its name says.
func (r *repo) whole(ctx context.Context, h Hash) error {
	if r.proven == nil {
		r.proven = map[Hash]bool{}
	}
	queue := []object{{data: h[:]}}
	for len(queue) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		next := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		h := Hash(next.data)
		if r.proven[h] {
			continue
		}
		r.proven[h] = true
		below, err := r.proveObject(h, next.typ)
		if err != nil {
			return err
		}
		queue = append(queue, below...)
	}
	return nil
}

// proveObject compares an object with its name and gives what it refers to, each as its kind and its name; 0 stands for a commit or a tag.
func (r *repo) proveObject(h Hash, t gitpack.Type) ([]object, error) {
	if t == gitpack.Blob {
		return nil, r.proveBlob(h)
	}
	if t == 0 {
		t = gitpack.Commit
		if _, _, err := r.readTag(h); err == nil {
			t = gitpack.Tag
		}
	}
	data, err := r.read(h, t)
	if err != nil {
		return nil, err
	}
	if gitpack.Sum(t, data) != h {
		return nil, fmt.Errorf("%s %s: damaged", t, h)
	}
	var below []object
	add := func(t gitpack.Type, h Hash) { below = append(below, object{t, slices.Clone(h[:])}) }
	switch t {
	case gitpack.Tag:
		target, _, err := r.readTag(h)
		add(0, target)
		return below, err
	case gitpack.Commit:
		c, err := r.readCommit(h)
		add(gitpack.Tree, c.tree)
		for _, p := range c.parents {
			add(gitpack.Commit, p)
		}
		return below, err
	}
	entries, err := r.readTree(h)
	for _, e := range entries {
		switch e.mode {
		case modeTree:
			add(gitpack.Tree, e.hash)
		case modeCommit: // of another repository
		default:
			add(gitpack.Blob, e.hash)
		}
	}
	return below, err
}

func (r *repo) proveBlob(h Hash) error {
	size, in, err := r.open(h, gitpack.Blob)
	if err != nil {
		return err
	}
	defer in.Close()
	sum := sha1.New()
	fmt.Fprintf(sum, "blob %d\x00", size)
	if _, err := io.Copy(sum, in); err != nil {
		return fmt.Errorf("blob %s: %w", h, err)
	}
	if Hash(sum.Sum(nil)) != h {
		return fmt.Errorf("blob %s: damaged", h)
	}
	return nil
}
