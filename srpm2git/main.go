// Command srpm2git turns source RPMs into git repositories and git repositories into source RPMs.
package main

import (
	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
)

func main() { cli.Main(newRootCmd()) }

func newRootCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "srpm2git",
		Short: "Source RPMs as git, and back",
		Long: `srpm2git imports source RPMs into git mirrors (upstream, distro, tags) and one metadata repository, and gives
them back byte for byte, or makes new ones of what stands on the branches.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 some of many items failed and are listed.`,
	}
	cmd.AddCommand(newImportCmd(), newExportCmd(), newSourcesCmd(), newSRPMCmd(), newPullCmd(), newVerifyCmd(), newMergeCmd())
	return cmd
}

// places are the two directories that every command works on.
type places struct {
	mirrors, metadata string
}

func (p *places) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.mirrors, "mirrors", "", "`DIR` of the git mirrors, one NAME.git a package")
	cmd.Flags().StringVar(&p.metadata, "metadata", "", "`DIR` of the metadata repository")
}

func (p *places) check() error {
	if p.mirrors == "" || p.metadata == "" {
		return cli.Usagef("give --mirrors and --metadata")
	}
	return nil
}
