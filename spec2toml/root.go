package main

import (
	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
)

func newRootCmd() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "spec2toml [flags] SPEC|DIR...",
		Short: "Turn RPM specs into package documents in TOML",
		Long: `Turn RPM specs into package documents in TOML.

A spec NAME.spec becomes NAME.toml beside it, unless -o says otherwise. A
directory stands for every *.spec below it. toml2spec gives the same spec back,
byte for byte: each document is converted back and compared before it is
written.

A document that exists and says something else is left alone unless -f or -o
is given, since it may have been edited.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 some of many failed and are
listed.`,
		Example: `  spec2toml chrony.spec                 writes chrony.toml
  spec2toml -o - chrony.spec | less
  spec2toml -o toml/ --report-html report.html specs/
  spec2toml --check specs/`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"spec"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "output", "o", "", "write to `OUT`: a file, - for standard output, or a directory that mirrors the tree")
	f.BoolVar(&o.check, "check", false, "convert, convert back and compare; write nothing; status 1 (3 in bulk) on any difference")
	f.BoolVar(&o.noLayout, "no-layout", false, "leave [layout] out")
	o.bulk.Add(cmd)
	cmd.AddCommand(newCompsCmd())
	return cmd
}

type options struct {
	out      string
	check    bool
	noLayout bool
	bulk     cli.Bulk
}
