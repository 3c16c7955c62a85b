package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/convert"
	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

func (o *options) run(cmd *cobra.Command, args []string) error {
	if o.check && o.out != "" {
		return cli.Usagef("--check writes nothing: leave -o out")
	}
	c := &cli.Converter{
		From: ".spec", To: ".toml", Out: o.out, Bulk: &o.bulk, Make: o.convert,
		Options: fmt.Sprintf("no-layout=%t", o.noLayout),
	}
	if o.check {
		c.Check = cli.Makes
	}
	return c.Run(cmd, args)
}

// convert works on one spec.
func (o *options) convert(name string, b []byte) ([]byte, bulk.Result) {
	doc, err := convert.FromSpec(name, b, convert.Options{NoLayout: o.noLayout})
	if err != nil {
		return nil, bulk.Failed("parse", class(err), err)
	}
	text := pkgtoml.Encode(doc)
	if !o.noLayout {
		if err := prove(name, b, text); err != nil {
			return nil, bulk.Failed("prove", "not identical", err)
		}
	}
	return text, bulk.Result{OK: true, Figures: figures(doc, b, text)}
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
