package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pristine"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmver"
)

// Importer imports source RPMs. Its methods may be called from several goroutines; packages of one name wait for each other.
type Importer struct {
	Mirrors   string // directory of the mirrors, one NAME.git each
	Metadata  string // directory of the metadata repository
	Encoders  *pristine.Encoders
	Branch    string // "" for upstream and distro, else what stands behind their hyphen
	MaxSearch int64  // plain bytes above which no encoder is looked for; 0: no limit
	Force     bool   // again, whatever is there
	Rebuild   bool   // an older version takes its place; what stands after it is made anew

	meta       *metadata
	newMirrors bool // Mirrors did not exist before
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
	sweepNew(im.Mirrors)
	sweepNew(im.Metadata)
	_, err := os.Stat(im.Mirrors)
	im.newMirrors = errors.Is(err, fs.ErrNotExist)
	if im.Encoders == nil {
		im.Encoders = pristine.OpenEncoders()
	}
	if err := CheckBranch(im.Branch); err != nil {
		return err
	}
	im.meta, err = openMetadata(im.Metadata)
	return err
}

// CheckBranch fails unless s can be an Importer's Branch.
func CheckBranch(s string) error {
	if strings.ContainsAny(s, "/ ") || s != refEscape(s) {
		return fmt.Errorf("%q is not the end of a branch's name", s)
	}
	return nil
}

// Reserve gives away the next place in the history of the metadata, which has the imports in the order of their places, whenever they end.
func (im *Importer) Reserve() int { return im.meta.reserve() }

// Close commits what the metadata repository still has to take. When nothing was imported, nothing is left behind.
func (im *Importer) Close() error {
	if im.newMirrors {
		os.Remove(im.Mirrors) // only if it is empty
	}
	return im.meta.close()
}

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
	return im.ImportAt(ctx, im.Reserve(), path)
}

// ImportAt is Import with a place that was reserved for it alone. The metadata of those that have a later place are not committed before it
// has ended, or Close is called.
func (im *Importer) ImportAt(ctx context.Context, place int, path string) (*Imported, error) {
	defer im.meta.end(place)
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
	r, err := lockedRepo(dir, im.branch("distro"))
	if err != nil {
		return nil, failed("store", "mirror", err)
	}
	defer r.Close()
	out, err := im.importInto(ctx, r, f, s, place)
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

func (im *Importer) importInto(ctx context.Context, r *repo, f *os.File, s *srpm, place int) (*Imported, error) {
	out := &Imported{NEVR: nevrName(s.nevra)}
	done, newer, err := im.known(r, s)
	if err != nil {
		return nil, failed("order", "version", err)
	}
	if newer != "" && !im.Rebuild {
		return nil, failed("order", "version", fmt.Errorf("%s is older than %s, which the branch %s already has; with --rebuild it takes its place",
			nevrName(s.nevra), newer, im.branch("distro")))
	}
	if done && !im.Force {
		if l, err := readLock(im.Metadata, s.nevra.Name); err == nil && l != nil && !lockOlder(l, s) {
			out.Skipped = true
			return out, im.refresh(ctx, r, l, place)
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
	j := newJob(im, r, s, place)
	if newer != "" {
		err = j.rebuild(ctx, f)
	} else {
		err = j.run(ctx, f)
	}
	return j.out, err
}

// known reports whether the mirror already has this very file, and the newest version of the branch if that is newer.
func (im *Importer) known(r *repo, s *srpm) (done bool, newer string, err error) {
	tags, err := r.refs("refs/tags/srpm/")
	if err != nil {
		return false, "", err
	}
	if h, ok := tags[srpmTag(s.nevra)]; ok {
		t, err := r.srpmTagInfo(h)
		if err != nil {
			return false, "", err
		}
		if t.sha256 != s.sha256 {
			return false, "", fmt.Errorf("%s was imported from another file (SHA-256 %s)", nevrName(s.nevra), t.sha256)
		}
		return true, "", nil
	}
	list, err := r.versions()
	if err != nil {
		return false, "", err
	}
	for _, t := range slices.Backward(list) {
		if t.branch == im.branch("distro") && t.evr.Compare(s.evr()) > 0 {
			return false, t.nevr, nil
		}
	}
	return false, "", nil
}

func srpmTag(n rpmfile.NEVRA) string { return "refs/tags/srpm/" + refEscape(nevrName(n)) }

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
	if err != nil || !isSHA256(t["Srpm-sha256"]) || !isFileName(subject) {
		return tagInfo{}, fmt.Errorf("tag %s (%s): not made by an import", h, subject)
	}
	return tagInfo{nevr: subject, sha256: t["Srpm-sha256"], branch: t["Srpm-branch"], evr: rpmver.Parse(t["Srpm-evr"]), commit: target, base: base}, nil
}

// lockOlder reports whether the metadata has yet to take s.
func lockOlder(l *Lock, s *srpm) bool {
	return l.SHA256 != s.sha256 && rpmver.Parse(l.EVR).Compare(s.evr()) <= 0
}
