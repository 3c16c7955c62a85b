package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/convert"
	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// gcPercent trades memory, of which little is needed, for time.
const gcPercent = 400

// maxSize bounds what is read of one file.
const maxSize = 256 << 20

func (o *options) run(cmd *cobra.Command, args []string) error {
	items, many, err := cli.Inputs(args, isSpec)
	if err != nil {
		return err
	}
	tree := many || isDir(o.out)
	switch {
	case o.check && o.out != "":
		return cli.Usagef("--check writes nothing: leave -o out")
	case many && o.out == "-":
		return cli.Usagef("-o -: standard output takes one document")
	}
	o.bulk.Many = many
	debug.SetGCPercent(gcPercent)
	return o.bulk.Run(cmd, items, func(_ context.Context, it bulk.Item) bulk.Result {
		return o.convert(cmd, it.Value.(cli.File), tree)
	})
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return strings.HasSuffix(path, "/") || err == nil && info.IsDir()
}

// convert works on one spec.
func (o *options) convert(cmd *cobra.Command, f cli.File, tree bool) bulk.Result {
	b, err := readFile(f.Path)
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
	done, err := o.write(o.target(f, tree), text)
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

// target is where the document of a spec goes.
func (o *options) target(f cli.File, tree bool) string {
	rel := strings.TrimSuffix(f.Rel, ".spec") + ".toml"
	switch {
	case o.out == "":
		return strings.TrimSuffix(f.Path, ".spec") + ".toml"
	case tree:
		return filepath.Join(o.out, rel)
	}
	return o.out
}

// write puts the document in its place. It tells whether it was there already.
func (o *options) write(path string, text []byte) (done bool, err error) {
	old, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(old, text):
		return !o.bulk.Force, nil
	case err == nil && o.out == "" && !o.bulk.Force:
		return false, fmt.Errorf("%s says something else and may have been edited: -f overwrites it", path)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return false, err
	}
	return false, atomicfile.Write(path, text, 0o666)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxSize {
		return nil, fmt.Errorf("%s: %d bytes are too much for a spec", path, info.Size())
	}
	return os.ReadFile(path)
}
