package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func addJSON(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON, one object a line")
}

// output prints lines for people or for programs.
type output struct {
	w    *bufio.Writer
	json *json.Encoder
	err  error
}

func newOutput(cmd *cobra.Command, asJSON bool) *output {
	o := &output{w: bufio.NewWriter(cmd.OutOrStdout())}
	if asJSON {
		o.json = json.NewEncoder(o.w)
		o.json.SetEscapeHTML(false)
	}
	return o
}

func (o *output) print(line string, object any) {
	if o.err != nil {
		return
	}
	if o.json != nil {
		o.err = o.json.Encode(object)
		return
	}
	_, o.err = fmt.Fprintln(o.w, line)
}

func (o *output) flush() error { return errors.Join(o.err, o.w.Flush()) }
