package repo

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// oldMetadata is what earlier runs wrote, for reuse.
type oldMetadata struct {
	own   *source // the output directory; nil when it has no metadata
	spool *spool

	mu     sync.Mutex // guards the rest and the spool
	byHref map[string]*oldPackage
	// since is the time before which a package must have been left alone to be what the metadata says.
	since map[*oldPackage]int64
}

// Close ends the use of the metadata.
func (m *oldMetadata) Close() error {
	if m.spool == nil {
		return nil
	}
	return m.spool.Close()
}

func (m *oldMetadata) hrefs() []string {
	var all []string
	for href := range m.byHref {
		all = append(all, href)
	}
	slices.Sort(all)
	return all
}

// loadOld reads the metadata of the output directory and of the further paths. What cannot be read is not reused.
func (c *creation) loadOld(ctx context.Context) error {
	m := &oldMetadata{byHref: map[string]*oldPackage{}, since: map[*oldPackage]int64{}}
	c.old = m
	var err error
	if m.spool, err = newSpool(c.work.dir); err != nil {
		return err
	}
	var wanted map[string]bool
	if !c.opts.Recycle {
		wanted = map[string]bool{}
		for i := range c.tasks {
			wanted[c.tasks[i].base] = true
		}
	}
	twice := map[string]bool{}
	for i, place := range append([]string{c.outDir}, c.opts.UpdatePaths...) {
		src, err := openSource(ctx, place)
		if err != nil {
			switch {
			case i > 0:
				c.opts.warnf("metadata from md-path %s: %v", place, err)
			case !errors.Is(err, fs.ErrNotExist):
				c.opts.warnf("old metadata is not reused: %v", err)
			}
			continue
		}
		if i == 0 {
			m.own = src
		}
		all, err := m.spool.load(ctx, src, c.layout.kinds(), func(p *repodata.Package) bool {
			return wanted == nil || wanted[filepath.Base(p.LocationHref)]
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.opts.warnf("old metadata is not reused: %v", err)
			continue
		}
		m.add(all, src.written(), twice)
	}
	c.opts.infof("%d packages in old metadata", len(m.byHref))
	return nil
}

// add takes packages that were written at a time. twice has the locations of which it cannot be told which package is meant.
func (m *oldMetadata) add(all []*oldPackage, written int64, twice map[string]bool) {
	for _, old := range all {
		if !old.spooled {
			continue
		}
		href := cleanHref(old.Href)
		if m.byHref[href] != nil || twice[href] {
			twice[href] = true
			delete(m.byHref, href)
			continue
		}
		m.byHref[href] = old
		m.since[old] = written
	}
}

// written returns the time at which the list of packages was written, or 0 where nobody knows.
func (s *source) written() int64 {
	r := s.repomd.Record(repodata.Primary.String())
	if r == nil || s.base != nil {
		return 0
	}
	return writtenAt(filepath.Join(s.dir, r.LocationHref), r.Timestamp)
}

// writtenAt returns the earliest of what the file system and repomd.xml say of the time of a metadata file: times that were given, as
// by --set-timestamp-to-revision, may lie in the future.
func writtenAt(path string, timestamp int64) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return min(timestamp, info.ModTime().Unix(), changedAt(info))
}

// reuse fills p from the old metadata of t, if it is there and still right.
func (m *oldMetadata) reuse(ctx context.Context, c *creation, t *task, r *rpmReader, p *repodata.Package) (bool, error) {
	if m == nil {
		return false, nil
	}
	href := cleanHref(t.href)
	m.mu.Lock()
	old := m.byHref[href]
	delete(m.byHref, href)
	m.mu.Unlock()
	if old == nil {
		return false, nil
	}
	if !c.opts.SkipStat {
		same, err := c.sameFile(t, r, old, m.since[old])
		if err != nil || !same {
			return false, err
		}
	}
	m.mu.Lock()
	err := m.spool.get(old, c.layout.kinds(), p)
	m.mu.Unlock()
	if err != nil {
		c.opts.warnf("old metadata of %s is not reused: %v", t.href, err)
		return false, nil
	}
	return true, ctx.Err()
}

// sameFile reports whether the file of t is the one that the old metadata describes. Size and time must be equal; a file
// whose inode changed after the metadata was written, with its time set back, is told by its content.
func (c *creation) sameFile(t *task, r *rpmReader, old *oldPackage, since int64) (bool, error) {
	info, err := os.Stat(t.full)
	if err != nil {
		return false, err
	}
	if info.Size() != old.Size || info.ModTime().Unix() != old.TimeFile ||
		repodata.ChecksumName(c.opts.PkgChecksum) != old.ChecksumType {
		return false, nil
	}
	if changedAt(info) < since {
		return true, nil
	}
	sum, err := r.fileSum(t.full)
	return sum == old.PkgID, err
}

// changedAt returns the time of the last change of the inode, which no program can set back.
func changedAt(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int64(st.Ctim.Sec)
	}
	return time.Now().Unix()
}

