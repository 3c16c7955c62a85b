package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// CreateOptions are the options of createrepo_c that say what goes into the metadata. The zero value is usable but for
// Layout, which DefaultLayout gives.
type CreateOptions struct {
	Layout Layout

	OutputDir    string // where repodata is made; the directory itself when empty
	BaseDir      string // before a relative directory
	BaseURL      string // of all locations
	Prefix       string // before all locations
	CutDirs      int    // leading directories that locations lose
	Split        bool   // several directories, one a medium
	Excludes     []string
	Packages     []string // paths within the directory; used instead of looking through it when Listed is set
	Listed       bool
	Recycle      bool // take the list from the old metadata
	SkipSymlinks bool

	PkgChecksum    string // type of the checksums of packages, "sha256"
	ChangelogLimit int    // entries a package; -1 for all
	CacheDir       string // of checksums, relative to the output directory
	KeepLast       bool   // of packages with the same NEVRA keep the one built last
	Workers        int    // below 1: one for each processor

	Update        bool
	UpdatePaths   []string // other repositories whose metadata is reused
	SkipStat      bool     // trust names alone
	DiscardExtra  bool     // drop the additional metadata of the old repodata
	GroupFile     string   // absolute, or a URL
	PlainGroup    bool     // do not compress it
	ReadList      string   // file that gets the names of the packages that were read
	Retention     Retention
	IgnoreLock    bool
	Revision      string
	FixTimestamps bool // times of the metadata are Revision, which is a number

	ContentTags, RepoTags []string
	DistroTags            []repodata.DistroTag

	TempDir string // where databases are filled; the output directory when empty

	Now time.Time // of the run; it becomes the revision and the time of the files
	// These are called from several goroutines and may be nil.
	Fail func(string) // told which packages are left out; Warn when nil
	Warn func(string) // told what was odd but did not stop the run
	Info func(string) // told what happens
}

// DefaultLayout is what createrepo_c 1.2 writes when it is not told otherwise.
func DefaultLayout() Layout {
	return Layout{XML: repodata.Zstd, Extra: repodata.Zstd, Database: repodata.Bzip2, Checksum: "sha256"}
}

func (o *CreateOptions) warnf(format string, args ...any) {
	if o.Warn != nil {
		o.Warn(fmt.Sprintf(format, args...))
	}
}

func (o *CreateOptions) failf(format string, args ...any) {
	if o.Fail == nil {
		o.warnf(format, args...)
		return
	}
	o.Fail(fmt.Sprintf(format, args...))
}

func (o *CreateOptions) infof(format string, args ...any) {
	if o.Info != nil {
		o.Info(fmt.Sprintf(format, args...))
	}
}

func (o *CreateOptions) excluded(name string) bool {
	return slices.ContainsFunc(o.Excludes, func(pattern string) bool { return globMatch(pattern, name) })
}

// CreateResult tells what Create did.
type CreateResult struct {
	Packages  int
	Reused    int
	Failed    int  // packages that could not be read; each was named in a warning
	Unchanged bool // the old metadata says the same and stays
}

// Create makes the metadata of the packages in dirs, of which there is one unless Split is set.
func Create(ctx context.Context, dirs []string, opts CreateOptions) (*CreateResult, error) {
	c := &creation{opts: &opts, layout: opts.Layout}
	if err := c.prepare(dirs); err != nil {
		return nil, err
	}
	var err error
	if c.work, err = openWorkspace(c.outDir, opts.IgnoreLock); err != nil {
		return nil, err
	}
	runErr := c.run(ctx, dirs)
	return &c.result, errors.Join(runErr, c.work.discard())
}

// creation is one run of Create.
type creation struct {
	opts   *CreateOptions
	layout Layout
	inDir  string // the first directory; ends in a slash
	outDir string // ends in a slash
	work   *workspace
	tasks  []task
	old    *oldMetadata
	skip   map[int]bool // tasks that another with the same NEVRA replaces
	time   time.Time    // of the files
	result CreateResult
}

