package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newUnpackCmd() *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "unpack COLLECTION",
		Short: "Make a packed collection live again",
		Long: `Unpack makes every object of a collection a file of its own, so that ostree sees the collection again. What no packed
collection holds any more leaves the packs with gc.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := store.open(1)
			if err != nil {
				return err
			}
			defer s.Close()
			n, err := s.Unpack(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d objects\n", n)
			return err
		},
	}
	store.add(cmd)
	return cmd
}
