package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// rebuild gives a version its place among those of the mirror: all of them are committed again, in the order in which
// they were imported, with the new one before the first newer version of its branch. The references become those of an
// import in that order. Nothing that people or pulls have put on the branches is lost: such a mirror is refused.
func (j *job) rebuild(ctx context.Context, f *os.File) error {
	r := j.r
	before, err := r.refs("refs/")
	if err != nil {
		return failed("order", "version", err)
	}
	order, err := r.importOrder()
	if err == nil {
		err = r.onlyImports(order, before)
	}
	if err != nil {
		return failed("order", "rebuild", fmt.Errorf("%s cannot take its place: %w", nevrName(j.s.nevra), err))
	}
	old, err := r.openPristine()
	if err != nil {
		return failed("store", "mirror", err)
	}
	r.view = map[string]Hash{}
	newest := j
	placed := false
	for _, t := range order {
		if !placed && t.branch == j.im.branch("distro") && t.evr.Compare(j.s.evr()) > 0 {
			placed = true
			if err := j.replay(ctx, f, old); err != nil {
				return err
			}
		}
		if newest, err = j.replayOld(ctx, t, old); err != nil {
			return err
		}
	}
	refs := r.view
	r.view = nil
	for name := range before {
		if _, stays := refs[name]; !stays && ours(name, order) {
			refs[name] = Hash{}
		}
	}
	err = newest.publish(refs)
	j.out.Pack = newest.out.Pack
	return err
}

// replay makes the commits of a version on top of what r.view has.
func (j *job) replay(ctx context.Context, f *os.File, old *pristineTree) error {
	p, err := j.r.openPristine()
	if err != nil {
		return failed("store", "mirror", err)
	}
	j.p, p.old = p, old
	if err := j.prepare(ctx, f); err != nil {
		return err
	}
	for name, h := range j.refs {
		j.r.view[name] = h
	}
	return nil
}

// replayOld replays a version that the mirror has.
func (j *job) replayOld(ctx context.Context, t tagInfo, old *pristineTree) (*job, error) {
	im := *j.im
	im.Branch = strings.TrimPrefix(strings.TrimPrefix(t.branch, "distro"), "-")
	var next *job
	err := im.restored(ctx, j.r.dir, old, t, func(f *os.File, s *srpm) error {
		next = newJob(&im, j.r, s, j.place)
		return next.replay(ctx, f, old)
	})
	return next, err
}

// restored calls do with an imported source RPM, taken apart below dir.
func (im *Importer) restored(ctx context.Context, dir string, p *pristineTree, t tagInfo, do func(*os.File, *srpm) error) error {
	return im.written(ctx, dir, p, t, func(f *os.File, s *srpm) error {
		if err := s.unpack(ctx, f, filepath.Dir(f.Name())); err != nil {
			return failed("unpack", "mirror", fmt.Errorf("%s: %w", t.nevr, err))
		}
		return do(f, s)
	})
}

// written calls do with the file of an imported source RPM, in a directory of its own below dir.
func (im *Importer) written(ctx context.Context, dir string, p *pristineTree, t tagInfo, do func(*os.File, *srpm) error) error {
	spool, err := os.MkdirTemp(dir, "srpm2git.spool-")
	if err != nil {
		return failed("unpack", "spool", err)
	}
	defer os.RemoveAll(spool)
	f, err := os.Create(filepath.Join(spool, "srpm"))
	if err != nil {
		return failed("unpack", "spool", err)
	}
	defer f.Close()
	if err := p.write(ctx, im.Encoders, t.sha256, f); err != nil {
		return failed("unpack", "mirror", fmt.Errorf("%s: %w", t.nevr, err))
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return failed("unpack", "spool", err)
	}
	s, err := probeSRPM(f)
	if err != nil {
		return failed("unpack", "mirror", fmt.Errorf("%s: %w", t.nevr, err))
	}
	return do(f, s)
}

// refresh writes the metadata again when a rebuild has moved the commits that the lock names and crashed behind that.
func (im *Importer) refresh(ctx context.Context, r *repo, l *Lock, place int) error {
	t, err := r.version(l.NEVR)
	if err != nil || t.base.String() == l.Base {
		return nil //nolint:nilerr // a lock of another mirror
	}
	p, err := r.openPristine()
	if err != nil {
		return failed("store", "mirror", err)
	}
	return im.restored(ctx, r.dir, p, t, func(f *os.File, s *srpm) error { return newJob(im, r, s, place).run(ctx, f) })
}

// importOrder lists the versions of all branches in the order in which they were imported.
func (r *repo) importOrder() ([]tagInfo, error) {
	list, err := r.versions()
	if err != nil {
		return nil, err
	}
	byName := map[string]tagInfo{}
	for _, t := range list {
		byName[t.nevr] = t
	}
	tip, err := r.ref(pristineRef)
	if err != nil {
		return nil, err
	}
	var order []tagInfo
	for !tip.IsZero() {
		c, err := r.readCommit(tip)
		if err != nil {
			return nil, err
		}
		nevr, ok := strings.CutPrefix(strings.TrimSuffix(c.message, "\n"), "Import ")
		if !ok {
			return nil, fmt.Errorf("a pull has put %q beside the imports", oneLine(c.message))
		}
		if t, ok := byName[nevr]; ok {
			order = append(order, t)
		}
		if tip = (Hash{}); len(c.parents) > 0 {
			tip = c.parents[0]
		}
	}
	slices.Reverse(order)
	seen := map[string]bool{}
	order = slices.DeleteFunc(order, func(t tagInfo) bool {
		twice := seen[t.nevr]
		seen[t.nevr] = true
		return twice
	})
	if len(order) != len(list) {
		return nil, errors.New("the order of its imports is not known")
	}
	return order, nil
}

// onlyImports fails if a branch holds a commit that no import made.
func (r *repo) onlyImports(order []tagInfo, refs map[string]Hash) error {
	made := map[Hash]bool{}
	for _, t := range order {
		series, err := r.seriesCommits(t.base, t.commit)
		if err != nil {
			return err
		}
		base, err := r.readCommit(t.base)
		if err != nil {
			return err
		}
		for _, h := range append(append(series, t.base), base.parents...) {
			made[h] = true
		}
	}
	for name, h := range refs {
		if !strings.HasPrefix(name, "refs/heads/") || !ours(name, order) {
			continue
		}
		history, err := r.reach(h)
		if err != nil {
			return err
		}
		for c := range history {
			if !made[c] {
				return fmt.Errorf("branch %s holds %s, which no import made", strings.TrimPrefix(name, "refs/heads/"), c)
			}
		}
	}
	return nil
}

// ours reports whether imports write a reference.
func ours(name string, order []tagInfo) bool {
	if branch, ok := strings.CutPrefix(name, "refs/heads/"); ok {
		return slices.ContainsFunc(order, func(t tagInfo) bool {
			return branch == t.branch || branch == "upstream"+strings.TrimPrefix(t.branch, "distro")
		})
	}
	return name == pristineRef || strings.HasPrefix(name, "refs/tags/srpm/") || strings.HasPrefix(name, "refs/tags/upstream/")
}
