package main

import (
	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
)

func newRootCmd() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "toml2spec [flags] [TOML|DIR...]",
		Short: "Turn package documents in TOML into RPM specs",
		Long: `Turn package documents in TOML into RPM specs.

NAME.toml becomes NAME.spec beside it, unless -o says otherwise. A directory
stands for every *.toml below it. Where the document has a [layout], the spec
is written as it was before: only what was edited changes. Without one it is
written in canonical form.

A spec that exists and says something else is left alone unless -f or -o is
given. Without arguments it does what toml2spec checkout does.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 some of many failed and are
listed.`,
		Example: `  toml2spec chrony.toml                 writes chrony.spec
  toml2spec -o - chrony.toml | diff chrony.spec -
  toml2spec -o specs/ toml/
  toml2spec --check -o specs/ toml/`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0:
				return o.run(cmd, args)
			case cmd.Flags().NFlag() > 0:
				return cli.Usagef("no TOML and no DIR given")
			}
			return (&checkout{dir: "."}).run(cmd)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "output", "o", "", "write to `OUT`: a file, - for standard output, or a directory that mirrors the tree")
	f.BoolVar(&o.check, "check", false, "is OUT what would be written? write nothing; status 1 (3 in bulk) if not")
	f.BoolVar(&o.noLayout, "no-layout", false, "write the canonical form, whatever [layout] says")
	o.bulk.Add(cmd)
	cmd.AddCommand(newCheckoutCmd(), newCompsCmd(), newSchemaCmd())
	return cmd
}

type options struct {
	out      string
	check    bool
	noLayout bool
	bulk     cli.Bulk
}
