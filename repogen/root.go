package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weld-linux/weld-bridge/internal/cli"
)

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "repogen",
		Short: "Make, merge, publish and serve RPM repositories",
		Long: `Repogen makes the metadata of RPM repositories from directories of packages or from a content store,
publishes it so that no client ever sees half of it, and serves it over HTTP.

Called by the name createrepo_c, mergerepo_c or modifyrepo_c it does their work with their options.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 some packages were left out and are listed.`,
	}
	root.AddCommand(newCreateCmd(), newMergeCmd(), newModifyCmd(), newPublishCmd(), newServeCmd())
	return root
}

// standIns are the commands for the names that repogen answers to.
var standIns = map[string]func() *cobra.Command{
	"createrepo_c": newCreateCmd,
	"mergerepo_c":  newMergeCmd,
	"modifyrepo_c": newModifyCmd,
}

// compatVersion is the release of createrepo_c whose options and defaults are offered. koji reads it to decide what
// mergerepo_c can do.
const compatVersion = "1.2.1"

// versionLine has the shape that callers of createrepo_c parse.
func versionLine() string {
	return fmt.Sprintf("Version: %s (Features: LegacyWeakdeps ) weld-bridge %s\n", compatVersion, cli.Version)
}

// runStandIn runs a command under a foreign name: wrong usage is 1 there, and packages that were left out are 2. No
// argument is the name of a subcommand there, so cobra does not choose what to run.
func runStandIn(cmd *cobra.Command, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal kills
	name, usage, _ := strings.Cut(cmd.Use, " ")
	cmd.Use = name + "repo_c " + usage
	cmd.SetContext(ctx)
	cmd.InitDefaultHelpFlag()
	err := cmd.ParseFlags(args)
	if help, _ := cmd.Flags().GetBool("help"); help || errors.Is(err, pflag.ErrHelp) {
		cmd.Help()
		return 0
	}
	if err == nil {
		err = cmd.RunE(cmd, cmd.Flags().Args())
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, cli.ErrSomeFailed):
		return 2
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", cmd.Name(), strings.ReplaceAll(err.Error(), "\n", "; "))
	return 1
}

// addVersion gives the command the --version of createrepo_c.
func addVersion(cmd *cobra.Command, short string) {
	cmd.Flags().BoolP("version", short, false, "print the version of createrepo_c that this stands in for, and exit")
}

func wantsVersion(cmd *cobra.Command) bool {
	v, err := cmd.Flags().GetBool("version")
	if err == nil && v {
		fmt.Fprint(cmd.OutOrStdout(), versionLine())
	}
	return err == nil && v
}

// errRefused says which option of createrepo_c is not offered, and why.
func errRefused(option, why string) error {
	return cli.Usagef("--%s is not offered: %s", option, why)
}

// isRegular reports whether path is a file.
func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
