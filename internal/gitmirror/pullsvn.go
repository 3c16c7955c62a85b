package gitmirror

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// svnRef is a chain of commits, one a revision, whose trees are the whole Subversion repository. It tells where the next
// pull goes on, and what copies from older revisions copy.
const svnRef = "refs/srpm2git/svn"

// svnWalk converts the revisions of a dump.
type svnWalk struct {
	p       *pull
	branch  string
	roots   []Hash // tree by revision
	tip     Hash   // of svnRef
	commits Hash   // tip of the branch
	tree    Hash   // of the branch's tip
	tags    map[string]Hash
	empty   Hash
}

// svn converts the revisions that the mirror does not have yet.
func (p *pull) svn(ctx context.Context) error {
	w := &svnWalk{p: p, branch: strings.Trim(orElse(p.u.Branch, "trunk"), "/"), tags: map[string]Hash{}}
	if err := w.resume(); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "svnrdump", "dump", "--quiet", "--incremental", "--non-interactive", "-r", strconv.Itoa(len(w.roots))+":HEAD", "--", p.u.URL)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	convErr := w.convert(&svnDump{bufio.NewReaderSize(out, 1<<16)})
	_, _ = io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil {
		message := oneLine(stderr.String())
		if strings.Contains(message, fmt.Sprintf("Revision '%d' does not exist", len(w.roots))) {
			return nil // nothing newer
		}
		return fmt.Errorf("svnrdump: %s: %w", message, err)
	}
	if convErr != nil {
		return convErr
	}
	if w.commits.IsZero() {
		return fmt.Errorf("nothing was ever committed to %s", w.branch)
	}
	p.refs[svnRef] = w.tip
	for _, name := range slices.Sorted(maps.Keys(w.tags)) {
		if version, ok := p.u.versionOf(name); ok {
			if err := p.tag(version, w.tags[name]); err != nil {
				return err
			}
		}
	}
	return p.advance(w.commits)
}

// resume reads back what earlier pulls converted.
func (w *svnWalk) resume() (err error) {
	r := w.p.r
	if w.empty, err = r.addTree(nil); err != nil {
		return err
	}
	if w.tip, err = r.ref(svnRef); err != nil {
		return err
	}
	for h := w.tip; !h.IsZero(); {
		c, err := r.readCommit(h)
		if err != nil {
			return err
		}
		w.roots = append(w.roots, c.tree)
		h = Hash{}
		if len(c.parents) > 0 {
			h = c.parents[0]
		}
	}
	slices.Reverse(w.roots)
	if w.commits, err = r.ref(w.p.branchRef()); err != nil || w.commits.IsZero() {
		return err
	}
	c, err := r.readCommit(w.commits)
	w.tree = c.tree
	return err
}

// convert reads the dump to its end.
func (w *svnWalk) convert(d *svnDump) error {
	var rev *svnRecord
	number := -1
	root := w.empty
	if n := len(w.roots); n > 0 {
		root = w.roots[n-1]
	}
	finish := func() error {
		if rev == nil {
			return nil
		}
		return w.revision(number, rev.props, root)
	}
	for {
		rec, err := d.next()
		if errors.Is(err, io.EOF) {
			return finish()
		}
		if err != nil {
			return err
		}
		switch {
		case rec.header["Revision-number"] != "":
			if err := finish(); err != nil {
				return err
			}
			if number, err = strconv.Atoi(rec.header["Revision-number"]); err != nil || number != len(w.roots) {
				return fmt.Errorf("%w: revision %q follows %d", errDump, rec.header["Revision-number"], len(w.roots)-1)
			}
			rev = rec
		case rec.header["Node-path"] != "" && rev != nil:
			if root, err = w.node(root, rec); err != nil {
				return fmt.Errorf("r%d: %s: %w", number, rec.header["Node-path"], err)
			}
		}
	}
}

// node applies one change to the tree of the repository.
func (w *svnWalk) node(root Hash, rec *svnRecord) (Hash, error) {
	r := w.p.r
	name := strings.Trim(rec.header["Node-path"], "/")
	if why := tarmodel.Unsafe(name); why != "" {
		return root, errors.New(why)
	}
	action := rec.header["Node-action"]
	old, exists, err := r.lookup(root, name)
	if err != nil {
		return root, err
	}
	if action == "delete" || action == "replace" {
		if exists {
			if root, err = w.edit(root, name, entry{}); err != nil {
				return root, err
			}
		}
		if action == "delete" {
			return root, nil
		}
		old = entry{}
	}
	if from := rec.header["Node-copyfrom-path"]; from != "" {
		n, err := strconv.Atoi(rec.header["Node-copyfrom-rev"])
		if err != nil || n < 0 || n >= len(w.roots) {
			return root, fmt.Errorf("%w: copy from revision %q", errDump, rec.header["Node-copyfrom-rev"])
		}
		source, ok, err := r.lookup(w.roots[n], strings.Trim(from, "/"))
		if err != nil {
			return root, err
		}
		if ok {
			old = source
			if root, err = w.edit(root, name, source); err != nil {
				return root, err
			}
		}
	}
	if rec.header["Node-kind"] == "dir" || rec.header["Node-kind"] == "" && old.mode == modeTree {
		return root, nil // git has no empty directories
	}
	e, err := w.file(old, rec)
	if err != nil || e == old {
		return root, err
	}
	return w.edit(root, name, e)
}

