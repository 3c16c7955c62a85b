package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weld-linux/weld-bridge/internal/repodata"
	"github.com/weld-linux/weld-bridge/internal/rpmver"
)

// MergeMethod says which of the packages with one name and architecture is taken.
type MergeMethod uint8

// The merge methods of mergerepo_c.
const (
	FirstRepo   MergeMethod = iota // the one of the first repository
	NewestFile                     // the one whose file is newest
	HighestEVR                     // the one with the highest version
	AllVersions                    // every version, each from the first repository that has it
	Everything                     // all, even several of the same version
)

// MergeOptions are the options of mergerepo_c.
type MergeOptions struct {
	Layout Layout
	Repos  []string // directories or URLs, first to last
	Output string   // directory that gets repodata

	Method               MergeMethod
	Arches               []string // of the packages that are taken; all when empty
	NoArch               string   // repository that replaces packages of architecture noarch at the same location
	PrefixOld, PrefixNew string   // change of the start of the base URLs

	NoGroups, NoUpdateInfo bool
	GroupFile              string // in place of the first one that is found
	OmitBaseURL            bool

	Koji    bool   // take a build from one repository only
	Simple  bool   // with Koji: but do not look at builds
	Origins bool   // say where each package comes from; Koji does in any case
	Blocked string // file with names of source packages that are left out; needs Koji

	Now time.Time
}

// Merge makes one repository's metadata out of several. It fails when one of them cannot be read.
func Merge(ctx context.Context, opts MergeOptions) error {
	if err := opts.Layout.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(opts.Output, 0o775); err != nil {
		return err
	}
	work, err := openWorkspace(normalDir(opts.Output), false)
	if err != nil {
		return err
	}
	m := &merging{opts: &opts, work: work, byName: map[string][]*oldPackage{}}
	return errors.Join(m.run(ctx), work.discard())
}

type merging struct {
	opts    *MergeOptions
	work    *workspace
	spool   *spool
	sources []*source
	repos   [][]*oldPackage
	noarch  map[string]*oldPackage

	blocked map[string]bool
	builds  map[string]build // by name of the source package
	seen    map[string]bool  // NVRAs
	byName  map[string][]*oldPackage
	origins []byte
}

// build is the source package that a repository contributes.
type build struct {
	repo int
	file string
	sourceID
}

func (m *merging) run(ctx context.Context) (err error) {
	if m.spool, err = newSpool(m.work.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.spool.Close()) }()
	if err := m.load(ctx); err != nil {
		return err
	}
	if m.opts.Koji {
		if err := m.prepareKoji(); err != nil {
			return err
		}
	}
	for i, packages := range m.repos {
		for _, p := range packages {
			if p.spooled {
				m.add(i, p)
			}
		}
	}
	md, err := m.write(ctx)
	if err != nil {
		return err
	}
	if err := m.work.writeRepomd(md); err != nil {
		return err
	}
	if err := m.work.retain(Retention{}, m.opts.Now); err != nil {
		return err
	}
	return m.work.publish()
}

// load reads all repositories.
func (m *merging) load(ctx context.Context) error {
	wanted := func(p *repodata.Package) bool {
		return len(m.opts.Arches) == 0 || slices.Contains(m.opts.Arches, p.Arch)
	}
	read := func(place string) (*source, []*oldPackage, error) {
		src, err := openSource(ctx, normalDir(place))
		if err != nil {
			return nil, nil, err
		}
		all, err := m.spool.load(ctx, src, m.opts.Layout.kinds(), wanted)
		for _, p := range all {
			// It would add lines to the list of origins.
			if strings.ContainsAny(p.NVRA(), "\t\n") {
				return nil, nil, fmt.Errorf("%q is not the name of a package", p.NVRA())
			}
		}
		return src, dropTwins(all), err
	}
	for _, place := range m.opts.Repos {
		src, all, err := read(place)
		if err != nil {
			return fmt.Errorf("cannot load repo %q: %w", place, err)
		}
		m.sources = append(m.sources, src)
		m.repos = append(m.repos, all)
	}
	if m.opts.NoArch == "" {
		return nil
	}
	src, all, err := read(m.opts.NoArch)
	if err != nil {
		return fmt.Errorf("cannot load noarch repo %q: %w", m.opts.NoArch, err)
	}
	m.noarch = map[string]*oldPackage{}
	for _, p := range all {
		p.Base = cmp.Or(p.Base, trimBase(src.url))
		if p.spooled {
			m.noarch[p.Href] = p
		}
	}
	return nil
}

// dropTwins keeps the first of the entries of one repository that are for the same file content.
func dropTwins(all []*oldPackage) []*oldPackage {
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(p *oldPackage) bool {
		twin := seen[p.PkgID]
		seen[p.PkgID] = true
		return twin
	})
}

// trimBase returns the base that packages get for a repository: its URL without the slash at the end.
func trimBase(place string) string {
	place = normalDir(place)
	if len(place) > 1 {
		return strings.TrimSuffix(place, "/")
	}
	return place
}

// base returns the xml:base of the packages of repository i.
func (m *merging) base(i int) string {
	if m.opts.OmitBaseURL || i == 0 && (m.opts.Koji || m.opts.Origins) {
		return ""
	}
	base := trimBase(m.sources[i].url)
	if old := m.opts.PrefixOld; old != "" && strings.HasPrefix(base, old) {
		base = m.opts.PrefixNew + base[len(old):]
	}
	return base
}

