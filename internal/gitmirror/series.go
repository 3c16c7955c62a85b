package gitmirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/gitpack"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// patchFile is one patch of the branch as it stands.
type patchFile struct {
	name   string
	data   []byte
	number int // -1: the spec has no tag for it yet
	mtime  int64
	old    bool   // untouched since the import
	commit Hash   // of one that no import made
	dir    string // of the tree, in which an import applied it

	part, parts int    // which mail of the file it is, of how many; 0 for a file of one
	whole       []byte // the file, for the mail of a larger one
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func setMTime(path string, sec int64) error {
	return os.Chtimes(path, time.Unix(sec, 0), time.Unix(sec, 0))
}

// seriesCommits lists the commits from base (not included) to tip, oldest first.
func (r *repo) seriesCommits(base, tip Hash) ([]Hash, error) {
	var list []Hash
	for h := tip; h != base; {
		c, err := r.readCommit(h)
		if err != nil {
			return nil, err
		}
		if len(c.parents) != 1 {
			return nil, fmt.Errorf("commit %s: a merge or a root; the patches must be a line of commits on %s", h, base)
		}
		if list = append(list, h); len(list) > 100000 {
			return nil, errors.New("too many commits")
		}
		h = c.parents[0]
	}
	slices.Reverse(list)
	return list, nil
}

// series makes the patch files of a branch: an untouched commit gives its own file, any other a new one.
func (ex *Exporter) series(ctx context.Context, p *pristineTree, l *Lock, tip Hash) ([]patchFile, error) {
	base, err := parseHash(l.Base)
	if err != nil {
		return nil, fmt.Errorf("sources.lock: base: %w", err)
	}
	commits, err := p.r.seriesCommits(base, tip)
	if err != nil {
		return nil, fmt.Errorf("%w (the metadata are those of %s)", err, l.NEVR)
	}
	mtimes := map[string]int64{}
	other := map[string]bool{} // names that no new patch may have
	for _, s := range l.Sources {
		mtimes[s.Name], other[s.Name] = s.MTime, s.Kind != "patch"
	}
	var files []patchFile
	taken := map[string]bool{}
	for len(commits) > 0 {
		h := commits[0]
		n, err := p.r.sameFile(commits)
		if err != nil {
			return nil, err
		}
		f, err := ex.patchOf(ctx, p, commits[:n])
		if err != nil {
			return nil, fmt.Errorf("commit %s: %w", h, err)
		}
		commits = commits[n:]
		if taken[f.name] || !f.old && other[f.name] {
			return nil, fmt.Errorf("commit %s: a second file called %q", h, f.name)
		}
		taken[f.name] = true
		if f.old {
			f.mtime = mtimes[f.name]
		}
		files = append(files, f)
	}
	return files, nil
}

// sameFile counts the commits from the first on that the mails of one patch file became.
func (r *repo) sameFile(commits []Hash) (int, error) {
	name := ""
	for i, h := range commits {
		c, err := r.readCommit(h)
		if err != nil {
			return 0, err
		}
		t := trailers(c.message)
		if i == 0 {
			name = t[trailerName]
		}
		if t["Patch-part"] == "" || t[trailerName] != name {
			return max(i, 1), nil
		}
	}
	return len(commits), nil
}

// patchOf makes the patch file of one commit, or of the commits that the mails of one file became: the file itself when
// all of them are there as they were, else the mails of those that are untouched and new mails for the others.
func (ex *Exporter) patchOf(ctx context.Context, p *pristineTree, commits []Hash) (patchFile, error) {
	f, err := ex.patchOfOne(ctx, p, commits[0])
	if err != nil || len(commits) == 1 && f.parts < 2 {
		return f, err
	}
	whole := f.whole
	same := len(commits) == f.parts && f.old && f.part == 1
	for i, h := range commits[1:] {
		next, err := ex.patchOfOne(ctx, p, h)
		if err != nil {
			return f, err
		}
		same = same && next.old && next.part == i+2
		f.data = slices.Concat(f.data, next.data)
	}
	if f.old = same; same {
		f.data = whole
	}
	return f, nil
}

// patchOfOne makes the patch of one commit: its file, the mail of it that the commit was made of, or a new mail.
func (ex *Exporter) patchOfOne(ctx context.Context, p *pristineTree, h Hash) (patchFile, error) {
	c, err := p.r.readCommit(h)
	if err != nil {
		return patchFile{}, err
	}
	parent, err := p.r.readCommit(c.parents[0])
	if err != nil {
		return patchFile{}, err
	}
	t := trailers(c.message)
	u := useOf(t)
	f := patchFile{name: textName(t[trailerName]), number: -1, mtime: c.date, dir: u.dir}
	if f.name != "" && !isFileName(f.name) {
		return f, fmt.Errorf("trailer %s: %q is not a file name", trailerName, f.name)
	}
	if n, err := strconv.Atoi(t["Patch-number"]); err == nil && n >= 0 {
		f.number = n
	}
	if isSHA256(t["Patch-sha256"]) {
		var b bytes.Buffer
		if err := p.write(ctx, ex.encoders(), t["Patch-sha256"], &b); err != nil {
			return f, fmt.Errorf("%s: %w", f.name, err)
		}
		f.data = b.Bytes()
		if err := f.cut(t["Patch-part"]); err != nil {
			return f, err
		}
		same, err := p.r.sameEffect(parent.tree, c.tree, f.data, t)
		if err != nil {
			return f, err
		}
		if same {
			f.old = true
			return f, nil
		}
	}
	if f.name == "" {
		subject, _, _ := strings.Cut(c.message, "\n")
		f.name, f.commit = patchName(subject), h
		return f, nil // fit writes it
	}
	f.data, err = p.r.formatPatch(c, parent.tree, u)
	return f, err
}

// cut makes data the mail of the file that a trailer names as "2/5".
func (f *patchFile) cut(part string) error {
	if part == "" {
		return nil
	}
	plain, err := plainPatch(f.data)
	if err != nil {
		return err
	}
	mails := splitMails(plain)
	first, of, _ := strings.Cut(part, "/")
	f.part, f.parts = atoi(first, 0), atoi(of, 0)
	if f.parts != len(mails) || f.part < 1 || f.part > f.parts {
		return fmt.Errorf("trailer Patch-part: %s is no mail of a file of %d", part, len(mails))
	}
	f.whole, f.data = f.data, mails[f.part-1]
	return nil
}

// sameEffect reports whether a commit still does what its patch file does.
func (r *repo) sameEffect(before, after Hash, raw []byte, t map[string]string) (bool, error) {
	applied := t["Patch-applied"]
	if applied != "auto" && applied != "macro" && applied != "hand" {
		return before == after, nil
	}
	patch, err := plainPatch(raw)
	if err != nil {
		return false, err
	}
	tree, err := r.applyMail(before, patch, useOf(t))
	return err == nil && tree == after, nil
}

// useOf is how the trailers of a commit say that its patch is applied; as git writes patches, if they do not say it.
func useOf(t map[string]string) use {
	u := use{strip: 1, fuzz: atoi(t["Patch-fuzz"], 0), dir: t["Patch-dir"], empty: t["Patch-empty"] == "yes", revert: t["Patch-reverse"] == "yes"}
	if n, err := strconv.Atoi(t["Patch-strip"]); err == nil {
		u.strip = max(n, -1)
	}
	return u
}

// fit writes the patches of new commits as the spec, which by now has them, applies them.
func (st *state) fit() error {
	info := readSpec(st.spec, rpmfile.NEVRA{Name: st.lock.Name})
	uses := map[string]use{}
	for _, u := range info.uses() {
		uses[u.file] = u
	}
	// The tree is the one directory that %setup makes, unless a patch is known to say otherwise.
	lay := info.layout()
	lay.root, _, _ = strings.Cut(lay.setup, "/")
	for _, f := range st.patches {
		if f.dir != "" && f.dir == uses[f.name].dir {
			lay.root = ""
		}
	}
	for i := range st.patches {
		f := &st.patches[i]
		if f.commit.IsZero() {
			continue
		}
		u, ok := uses[f.name]
		if u.dir = lay.inTree(u.dir); !ok || u.how == "no" {
			u = use{strip: 1}
		}
		c, err := st.r.readCommit(f.commit)
		if err != nil {
			return err
		}
		parent, err := st.r.readCommit(c.parents[0])
		if err != nil {
			return err
		}
		if f.data, err = st.r.formatPatch(c, parent.tree, u); err != nil {
			return fmt.Errorf("commit %s: %w", f.commit, err)
		}
	}
	return nil
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// patchName makes a file name of a subject, as git format-patch does but for the number.
func patchName(subject string) string {
	name := strings.Trim(notInName.ReplaceAllString(subject, "-"), "-.")
	if len(name) > 52 {
		name = strings.TrimRight(name[:52], "-.")
	}
	return orElse(name, "change") + ".patch"
}

// Sources writes spec, sources and patches of a package as its branch (or ref) stands to dir, ready for rpmbuild -bs, and
// returns the names of the files.
func (ex *Exporter) Sources(ctx context.Context, name, ref, dir string) ([]string, error) {
	st, err := ex.state(ctx, name, ref)
	if err != nil {
		return nil, err
	}
	defer st.r.Close()
	return st.write(ctx, dir)
}

// state is a package as it stands: lock, spec and patches.
type state struct {
	ex      *Exporter
	r       *repo
	p       *pristineTree
	lock    *Lock
	spec    []byte // nil: the source RPM had none
	patches []patchFile
}

// state reads a package as it stands on its branch, or at ref, with the metadata's work tree.
func (ex *Exporter) state(ctx context.Context, name, ref string) (*state, error) {
	r, err := ex.mirror(name)
	if err != nil {
		return nil, err
	}
	st := &state{ex: ex, r: r}
	if err := st.read(ctx, name, ref); err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return st, nil
}

func (st *state) read(ctx context.Context, name, ref string) (err error) {
	if st.lock, err = readLock(st.ex.Metadata, name); err != nil {
		return err
	}
	if st.lock == nil {
		return fmt.Errorf("no %s/sources.lock in %s", packageDir(name), st.ex.Metadata)
	}
	if st.p, err = st.r.openPristine(); err != nil {
		return err
	}
	tip, err := st.r.find(orElse(ref, st.lock.Branch))
	if err != nil {
		return err
	}
	if st.patches, err = st.ex.series(ctx, st.p, st.lock, tip); err != nil {
		return err
	}
	if err := st.readSpec(); err != nil {
		return err
	}
	return st.fit()
}

// find resolves what a person may call a commit: a branch, a tag, a full reference, an object name.
func (r *repo) find(name string) (Hash, error) {
	for _, prefix := range []string{"", "refs/", "refs/heads/", "refs/tags/"} {
		if checkRefName(prefix+name) != nil {
			continue
		}
		if h, err := r.ref(prefix + name); err == nil && !h.IsZero() {
			return r.peel(h)
		}
	}
	if h, err := parseHash(name); err == nil {
		if _, err := r.read(h, gitpack.Commit); err == nil {
			return h, nil
		}
	}
	return Hash{}, fmt.Errorf("%q is neither a branch, a tag nor a commit", name)
}

// write puts the files into dir.
func (st *state) write(ctx context.Context, dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	var names []string
	keep := func(s LockSource) bool {
		skip := s.Kind == "spec" || s.Kind == "patch"
		if !skip {
			names = append(names, s.Name)
		}
		return skip
	}
	if err := st.ex.writeSources(ctx, st.p, st.lock, dir, keep); err != nil {
		return nil, err
	}
	for _, f := range st.patches {
		path := filepath.Join(dir, f.name)
		if err := atomicfile.Write(path, f.data, 0o666); err != nil {
			return nil, err
		}
		if err := setMTime(path, f.mtime); err != nil {
			return nil, err
		}
		names = append(names, f.name)
	}
	if st.spec == nil {
		return names, nil
	}
	return append(names, st.specName()), atomicfile.Write(filepath.Join(dir, st.specName()), st.spec, 0o666)
}

func (st *state) specName() string { return orElse(st.lock.Spec, st.lock.Name+".spec") }
