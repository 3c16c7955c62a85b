package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/comps"
)

func newCompsCmd() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "comps [flags] COMPS.xml|DIR...",
		Short: "Turn comps files into TOML",
		Long: `Turn comps files, which group the packages of a distribution, into TOML.

COMPS.xml becomes COMPS.toml beside it, unless -o says otherwise. A directory
stands for every *.xml below it. toml2spec comps gives the same file back.
Elements, attributes and comments that a comps file does not have are refused
with their place.

A document that exists and says something else is left alone unless -f or -o
is given, since it may have been edited.`,
		Example: `  spec2toml comps comps-f41.xml -o comps.toml
  spec2toml comps --check comps-f41.xml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.comps(cmd, args) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"xml"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "output", "o", "", "write to `OUT`: a file, - for standard output, or a directory that mirrors the tree")
	f.BoolVar(&o.check, "check", false, "convert, convert back and compare; write nothing; status 1 (3 in bulk) on any difference")
	o.bulk.Add(cmd)
	return cmd
}

func (o *options) comps(cmd *cobra.Command, args []string) error {
	if o.check && o.out != "" {
		return cli.Usagef("--check writes nothing: leave -o out")
	}
	c := &cli.Converter{From: ".xml", To: ".toml", Out: o.out, Bulk: &o.bulk, Options: "comps"}
	if o.check {
		c.Check = cli.Makes
	}
	c.Make = func(name string, xml []byte) ([]byte, bulk.Result) {
		text, lost, err := comps.FromXML(name, xml)
		switch {
		case err != nil:
			return nil, bulk.Failed("parse", "not a comps file", err)
		case lost > 0 && o.check:
			return nil, bulk.Failed("prove", "not canonical", fmt.Errorf("%s:%d: comes back written otherwise, with the same content", name, lost))
		case lost > 0:
			fmt.Fprintf(cmd.ErrOrStderr(), "%s:%d: will come back written otherwise, with the same content\n", name, lost)
		}
		return text, bulk.Result{OK: true, Figures: map[string]any{"xml_bytes": len(xml), "toml_bytes": len(text)}}
	}
	return c.Run(cmd, args)
}
