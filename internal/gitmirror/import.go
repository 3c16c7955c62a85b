package gitmirror

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/convert"
	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
	"github.com/weld-linux/weld-bridge/internal/pristine"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmver"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// Importer imports source RPMs. Its methods may be called from several goroutines; packages of one name wait for each other.
type Importer struct {
	Mirrors   string // directory of the mirrors, one NAME.git each
	Metadata  string // directory of the metadata repository
	Encoders  *pristine.Encoders
	Branch    string // "" for upstream and distro, else what stands behind their hyphen
	MaxSearch int64  // plain bytes above which no encoder is looked for; 0: no limit
	Force     bool   // again, whatever is there

	meta *metadata
}

// Imported says what an import did.
type Imported struct {
	NEVR     string     `json:"nevr"`
	Skipped  bool       `json:"-"`
	Patches  []PatchUse `json:"patches,omitempty"`
	Archives int        `json:"archives"`
	Verbatim []string   `json:"verbatim,omitempty"` // archives kept as they are, with the reason
	Notes    []string   `json:"notes,omitempty"`
	Members  int        `json:"members"`      // of the archives taken apart
	Model    int        `json:"header_bytes"` // what the models of their headers take, before git compresses them
	Pack     int64      `json:"pack_bytes"`   // what the mirror grew by
}

// Error says at which stage of the work an item failed.
type Error struct {
	Stage string // read, order, unpack, store, patch, publish, metadata
	Class string
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

func failed(stage, class string, err error) error {
	var already *Error
	if err == nil || errors.As(err, &already) {
		return err
	}
	return &Error{stage, class, err}
}

// Open prepares the directories. Close must follow.
func (im *Importer) Open() error {
	if err := os.MkdirAll(im.Mirrors, 0o777); err != nil {
		return err
	}
	if im.Encoders == nil {
		im.Encoders = pristine.OpenEncoders()
	}
	if strings.ContainsAny(im.Branch, "/ ") || im.Branch != refEscape(im.Branch) {
		return fmt.Errorf("%q is not the end of a branch's name", im.Branch)
	}
	var err error
	im.meta, err = openMetadata(im.Metadata)
	return err
}

// Close commits what the metadata repository still has to take.
func (im *Importer) Close() error { return im.meta.close() }

func (im *Importer) branch(name string) string {
	if im.Branch != "" {
		name += "-" + im.Branch
	}
	return name
}

// Probe reads name and version of a source RPM, for ordering.
func Probe(path string) (rpmfile.NEVRA, error) {
	f, err := os.Open(path)
	if err != nil {
		return rpmfile.NEVRA{}, err
	}
	defer f.Close()
	pkg, err := rpmfile.Read(f)
	if err != nil {
		return rpmfile.NEVRA{}, err
	}
	return pkg.NEVRA(), nil
}

// Import imports the source RPM at path. Nothing is visible of an import that fails.
func (im *Importer) Import(ctx context.Context, path string) (*Imported, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, failed("read", "no file", err)
	}
	defer f.Close()
	s, err := probeSRPM(f)
	if err != nil {
		return nil, failed("read", "not a source RPM", err)
	}
	dir := filepath.Join(im.Mirrors, s.nevra.Name+".git")
	if err := createRepo(dir, true, im.branch("distro")); err != nil {
		return nil, failed("store", "mirror", err)
	}
	r, err := openRepo(dir)
	if err != nil {
		return nil, failed("store", "mirror", err)
	}
	defer r.Close()
	if err := r.acquire(); err != nil {
		return nil, failed("store", "mirror", err)
	}
	out, err := im.importInto(ctx, r, f, s)
	if err != nil {
		r.removeIfEmpty()
	}
	return out, err
}

// removeIfEmpty takes a mirror away that was made for an import that failed.
func (r *repo) removeIfEmpty() {
	if refs, err := r.refs("refs/"); err == nil && len(refs) == 0 {
		os.RemoveAll(r.dir)
	}
}

func (im *Importer) importInto(ctx context.Context, r *repo, f *os.File, s *srpm) (*Imported, error) {
	out := &Imported{NEVR: nevrName(s.nevra)}
	done, err := im.known(r, s)
	if err != nil {
		return nil, failed("order", "version", err)
	}
	if done && !im.Force {
		if l, err := readLock(im.Metadata, s.nevra.Name); err == nil && l != nil && !lockOlder(l, s) {
			out.Skipped = true
			return out, nil
		}
	}
	if name, err := im.meta.dirty(s.nevra.Name); err != nil {
		return nil, failed("metadata", "metadata", err)
	} else if name != "" && !im.Force {
		return nil, failed("metadata", "edited", fmt.Errorf("%s was edited and not committed", filepath.Join(im.Metadata, name)))
	}
	spool, err := os.MkdirTemp(r.dir, "srpm2git.spool-")
	if err != nil {
		return nil, failed("unpack", "spool", err)
	}
	defer os.RemoveAll(spool)
	if err := s.unpack(ctx, f, spool); err != nil {
		return nil, failed("unpack", "damaged payload", err)
	}
	j := &job{im: im, r: r, s: s, out: out, stored: map[string]*stored{}}
	if err := j.run(ctx, f); err != nil {
		return nil, err
	}
	return out, nil
}

