package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/gitmirror"
	"github.com/weld-linux/weld-bridge/internal/rpmver"
)

func newImportCmd() *cobra.Command {
	var at places
	var b cli.Bulk
	im := &gitmirror.Importer{}
	cmd := &cobra.Command{
		Use:   "import --mirrors DIR --metadata DIR SRPM|DIR...",
		Short: "Import source RPMs into git",
		Long: `import takes source RPMs apart: branch upstream gets the unpacked archives, branch distro the patches as commits,
the metadata repository spec, package.toml, small sources and sources.lock. What it stores it regenerates and compares
before a reference moves. Packages are worked on in parallel, the versions of one from the oldest to the newest. A version
older than what the branch has is refused; with --rebuild it takes its place, and all that follows it is committed again.

Of a DIR every *.src.rpm and *.nosrc.rpm below it is taken. %prep is read, never run: a patch that cannot be applied is kept
and listed with the reason.`,
		Example: `  srpm2git import --mirrors mirrors --metadata metadata bash-5.2.37-1.src.rpm
  srpm2git import --mirrors mirrors --metadata metadata -j8 --report import.jsonl SRPMS/`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := at.check(); err != nil {
				return err
			}
			if err := gitmirror.CheckBranch(im.Branch); err != nil {
				return cli.Usagef("--branch: %v", err)
			}
			if im.MaxSearch < 0 {
				return cli.Usagef("--max-search %d: want at least 0", im.MaxSearch)
			}
			im.Mirrors, im.Metadata, im.Force = at.mirrors, at.metadata, b.Force
			items, many := cli.Inputs(args, func(name string) bool {
				return strings.HasSuffix(name, ".src.rpm") || strings.HasSuffix(name, ".nosrc.rpm")
			})
			b.Many = many
			if items, err = b.Select(byPackage(items)); err != nil {
				return err
			}
			if err := im.Open(); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, im.Close()) }()
			return b.Run(cmd, inOrder(im, items), func(ctx context.Context, it bulk.Item) bulk.Result { return importGroup(ctx, im, it) })
		},
	}
	at.add(cmd)
	b.Add(cmd)
	cmd.Flags().StringVar(&im.Branch, "branch", "", "import to distro-`B` and upstream-B")
	cmd.Flags().BoolVar(&im.Rebuild, "rebuild", false, "let an older version take its place")
	cmd.Flags().Int64Var(&im.MaxSearch, "max-search", 0, "keep archives of more plain `BYTES` as they are instead of looking for their encoder (default: no limit)")
	return cmd
}

// version is a source RPM and what orders it.
type version struct {
	path string
	evr  rpmver.EVR
}

// byPackage orders the inputs so that the versions of one package follow each other from the oldest on, and notes in each
// item which one has to be imported before it.
func byPackage(items []bulk.Item) []bulk.Item {
	type keyed struct {
		item bulk.Item
		v    version
		name string
	}
	list := make([]keyed, len(items))
	for i, it := range items {
		list[i] = keyed{item: it, v: version{path: it.Value.(cli.File).Path}}
		if it.Err == nil {
			n, _ := gitmirror.Probe(list[i].v.path) // what is wrong with it, its import says
			list[i].v.evr, list[i].name = rpmver.Parse(n.EVR()), n.Name
		}
	}
	slices.SortStableFunc(list, func(a, b keyed) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		if c := a.v.evr.Compare(b.v.evr); c != 0 {
			return c
		}
		return strings.Compare(a.v.path, b.v.path)
	})
	var prev chan struct{}
	for i := range list {
		if i == 0 || list[i].name == "" || list[i].name != list[i-1].name {
			prev = nil
		}
		turn := &turn{path: list[i].v.path, after: prev, done: make(chan struct{})}
		prev = turn.done
		list[i].item.Value = turn
		if list[i].name != "" {
			list[i].item.Group = list[i].name
		}
		items[i] = list[i].item
	}
	return items
}

// inOrder gives the items that will be begun their places in the history of the metadata.
func inOrder(im *gitmirror.Importer, items []bulk.Item) []bulk.Item {
	for _, it := range items {
		if it.Err == nil {
			it.Value.(*turn).place = im.Reserve()
		}
	}
	return items
}

// turn makes an import wait for the older version of its package.
type turn struct {
	path  string
	place int
	after chan struct{}
	done  chan struct{}
}

func importGroup(ctx context.Context, im *gitmirror.Importer, it bulk.Item) bulk.Result {
	t := it.Value.(*turn)
	defer close(t.done)
	if t.after != nil {
		<-t.after
	}
	out, err := im.ImportAt(ctx, t.place, t.path)
	if err != nil {
		return failedAt("import", err)
	}
	return bulk.Result{OK: true, Skipped: out.Skipped, Figures: map[string]any{"import": out}}
}

// failedAt is the result of an item that ended with err, at stage if err does not know better.
func failedAt(stage string, err error) bulk.Result {
	class := "other"
	var e *gitmirror.Error
	if errors.As(err, &e) {
		stage, class = e.Stage, e.Class
	}
	return bulk.Failed(stage, class, err)
}