func (c *creation) prepare(dirs []string) error {
	o := c.opts
	if err := c.layout.check(); err != nil {
		return err
	}
	if _, err := repodata.NewHash(o.PkgChecksum); err != nil {
		return err
	}
	c.inDir = normalDir(dirs[0])
	if o.BaseDir != "" && !strings.HasPrefix(dirs[0], "/") {
		c.inDir = normalDir(filepath.Join(o.BaseDir, dirs[0]))
	}
	for _, dir := range append([]string{c.inDir}, dirs[1:]...) {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fmt.Errorf("directory %s must exist", dir)
		}
	}
	c.outDir = c.inDir
	if o.OutputDir != "" {
		c.outDir = normalDir(o.OutputDir)
		if info, err := os.Stat(c.outDir); err != nil || !info.IsDir() {
			return fmt.Errorf("outputdir %q must be a directory that exists", o.OutputDir)
		}
	}
	if o.CacheDir != "" {
		if !strings.HasPrefix(o.CacheDir, "/") {
			o.CacheDir = c.outDir + o.CacheDir
		}
		err := os.Mkdir(o.CacheDir, 0o775)
		if info, statErr := os.Stat(o.CacheDir); errors.Is(err, os.ErrExist) && statErr == nil && info.IsDir() {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("cannot use cachedir: %w", err)
		}
	}
	c.time = o.Now
	if o.FixTimestamps {
		sec, err := strconv.ParseInt(o.Revision, 0, 64)
		if err != nil || sec < 0 {
			return fmt.Errorf("--set-timestamp-to-revision requires a number of seconds as --revision, not %q", o.Revision)
		}
		c.time = time.Unix(sec, 0)
	}
	return nil
}

func (c *creation) run(ctx context.Context, dirs []string) (err error) {
	o := c.opts
	defer func() {
		if c.old != nil {
			err = errors.Join(err, c.old.Close())
		}
	}()
	if o.Recycle {
		if err := c.loadOld(ctx); err != nil {
			return err
		}
		o.Listed = true
		o.Packages = append(o.Packages, c.old.hrefs()...)
	}
	c.findPackages(dirs)
	if o.Update && c.old == nil {
		unchanged, err := c.unchanged(ctx)
		if err != nil {
			return err
		}
		if unchanged {
			return c.stay()
		}
		if len(c.tasks) > 0 {
			if err := c.loadOld(ctx); err != nil {
				return err
			}
		}
	}
	if o.KeepLast {
		if err := c.findDuplicates(ctx); err != nil {
			return err
		}
	}
	md, err := c.write(ctx)
	if err != nil {
		return err
	}
	if c.old != nil && !o.Retention.set() && c.old.own != nil && sameRepomd(md, c.old.own.repomd) {
		return c.stay()
	}
	if err := c.work.writeRepomd(md); err != nil {
		return err
	}
	if err := c.work.retain(o.Retention, o.Now); err != nil {
		return err
	}
	return c.work.publish()
}

// stay ends a run that found nothing to change.
func (c *creation) stay() error {
	c.opts.infof("new and old repodata match, not updating")
	c.result.Unchanged = true
	if c.opts.ReadList != "" && c.result.Packages == c.result.Reused {
		return writeList(c.opts.ReadList, nil)
	}
	return nil
}

func (c *creation) findPackages(dirs []string) {
	o := c.opts
	for i, dir := range dirs {
		w := walker{opts: o, root: normalDir(dir)}
		if i == 0 {
			w.root = c.inDir
		}
		switch {
		case o.Listed && len(o.Packages) == 0:
			o.warnf("the package list names no packages")
		case o.Listed:
			w.listed(o.Packages)
		default:
			w.walk(strings.TrimSuffix(w.root, "/"), nil)
		}
		sortTasks(w.tasks)
		for j := range w.tasks {
			t := &w.tasks[j]
			t.href = joinPrefix(o.Prefix, cutDirs(t.href, o.CutDirs))
			if o.Split {
				t.media = i + 1
			}
		}
		c.tasks = append(c.tasks, w.tasks...)
	}
	o.infof("%d packages found", len(c.tasks))
}