// add takes package p of repository i, if it is to be taken.
func (m *merging) add(i int, p *oldPackage) {
	if p.Arch == "noarch" && m.noarch[p.Href] != nil {
		p = m.noarch[p.Href]
	}
	if m.opts.Koji && !m.allowed(p) {
		return
	}
	same := m.byName[p.Name]
	first := true
	for j, other := range same {
		if other.Arch != p.Arch {
			continue
		}
		switch m.opts.Method {
		case FirstRepo:
			return
		case NewestFile:
			if p.TimeFile > other.TimeFile {
				p.Base = cmp.Or(p.Base, m.base(i))
				same[j] = p
			}
			return
		case HighestEVR:
			if compareEVR(p, other) > 0 {
				p.Base = cmp.Or(p.Base, m.base(i))
				same[j] = p
			}
			return
		case AllVersions:
			if compareEVR(p, other) == 0 {
				return
			}
		case Everything:
			first = first && compareEVR(p, other) != 0
		}
	}
	p.Base = cmp.Or(p.Base, m.base(i))
	m.byName[p.Name] = append(same, p)
	if first && (m.opts.Koji || m.opts.Origins) {
		origin := normalDir(m.sources[i].url)
		if origin[0] == '/' {
			origin = "file://" + origin
		}
		m.origins = append(m.origins, p.NVRA()+"\t"+origin+"\n"...)
	}
}

func compareEVR(a, b *oldPackage) int {
	return cmp.Or(rpmver.Compare(epochOf(a.Epoch), epochOf(b.Epoch)), rpmver.Compare(a.Version, b.Version),
		rpmver.Compare(a.Release, b.Release))
}

func epochOf(s string) string { return cmp.Or(s, "0") }

// write makes all files in the workspace.
func (m *merging) write(ctx context.Context) (*repodata.Repomd, error) {
	o, l := m.opts, &m.opts.Layout
	records, err := m.writePackages(ctx)
	if err != nil {
		return nil, err
	}
	md := &repodata.Repomd{Revision: strconv.FormatInt(o.Now.Unix(), 10), Records: records}
	if l.SQLite {
		dbs, err := writeDatabases(ctx, m.work.dir, m.work.dir, l, records, o.Now)
		if err != nil {
			return nil, err
		}
		md.Records = append(md.Records, dbs...)
	}
	var extras []repodata.Record
	extra := func(typ, name string, in io.Reader, c repodata.Compression) error {
		r, err := writeExtra(m.work.dir, typ, name, in, c, l, o.Now)
		extras = append(extras, r)
		return err
	}
	if !o.NoGroups {
		in, name, err := m.openGroup(ctx)
		if err != nil {
			return nil, err
		}
		if in != nil {
			defer in.Close()
			if err := extra("group", name, in, l.Extra); err != nil {
				return nil, err
			}
		}
	}
	if !o.NoUpdateInfo {
		// mergerepo_c promises to merge updateinfo and writes an empty one; clients get what they got.
		const empty = "<?xml version=\"1.0\"?>\n<updates></updates>\n"
		if err := extra("updateinfo", "updateinfo.xml", strings.NewReader(empty), l.Extra); err != nil {
			return nil, err
		}
	}
	if extras, err = addZck(m.work.dir, extras, l, o.Now); err != nil {
		return nil, err
	}
	if o.Koji || o.Origins {
		if err := extra("origin", "pkgorigins", strings.NewReader(string(m.origins)), repodata.Gzip); err != nil {
			return nil, err
		}
	}
	md.Records = append(md.Records, extras...)
	return md, nil
}

// openGroup opens the group file that was asked for, or the first that a repository has.
func (m *merging) openGroup(ctx context.Context) (io.ReadCloser, string, error) {
	if m.opts.GroupFile != "" {
		in, err := os.Open(m.opts.GroupFile)
		return in, groupBase(m.opts.GroupFile), err
	}
	for _, src := range m.sources {
		if r := src.repomd.Record("group"); r != nil {
			in, err := src.plain(ctx, r)
			return in, repodata.TrimSuffix(extraBase(r)), err
		}
	}
	return nil, "", nil
}

// writePackages writes what was taken, by name and then by location.
func (m *merging) writePackages(ctx context.Context) ([]repodata.Record, error) {
	names := make([]string, 0, len(m.byName))
	count := 0
	for name, packages := range m.byName {
		names = append(names, name)
		count += len(packages)
		slices.SortStableFunc(packages, func(a, b *oldPackage) int {
			return cmp.Or(strings.Compare(a.Href, b.Href), strings.Compare(a.Base, b.Base))
		})
	}
	slices.Sort(names)
	l := &m.opts.Layout
	out, err := newOutput(m.work.dir, *l, count, m.opts.Now)
	if err != nil {
		return nil, err
	}
	var p repodata.Package
	ring, next := make([]batch, 4), 0
	b := &ring[0]
	for _, name := range names {
		for _, old := range m.byName[name] {
			if err := m.spool.get(old, l.kinds(), &p); err != nil {
				return nil, errors.Join(err, out.abort())
			}
			p.LocationBase = old.Base
			if err := p.Check(); err != nil {
				return nil, errors.Join(fmt.Errorf("cannot write package %s: %w", p.NEVRA(), err), out.abort())
			}
			b.add(l, &p)
		}
		if b.packages < tasksPerBatch {
			continue
		}
		if err := out.add(ctx, b); err != nil {
			return nil, errors.Join(err, out.abort())
		}
		next = (next + 1) % len(ring)
		b = &ring[next]
		b.users.Wait()
		b.reset()
	}
	if err := out.add(ctx, b); err != nil {
		return nil, errors.Join(err, out.abort())
	}
	return out.close()
}
