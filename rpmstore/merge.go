package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/remote"
)

// remoteFlags say how a bucket is reached.
type remoteFlags struct{ o remote.Options }

func (r *remoteFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.o.Endpoint, "endpoint", "", "`URL` of the S3-compatible server (default: $AWS_ENDPOINT_URL_S3, $AWS_ENDPOINT_URL, or Amazon's)")
	f.StringVar(&r.o.Region, "region", "", "its region (default: $AWS_REGION, $AWS_DEFAULT_REGION, or us-east-1)")
}

// transfers is how many packages are on their way at once: they wait for the network, not for a processor.
const transfers = 16

// packGC keeps the collector from letting memory grow to twice what is held: frames of packs are large and few, and so is what gc knows of objects.
const packGC = 20

// taking is what merge and pull have in common: packages of other stores that come into collections here.
type taking struct {
	store       storeFlags
	bulk        cli.Bulk
	remote      remoteFlags
	collections []string // none: all that there are
	into        string
	conflicts   string
	replace     bool
	opts        content.TakeOptions

	mu       sync.Mutex
	sessions map[string]*content.Session
	extra    map[string][]*content.Package
	turns    sync.Map // NEVRA → *sync.Mutex
}

const bucketHelp = `
A bucket's credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), from the shared credentials file
(AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE), or from the machine's role.`

func newMergeCmd() *cobra.Command {
	var t taking
	cmd := &cobra.Command{
		Use:   "merge --store STORE FROM...",
		Short: "Merge the collections of other stores into this one",
		Long: `Merge takes the packages of all collections of other stores: directories, s3://BUCKET/PREFIX, or http(s)://… with --collection. Shards
of a bulk run, merged in any order, give the references that one run gives.

Every object is compared with its name, and each package with what its name and documents say; --prove makes every package's file
too. A package that is damaged there is left out, named, and makes the status 3. Signatures and notes are joined. Packages of one NEVRA and
different content both stay, as after an import of both; with --conflicts newest the one that was built later stays. They are reported.
` + bucketHelp,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return t.run(cmd, args) },
	}
	t.add(cmd)
	cmd.Flags().StringArrayVar(&t.collections, "collection", nil, "only this `COLLECTION`; may be repeated")
	return cmd
}

func newPullCmd() *cobra.Command {
	var t taking
	cmd := &cobra.Command{
		Use:   "pull --store STORE REMOTE [COLLECTION...]",
		Short: "Bring collections from shared storage into the store",
		Long: `Pull takes collections from REMOTE: s3://BUCKET/PREFIX, http(s)://… (where collections must be named) or a directory. It adds to the
collection here; with --replace the collection becomes what it is there.

Only what is new is fetched, and every object is compared with its name. A package with a damaged object is named and not published;
the others are, and the status is 3. A pull that was interrupted is run again. The packs of a packed collection come whole, are verified, and
make it a packed one here.
` + bucketHelp,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t.collections = args[1:]
			return t.run(cmd, args[:1])
		},
	}
	t.add(cmd)
	cmd.Flags().BoolVar(&t.replace, "replace", false, "remove packages that the collection there does not have")
	return cmd
}

func (t *taking) add(cmd *cobra.Command) {
	t.store.add(cmd)
	t.bulk.Add(cmd)
	t.remote.add(cmd)
	f := cmd.Flags()
	f.StringVar(&t.into, "into", "", "put all of them into this `COLLECTION` (default: one of the same name)")
	f.BoolVar(&t.opts.Prove, "prove", false, "make the file of every package and compare it, before it is taken")
	f.StringVar(&t.conflicts, "conflicts", string(content.KeepBoth), "what becomes of packages of one NEVRA: both or newest")
	f.Lookup("jobs").DefValue, t.bulk.Jobs = fmt.Sprint(transfers), transfers
}

// incoming is the value of an item.
type incoming struct {
	from       *content.Foreign
	collection string
	pkg        content.Incoming
}