// fileSum returns the checksum of a whole file.
func (r *rpmReader) fileSum(path string) (string, error) {
	f, err := openRegular(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	r.hash.Reset()
	if _, err := io.CopyBuffer(r.hash, struct{ io.Reader }{f}, r.chunk); err != nil {
		return "", err
	}
	return hex.EncodeToString(r.hash.Sum(nil)), nil
}

// unchanged reports whether the old metadata already says what a run would write. Only primary is unpacked for it.
func (c *creation) unchanged(ctx context.Context) (bool, error) {
	o := c.opts
	if o.Retention.set() || o.KeepLast {
		return false, nil
	}
	src, err := openSource(ctx, c.outDir)
	if err != nil {
		return false, nil
	}
	if !c.sameShape(ctx, src.repomd) {
		return false, nil
	}
	for i := range src.repomd.Records {
		r := &src.repomd.Records[i]
		if r.Type == repodata.Primary.String() {
			continue // checked while it is read
		}
		if src.verify(ctx, r) != nil {
			return false, ctx.Err()
		}
	}
	same, err := c.samePackages(ctx, src)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return same && err == nil, nil
}

// sameShape reports whether the records of md are those that this run would write.
func (c *creation) sameShape(ctx context.Context, md *repodata.Repomd) bool {
	o := c.opts
	if !slices.Equal(md.ContentTags, o.ContentTags) || !slices.Equal(md.RepoTags, o.RepoTags) ||
		!slices.Equal(md.DistroTags, o.DistroTags) {
		return false
	}
	want := map[string]string{}
	for _, k := range c.layout.kinds() {
		want[k.String()] = k.String() + ".xml" + c.layout.XML.Suffix()
		if c.layout.Zck {
			want[zckType(k.String())] = k.String() + ".xml.zck"
		}
		if c.layout.SQLite {
			want[k.String()+"_db"] = k.String() + ".sqlite" + c.layout.Database.Suffix()
		}
	}
	if o.GroupFile != "" && md.Record("group") == nil {
		return false
	}
	for i := range md.Records {
		r := &md.Records[i]
		base, ok := want[r.Type]
		if !ok {
			if c.layout.Zck && !strings.HasSuffix(r.Type, "_zck") && md.Record(zckType(r.Type)) == nil {
				return false
			}
			group := o.GroupFile != "" && strings.HasPrefix(r.Type, "group")
			if isPackageRecord(r.Type) || o.DiscardExtra && !group || group && !c.sameGroup(ctx, r) {
				return false
			}
			continue
		}
		delete(want, r.Type)
		name := c.layout.fileName(base, r.Checksum)
		if r.Checksum.Type != repodata.ChecksumName(c.layout.Checksum) || r.LocationHref != RepodataDir+"/"+name {
			return false
		}
		if o.FixTimestamps && r.Timestamp != c.time.Unix() {
			return false
		}
	}
	return len(want) == 0
}

// samePackages reports whether primary lists the files of the run, unchanged and in order.
func (c *creation) samePackages(ctx context.Context, src *source) (bool, error) {
	since := src.written()
	f, err := src.packages(ctx, repodata.Primary)
	if err != nil {
		return false, err
	}
	defer f.Close()
	r, err := newRPMReader(c.opts.PkgChecksum, 0, "")
	if err != nil {
		return false, err
	}
	sc := repodata.NewScanner(f, repodata.Primary)
	var old oldPackage
	for i := range c.tasks {
		t := &c.tasks[i]
		if err := sc.NextRaw(); err != nil {
			return false, nil
		}
		if i == 0 && c.layout.Compact != isCompact(sc.Raw()) {
			return false, nil
		}
		if !old.parseFast(sc.Raw()) || old.Href != t.href || c.base(t) != "" && c.base(t) != old.Base {
			return false, nil
		}
		if c.opts.SkipStat {
			continue
		}
		same, err := c.sameFile(t, r, &old, since)
		if err != nil || !same {
			return false, nil
		}
	}
	if err := sc.NextRaw(); err != io.EOF {
		return false, nil
	}
	if _, err := io.Copy(io.Discard, f); err != nil {
		return false, nil
	}
	c.result.Packages, c.result.Reused = len(c.tasks), len(c.tasks)
	return true, nil
}

// isCompact reports whether an element was written without line breaks.
func isCompact(element []byte) bool {
	_, rest, _ := bytes.Cut(element, []byte(">"))
	return !bytes.HasPrefix(rest, []byte("\n"))
}

// parseFast reads from an element of primary what tells whether its file is still the same.
func (o *oldPackage) parseFast(element []byte) bool {
	var p repodata.Package
	if repodata.ParseHead(element, &p) != nil {
		return false
	}
	o.Href, o.Base, o.Size, o.TimeFile = p.LocationHref, p.LocationBase, p.SizePackage, p.TimeFile
	o.PkgID, o.ChecksumType = p.PkgID, p.ChecksumType
	return true
}

// isPackageRecord tells the files that hold an element for each package, and their other forms.
func isPackageRecord(typ string) bool {
	for _, suffix := range []string{"_db", "_zck"} {
		typ = strings.TrimSuffix(typ, suffix)
	}
	return typ == "primary" || typ == "filelists" || typ == "filelists-ext" || typ == "other" || typ == "prestodelta"
}

// sameRepomd compares all but revision and times.
func sameRepomd(a, b *repodata.Repomd) bool {
	if b == nil || len(a.Records) != len(b.Records) || a.RepoID != b.RepoID || a.ContentHash != b.ContentHash ||
		!slices.Equal(a.ContentTags, b.ContentTags) || !slices.Equal(a.RepoTags, b.RepoTags) ||
		!slices.Equal(a.DistroTags, b.DistroTags) {
		return false
	}
	for i := range a.Records {
		x, y := a.Records[i], b.Records[i]
		x.Timestamp, y.Timestamp = 0, 0
		if x != y {
			return false
		}
	}
	return true
}
