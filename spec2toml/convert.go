package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/convert"
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
	doc, text, err := convert.Encode(name, b, convert.Options{NoLayout: o.noLayout})
	if err != nil {
		return nil, bulk.Failed("parse", class(err), err)
	}
	return text, bulk.Result{OK: true, Figures: figures(doc, b, text)}
}

func class(err error) string {
	if strings.Contains(err.Error(), "unterminated") {
		return "unterminated condition"
	}
	return "not identical"
}
