package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newListCmd() *cobra.Command {
	var store storeFlags
	var choose selection
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [NEVRA...]",
		Short: "List collections, or the packages of one",
		Long:  "List names the collections and how many packages each has. With --collection it lists the packages in it; with words, those packages that they name.",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, done, err := store.reading(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			out := newOutput(cmd, asJSON)
			if choose.collection != "" || len(args) > 0 {
				list, err := choose.packages(s, args)
				if err != nil {
					return err
				}
				for _, c := range list {
					out.print(c.pkg.NEVRA(), map[string]any{"collection": c.collection, "nevra": c.pkg.NEVRA(), "id": c.pkg.ShortID(), "tree": c.pkg.Tree})
				}
				return out.flush()
			}
			collections, err := choose.collections(s)
			if err != nil {
				return err
			}
			for _, c := range collections {
				list, err := c.Packages()
				if err != nil {
					return err
				}
				out.print(fmt.Sprintf("%s\t%d", c.Name, len(list)), map[string]any{"collection": c.Name, "packages": len(list), "commit": c.Commit})
			}
			return out.flush()
		},
	}
	store.add(cmd)
	choose.add(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}
