package main

import (
	"bytes"
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/convert"
	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// gcPercent trades memory, of which little is needed, for time.
const gcPercent = 400

func (o *options) run(cmd *cobra.Command, args []string) error {
	to := cli.Conversion{From: ".spec", To: ".toml", Out: o.out, Force: o.bulk.Force}
	items, many, err := cli.Inputs(args, to.Accepts)
	if err != nil {
		return err
	}
	to.Tree = many || cli.IsDir(o.out)
	switch {
	case o.check && o.out != "":
		return cli.Usagef("--check writes nothing: leave -o out")
	case many && o.out == "-":
		return cli.Usagef("-o -: standard output takes one document")
	}
	o.bulk.Many = many
	debug.SetGCPercent(gcPercent)
	return o.bulk.Run(cmd, items, func(_ context.Context, it bulk.Item) bulk.Result {
		return o.convert(cmd, it.Value.(cli.File), to)
	})
}

// convert works on one spec.
func (o *options) convert(cmd *cobra.Command, f cli.File, to cli.Conversion) bulk.Result {
	b, err := cli.ReadInput(f.Path)
	if err != nil {
		return bulk.Failed("read", "read", err)
	}
	doc, err := convert.FromSpec(f.Path, b, convert.Options{NoLayout: o.noLayout})
	if err != nil {
		return bulk.Failed("parse", class(err), err)
	}
	text := pkgtoml.Encode(doc)
	if !o.noLayout {
		if err := prove(f.Path, b, text); err != nil {
			return bulk.Failed("prove", "not identical", err)
		}
	}
	r := bulk.Result{OK: true, Figures: figures(doc, b, text)}
	if o.check {
		return r
	}
	if o.out == "-" {
		if _, err := cmd.OutOrStdout().Write(text); err != nil {
			return bulk.Failed("write", "write", err)
		}
		return r
	}
	done, err := to.Write(to.Target(f), text)
	if err != nil {
		return bulk.Failed("write", "write", err)
	}
	r.Skipped = done
	return r
}

// prove decodes the document and compares the spec that it gives.
func prove(name string, b, text []byte) error {
	doc, err := pkgtoml.Decode(name, text)
	if err != nil {
		return err
	}
	back, err := convert.ToSpec(doc, convert.Options{})
	if err != nil {
		return err
	}
	if !bytes.Equal(back, b) {
		return fmt.Errorf("%s: the document does not give the spec back", name)
	}
	return nil
}

func class(err error) string {
	if strings.Contains(err.Error(), "unterminated") {
		return "unterminated condition"
	}
	return "not identical"
}
