package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/repo"
	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// createFlags holds the options of createrepo_c that repo.CreateOptions does not take as they are.
type createFlags struct {
	repo.CreateOptions

	quiet, verbose            bool
	group, pkgList            string
	include                   []string
	noPretty, pretty          bool
	database, noDatabase      bool
	unique, simple            bool
	retain                    int
	retainAge                 string
	distro                    []string
	xz                        bool
	compressType, generalType string
	zck                       bool
	zckDict                   string
	keepAll, discard          bool
	compat                    bool
	deltas                    bool
	oldPackages               []string
	numDeltas                 int
	maxDelta                  int64
	localSqlite               bool
	repomdChecksum            string
	duplicates                string
	errorExit                 bool
}

func newCreateCmd() *cobra.Command {
	f := &createFlags{}
	cmd := &cobra.Command{
		Use:                   "create [options] DIR",
		DisableFlagsInUseLine: true,
		Short:                 "Make the metadata of a directory of packages (createrepo_c)",
		Long: `Create reads every package below DIR once and makes DIR/repodata. The options and their defaults are those
of createrepo_c 1.2. The old repodata is exchanged for the new one in a single step.

With --update a package whose size and times are unchanged is not read again. One whose inode was touched since
the metadata was written is compared by checksum, so that a replaced file is never taken for the old one.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 some packages could not be read and are listed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wantsVersion(cmd) {
				return nil
			}
			return f.run(cmd, args)
		},
	}
	f.add(cmd)
	return cmd
}

func (f *createFlags) add(cmd *cobra.Command) {
	addVersion(cmd, "V")
	p := cmd.Flags()
	p.SortFlags = false
	p.BoolVarP(&f.quiet, "quiet", "q", false, "print errors only")
	p.BoolVarP(&f.verbose, "verbose", "v", false, "say what is done")
	p.StringArrayVarP(&f.Excludes, "excludes", "x", nil, "leave out files and directories that match `GLOB`")
	p.StringVar(&f.BaseDir, "basedir", "", "`DIR` that a relative DIR is in")
	p.StringVarP(&f.BaseURL, "baseurl", "u", "", "`URL` that the locations of all packages start from")
	p.StringVarP(&f.group, "groupfile", "g", "", "comps `FILE` to include; a relative path starts at DIR")
	p.StringVarP(&f.PkgChecksum, "checksum", "s", "sha256", "checksum of packages and metadata: sha224, sha256, sha384, sha512, sha1, md5")
	p.BoolVarP(&f.pretty, "pretty", "p", true, "indent the XML")
	p.BoolVar(&f.noPretty, "no-pretty", false, "do not indent the XML")
	p.BoolVarP(&f.database, "database", "d", false, "make sqlite databases for yum")
	p.BoolVar(&f.noDatabase, "no-database", false, "make no sqlite databases (default)")
	p.BoolVar(&f.Layout.FilelistsExt, "filelists-ext", false, "make filelists-ext with the digests of the files")
	p.BoolVar(&f.Update, "update", false, "reuse the metadata of packages that have not changed")
	p.StringArrayVar(&f.UpdatePaths, "update-md-path", nil, "reuse the metadata of the repository at `URL` too")
	p.BoolVar(&f.SkipStat, "skip-stat", false, "with --update: a package of the same name is the same package")
	p.BoolVar(&f.Split, "split", false, "take several directories, one a medium of a set")
	p.StringVarP(&f.pkgList, "pkglist", "i", "", "`FILE` that lists the packages, one a line")
	p.StringArrayVarP(&f.include, "includepkg", "n", nil, "`PACKAGE` to take, as in --pkglist; may be given more than once")
	p.StringVarP(&f.OutputDir, "outputdir", "o", "", "make repodata in `DIR`, which exists")
	p.BoolVarP(&f.SkipSymlinks, "skip-symlinks", "S", false, "leave out packages that are symbolic links")
	p.IntVar(&f.ChangelogLimit, "changelog-limit", 10, "changelog entries to keep of each package; -1 for all")
	p.BoolVar(&f.unique, "unique-md-filenames", true, "put the checksum into the names of the metadata files")
	p.BoolVar(&f.simple, "simple-md-filenames", false, "leave the checksum out of the names")
	p.IntVar(&f.retain, "retain-old-md", 0, "0 removes the old metadata, any other number keeps it")
	p.StringVar(&f.retainAge, "retain-old-md-by-age", "", "keep old metadata that is not older than `AGE` (2h, 30d)")
	p.StringArrayVar(&f.distro, "distro", nil, "distribution tag, as `CPEID,NAME` or NAME")
	p.StringArrayVar(&f.ContentTags, "content", nil, "`TAG` for the content")
	p.StringArrayVar(&f.RepoTags, "repo", nil, "`TAG` for the repository")
	p.StringVar(&f.Revision, "revision", "", "revision of the repository (default: the time)")
	p.BoolVar(&f.FixTimestamps, "set-timestamp-to-revision", false, "use the revision as the time of the metadata files")
	p.StringVar(&f.ReadList, "read-pkgs-list", "", "write the names of the packages that were read to `FILE`")
	p.IntVar(&f.Workers, "workers", 5, "packages to read at once")
	f.addCompression(cmd)
	p.BoolVar(&f.keepAll, "keep-all-metadata", true, "with --update: keep additional metadata")
	p.BoolVar(&f.discard, "discard-additional-metadata", false, "with --update: drop additional metadata")
	p.BoolVar(&f.compat, "compatibility", false, "write what yum of EL7 reads: gzip, sqlite, plain comps")
	p.StringVarP(&f.CacheDir, "cachedir", "c", "", "keep checksums of packages in `DIR`; a relative path starts at the output directory")
	p.BoolVar(&f.deltas, "deltas", false, "not offered")
	p.StringArrayVar(&f.oldPackages, "oldpackagedirs", nil, "not offered")
	p.IntVar(&f.numDeltas, "num-deltas", 1, "not offered")
	p.Int64Var(&f.maxDelta, "max-delta-rpm-size", 0, "not offered")
	p.BoolVar(&f.localSqlite, "local-sqlite", false, "make the databases in the directory for temporary files")
	p.IntVar(&f.CutDirs, "cut-dirs", 0, "directories to cut off the locations")
	p.StringVar(&f.Prefix, "location-prefix", "", "put this before the locations")
	p.StringVar(&f.repomdChecksum, "repomd-checksum", "", "checksum of the metadata files, when not that of --checksum")
	p.BoolVar(&f.errorExit, "error-exit-val", false, "no effect: always on")
	p.BoolVar(&f.Recycle, "recycle-pkglist", false, "take the packages that the old metadata lists")
	p.StringVar(&f.duplicates, "duplicated-nevra", "keep", "packages with the same NEVRA: keep, or keep-last")
	p.BoolVar(&f.IgnoreLock, "ignore-lock", false, "go on although another run may be at work")
}

func (f *createFlags) addCompression(cmd *cobra.Command) {
	p := cmd.Flags()
	p.BoolVar(&f.xz, "xz", false, "compress comps and databases with xz")
	p.StringVar(&f.compressType, "compress-type", "", "compression of comps and databases: gz, bz2, xz, zstd")
	p.StringVar(&f.generalType, "general-compress-type", "", "compression of everything: gz, bz2, xz, zstd")
	p.BoolVar(&f.zck, "zck", false, "write zchunk files beside the others")
	p.StringVar(&f.zckDict, "zck-dict-dir", "", "take the dictionaries for these (primary.xml.zdict, ...) from `DIR`")
}

func (f *createFlags) run(cmd *cobra.Command, dirs []string) error {
	if f.Split && len(dirs) == 0 {
		return cli.Usagef("must specify at least one directory to index")
	}
	if !f.Split && len(dirs) != 1 {
		return cli.Usagef("must specify exactly one directory to index")
	}
	if err := f.options(cmd, dirs[0]); err != nil {
		return err
	}
	stderr := cmd.ErrOrStderr()
	f.Fail = func(s string) { fmt.Fprintln(stderr, s) }
	if !f.quiet {
		f.Warn = func(s string) { fmt.Fprintf(stderr, "warning: %s\n", s) }
	}
	if f.verbose {
		f.Info = func(s string) { fmt.Fprintln(stderr, s) }
	}
	result, err := repo.Create(cmd.Context(), dirs, f.CreateOptions)
	if err != nil {
		return err
	}
	if result.Failed > 0 {
		fmt.Fprintf(stderr, "%d packages were left out\n", result.Failed)
		return cli.ErrSomeFailed
	}
	return nil
}

// options turns what was given into what repo.Create takes.
func (f *createFlags) options(cmd *cobra.Command, dir string) error {
	if f.deltas || len(f.oldPackages) > 0 {
		return errRefused("deltas", "delta packages have been dropped by the distributions and no present client asks for them")
	}
	if f.zckDict != "" && !f.zck {
		return cli.Usagef("--zck-dict-dir needs --zck")
	}
	for option, typ := range map[string]string{"checksum": f.PkgChecksum, "repomd-checksum": f.repomdChecksum} {
		if _, err := repodata.NewHash(typ); err != nil && typ != "" {
			return cli.Usagef("--%s: %v", option, err)
		}
	}
	f.Now = time.Now()
	if f.ChangelogLimit < -1 {
		f.ChangelogLimit = 10
	}
	if err := f.layout(); err != nil {
		return err
	}
	switch f.duplicates {
	case "keep":
	case "keep-last":
		f.KeepLast = true
	default:
		return cli.Usagef("--duplicated-nevra %s: use keep or keep-last", f.duplicates)
	}
	if f.CutDirs < 0 {
		return cli.Usagef("--cut-dirs must not be negative")
	}
	if err := f.retention(); err != nil {
		return err
	}
	if err := f.files(dir); err != nil {
		return err
	}
	for _, tag := range f.distro {
		d := repodata.DistroTag{Name: tag}
		if cpe, name, ok := strings.Cut(tag, ","); ok {
			if name == "" {
				continue
			}
			d = repodata.DistroTag{CPEID: cpe, Name: name}
		}
		f.DistroTags = append(f.DistroTags, d)
	}
	f.DiscardExtra = f.discard
	if f.localSqlite {
		f.TempDir = os.TempDir()
	}
	return nil
}

// layout decides on compression and names.
func (f *createFlags) layout() error {
	ext := f.Layout.FilelistsExt
	l := repo.DefaultLayout()
	l.FilelistsExt, l.Zck, l.ZckDicts = ext, f.zck, f.zckDict
	if f.compat {
		l.XML, l.Extra = repodata.Gzip, repodata.Gzip
		f.PlainGroup = true
	}
	set := func(option, name string, targets ...*repodata.Compression) error {
		if name == "" {
			return nil
		}
		c, err := repodata.ParseCompression(name)
		if err != nil {
			return cli.Usagef("--%s: %v", option, err)
		}
		for _, t := range targets {
			*t = c
		}
		return nil
	}
	if f.xz {
		f.compressType = "xz"
	}
	if err := set("compress-type", f.compressType, &l.Extra, &l.Database); err != nil {
		return err
	}
	if err := set("general-compress-type", f.generalType, &l.XML, &l.Extra, &l.Database); err != nil {
		return err
	}
	l.SimpleNames = f.simple
	l.Compact = f.noPretty || !f.pretty
	l.SQLite = f.database || f.compat && !f.noDatabase
	l.Checksum = f.PkgChecksum
	if f.repomdChecksum != "" {
		l.Checksum = f.repomdChecksum
	}
	f.Layout = l
	return nil
}

func (f *createFlags) retention() error {
	f.Retention = repo.Retention{Keep: f.retain, Classic: f.compat}
	if f.retainAge == "" {
		return nil
	}
	if f.retain != 0 {
		return cli.Usagef("--retain-old-md-by-age cannot be combined with --retain-old-md")
	}
	age, err := parseAge(f.retainAge)
	f.Retention = repo.Retention{ByAge: true, MaxAge: age}
	return err
}

// files reads the list of packages and finds the group file.
func (f *createFlags) files(dir string) error {
	f.Packages = f.include
	f.Listed = len(f.include) > 0 || f.pkgList != ""
	if f.pkgList != "" {
		if !isRegular(f.pkgList) {
			return fmt.Errorf("pkglist file %q doesn't exist", f.pkgList)
		}
		b, err := os.ReadFile(f.pkgList)
		if err != nil {
			return err
		}
		for line := range strings.SplitSeq(string(b), "\n") {
			if line != "" {
				f.Packages = append(f.Packages, line)
			}
		}
	}
	if f.group == "" {
		return nil
	}
	f.GroupFile = f.group
	if strings.Contains(f.group, "://") {
		return nil
	}
	if !strings.HasPrefix(f.group, "/") {
		if f.BaseDir != "" && !strings.HasPrefix(dir, "/") {
			dir = strings.TrimRight(f.BaseDir, "/") + "/" + dir
		}
		f.GroupFile = strings.TrimRight(dir, "/") + "/" + f.group
	}
	if !isRegular(f.GroupFile) {
		return fmt.Errorf("groupfile %s doesn't exist", f.GroupFile)
	}
	return nil
}
