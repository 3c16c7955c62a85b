package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pristine"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmver"
)

// job is one import under way.
type job struct {
	im     *Importer
	r      *repo
	s      *srpm
	place  int // in the history of the metadata
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
	files               map[string][]byte // of the metadata
}

func newJob(im *Importer, r *repo, s *srpm, place int) *job {
	return &job{im: im, r: r, s: s, place: place, out: &Imported{NEVR: nevrName(s.nevra)}, stored: map[string]*stored{}}
}

// run does the work: store, commit, prove, publish.
func (j *job) run(ctx context.Context, f *os.File) error {
	var err error
	if j.p, err = j.r.openPristine(); err != nil {
		return failed("store", "mirror", err)
	}
	if err := j.prepare(ctx, f); err != nil {
		return err
	}
	return j.publish(j.refs)
}

// prepare stores, proves and commits. Nothing of it can be seen.
func (j *job) prepare(ctx context.Context, f *os.File) error {
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
	var err error
	j.files, err = j.metadataFiles()
	return failed("metadata", "metadata", err)
}

// publish moves references, and the metadata to this version.
func (j *job) publish(refs map[string]Hash) error {
	if j.r.pack != nil {
		j.out.Pack = j.r.pack.Size()
	}
	if err := j.r.publish(); err != nil {
		return failed("publish", "git", err)
	}
	if err := j.r.update(refs); err != nil {
		return failed("publish", "git", err)
	}
	if l, err := readLock(j.im.Metadata, j.s.nevra.Name); err != nil {
		return failed("metadata", "metadata", err)
	} else if l != nil && l.Branch == j.im.branch("distro") && rpmver.Parse(l.EVR).Compare(j.s.evr()) > 0 {
		return nil // the metadata are those of the newest version
	}
	c := change{name: j.s.nevra.Name, message: "Import " + nevrName(j.s.nevra), date: j.date, files: j.files}
	return failed("metadata", "metadata", j.im.meta.add(j.place, c))
}

func (j *job) note(format string, args ...any) {
	j.out.Notes = append(j.out.Notes, fmt.Sprintf(format, args...))
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
		j.note("the source RPM holds no spec")
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
			j.note("%s: %s", src.name, n)
		}
		if st.recipe.Why != "" {
			j.out.Verbatim = append(j.out.Verbatim, src.name+": "+st.recipe.Why)
		}
	}
	return nil
}

// storeSRPM stores how the source RPM itself comes back. That its pieces make its payload was proven when it was unpacked.
func (j *job) storeSRPM(ctx context.Context, f *os.File) error {
	s := j.s
	rc := &recipe{SHA256: s.sha256, Size: s.size, Kind: "srpm", Plain: s.plain, Pieces: s.cpio}
	if old, err := j.p.known(s.sha256, rc.Strip); err != nil || old != nil && !j.im.again(old) {
		return err
	}
	j.p.unset(s.sha256, ".blob")
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
		rc.Kind, rc.Why, rc.Pieces = "blob", "payload: "+err.Error(), nil
		j.out.Verbatim = append(j.out.Verbatim, rc.Why)
		return j.p.keepWhole(rc, f)
	case err != nil:
		return err
	default:
		rc.Encoder = &found
	}
	return j.p.setRecipe(rc)
}