// known reports whether the mirror already has this very file, and refuses one that is out of order.
func (im *Importer) known(r *repo, s *srpm) (bool, error) {
	tags, err := r.refs("refs/tags/srpm/")
	if err != nil {
		return false, err
	}
	if h, ok := tags[srpmTag(s.nevra)]; ok {
		t, err := r.srpmTagInfo(h)
		if err != nil {
			return false, err
		}
		if t.sha256 != s.sha256 {
			return false, fmt.Errorf("%s was imported from another file (SHA-256 %s)", nevrName(s.nevra), t.sha256)
		}
		return true, nil
	}
	list, err := r.versions()
	if err != nil {
		return false, err
	}
	for _, t := range slices.Backward(list) {
		if t.branch == im.branch("distro") && t.evr.Compare(s.evr()) > 0 {
			return false, fmt.Errorf("%s is older than %s, which the branch %s already has", nevrName(s.nevra), t.nevr, t.branch)
		}
	}
	return false, nil
}

func srpmTag(n rpmfile.NEVRA) string { return "refs/tags/srpm/" + refEscape(nevrName(n)) }

// job is one import under way.
type job struct {
	im     *Importer
	r      *repo
	s      *srpm
	out    *Imported
	p      *pristineTree
	info   *specInfo
	spec   []byte
	stored map[string]*stored // by file name
	lay    layout
	date   int64 // of the source RPM

	upstream, base, tip Hash
	upstreamTag         string
	refs                map[string]Hash
}

// run does the work: store, commit, prove, publish.
func (j *job) run(ctx context.Context, f *os.File) error {
	var err error
	if j.p, err = j.r.openPristine(); err != nil {
		return failed("store", "mirror", err)
	}
	if err := j.readSpec(); err != nil {
		return failed("spec", "spec", err)
	}
	if err := j.store(ctx); err != nil {
		return err
	}
	if err := j.storeSRPM(ctx, f); err != nil {
		return failed("store", "payload", err)
	}
	if err := j.commits(); err != nil {
		return failed("commit", "git", err)
	}
	files, err := j.metadataFiles()
	if err != nil {
		return failed("metadata", "metadata", err)
	}
	if j.r.pack != nil {
		j.out.Pack = j.r.pack.Size()
	}
	if err := j.r.publish(); err != nil {
		return failed("publish", "git", err)
	}
	if err := j.r.update(j.refs); err != nil {
		return failed("publish", "git", err)
	}
	c := change{name: j.s.nevra.Name, subject: "Import " + nevrName(j.s.nevra), date: j.date, files: files}
	return failed("metadata", "metadata", j.im.meta.add(c))
}

func (j *job) readSpec() error {
	j.date, _ = j.s.pkg.Header.Int(rpmfile.TagBuildTime)
	src := j.s.spec()
	if src == nil {
		// Packages older than the spec flag: the one file that is called so.
		for i := range j.s.sources {
			if strings.HasSuffix(j.s.sources[i].name, ".spec") {
				src = &j.s.sources[i]
				src.spec = true
				break
			}
		}
	}
	if src == nil {
		j.info = readSpec(nil, j.s.nevra)
		j.out.Notes = append(j.out.Notes, "the source RPM holds no spec")
		return nil
	}
	const most = 64 << 20
	if src.size > most {
		return fmt.Errorf("%s: a spec of %d bytes", src.name, src.size)
	}
	var err error
	if j.spec, err = os.ReadFile(src.path); err != nil {
		return err
	}
	n := j.s.nevra
	n.Arch = j.s.pkg.Header.String(rpmfile.TagArch)
	j.info = readSpec(j.spec, n)
	j.lay = j.info.layout()
	return nil
}

// store puts every file under pristineRef.
func (j *job) store(ctx context.Context) error {
	strip := map[string]bool{}
	if name, ok := j.info.sources[j.lay.main]; ok && !j.lay.create {
		strip[name] = true
	}
	for _, n := range j.lay.beside {
		strip[j.info.sources[n]] = false
	}
	for i := range j.s.sources {
		src := &j.s.sources[i]
		st, err := j.im.storeSource(ctx, j.p, src, strip[src.name])
		if err != nil {
			return failed("store", "archive", fmt.Errorf("%s: %w", src.name, err))
		}
		j.stored[src.name] = st
		if st.tree.IsZero() && st.recipe.Why == "" {
			continue
		}
		j.out.Archives++
		j.out.Members += st.count
		j.out.Model += st.model
		for _, n := range st.recipe.Notes {
			j.out.Notes = append(j.out.Notes, src.name+": "+n)
		}
		if st.recipe.Why != "" {
			j.out.Verbatim = append(j.out.Verbatim, src.name+": "+st.recipe.Why)
		}
	}
	return nil
}

