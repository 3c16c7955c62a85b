package main

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
)

type packOptions struct {
	store       storeFlags
	collections []string
	allBut      []string
	older       time.Duration
	level       int
	json        bool
}

// usualLevel leaves the level to the store.
const usualLevel = -1

func newPackCmd() *cobra.Command {
	var o packOptions
	cmd := &cobra.Command{
		Use:   "pack [--collection C... | --all-but C...]",
		Short: "Put collections into packs, where versions are stored for what differs",
		Long: `Pack puts the objects of collections into a few packs and removes their loose objects. Everything works on a packed collection
as before, but ostree does not see it until unpack. What is packed already is not packed again: new versions are added. Without
--collection and --all-but all collections are packed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.store.add(cmd)
	addJSON(cmd, &o.json)
	cmd.Flags().StringArrayVar(&o.collections, "collection", nil, "pack this collection; may be given again")
	cmd.Flags().StringArrayVar(&o.allBut, "all-but", nil, "pack all collections but this; may be given again")
	cmd.Flags().DurationVar(&o.older, "older-than", 0, "leave out collections that have changed since, as in 720h")
	cmd.Flags().IntVar(&o.level, "level", usualLevel, "compress with libzstd at this level, 1 to 19; 0: with the encoder that needs no helper; default: 12, or 0 where its encoder is not installed")
	cmd.Flags().Lookup("level").DefValue = "0" // not printed: the text tells it
	return cmd
}

func (o *packOptions) run(cmd *cobra.Command) error {
	if len(o.collections) > 0 && len(o.allBut) > 0 {
		return cli.Usagef("--collection and --all-but exclude each other")
	}
	if o.level < usualLevel || o.level > content.MaxPackLevel {
		return cli.Usagef("--level %d: 0 to %d", o.level, content.MaxPackLevel)
	}
	s, err := o.store.open(1)
	if err != nil {
		return err
	}
	defer s.Close()
	names, err := o.choose(s)
	if err != nil || len(names) == 0 {
		return err
	}
	if o.level == usualLevel {
		o.level = s.UsualPackLevel()
	}
	debug.SetGCPercent(packGC)
	done, err := s.Pack(cmd.Context(), names, content.PackOptions{Level: o.level})
	if err != nil {
		return err
	}
	out := newOutput(cmd, o.json)
	out.print(fmt.Sprintf("packed: %d objects, %d bytes as %d in %d packs; removed: %d loose objects, %d bytes",
		done.Objects, done.Plain, done.Stored, done.Packs, done.Loose.Objects, done.Loose.Bytes), done)
	return out.flush()
}

func (o *packOptions) choose(s *content.Store) ([]string, error) {
	all, err := s.Collections()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Concat(o.collections, o.allBut) {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("collection %s: %w", name, content.ErrNotFound)
		}
	}
	if len(o.collections) > 0 {
		all = o.collections
	}
	var names []string
	for _, name := range all {
		if slices.Contains(o.allBut, name) {
			continue
		}
		moved, err := s.LastMoved(name)
		if err != nil {
			return nil, err
		}
		if o.older == 0 || time.Since(moved) > o.older {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
