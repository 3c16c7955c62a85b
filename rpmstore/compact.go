package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
)

func newCompactCmd() *cobra.Command {
	var store storeFlags
	var b cli.Bulk
	var choose selection
	var again bool
	cmd := &cobra.Command{
		Use:   "compact [NEVRA...]",
		Short: "Search for the encoders of payloads that were deferred",
		Long: `Compact searches for the encoder of every payload that import --defer has kept, and lets go of the kept copy where one is found and
proven. The space is free after gc. With --again it searches also where a search found nothing, for when encoders were added.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := store.open(1)
			if err != nil {
				return err
			}
			defer s.Close()
			list, err := choose.packages(s, args)
			if err != nil {
				return err
			}
			items := groups(list)
			b.Many = len(items) > 1
			again = again || b.Force
			return runChange(cmd, &b, s, items, func(ctx context.Context, se *content.Session, _ bulk.Item, p *content.Package) (*content.Package, error) {
				return se.Compact(ctx, p, again)
			})
		},
	}
	store.add(cmd)
	b.Add(cmd)
	choose.add(cmd)
	cmd.Flags().BoolVar(&again, "again", false, "search again where nothing was found")
	return cmd
}
