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
	"github.com/weld-linux/weld-bridge/internal/remote"
)

type pushOptions struct {
	store   storeFlags
	bulk    cli.Bulk
	remote  remoteFlags
	replace bool
}

func newPushCmd() *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use:   "push --store STORE REMOTE [COLLECTION...]",
		Short: "Bring collections to shared storage",
		Long: `Push brings collections, by default all, to REMOTE: s3://BUCKET/PREFIX or a directory. What it writes is an OSTree repository in archive
mode, which pull, merge and ostree read there or behind any static web server.

It adds to the collection there, so that several machines may push shards of one collection at once; with --replace the collection there becomes
what it is here. Objects go first, verified; references last, by compare and swap. Only what is not there is sent, and a push
that was interrupted is run again. A package that is damaged here is left out and named, and the status is 3.

The packs of a packed collection go whole, and it is a packed one there, which pull and merge read and ostree does not see.
` + bucketHelp,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0], args[1:]) },
	}
	o.store.add(cmd)
	o.bulk.Add(cmd)
	o.remote.add(cmd)
	cmd.Flags().BoolVar(&o.replace, "replace", false, "take packages away that are there and not here")
	cmd.Flags().Lookup("jobs").DefValue, o.bulk.Jobs = fmt.Sprint(transfers), transfers
	return cmd
}

func (o *pushOptions) run(cmd *cobra.Command, where string, collections []string) (err error) {
	store, err := o.store.open(1)
	if err != nil {
		return err
	}
	defer store.Close()
	o.remote.o.Parallel = o.bulk.Jobs * 2
	debug.SetGCPercent(packGC)
	place, err := remote.Open(where, o.remote.o)
	if err != nil {
		return err
	}
	if collections, err = collectionsOf(store, collections); err != nil {
		return err
	}
	o.bulk.Many = true
	var pushes []*content.Push
	defer func() {
		for _, p := range pushes {
			err = errors.Join(err, p.Close())
		}
	}()
	var items []bulk.Item
	for _, name := range collections {
		p, err := store.Push(cmd.Context(), place, name, o.replace)
		if err != nil {
			return err
		}
		pushes = append(pushes, p)
		list, err := p.Items(cmd.Context())
		if err != nil {
			return err
		}
		for _, in := range list {
			items = append(items, bulk.Item{Input: in.NEVRA(), Group: in.Name(), Value: outgoing{p, in}})
		}
	}
	failures := o.bulk.Run(cmd, items, func(ctx context.Context, item bulk.Item) bulk.Result {
		out := item.Value.(outgoing)
		if err := out.push.Send(ctx, out.pkg); err != nil {
			return failed(err)
		}
		return bulk.Result{OK: true, Figures: map[string]any{"collection": out.push.Collection()}}
	})
	if failures != nil && !errors.Is(failures, cli.ErrSomeFailed) {
		return failures
	}
	for _, p := range pushes {
		done, err := p.Finish(cmd.Context())
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "rpmstore: %s: %s: %d packs, %d objects, %d bytes sent, %s\n", place, p.Collection(), done.Packs, done.Objects, done.Bytes, done.Commit)
		for _, err := range done.Failed {
			fmt.Fprintf(cmd.ErrOrStderr(), "rpmstore: %v\n", err)
			failures = cli.ErrSomeFailed
		}
	}
	return failures
}

// outgoing is the value of an item.
type outgoing struct {
	push *content.Push
	pkg  content.Incoming
}
