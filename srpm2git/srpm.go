package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/gitmirror"
)

func newSRPMCmd() *cobra.Command {
	var at places
	var out, ref string
	cmd := &cobra.Command{
		Use:   "srpm --mirrors DIR --metadata DIR -o DIR NAME [--ref REF]",
		Short: "Write a new source RPM of what the branch and the metadata say now",
		Long: `srpm writes a source RPM as rpmbuild -bs would, without running it. An untouched commit of the distro branch gives
its original patch file, a new or changed commit a new one; spec and package.toml get the Patch entries that this needs.
Of spec and package.toml, the one that was edited counts. The build time is SOURCE_DATE_EPOCH, or the date of the
newest changelog entry. It prints the path of the source RPM.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := at.check(); err != nil {
				return err
			}
			epoch := int64(0)
			if s := os.Getenv("SOURCE_DATE_EPOCH"); s != "" {
				var err error
				if epoch, err = strconv.ParseInt(s, 10, 64); err != nil || epoch < 0 {
					return cli.Usagef("SOURCE_DATE_EPOCH: %q is not a number of seconds", s)
				}
			}
			ex := &gitmirror.Exporter{Mirrors: at.mirrors, Metadata: at.metadata}
			path, err := ex.SRPM(cmd.Context(), args[0], ref, out, epoch)
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			return err
		},
	}
	at.add(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", ".", "write to `DIR`")
	cmd.Flags().StringVar(&ref, "ref", "", "the branch, tag or commit to take (default: the branch of the last import)")
	return cmd
}
