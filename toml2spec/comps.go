package main

import (
	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/comps"
)

func newCompsCmd() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "comps [flags] COMPS.toml|DIR...",
		Short: "Turn TOML into comps files",
		Long: `Turn TOML into comps files, which group the packages of a distribution.

COMPS.toml becomes COMPS.xml beside it, unless -o says otherwise. A directory
stands for every *.toml below it. Where the document has a [layout], the file
is written as it was before.

A file that exists and says something else is left alone unless -f or -o is
given.`,
		Example: `  toml2spec comps comps.toml -o comps-f41.xml
  toml2spec comps comps.toml -o - | xmllint --noout -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.comps(cmd, args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "output", "o", "", "write to `OUT`: a file, - for standard output, or a directory that mirrors the tree")
	f.BoolVar(&o.check, "check", false, "is OUT what would be written? write nothing; status 1 (3 in bulk) if not")
	o.bulk.Add(cmd)
	return cmd
}

func (o *options) comps(cmd *cobra.Command, args []string) error {
	c := &cli.Converter{From: ".toml", To: ".xml", Out: o.out, Bulk: &o.bulk, Options: "comps", Make: makeComps}
	if o.check {
		c.Check = cli.Compares
	}
	return c.Run(cmd, args)
}

func makeComps(name string, text []byte) ([]byte, bulk.Result) {
	xml, err := comps.ToXML(name, text)
	if err != nil {
		return nil, bulk.Failed("parse", "not a comps document", err)
	}
	return xml, bulk.Result{OK: true, Figures: map[string]any{"toml_bytes": len(text), "xml_bytes": len(xml)}}
}
