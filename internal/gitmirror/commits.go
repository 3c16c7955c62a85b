package gitmirror

import (
	"fmt"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// commits makes the commits and tags of the version.
func (j *job) commits() error {
	j.refs = map[string]Hash{}
	if err := j.commitUpstream(); err != nil {
		return err
	}
	if err := j.commitDistro(); err != nil {
		return err
	}
	var err error
	j.refs[pristineRef], err = j.p.commit("Import "+nevrName(j.s.nevra), j.date)
	return err
}

// plainTree is for packages without an archive: their sources as they are.
func (j *job) plainTree() (Hash, int64, []string, error) {
	var files []entry
	var names []string
	var date int64
	seen := map[string]bool{}
	for _, n := range j.info.order {
		src := j.s.source(j.info.sources[n])
		if src == nil || seen[src.name] {
			continue
		}
		seen[src.name] = true
		e, ok, err := j.p.find(src.sha256, ".blob")
		if err != nil {
			return Hash{}, 0, nil, err
		}
		if !ok {
			continue
		}
		if why, err := j.unfit(src, e.hash); err != nil {
			return Hash{}, 0, nil, err
		} else if why != "" {
			j.note("%q: %s, kept out of the tree", src.name, why)
			continue
		}
		files = append(files, entry{src.name, modeRegular, e.hash})
		names = append(names, src.name)
		date = max(date, src.mtime)
	}
	h, err := j.r.addTree(files)
	return h, date, names, err
}

// unfit says why a source may not stand in a tree, "" if it may.
func (j *job) unfit(src *source, blob Hash) (string, error) {
	if why := irregular(src.mode); why != "" {
		return why, nil
	}
	if why := tarmodel.Unsafe(src.name); why != "" || !tarmodel.IsGitFile(src.name) {
		return why, nil
	}
	data, err := j.r.read(blob, gitpack.Blob)
	return refusedFile(src.name, data), err
}

// commitUpstream puts the version on the upstream branch, unless it is there.
func (j *job) commitUpstream() error {
	version := j.s.nevra.Version
	tree, date, names, err := j.upstreamTree()
	if err != nil {
		return err
	}
	branch := "refs/heads/" + j.im.branch("upstream")
	tip, err := j.r.ref(branch)
	if err != nil {
		return err
	}
	for _, tag := range []string{"refs/tags/upstream/" + refEscape(version), "refs/tags/upstream/" + refEscape(j.s.nevra.EVR())} {
		h, err := j.r.ref(tag)
		if err != nil {
			return err
		}
		j.upstreamTag = tag
		if h.IsZero() {
			break
		}
		if h, err = j.r.peel(h); err != nil {
			return err
		}
		c, err := j.r.readCommit(h)
		if err != nil {
			return err
		}
		if c.tree == tree {
			j.upstream = h
			if tip.IsZero() {
				j.refs[branch] = h
			}
			return nil
		}
	}
	var sources [][2]string
	for _, n := range names {
		sources = append(sources, [2]string{n, j.s.source(n).sha256})
	}
	c := upstreamCommit(j.s.nevra.Name, version, tree, date, sources)
	if !tip.IsZero() {
		c.parents = []Hash{tip}
	}
	if j.upstream, err = j.r.addCommit(c); err != nil {
		return err
	}
	j.refs[branch], j.refs[j.upstreamTag] = j.upstream, j.upstream
	return nil
}

// commitDistro puts the patches on the distro branch and tags the result.
func (j *job) commitDistro() error {
	tag := srpmTag(j.s.nevra)
	if h, err := j.r.ref(tag); err != nil {
		return err
	} else if !h.IsZero() { // imported before; only the metadata was missing
		t, err := j.r.srpmTagInfo(h)
		j.base, j.tip = t.base, t.commit
		return err
	}
	branch := "refs/heads/" + j.im.branch("distro")
	prev, err := j.r.ref(branch)
	if err != nil {
		return err
	}
	up, err := j.r.readCommit(j.upstream)
	if err != nil {
		return err
	}
	j.base = j.upstream
	if !prev.IsZero() {
		// The branch only grows: the new series begins with a merge whose tree is upstream's.
		j.base, err = j.r.addCommit(commit{
			tree: up.tree, parents: []Hash{prev, j.upstream}, date: j.date,
			message: fmt.Sprintf("Begin %s\n\nSeries-of: %s\n", nevrName(j.s.nevra), nevrName(j.s.nevra)),
		})
		if err != nil {
			return err
		}
	}
	j.tip = j.base
	tree := up.tree
	for _, u := range j.info.uses() {
		src := j.s.source(u.file)
		if src == nil {
			if u.active {
				j.note("patch %d: %s is not in the source RPM", u.number, u.file)
			}
			continue
		}
		u.dir = j.lay.inTree(u.dir)
		var done PatchUse
		if j.tip, tree, done, err = j.r.commitPatch(j.tip, tree, src, u, j.date); err != nil {
			return fmt.Errorf("%s: %w", src.name, err)
		}
		j.out.Patches = append(j.out.Patches, done)
	}
	j.refs[branch] = j.tip
	message := fmt.Sprintf("%s\n\nSrpm-sha256: %s\nSrpm-evr: %s\nSrpm-branch: %s\nSeries-base: %s\n",
		nevrName(j.s.nevra), j.s.sha256, j.s.nevra.EVR(), j.im.branch("distro"), j.base)
	j.refs[tag], err = j.r.addTag(strings.TrimPrefix(tag, "refs/tags/"), j.tip, j.date, message)
	return err
}