// base returns the xml:base of t.
func (c *creation) base(t *task) string {
	if t.media > 0 {
		return mediaBase(strconv.Itoa(t.media), c.opts.BaseURL)
	}
	return c.opts.BaseURL
}

// write makes all files in the workspace and returns what repomd.xml will say.
func (c *creation) write(ctx context.Context) (*repodata.Repomd, error) {
	extra, err := c.extraRecords(ctx)
	if err != nil {
		return nil, err
	}
	records, err := c.writePackages(ctx)
	if err != nil {
		return nil, err
	}
	md := &repodata.Repomd{
		Revision: c.opts.Revision, ContentTags: c.opts.ContentTags, RepoTags: c.opts.RepoTags, DistroTags: c.opts.DistroTags,
		Records: records,
	}
	if md.Revision == "" {
		md.Revision = strconv.FormatInt(c.opts.Now.Unix(), 10)
	}
	if c.layout.SQLite {
		dbs, err := writeDatabases(ctx, c.work.dir, cmp.Or(c.opts.TempDir, c.work.dir), &c.layout, records, c.time)
		if err != nil {
			return nil, err
		}
		md.Records = append(md.Records, dbs...)
	}
	md.Records = append(md.Records, extra...)
	md.Sort()
	return md, nil
}

// writePackages writes primary, filelists and other.
func (c *creation) writePackages(ctx context.Context) ([]repodata.Record, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, err := newOutput(c.work.dir, c.layout, len(c.tasks)-len(c.skip), c.time)
	if err != nil {
		return nil, err
	}
	names := map[string][]string{}
	var read []byte
	err = c.inOrder(ctx, func(b *packageBatch) error {
		for i := range b.done {
			d := &b.done[i]
			c.result.Packages++
			if d.reused {
				c.result.Reused++
			} else {
				read = append(append(read, d.href...), '\n')
			}
			names[d.nevra] = append(names[d.nevra], d.href)
		}
		c.result.Failed += b.failed
		return out.add(ctx, &b.batch)
	})
	if err != nil {
		return nil, errors.Join(err, out.abort())
	}
	c.warnDuplicates(names)
	if c.opts.ReadList != "" {
		if err := writeList(c.opts.ReadList, read); err != nil {
			return nil, errors.Join(err, out.abort())
		}
	}
	return out.close()
}

// writeList writes a file that the caller named: /dev/stdout and the like are written to, not replaced.
func writeList(path string, data []byte) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode().IsRegular() {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		return atomicfile.Write(path, data, 0o666)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

func (c *creation) warnDuplicates(names map[string][]string) {
	var twice []string
	for nevra, hrefs := range names {
		if len(hrefs) > 1 {
			twice = append(twice, nevra)
		}
	}
	slices.Sort(twice)
	for _, nevra := range twice {
		c.opts.warnf("package %s has more than one file: %s", nevra, strings.Join(names[nevra], ", "))
	}
}

// findDuplicates marks all but the last built of the packages with one NEVRA; the location decides between equals.
func (c *creation) findDuplicates(ctx context.Context) error {
	type version struct {
		task  int
		built int64
	}
	latest := map[string]version{}
	c.skip = map[int]bool{}
	r, err := newRPMReader(c.opts.PkgChecksum, 0, "")
	if err != nil {
		return err
	}
	for i := range c.tasks {
		if err := ctx.Err(); err != nil {
			return err
		}
		nevra, built, err := r.identity(c.tasks[i].full)
		if err != nil {
			continue // the run itself will say so
		}
		now := version{task: i, built: built}
		before, ok := latest[nevra]
		if !ok {
			latest[nevra] = now
			continue
		}
		if now.built < before.built || now.built == before.built && c.tasks[i].href < c.tasks[before.task].href {
			now, before = before, now
		}
		c.skip[before.task] = true
		latest[nevra] = now
	}
	return nil
}
