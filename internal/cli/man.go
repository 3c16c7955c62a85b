package cli

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// released dates the man pages: the day of the release, not of the build.
var released = time.Date(2026, time.November, 23, 0, 0, 0, 0, time.UTC)

func newManCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the man pages into DIR",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "weld-bridge " + Version, Manual: "Weld Bridge", Date: &released}, args[0])
		},
	}
}