func (w *svnWalk) edit(root Hash, name string, e entry) (Hash, error) {
	h, err := w.p.r.editTree(root, map[string]entry{name: e})
	if err == nil && h.IsZero() {
		h = w.empty
	}
	return h, err
}

// file makes the new entry of a file out of its old one.
func (w *svnWalk) file(old entry, rec *svnRecord) (entry, error) {
	r := w.p.r
	e := entry{mode: modeRegular}
	var data []byte
	var err error
	if !old.hash.IsZero() && old.mode != modeTree {
		e = entry{mode: old.mode, hash: old.hash}
		if data, err = r.read(old.hash, gitpack.Blob); err != nil {
			return e, err
		}
		if old.mode == modeLink {
			data = append([]byte("link "), data...)
		}
	}
	if rec.hasText {
		if rec.textDelta {
			if data, err = svndiff(data, rec.text); err != nil {
				return e, err
			}
		} else {
			data = rec.text
		}
	}
	if rec.hasProps {
		if !rec.propDelta {
			e.mode = modeRegular
		}
		_, exec := rec.props["svn:executable"]
		_, special := rec.props["svn:special"]
		switch {
		case special:
			e.mode = modeLink
		case exec:
			e.mode = modeExec
		case slices.Contains(rec.unset, "svn:executable"), slices.Contains(rec.unset, "svn:special"):
			e.mode = modeRegular
		}
	}
	if e.mode == modeLink {
		data = bytes.TrimPrefix(data, []byte("link "))
	}
	e.hash, err = r.add(gitpack.Blob, data)
	return e, err
}

// revision closes a revision: a commit of the whole tree, one on the branch if that has changed, and tags.
func (w *svnWalk) revision(number int, props map[string]string, root Hash) error {
	r := w.p.r
	date := int64(0)
	if t, err := time.Parse(time.RFC3339Nano, props["svn:date"]); err == nil {
		date = t.Unix()
	}
	before := w.empty
	whole := commit{tree: root, date: date, message: fmt.Sprintf("r%d\n", number)}
	if n := len(w.roots); n > 0 {
		before = w.roots[n-1]
		whole.parents = []Hash{w.tip}
	}
	var err error
	if w.tip, err = r.addCommit(whole); err != nil {
		return err
	}
	w.roots = append(w.roots, root)
	author := props["svn:author"]
	c := commit{date: date, message: fmt.Sprintf("%s\n\nSvn-revision: %d\n", orElse(strings.TrimSpace(props["svn:log"]), fmt.Sprintf("r%d", number)), number)}
	if author != "" {
		c.author = author + " <" + author + "@svn.invalid>"
	}
	branch, ok, err := r.lookup(root, w.branch)
	if err != nil {
		return err
	}
	if ok && branch.mode == modeTree && branch.hash != w.tree {
		c.tree = branch.hash
		if !w.commits.IsZero() {
			c.parents = []Hash{w.commits}
		}
		if w.commits, err = r.addCommit(c); err != nil {
			return err
		}
		w.tree = branch.hash
	}
	return w.newTags(before, root, c)
}

// newTags notes the directories that have appeared below tags/. One whose tree is the branch's is a tag of that commit.
func (w *svnWalk) newTags(before, after Hash, c commit) error {
	r := w.p.r
	list := func(root Hash) ([]entry, error) {
		e, ok, err := r.lookup(root, path.Join(path.Dir(w.branch), "tags"))
		if err != nil || !ok || e.mode != modeTree {
			return nil, err
		}
		return r.readTree(e.hash)
	}
	old, err := list(before)
	if err != nil {
		return err
	}
	fresh, err := list(after)
	if err != nil {
		return err
	}
	for _, e := range fresh {
		if e.mode != modeTree || slices.ContainsFunc(old, func(o entry) bool { return o.name == e.name }) {
			continue
		}
		if e.hash == w.tree {
			w.tags[e.name] = w.commits
			continue
		}
		c.tree, c.parents = e.hash, nil
		if !w.commits.IsZero() {
			c.parents = []Hash{w.commits}
		}
		if w.tags[e.name], err = r.addCommit(c); err != nil {
			return err
		}
	}
	return nil
}
