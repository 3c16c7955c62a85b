package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/convert"
	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

func (o *options) run(cmd *cobra.Command, args []string) error {
	c := &cli.Converter{
		From: ".toml", To: ".spec", Out: o.out, Bulk: &o.bulk, Make: o.convert,
		Options: fmt.Sprintf("no-layout=%t", o.noLayout),
	}
	if o.check {
		c.Check = cli.Compares
	}
	return c.Run(cmd, args)
}

// convert works on one document.
func (o *options) convert(name string, b []byte) ([]byte, bulk.Result) {
	doc, err := pkgtoml.Decode(name, b)
	if err != nil {
		return nil, bulk.Failed("parse", "not a package document", err)
	}
	text, err := convert.ToSpec(doc, convert.Options{NoLayout: o.noLayout})
	if err != nil {
		return nil, bulk.Failed("convert", "no spec can say it", fmt.Errorf("%s: %w", name, err))
	}
	return text, bulk.Result{OK: true, Figures: map[string]any{"toml_bytes": len(b), "spec_bytes": len(text)}}
}
