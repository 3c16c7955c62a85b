package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/comps"
)

func newCompsCmd() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "comps [flags] COMPS.xml",
		Short: "Turn a comps file into TOML",
		Long: `Turn a comps file, which groups the packages of a distribution, into TOML.

COMPS.xml becomes COMPS.toml beside it, unless -o says otherwise. toml2spec
comps gives the same file back. Elements, attributes and comments that a comps
file does not have are refused with their place.

A document that exists and says something else is left alone unless -f or -o
is given, since it may have been edited.`,
		Example: `  spec2toml comps comps-f41.xml -o comps.toml
  spec2toml comps --check comps-f41.xml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.comps(cmd, args[0]) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"xml"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.out, "output", "o", "", "write to `FILE`, or - for standard output")
	f.BoolVar(&o.check, "check", false, "convert, convert back and compare; write nothing; status 1 on any difference")
	f.BoolVarP(&o.bulk.Force, "force", "f", false, "overwrite a document that says something else")
	return cmd
}

// comps converts one file.
func (o *options) comps(cmd *cobra.Command, path string) error {
	data, err := cli.ReadInput(path)
	if err != nil {
		return err
	}
	text, lost, err := comps.FromXML(path, data)
	if err != nil {
		return err
	}
	switch {
	case o.check && lost > 0:
		return fmt.Errorf("%s:%d: comes back written otherwise, with the same content", path, lost)
	case o.check:
		return nil
	case o.out == "-":
		_, err = cmd.OutOrStdout().Write(text)
	default:
		to := cli.Conversion{From: ".xml", To: ".toml", Out: o.out, Force: o.bulk.Force}
		_, err = to.Write(to.Target(cli.File{Path: path}), text)
	}
	if err == nil && lost > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s:%d: will come back written otherwise, with the same content\n", path, lost)
	}
	return err
}
