package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/gitmirror"
)

func newExportCmd() *cobra.Command {
	var at places
	var b cli.Bulk
	var out string
	cmd := &cobra.Command{
		Use:   "export --mirrors DIR --metadata DIR [-o DIR] NAME|NEVR...",
		Short: "Write source RPMs as they were imported, byte for byte",
		Long: `export writes source RPMs as they were imported, byte for byte. NAME is a package and stands for its newest version;
NEVR is NAME-[EPOCH:]VERSION-RELEASE, one of its tags srpm/*. Nothing is written that has not the digest of the imported file.`,
		Example: `  srpm2git export --mirrors mirrors --metadata metadata -o out bash
  srpm2git export --mirrors mirrors --metadata metadata -o out bash-5.2.37-1`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := at.check(); err != nil {
				return err
			}
			ex := &gitmirror.Exporter{Mirrors: at.mirrors, Metadata: at.metadata}
			b.Many = len(args) > 1
			return b.Run(cmd, named(args), func(ctx context.Context, it bulk.Item) bulk.Result {
				path, err := ex.Export(ctx, it.Input, out)
				if err != nil {
					return bulk.Failed("export", "export", err)
				}
				return bulk.Result{OK: true, Figures: map[string]any{"file": path}}
			})
		},
	}
	at.add(cmd)
	b.Add(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", ".", "write to `DIR`")
	return cmd
}

// named makes items of names.
func named(args []string) []bulk.Item {
	items := make([]bulk.Item, len(args))
	for i, a := range args {
		items[i] = bulk.Item{Input: a}
	}
	return items
}

func newVerifyCmd() *cobra.Command {
	var at places
	var b cli.Bulk
	cmd := &cobra.Command{
		Use:   "verify --mirrors DIR --metadata DIR [NAME...]",
		Short: "Regenerate everything that was imported and compare digests",
		Long: `verify makes every source RPM that was imported again, without writing it, and compares its digest. Without NAME it takes
all mirrors.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := at.check(); err != nil {
				return err
			}
			ex := &gitmirror.Exporter{Mirrors: at.mirrors, Metadata: at.metadata}
			if len(args) == 0 {
				var err error
				if args, err = ex.Names(); err != nil {
					return err
				}
			}
			b.Many = len(args) > 1
			return b.Run(cmd, named(args), func(ctx context.Context, it bulk.Item) bulk.Result {
				v, err := ex.Verify(ctx, it.Input)
				if err != nil {
					return bulk.Failed("verify", "differs", err)
				}
				return bulk.Result{OK: true, Figures: map[string]any{"versions": v.Versions, "bytes": v.Bytes}}
			})
		},
	}
	at.add(cmd)
	b.Add(cmd)
	return cmd
}

func newSourcesCmd() *cobra.Command {
	var at places
	var out, ref string
	cmd := &cobra.Command{
		Use:   "sources --mirrors DIR --metadata DIR -o DIR NAME [--ref REF]",
		Short: "Write spec, archives and patches of a branch, ready for rpmbuild -bs",
		Long: `sources writes what a source RPM is made of: the archives as they were imported, a patch for each commit of the distro
branch, the spec with the Patch entries that these need, and the small sources as they stand in the metadata. An untouched
commit gives its original patch file, a new or changed one a new file. It prints the names of the files.`,
		Example: `  srpm2git sources --mirrors mirrors --metadata metadata -o build bash
  rpmbuild -bs --define "_sourcedir $PWD/build" build/bash.spec`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := at.check(); err != nil {
				return err
			}
			ex := &gitmirror.Exporter{Mirrors: at.mirrors, Metadata: at.metadata}
			names, err := ex.Sources(cmd.Context(), args[0], ref, out)
			if err != nil {
				return err
			}
			for _, n := range names {
				fmt.Fprintln(cmd.OutOrStdout(), n)
			}
			return nil
		},
	}
	at.add(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", ".", "write to `DIR`")
	cmd.Flags().StringVar(&ref, "ref", "", "the branch, tag or commit to take (default: the branch of the last import)")
	return cmd
}