// storeSRPM stores how the source RPM itself comes back, and proves that its pieces make its payload.
func (j *job) storeSRPM(ctx context.Context, f *os.File) error {
	s := j.s
	rc := &recipe{SHA256: s.sha256, Size: s.size, Kind: "srpm", Plain: s.plain, Cpio: s.cpio}
	if err := j.provePayload(); err != nil {
		return err
	}
	if old, err := j.p.recipe(s.sha256); err != nil || old != nil {
		return err
	}
	if err := j.p.setBlob(s.sha256, ".head", s.head); err != nil {
		return err
	}
	info := s.pkg.Payload()
	hint := pristine.Hint{Compressor: info.Compressor, Flags: info.Flags, RPMVersion: s.pkg.Header.String(rpmfile.TagRPMVersion), BuildTime: j.date, PlainSize: s.plainN}
	if s.size == s.payload {
		return j.p.setRecipe(rc)
	}
	head := make([]byte, 16)
	n, err := f.ReadAt(head, s.payload)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if pristine.Detect(head[:n]) == pristine.None && info.Compressor != "lzma" {
		hint.Compressor = string(pristine.None)
	}
	if hint.Compressor == string(pristine.None) {
		return j.p.setRecipe(rc)
	}
	plain := func() (io.ReadCloser, error) {
		return rpmfile.Decompress(io.NewSectionReader(f, s.payload, s.size-s.payload), info.Compressor)
	}
	found, err := pristine.Find(ctx, j.im.Encoders, io.NewSectionReader(f, s.payload, s.size-s.payload), s.size-s.payload, plain, hint)
	switch {
	case errors.Is(err, pristine.ErrNoEncoder):
		rc.Kind, rc.Why, rc.Cpio = "blob", "payload: "+err.Error(), nil
		j.out.Verbatim = append(j.out.Verbatim, rc.Why)
		w, err := j.r.writer()
		if err != nil {
			return err
		}
		h, err := w.AddStream(s.size, io.NewSectionReader(f, 0, s.size))
		if err != nil {
			return err
		}
		j.p.set(s.sha256, ".blob", modeRegular, h)
	case err != nil:
		return err
	default:
		rc.Encoder = &found
	}
	return j.p.setRecipe(rc)
}

// provePayload puts the payload together from its pieces and compares digests.
func (j *job) provePayload() error {
	h := sha256.New()
	byDigest := map[string]string{}
	for i := range j.s.sources {
		byDigest[j.s.sources[i].sha256] = j.s.sources[i].path
	}
	for _, part := range j.s.cpio {
		raw, err := base64.StdEncoding.DecodeString(part.Raw)
		if err != nil {
			return err
		}
		h.Write(raw)
		if part.File == "" {
			continue
		}
		in, err := os.Open(byDigest[part.File])
		if err != nil {
			return err
		}
		_, err = io.Copy(h, in)
		in.Close()
		if err != nil {
			return err
		}
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != j.s.plain {
		return fmt.Errorf("proof: payload came back with SHA-256 %s instead of %s", got, j.s.plain)
	}
	return nil
}

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

// upstreamTree is what the archives unpack to.
func (j *job) upstreamTree() (tree Hash, date int64, names []string, err error) {
	use := func(n int) *stored {
		name := j.info.sources[n]
		if st := j.stored[name]; st != nil && !st.tree.IsZero() {
			names = append(names, name)
			date = max(date, st.recipe.MTime)
			return st
		}
		return nil
	}
	main := use(j.lay.main)
	if main == nil && len(j.lay.inside) == 0 {
		return j.plainTree()
	}
	if main != nil {
		tree = main.tree
	}
	for _, n := range j.lay.inside {
		st := use(n)
		if st == nil {
			continue
		}
		if tree.IsZero() {
			tree = st.tree
			continue
		}
		if tree, err = j.overlay(tree, st.tree); err != nil {
			return tree, 0, nil, err
		}
	}
	if tree.IsZero() {
		return j.plainTree()
	}
	return tree, date, names, nil
}

// overlay unpacks one tree over another, as tar does.
func (j *job) overlay(under, over Hash) (Hash, error) {
	files, err := j.r.listTree(over)
	if err != nil {
		return under, err
	}
	edits := make(map[string]entry, len(files))
	for _, f := range files {
		edits[f.name] = f
	}
	return j.r.editTree(under, edits)
}

// plainTree is for packages without an archive: their sources as they are.
func (j *job) plainTree() (Hash, int64, []string, error) {
	var files []entry
	var names []string
	var date int64
	for _, n := range j.info.order {
		src := j.s.source(j.info.sources[n])
		if src == nil || tarmodel.Unsafe(src.name) != "" {
			continue
		}
		e, ok, err := j.p.find(src.sha256, ".blob")
		if err != nil {
			return Hash{}, 0, nil, err
		}
		if ok && !slices.ContainsFunc(files, func(f entry) bool { return f.name == src.name }) {
			files = append(files, entry{src.name, modeRegular, e.hash})
			names = append(names, src.name)
			date = max(date, src.mtime)
		}
	}
	h, err := j.r.addTree(files)
	return h, date, names, err
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
				j.out.Notes = append(j.out.Notes, fmt.Sprintf("patch %d: %s is not in the source RPM", u.number, u.file))
			}
			continue
		}
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

