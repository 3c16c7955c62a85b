package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/comps"
)

func newCompsCmd() *cobra.Command {
	var out string
	var check, force bool
	cmd := &cobra.Command{
		Use:   "comps [flags] COMPS.toml",
		Short: "Turn TOML into a comps file",
		Long: `Turn TOML into a comps file, which groups the packages of a distribution.

COMPS.toml becomes COMPS.xml beside it, unless -o says otherwise. Where the
document has a [layout], the file is written as it was before.

A file that exists and says something else is left alone unless -f or -o is
given.`,
		Example: `  toml2spec comps comps.toml -o comps-f41.xml
  toml2spec comps comps.toml -o - | xmllint --noout -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := cli.ReadInput(args[0])
			if err != nil {
				return err
			}
			data, err := comps.ToXML(args[0], text)
			if err != nil {
				return err
			}
			if out == "-" {
				_, err = cmd.OutOrStdout().Write(data)
				return err
			}
			to := cli.Conversion{From: ".toml", To: ".xml", Out: out, Force: force}
			target := to.Target(cli.File{Path: args[0]})
			if check {
				return checkComps(target, data)
			}
			_, err = to.Write(target, data)
			return err
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "output", "o", "", "write to `FILE`, or - for standard output")
	f.BoolVar(&check, "check", false, "is FILE what would be written? write nothing; status 1 if not")
	f.BoolVarP(&force, "force", "f", false, "overwrite a file that says something else")
	return cmd
}

// checkComps says whether the file is what would be written.
func checkComps(path string, data []byte) error {
	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Equal(old, data) {
		return fmt.Errorf("%s is not what would be written", path)
	}
	return err
}
