// Compat-tests asks the real programs whether the bridge keeps its word: rpm, rpmbuild, createrepo_c, dnf,
// ostree, git. It drives the built binaries and imports nothing that they are made of.
//
// As a program it prepares a machine (deps), runs the main job on real input (demo) and writes the table of what
// works (matrix). Its tests are the judges that make test calls; live/ is what make compat and make unstable run.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{
		Use:           "compat-tests",
		Short:         "Prepare a machine for the judges of the bridge, and run the main job",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newDepsCmd(), newDemoCmd(), newMatrixCmd())
	if err := root.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "compat-tests:", err)
		os.Exit(1)
	}
}
