package main

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/pristine"
)

type packOptions struct {
	store       storeFlags
	collections []string
	allBut      []string
	older       time.Duration
	level       int
	json        bool
}

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
	cmd.Flags().IntVar(&o.level, "level", 0, "compress with libzstd at this level, 1 to 19; 0: with the encoder that needs no helper")
	return cmd
}

func (o *packOptions) run(cmd *cobra.Command) error {
	if len(o.collections) > 0 && len(o.allBut) > 0 {
		return cli.Usagef("--collection and --all-but exclude each other")
	}
	if o.level < 0 || o.level > 19 {
		return cli.Usagef("--level %d: 0 to 19", o.level)
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
	var options content.PackOptions
	if o.level > 0 {
		if options.Compress, err = libzstd(o.store.libexec, o.level); err != nil {
			return err
		}
	}
	done, err := s.Pack(cmd.Context(), names, options)
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

// packEncoder is the version of libzstd that makes packs: what it makes is the same everywhere.
const packEncoder = "1.5.7"

// libzstd gives the compressor of a level.
func libzstd(libexec string, level int) (pack.Compressor, error) {
	var dirs []string
	if libexec != "" {
		dirs = append(dirs, libexec)
	}
	for _, e := range pristine.OpenEncoders(dirs...).List() {
		if e.Library == "libzstd" && e.Version == packEncoder && e.Program != "" {
			return helper(e.Program, level), nil
		}
	}
	return nil, fmt.Errorf("no encoder of libzstd %s: --level needs it", packEncoder)
}

func helper(program string, level int) pack.Compressor {
	return func(w io.Writer, r io.Reader, size int64) error {
		window := 20
		for int64(1)<<window < min(size, pack.MaxWindow) {
			window++
		}
		var words strings.Builder
		cmd := exec.Command(program, fmt.Sprintf("level=%d", level), fmt.Sprintf("window=%d", window), "long=1", fmt.Sprintf("pledge=%d", size))
		cmd.Stdin, cmd.Stdout, cmd.Stderr = r, w, &words
		if err := cmd.Run(); err != nil {
			return errors.Join(err, errors.New(strings.TrimSpace(words.String())))
		}
		return nil
	}
}
