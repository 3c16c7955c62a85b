package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/repo"
	"github.com/weld-linux/weld-bridge/internal/repodata"
)

type modifyFlags struct {
	mdType, remove, newName      string
	compress, noCompress         bool
	compressType, checksum       string
	unique, simple, verbose, zck bool
	batch, zckDict               string
}

func newModifyCmd() *cobra.Command {
	f := &modifyFlags{}
	cmd := &cobra.Command{
		Use:                   "modify [options] FILE REPODATA",
		DisableFlagsInUseLine: true,
		Short:                 "Add or remove metadata files (modifyrepo_c)",
		Long: `Modify adds FILE to the metadata in the directory REPODATA, or with --remove takes a file out. The options
are those of modifyrepo_c 1.2. The new repomd.xml takes the place of the old one in a single step, after the files
that it names. Runs over one directory wait for each other. A signature of repomd.xml (repomd.xml.asc) is left as it is,
and is no longer right.

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
	p.StringVar(&f.mdType, "mdtype", "", "type of the metadata (default: the file name up to its first dot)")
	p.StringVar(&f.remove, "remove", "", "take metadata of this `TYPE` out")
	p.BoolVar(&f.compress, "compress", true, "compress the file")
	p.BoolVar(&f.noCompress, "no-compress", false, "do not compress the file")
	p.StringVar(&f.compressType, "compress-type", "", "compression: gz, bz2, xz, zstd (default zstd)")
	p.StringVarP(&f.checksum, "checksum", "s", "sha256", "type of the checksum")
	p.BoolVar(&f.unique, "unique-md-filenames", true, "put the checksum into the file name")
	p.BoolVar(&f.simple, "simple-md-filenames", false, "leave the checksum out of the file name")
	p.BoolVar(&f.verbose, "verbose", false, "no effect: warnings are always shown")
	p.StringVarP(&f.batch, "batchfile", "f", "", "`FILE` with several changes")
	p.StringVar(&f.newName, "new-name", "", "name for the file")
	p.BoolVar(&f.zck, "zck", false, "write a zchunk file beside the other")
	p.StringVar(&f.zckDict, "zck-dict-dir", "", "take the dictionary for it from `DIR`")
	return cmd
}

func (f *modifyFlags) run(cmd *cobra.Command, args []string) error {
	if f.zckDict != "" && !f.zck {
		return cli.Usagef("--zck-dict-dir needs --zck")
	}
	var changes []repo.Change
	var err error
	switch {
	case f.batch == "" && f.remove == "" && len(args) == 2:
		changes, err = f.one(repo.Change{Path: args[0]})
	case f.batch == "" && f.remove != "" && len(args) == 1:
		changes, err = f.one(repo.Change{Path: f.remove, Remove: true})
	case f.batch != "" && len(args) == 1:
		changes, err = readBatch(f.batch)
	default:
		return cli.Usagef("want FILE and REPODATA, or --remove TYPE or --batchfile FILE and REPODATA")
	}
	if err != nil {
		return err
	}
	warn := func(s string) { fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", s) }
	return repo.Modify(cmd.Context(), args[len(args)-1], changes, time.Now(), warn)
}

// one completes a change from the flags.
func (f *modifyFlags) one(c repo.Change) ([]repo.Change, error) {
	c.Type, c.NewName, c.SimpleName, c.Checksum = f.mdType, f.newName, f.simple, f.checksum
	c.Zck, c.ZckDicts = f.zck, f.zckDict
	c.Compression = repodata.Zstd
	if f.compressType != "" {
		var err error
		if c.Compression, err = repodata.ParseCompression(f.compressType); err != nil {
			return nil, cli.Usagef("--compress-type: %v", err)
		}
	}
	if f.noCompress {
		c.Compression = repodata.None
	}
	return []repo.Change{c}, nil
}

// readBatch reads a key file: a group a change, named for the path of the file.
func readBatch(path string) ([]repo.Change, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var changes []repo.Change
	sc := bufio.NewScanner(file)
	for line := 1; sc.Scan(); line++ {
		text := strings.TrimSpace(sc.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
			changes = append(changes, repo.Change{Path: text[1 : len(text)-1], Compression: repodata.Zstd, Checksum: "sha256"})
			continue
		}
		key, value, ok := strings.Cut(text, "=")
		if !ok || len(changes) == 0 {
			return nil, fmt.Errorf("%s:%d: want [path] or key=value", path, line)
		}
		if err := setBatchKey(&changes[len(changes)-1], strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, line, err)
		}
	}
	return changes, sc.Err()
}

func setBatchKey(c *repo.Change, key, value string) (err error) {
	yes := value == "true" || value == "1"
	switch key {
	case "path":
		c.Path = value
	case "type":
		c.Type = value
	case "remove":
		c.Remove = yes
	case "compress":
		if !yes {
			c.Compression = repodata.None
		}
	case "compress-type":
		if c.Compression != repodata.None {
			c.Compression, err = repodata.ParseCompression(value)
		}
	case "unique-md-filenames":
		c.SimpleName = !yes
	case "checksum":
		c.Checksum = value
	case "zck":
		c.Zck = yes
	case "new-name":
		c.NewName = value
	}
	return err
}
