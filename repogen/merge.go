package main

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/repo"
	"github.com/weld-linux/weld-bridge/internal/repodata"
)

type mergeFlags struct {
	repo.MergeOptions

	archList, compressType, method string
	database, noDatabase           bool
	unique, simpleNames            bool
	verbose, all, archExpand, zck  bool
	zckDict                        string
}

func newMergeCmd() *cobra.Command {
	f := &mergeFlags{}
	cmd := &cobra.Command{
		Use:                   "merge --repo URL --repo URL [options]",
		DisableFlagsInUseLine: true,
		Short:                 "Merge the metadata of repositories (mergerepo_c)",
		Long: `Merge makes one repository's metadata out of that of several, which are directories or file, http and
https URLs. The options and their defaults are those of mergerepo_c 1.2.

With --koji, packages come from the first repository that has their build, so that a tag's own build hides those
of external repositories; pkgorigins says where each came from.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wantsVersion(cmd) {
				return nil
			}
			return f.run(cmd, args)
		},
	}
	addVersion(cmd, "")
	p := cmd.Flags()
	p.SortFlags = false
	p.StringArrayVarP(&f.Repos, "repo", "r", nil, "`URL` or directory of a repository to merge; may be given more than once")
	p.StringVar(&f.PrefixOld, "repo-prefix-search", "", "start of base URLs to replace")
	p.StringVar(&f.PrefixNew, "repo-prefix-replace", "", "what to put in its place")
	p.StringVarP(&f.archList, "archlist", "a", "", "`ARCHES` to take, with commas between (default: all)")
	p.BoolVarP(&f.database, "database", "d", false, "make sqlite databases")
	p.BoolVar(&f.noDatabase, "no-database", false, "make no sqlite databases")
	p.BoolVar(&f.Layout.FilelistsExt, "filelists-ext", false, "make filelists-ext with the digests of the files")
	p.BoolVarP(&f.verbose, "verbose", "v", false, "no effect: warnings are always shown")
	p.StringVarP(&f.Output, "outputdir", "o", "merged_repo", "`DIR` to make the repository in")
	p.BoolVar(&f.NoGroups, "nogroups", false, "leave group metadata out")
	p.BoolVar(&f.NoUpdateInfo, "noupdateinfo", false, "leave updateinfo out")
	p.StringVar(&f.compressType, "compress-type", "", "compression: gz, bz2, xz, zstd")
	p.BoolVar(&f.zck, "zck", false, "write zchunk files beside the others")
	p.StringVar(&f.zckDict, "zck-dict-dir", "", "take the dictionaries for these (primary.xml.zdict, ...) from `DIR`")
	p.StringVar(&f.method, "method", "", "of packages with one name and architecture: repo (first), ts (newest), nvr (highest)")
	p.BoolVar(&f.all, "all", false, "take every version")
	p.StringVar(&f.NoArch, "noarch-repo", "", "take noarch packages from the repository at `URL` where it has them")
	p.BoolVar(&f.unique, "unique-md-filenames", true, "put the checksum into the names of the metadata files")
	p.BoolVar(&f.simpleNames, "simple-md-filenames", false, "leave the checksum out of the names")
	p.BoolVar(&f.OmitBaseURL, "omit-baseurl", false, "give no base URL to packages that have none")
	p.BoolVarP(&f.Koji, "koji", "k", false, "take each build from one repository only, as koji wants it")
	p.BoolVar(&f.Simple, "simple", false, "with --koji: take everything")
	p.BoolVar(&f.Origins, "pkgorigins", false, "say where each package comes from")
	p.BoolVar(&f.archExpand, "arch-expand", false, "take compatible and multilib architectures too")
	p.StringVarP(&f.GroupFile, "groupfile", "g", "", "comps `FILE` to include")
	p.StringVarP(&f.Blocked, "blocked", "b", "", "with --koji: `FILE` with names of source packages to leave out")
	return cmd
}

func (f *mergeFlags) run(cmd *cobra.Command, args []string) error {
	if len(args) > 0 || len(f.Repos) == 0 {
		return cli.Usagef("want --repo URL, at least once, and no other arguments")
	}
	if err := f.options(); err != nil {
		return err
	}
	f.Now = time.Now()
	return repo.Merge(cmd.Context(), f.MergeOptions)
}

func (f *mergeFlags) options() error {
	if f.zckDict != "" && !f.zck {
		return cli.Usagef("--zck-dict-dir needs --zck")
	}
	l := repo.DefaultLayout()
	l.FilelistsExt, l.SimpleNames, l.SQLite = f.Layout.FilelistsExt, f.simpleNames, f.database && !f.noDatabase
	l.Zck, l.ZckDicts = f.zck, f.zckDict
	if f.compressType != "" {
		c, err := repodata.ParseCompression(f.compressType)
		if err != nil {
			return cli.Usagef("--compress-type: %v", err)
		}
		l.XML, l.Extra, l.Database = c, c, c
	}
	f.Layout = l
	if err := f.arches(); err != nil {
		return err
	}
	if err := f.methods(); err != nil {
		return err
	}
	if f.Blocked != "" {
		if !f.Koji {
			return cli.Usagef("-b/--blocked cannot be used without -k/--koji")
		}
		if _, err := os.Stat(f.Blocked); err != nil {
			return err
		}
	}
	if (f.PrefixOld == "") != (f.PrefixNew == "") {
		return cli.Usagef("--repo-prefix-search and --repo-prefix-replace must be used together")
	}
	return nil
}

func (f *mergeFlags) arches() error {
	expand := f.Koji || f.archExpand
	switch {
	case f.archList != "":
		list := strings.FieldsFunc(f.archList, func(r rune) bool { return r == ',' || r == ';' })
		f.Arches = repo.ExpandArches(list, expand)
	case f.archExpand:
		return cli.Usagef("--arch-expand cannot be used without -a/--archlist")
	case f.Koji:
		f.Arches = repo.ExpandArches(nil, true)
	}
	return nil
}

func (f *mergeFlags) methods() error {
	methods := map[string]repo.MergeMethod{
		"": repo.FirstRepo, "repo": repo.FirstRepo, "ts": repo.NewestFile, "nvr": repo.HighestEVR,
	}
	method, ok := methods[f.method]
	if !ok {
		return cli.Usagef("unknown merge method %s", f.method)
	}
	if f.all || f.Koji {
		method = repo.AllVersions
	}
	if f.Koji && f.Simple {
		method = repo.Everything
	}
	f.Method = method
	return nil
}
