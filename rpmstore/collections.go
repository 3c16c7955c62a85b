package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
)

func newBranchCmd() *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "branch OLD NEW",
		Short: "Make a collection as a copy of another",
		Long:  "Branch makes a collection of the packages that another one has now. It costs one reference; what changes later in one does not show in the other.",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := store.open(1)
			if err != nil {
				return err
			}
			defer s.Close()
			return s.Branch(cmd.Context(), args[0], args[1])
		},
	}
	store.add(cmd)
	return cmd
}

func newDropCmd() *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "drop COLLECTION",
		Short: "Remove a collection",
		Long:  "Drop removes a collection. Its packages stay as long as another collection has them, and until gc.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := store.open(1)
			if err != nil {
				return err
			}
			defer s.Close()
			return s.Drop(cmd.Context(), args[0])
		},
	}
	store.add(cmd)
	return cmd
}

func newRemoveCmd() *cobra.Command {
	var store storeFlags
	var choose selection
	cmd := &cobra.Command{
		Use:   "remove --collection COLLECTION NEVRA...",
		Short: "Take packages out of a collection",
		Long:  "Remove takes the packages that the words name out of a collection: all of them or, when a word names none, nothing.",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if choose.collection == "" {
				return cli.Usagef("no collection: give --collection")
			}
			s, err := store.open(1)
			if err != nil {
				return err
			}
			defer s.Close()
			list, err := choose.packages(s, args)
			if err != nil {
				return err
			}
			packages := make([]*content.Package, 0, len(list))
			for _, c := range list {
				packages = append(packages, c.pkg)
			}
			if err := s.Remove(cmd.Context(), choose.collection, packages); err != nil {
				return err
			}
			for _, p := range packages {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), p.NEVRA()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	store.add(cmd)
	choose.declare(cmd, "the `COLLECTION` (required)")
	return cmd
}