// smallSource is the size in bytes up to which a plain source also stands in the metadata repository.
const smallSource = 1 << 20

// metadataFiles are the files of packages/NAME/.
func (j *job) metadataFiles() (map[string][]byte, error) {
	s := j.s
	files := map[string][]byte{}
	l := &Lock{
		Format: 1, Name: s.nevra.Name, NEVR: nevrName(s.nevra), EVR: s.nevra.EVR(), SRPM: s.nevra.NVR() + ".src.rpm",
		SHA256: s.sha256, Branch: j.im.branch("distro"), Base: j.base.String(),
	}
	if src := s.spec(); src != nil {
		l.Spec = src.name
		files[s.nevra.Name+".spec"] = j.spec
		doc, err := convert.FromSpec(src.name, j.spec, convert.Options{})
		if err != nil {
			j.out.Notes = append(j.out.Notes, "no package.toml: "+err.Error())
		} else {
			files["package.toml"] = pkgtoml.Encode(doc)
			sum := sha256.Sum256(files["package.toml"])
			l.Document = hex.EncodeToString(sum[:])
		}
	}
	numbers := map[string]int{}
	for n, name := range j.info.sources {
		numbers[name] = n
	}
	patches := map[string]int{}
	for _, p := range j.info.patches {
		patches[p.file] = p.number
	}
	for i := range s.sources {
		src := &s.sources[i]
		ls := LockSource{
			Name: src.name, Kind: "file", SHA256: src.sha256, Size: src.size, Mode: strconv.FormatUint(uint64(src.mode), 8),
			MTime: src.mtime, From: "pristine:" + src.sha256,
		}
		if n, ok := patches[src.name]; ok {
			ls.Kind, ls.Number, ls.From = "patch", n, "git:"+srpmTag(s.nevra)
		} else if n, ok := numbers[src.name]; ok {
			ls.Kind, ls.Number = "source", n
		}
		small := src.size <= smallSource && j.stored[src.name].tree.IsZero() && ls.Kind != "patch"
		switch {
		case src.spec:
			ls.Kind, ls.From = "spec", "meta:"+s.nevra.Name+".spec"
		case src.name == j.info.sources[j.lay.main] && !j.stored[src.name].tree.IsZero():
			ls.From = "git:" + j.upstreamTag
		case small && tarmodel.Unsafe(src.name) == "" && files[src.name] == nil && src.name != "sources.lock" && !slices.Contains(keptFiles, src.name):
			data, err := os.ReadFile(src.path)
			if err != nil {
				return nil, err
			}
			files[src.name] = data
			ls.From = "meta:" + src.name
		}
		l.Sources = append(l.Sources, ls)
	}
	files["sources.lock"] = l.encode()
	return files, nil
}

// tagInfo is what an srpm/ tag says.
type tagInfo struct {
	nevr, sha256, branch string
	evr                  rpmver.EVR
	commit, base         Hash
}

// srpmTagInfo reads an srpm/ tag.
func (r *repo) srpmTagInfo(h Hash) (tagInfo, error) {
	target, message, err := r.readTag(h)
	if err != nil {
		return tagInfo{}, err
	}
	t := trailers(message)
	subject, _, _ := strings.Cut(message, "\n")
	base, err := parseHash(t["Series-base"])
	if err != nil || !isSHA256(t["Srpm-sha256"]) {
		return tagInfo{}, fmt.Errorf("tag %s (%s): not made by an import", h, subject)
	}
	return tagInfo{nevr: subject, sha256: t["Srpm-sha256"], branch: t["Srpm-branch"], evr: rpmver.Parse(t["Srpm-evr"]), commit: target, base: base}, nil
}

// lockOlder reports whether the metadata has yet to take s.
func lockOlder(l *Lock, s *srpm) bool {
	return l.SHA256 != s.sha256 && rpmver.Parse(l.EVR).Compare(s.evr()) <= 0
}
