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
	items, many, err := cli.Inputs(args, isTOML)
	if err != nil {
		return err
	}
	tree := many || isDir(o.out)
	if o.out == "-" && (many || o.check) {
		return cli.Usagef("-o -: standard output takes one spec")
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

// convert works on one document.
func (o *options) convert(cmd *cobra.Command, f cli.File, tree bool) bulk.Result {
	b, err := readFile(f.Path)
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
	path := o.target(f, tree)
	if o.check {
		return checked(r, path, text)
	}
	done, err := o.write(path, text)
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

// target is where the spec of a document goes.
func (o *options) target(f cli.File, tree bool) string {
	rel := strings.TrimSuffix(f.Rel, ".toml") + ".spec"
	switch {
	case o.out == "":
		return strings.TrimSuffix(f.Path, ".toml") + ".spec"
	case tree:
		return filepath.Join(o.out, rel)
	}
	return o.out
}

// write puts the spec in its place. It tells whether it was there already.
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
		return nil, fmt.Errorf("%s: %d bytes are too much for a package document", path, info.Size())
	}
	return os.ReadFile(path)
}
