package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/gitmirror"
)

func newMergeCmd() *cobra.Command {
	var at places
	var b cli.Bulk
	m := &gitmirror.Merger{}
	cmd := &cobra.Command{
		Use:   "merge --mirrors DIR --metadata DIR FROM...",
		Short: "Merge the mirrors and metadata that shards have made into one",
		Long: `merge takes the packages of other places. FROM is a directory with mirrors and metadata in it, or MIRRORS,METADATA. Shards of a
bulk run, merged in any order, give the references that one run gives.

Every object is compared with its name before a reference moves; --prove also regenerates every source RPM. A package that is damaged there
is left out, named, and makes the status 3. Where two places have different versions of a package, those that are missing are imported again,
each in its place. What people have changed on both sides is not joined: it is named, and stays as it is here.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := at.check(); err != nil {
				return err
			}
			from, err := mergePlaces(args)
			if err != nil {
				return err
			}
			m.Mirrors, m.Metadata = at.mirrors, at.metadata
			if err := m.Open(from); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, m.Close()) }()
			b.Many = true
			items, err := b.Select(named(m.Names()))
			if err != nil {
				return err
			}
			for i := range items {
				items[i].Value = m.Reserve()
			}
			return b.Run(cmd, items, func(ctx context.Context, it bulk.Item) bulk.Result { return mergeOne(ctx, m, it) })
		},
	}
	at.add(cmd)
	b.Add(cmd)
	cmd.Flags().BoolVar(&m.Prove, "prove", false, "regenerate every source RPM and compare it, before it is taken")
	return cmd
}

func mergeOne(ctx context.Context, m *gitmirror.Merger, it bulk.Item) bulk.Result {
	out, err := m.Merge(ctx, it.Value.(int), it.Input)
	if err != nil {
		return failedAt("merge", err)
	}
	return bulk.Result{OK: true, Skipped: out.Skipped, Figures: map[string]any{"merge": out}}
}

// mergePlaces reads the arguments of merge.
func mergePlaces(args []string) ([]gitmirror.Place, error) {
	var list []gitmirror.Place
	for _, arg := range args {
		p := gitmirror.Place{Name: arg, Mirrors: filepath.Join(arg, "mirrors"), Metadata: filepath.Join(arg, "metadata")}
		if mirrors, metadata, ok := strings.Cut(arg, ","); ok {
			p.Mirrors, p.Metadata = mirrors, metadata
		} else if found, err := os.ReadDir(arg); err != nil {
			return nil, err
		} else if len(found) == 0 { // a shard that had nothing to do
			continue
		}
		if !isDir(p.Mirrors) && !isDir(p.Metadata) {
			return nil, fmt.Errorf("%s: neither %s nor %s is a directory", arg, p.Mirrors, p.Metadata)
		}
		list = append(list, p)
	}
	return list, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
