package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/ostree"
)

func newGCCmd() *cobra.Command {
	var store storeFlags
	var check, asJSON bool
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what no collection holds",
		Long: `Gc removes the objects that no collection and no other reference of the repository reaches, and writes packs anew of which little is
reached. It waits until nobody writes or reads, and whoever comes meanwhile waits for it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := store.open(1)
			if err != nil {
				return err
			}
			defer s.Close()
			debug.SetGCPercent(packGC)
			done, err := s.GC(cmd.Context(), check)
			if err != nil {
				return err
			}
			out := newOutput(cmd, asJSON)
			word := "removed"
			if check {
				word = "to remove"
			}
			out.print(fmt.Sprintf("%s: %d objects, %d bytes; kept: %d objects", word, done.Objects, done.Bytes, done.Kept), done)
			if err := out.flush(); err != nil || !check || done.Objects == 0 {
				return err
			}
			return cli.ErrReported
		},
	}
	store.add(cmd)
	addJSON(cmd, &asJSON)
	cmd.Flags().BoolVar(&check, "check", false, "remove nothing; exit 1 when there is something to remove")
	return cmd
}

func newReindexCmd() *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "reindex",
		Short: "Make the index anew",
		Long:  "Reindex makes the index anew from the packages. The index is a cache: without it everything works, slower.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, done, err := store.reading(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			debug.SetGCPercent(packGC)
			n, err := s.Reindex()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d packages\n", n)
			return err
		},
	}
	store.add(cmd)
	return cmd
}

type fsckOptions struct {
	store  storeFlags
	bulk   cli.Bulk
	choose selection
	quick  bool
	remove bool
}

func newFsckCmd() *cobra.Command {
	var o fsckOptions
	cmd := &cobra.Command{
		Use:   "fsck [NEVRA...]",
		Short: "Verify every object, make every package again and compare",
		Long: `Fsck reads every object and compares it with its name, looks for objects that are missing, and then makes the file of every
package and compares it with its digest. With --quick it leaves the packages out; with words it makes the packages that they name and
leaves the objects out. With --remove-damaged it removes damaged objects, so that import --force of the packages that need them writes them
again. Packs are left as they are. Where one is damaged, import --force the packages that are named into a collection that is not packed, unpack
the packed ones and run gc: what was written anew is read in the pack's place, and the pack goes.`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.store.add(cmd)
	o.bulk.Add(cmd)
	o.choose.add(cmd)
	cmd.Flags().BoolVar(&o.quick, "quick", false, "verify the objects only")
	cmd.Flags().BoolVar(&o.remove, "remove-damaged", false, "remove damaged objects, but for those in packs")
	return cmd
}

func (o *fsckOptions) run(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && (o.quick || o.remove) {
		return cli.Usagef("--quick and --remove-damaged are about all objects: give no packages")
	}
	s, err := o.store.open(1)
	if err != nil {
		return err
	}
	defer s.Close()
	faults := 0
	if len(args) == 0 {
		if faults, err = o.objects(cmd, s); err != nil {
			return err
		}
	}
	if !o.quick {
		err = o.packages(cmd, s, args)
	}
	if err == nil && faults > 0 {
		return cli.ErrReported
	}
	return err
}

// objects verifies every object and gives the number of faults.
func (o *fsckOptions) objects(cmd *cobra.Command, s *content.Store) (faults int, err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(packGC))
	var damaged []ostree.Object
	n, err := s.Fsck(cmd.Context(), func(err error) {
		faults++
		fmt.Fprintf(cmd.ErrOrStderr(), "rpmstore: %v\n", err)
		var d *ostree.DamagedError
		if errors.As(err, &d) {
			damaged = append(damaged, d.Object)
		}
	})
	if err != nil {
		return faults, err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "rpmstore: %d objects: %d faults\n", n, faults)
	if o.remove && len(damaged) > 0 {
		err = s.Repo().RemoveDamaged(cmd.Context(), damaged)
	}
	return faults, err
}

func (o *fsckOptions) packages(cmd *cobra.Command, s *content.Store, args []string) error {
	release, err := s.Lock(cmd.Context())
	if err != nil {
		return err
	}
	defer release()
	list, err := o.choose.packages(s, args)
	if err != nil {
		return err
	}
	list = distinct(list)
	o.bulk.Many = true
	return o.bulk.Run(cmd, packageItems(list), func(ctx context.Context, item bulk.Item) bulk.Result {
		checked, err := item.Value.(chosen).pkg.Check(ctx, nil)
		if err != nil {
			return bulk.Failed("rebuild", "rebuild", err)
		}
		for _, c := range checked {
			if err := errors.Join(c.Err, c.Result.Err()); err != nil {
				return bulk.Failed("compare", "compare", err)
			}
		}
		return bulk.Result{OK: true}
	})
}

func packageItems(list []chosen) []bulk.Item {
	items := make([]bulk.Item, 0, len(list))
	for _, c := range list {
		items = append(items, bulk.Item{Input: c.pkg.NEVRA(), Group: c.pkg.Split().Name, Value: c})
	}
	return items
}
