package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/convert"
	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// gcPercent trades memory, of which little is needed, for time.
const gcPercent = 400

func (o *options) run(cmd *cobra.Command, args []string) error {
	to := cli.Conversion{From: ".toml", To: ".spec", Out: o.out, Force: o.bulk.Force}
	items, many, err := cli.Inputs(args, to.Accepts)
	if err != nil {
		return err
	}
	to.Tree = many || cli.IsDir(o.out)
	if o.out == "-" && (many || o.check) {
		return cli.Usagef("-o -: standard output takes one spec")
	}
	o.bulk.Many = many
	debug.SetGCPercent(gcPercent)
	return o.bulk.Run(cmd, items, func(_ context.Context, it bulk.Item) bulk.Result {
		return o.convert(cmd, it.Value.(cli.File), to)
	})
}

// convert works on one document.
func (o *options) convert(cmd *cobra.Command, f cli.File, to cli.Conversion) bulk.Result {
	b, err := cli.ReadInput(f.Path)
	if err != nil {
		return bulk.Failed("read", "read", err)
	}
	doc, err := pkgtoml.Decode(f.Path, b)
	if err != nil {
		return bulk.Failed("parse", "not a package document", err)
	}
	if o.noLayout {
		doc.Layout = nil
	}
	text, err := convert.ToSpec(doc, convert.Options{})
	if err != nil {
		return bulk.Failed("convert", "convert", err)
	}
	r := bulk.Result{OK: true, Figures: map[string]any{"toml_bytes": len(b), "spec_bytes": len(text)}}
	if o.out == "-" {
		if _, err := cmd.OutOrStdout().Write(text); err != nil {
			return bulk.Failed("write", "write", err)
		}
		return r
	}
	path := to.Target(f)
	if o.check {
		return checked(r, path, text)
	}
	done, err := to.Write(path, text)
	if err != nil {
		return bulk.Failed("write", "write", err)
	}
	r.Skipped = done
	return r
}

// checked compares a spec with what would be written.
func checked(r bulk.Result, path string, text []byte) bulk.Result {
	old, err := os.ReadFile(path)
	if err != nil {
		return bulk.Failed("check", "missing", err)
	}
	if !bytes.Equal(old, text) {
		n := 0
		for n < len(old) && n < len(text) && old[n] == text[n] {
			n++
		}
		line := 1 + bytes.Count(old[:n], []byte("\n"))
		return bulk.Failed("check", "differs", fmt.Errorf("%s:%d: differs from what would be written", path, line))
	}
	return r
}
