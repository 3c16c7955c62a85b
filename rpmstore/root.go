package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/pristine"
)

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "rpmstore",
		Short: "Keep RPM packages in a content store and get the same packages back",
		Long: `Rpmstore takes RPM packages apart and keeps their files, headers and signatures in an OSTree repository. What it exports is
what was imported, byte for byte, or the same package unsigned or under another key.

A collection is a named set of packages. Branching one costs nothing, and gc removes what no collection holds.
The store's place comes from --store or WELD_STORE.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 some items failed and are listed.`,
	}
	root.AddCommand(
		newInitCmd(), newImportCmd(), newExportCmd(), newListCmd(), newShowCmd(), newDiffCmd(), newStatsCmd(),
		newFsckCmd(), newGCCmd(), newCompactCmd(), newReindexCmd(), newBranchCmd(), newRemoveCmd(), newDropCmd(),
		newSignCmd(), newAddSignatureCmd(), newVerifyCmd(), newKojiCmd(), newMergeCmd(), newPushCmd(), newPullCmd(), newPackCmd(), newUnpackCmd(),
	)
	return root
}

// storeFlags are the flags of every command that opens a store.
type storeFlags struct {
	place   cli.StoreFlag
	libexec string
}

func (s *storeFlags) add(cmd *cobra.Command) {
	s.place.Add(cmd)
	cmd.Flags().StringVar(&s.libexec, "libexec", "", "the `DIR`ectory of the encoder programs (default: beside rpmstore, or $WELD_LIBEXEC)")
}

// reading opens the store for a command that reads several objects: nobody removes any until done, which closes it.
func (s *storeFlags) reading(ctx context.Context) (store *content.Store, done func(), err error) {
	if store, err = s.open(1); err != nil {
		return nil, nil, err
	}
	release, err := store.Lock(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return store, func() { release(); store.Close() }, nil
}

// open opens the store; threads is how many processors one encoder may use.
func (s *storeFlags) open(threads int) (*content.Store, error) {
	path, err := s.place.Path()
	if err != nil {
		return nil, err
	}
	var dirs []string
	if s.libexec != "" {
		dirs = append(dirs, s.libexec)
	}
	return content.Open(path, content.Options{Encoders: pristine.OpenEncoders(dirs...).WithThreads(max(threads, 1))})
}
