package main

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/content"
)

func newStatsCmd() *cobra.Command {
	var store storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Tell what the store holds, what is regenerated, what is kept and why",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := store.open(1)
			if err != nil {
				return err
			}
			defer s.Close()
			debug.SetGCPercent(packGC)
			st, err := s.Stats(cmd.Context())
			if err != nil {
				return err
			}
			out := newOutput(cmd, asJSON)
			out.print(strings.TrimSuffix(statsText(st), "\n"), st)
			return out.flush()
		},
	}
	store.add(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

func statsText(st *content.Stats) string {
	var b strings.Builder
	fmt.Fprintf(&b, "packages     %d in %d collections\n", st.Packages, st.Collections)
	fmt.Fprintf(&b, "as files     %d bytes\n", st.RPMBytes)
	fmt.Fprintf(&b, "store        %d bytes in %d objects: %.3f of the files (%d bytes on disk)\n",
		st.StoreBytes, st.Objects, ratio(st.StoreBytes, st.RPMBytes), st.DiskBytes)
	fmt.Fprintf(&b, "in packs     %d bytes in %d objects, %d packs\n", st.PackBytes, st.Packed, st.Packs)
	fmt.Fprintf(&b, "content      %d bytes in packages, %d bytes of them unlike: %.3f\n",
		st.ContentBytes, st.UniqueBytes, ratio(st.UniqueBytes, st.ContentBytes))
	fmt.Fprintf(&b, "unreachable  %d bytes in %d objects, for gc\n", st.GarbageBytes, st.Garbage)
	fmt.Fprintf(&b, "payloads\n")
	for _, name := range sorted(st.Payloads) {
		t := st.Payloads[name]
		fmt.Fprintf(&b, "  %-14s %7d packages %14d bytes  %.4f of all\n", name, t.Packages, t.Bytes, ratio(t.Bytes, st.PayloadBytes))
	}
	fmt.Fprintf(&b, "encoders\n")
	for _, name := range sorted(st.Encoders) {
		t := st.Encoders[name]
		fmt.Fprintf(&b, "  %7d packages %14d bytes  %s\n", t.Packages, t.Bytes, name)
	}
	fmt.Fprintf(&b, "builders\n")
	for _, name := range sorted(st.Builders) {
		t := st.Builders[name]
		fmt.Fprintf(&b, "  %7d packages %14d bytes  %s\n", t.Packages, t.Bytes, name)
	}
	for _, k := range st.KeptPackages {
		fmt.Fprintf(&b, "kept: %s: %s %d bytes: %s\n", k.Reason, k.NEVRA, k.Bytes, k.Detail)
	}
	return b.String()
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
