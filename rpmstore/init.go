package main

import (
	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/content"
)

func newInitCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "init STORE",
		Short: "Make an empty store",
		Long:  "Init makes an empty store in a directory that is empty or does not exist. A store that is there already stays as it is.",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return content.Init(args[0])
		},
	}
}
