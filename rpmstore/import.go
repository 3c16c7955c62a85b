package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
)

// waiting is how many items are under way beyond those that are worked on: they wait to be published together.
const waiting = 2048

type importOptions struct {
	store storeFlags
	bulk  cli.Bulk
	into  string
	meta  []string
	opts  content.ImportOptions
	watch watchOptions
}

func newImportCmd() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import --into COLLECTION RPM|DIR...",
		Short: "Take packages into a collection",
		Long: `Import takes packages, and every *.rpm below directories, into a collection, which is made when there is none.

A package is refused when it is damaged or when its bytes could not be given back. For every other package the encoder is
searched that makes its payload; with --defer the payload is kept for now and compact searches later. Files that the store
has are known by their digest and cost nothing.

With --watch it stays and takes in what arrives in directories (a drop directory, or koji's tree of packages): files that have not changed
for a while. It is told by the kernel, and looks through everything now and then. A file that was refused is tried again when it changes.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.store.add(cmd)
	o.bulk.Add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.into, "into", "", "the `COLLECTION` (required)")
	o.watch.add(cmd)
	f.BoolVar(&o.opts.Defer, "defer", false, "keep payloads as they are and leave the search for their encoders to compact")
	f.BoolVar(&o.opts.Replace, "replace", false, "take other packages of the same NEVRA out of the collection")
	f.StringArrayVar(&o.meta, "meta", nil, "keep a note `KEY=VALUE` with each package; may be repeated")
	return cmd
}

func (o *importOptions) run(cmd *cobra.Command, args []string) error {
	if o.into == "" {
		return cli.Usagef("no collection: give --into")
	}
	meta, err := parseMeta(o.meta)
	if err != nil {
		return err
	}
	o.opts.Meta, o.opts.Force = meta, o.bulk.Force
	if o.watch.on {
		store, err := o.store.open(1)
		if err != nil {
			return err
		}
		return errors.Join(o.runWatch(cmd, store, args), store.Close())
	}
	items, many := cli.Inputs(args, isRPM)
	o.bulk.Many = many
	store, err := o.store.open(threadsFor(o.bulk.Jobs, len(items)))
	if err != nil {
		return err
	}
	defer store.Close()
	return runSession(cmd, &o.bulk, store, o.into, items, func(ctx context.Context, se *content.Session, item bulk.Item) bulk.Result {
		return importFile(ctx, se, item.Input, o.opts)
	})
}

// threadsFor gives an encoder the processors that other items do not need.
func threadsFor(jobs, items int) int {
	if items == 0 {
		return 1
	}
	return max(1, jobs/items)
}

func parseMeta(list []string) (map[string]string, error) {
	meta := map[string]string{}
	for _, m := range list {
		key, value, ok := strings.Cut(m, "=")
		if !ok || key == "" {
			return nil, cli.Usagef("--meta %s: want KEY=VALUE", m)
		}
		meta[key] = value
	}
	return meta, nil
}

func isRPM(name string) bool { return strings.HasSuffix(name, ".rpm") }

// runSession runs work over the items in a session of a collection.
func runSession(
	cmd *cobra.Command, b *cli.Bulk, store *content.Store, collection string, items []bulk.Item,
	work func(context.Context, *content.Session, bulk.Item) bulk.Result,
) error {
	se, err := store.Session(cmd.Context(), collection, b.Jobs)
	if err != nil {
		return err
	}
	if b.Jobs >= 1 {
		b.Jobs += waiting
	}
	err = b.Run(cmd, items, func(ctx context.Context, item bulk.Item) bulk.Result { return work(ctx, se, item) })
	return errors.Join(err, se.Close())
}

// openRegular opens a file that is read more than once. Whatever else has its name is not opened: a pipe could block for ever.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil, nil, cmp.Or(err, fmt.Errorf("%s: not a regular file", path))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func importFile(ctx context.Context, se *content.Session, path string, opts content.ImportOptions) bulk.Result {
	f, info, err := openRegular(path)
	if err != nil {
		return bulk.Failed("read", "input", err)
	}
	defer f.Close()
	got, err := se.Import(ctx, f, info.Size(), opts)
	if err != nil {
		return failed(err)
	}
	figures := map[string]any{
		"nevra": got.NEVRA, "sha256": got.SHA256, "size": got.Size, "payload": payloadWord(got.Kept), "encoder": got.Detail,
	}
	return bulk.Result{OK: true, Skipped: got.Known, Figures: figures}
}

func payloadWord(kept string) string {
	if kept == "" {
		return "regenerated"
	}
	return "kept: " + kept
}

// failed reports an error with the stage at which it came.
func failed(err error) bulk.Result {
	stage := "work"
	var s *content.StageError
	if errors.As(err, &s) {
		stage = s.Stage
	}
	return bulk.Failed(stage, stage, err)
}