func (t *taking) run(cmd *cobra.Command, places []string) (err error) {
	t.opts.Conflicts = content.Conflicts(t.conflicts)
	if t.opts.Conflicts != content.KeepBoth && t.opts.Conflicts != content.KeepNewest {
		return cli.Usagef("--conflicts %s: want both or newest", t.conflicts)
	}
	if t.bulk.Jobs < 1 {
		return cli.Usagef("--jobs %d: want at least 1", t.bulk.Jobs)
	}
	store, err := t.store.open(1)
	if err != nil {
		return err
	}
	defer store.Close()
	t.remote.o.Parallel = t.bulk.Jobs * 8
	debug.SetGCPercent(packGC)
	t.sessions, t.extra = map[string]*content.Session{}, map[string][]*content.Package{}
	var items []bulk.Item
	for _, place := range places {
		from, err := content.OpenForeign(cmd.Context(), place, t.remote.o)
		var list []bulk.Item
		if err == nil {
			defer from.Close()
			list, err = t.compare(cmd.Context(), store, from)
		}
		if err != nil && len(places) == 1 {
			return err
		}
		if err != nil { // it fails alone
			list = append(list, bulk.Item{Input: place, Err: err})
		}
		items = append(items, list...)
	}
	jobs := t.bulk.Jobs
	t.bulk.Many = true
	t.bulk.Jobs += waiting
	err = t.bulk.Run(cmd, items, func(ctx context.Context, item bulk.Item) bulk.Result {
		return t.one(cmd.Context(), ctx, store, jobs, item.Value.(incoming))
	})
	for _, se := range t.sessions {
		err = errors.Join(err, se.Close())
	}
	if err != nil {
		return err
	}
	return t.removeExtra(cmd, store)
}

// compare gives the packages of another store that are to be taken.
func (t *taking) compare(ctx context.Context, store *content.Store, from *content.Foreign) ([]bulk.Item, error) {
	names := t.collections
	if len(names) == 0 {
		var err error
		if names, err = from.Collections(ctx); err != nil {
			return nil, err
		}
	}
	var items []bulk.Item
	for _, name := range names {
		into := name
		if t.into != "" {
			into = t.into
		}
		faults, err := store.TakePacks(ctx, from, name, into)
		if err != nil {
			return items, err
		}
		for _, fault := range faults {
			items = append(items, bulk.Item{Input: from.String(), Err: fault})
		}
		more, extra, err := store.Compare(ctx, from, name, into)
		if err != nil {
			return items, err
		}
		for _, p := range more {
			items = append(items, bulk.Item{Input: p.NEVRA(), Group: p.Name(), Value: incoming{from, into, p}})
		}
		t.extra[into] = append(t.extra[into], extra...)
	}
	return items, nil
}

func (t *taking) session(ctx context.Context, store *content.Store, collection string, jobs int) (*content.Session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if se := t.sessions[collection]; se != nil {
		return se, nil
	}
	se, err := store.Session(ctx, collection, jobs)
	if err == nil {
		t.sessions[collection] = se
	}
	return se, err
}

func (t *taking) one(life, ctx context.Context, store *content.Store, jobs int, in incoming) bulk.Result {
	se, err := t.session(life, store, in.collection, jobs)
	if err != nil {
		return failed(err)
	}
	if t.opts.Conflicts == content.KeepNewest { // two of one NEVRA are compared one after the other
		turn, _ := t.turns.LoadOrStore(in.collection+"/"+in.pkg.NEVRA(), &sync.Mutex{})
		turn.(*sync.Mutex).Lock()
		defer turn.(*sync.Mutex).Unlock()
	}
	got, err := se.Take(ctx, in.from, in.pkg, t.opts)
	if err != nil {
		return failed(err)
	}
	figures := map[string]any{"from": in.from.String(), "collection": in.collection, "package": in.pkg.Entry}
	res := bulk.Result{OK: true, Skipped: got.LeftOut, Figures: figures}
	if got.Conflict != "" {
		figures["conflict"] = got.Conflict
		rule := "both stay"
		switch {
		case got.LeftOut:
			rule = "the other was built later and stays"
		case t.opts.Conflicts == content.KeepNewest:
			rule = "this one was built later and takes its place"
		}
		res.Message = fmt.Sprintf("same NEVRA as %s, other content: %s", got.Conflict, rule)
	}
	return res
}

// removeExtra takes away what is not there, when all that is there has come.
func (t *taking) removeExtra(cmd *cobra.Command, store *content.Store) error {
	if !t.replace {
		return nil
	}
	for into, extra := range t.extra {
		if len(extra) == 0 {
			continue
		}
		if err := store.Remove(cmd.Context(), into, extra); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "rpmstore: %s: %d packages removed\n", into, len(extra))
	}
	return nil
}

// collectionsOf gives what is given, or all collections of a store.
func collectionsOf(store *content.Store, given []string) ([]string, error) {
	if len(given) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(given))), nil
	}
	return store.Collections()
}
