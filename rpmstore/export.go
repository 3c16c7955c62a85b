package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
)

type exportOptions struct {
	store  storeFlags
	bulk   cli.Bulk
	choose selection
	form   form
	out    string
}

func newExportCmd() *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export -o DIR [NEVRA...]",
		Short: "Write packages as files",
		Long: `Export writes packages as name-version-release.arch.rpm into a directory: those that are named, or all. By default each is the
file that was imported, and every one where the same package was imported under several signatures.
A package may be named by its NEVRA, without epoch or architecture, by its name alone, or with * and ?.

Of several files with one name, the first has it and the others go into subdirectories that are named by their digests. A file that
is there with the right content is left as it is.`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.store.add(cmd)
	o.bulk.Add(cmd)
	o.choose.add(cmd)
	o.form.add(cmd)
	cmd.Flags().StringVarP(&o.out, "output", "o", "", "the `DIR`ectory to write to (required); - for standard output and one package")
	return cmd
}

func (o *exportOptions) run(cmd *cobra.Command, args []string) error {
	if o.out == "" {
		return cli.Usagef("no directory: give -o")
	}
	if err := o.form.check(); err != nil {
		return err
	}
	store, done, err := o.store.reading(cmd.Context())
	if err != nil {
		return err
	}
	defer done()
	list, err := o.choose.packages(store, args)
	if err != nil {
		return err
	}
	list = distinct(list)
	if o.out == "-" {
		if len(list) != 1 {
			return fmt.Errorf("%d packages do not fit standard output", len(list))
		}
		_, err := list[0].pkg.Export(cmd.Context(), o.form.Form, cmd.OutOrStdout())
		return err
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	items := o.items(list)
	o.bulk.Many = len(items) > 1
	return cmp.Or(o.bulk.Run(cmd, items, o.export), atomicfile.SyncTree(o.out))
}

type target struct {
	pkg    *content.Package
	export content.Export
	name   string // below the output directory
}

// items gives every file that is to be written its name. Of several with the same name the first has it; the others
// go into directories that are named by their digests.
func (o *exportOptions) items(list []chosen) []bulk.Item {
	taken := map[string]string{} // by which file
	var items []bulk.Item
	for _, c := range list {
		exports, err := o.exports(c.pkg)
		if err != nil {
			items = append(items, bulk.Item{Input: c.pkg.NEVRA(), Group: c.pkg.Split().Name, Err: err})
			continue
		}
		for _, e := range exports {
			name := c.pkg.Filename()
			if first, ok := taken[name]; ok && first != e.SHA256 {
				name = filepath.Join(e.SHA256[:12], name)
			}
			if taken[name] == e.SHA256 {
				continue // with other notes, it is in another collection
			}
			taken[name] = e.SHA256
			items = append(items, bulk.Item{Input: c.pkg.NEVRA(), Group: c.pkg.Split().Name, Value: target{c.pkg, e, name}})
		}
	}
	return items
}

// exports gives the forms of a package that are wanted: by default every file that was imported.
func (o *exportOptions) exports(p *content.Package) ([]content.Export, error) {
	e, err := p.Select(o.form.Form)
	if err != nil || o.form.Form != (content.Form{}) {
		return []content.Export{e}, err
	}
	all, err := p.Exports()
	if err != nil {
		return nil, err
	}
	wanted := all[:1]
	for _, e := range all[1:] {
		if e.Imported {
			wanted = append(wanted, e)
		}
	}
	return wanted, nil
}

func (o *exportOptions) export(ctx context.Context, item bulk.Item) bulk.Result {
	t := item.Value.(target)
	path := filepath.Join(o.out, t.name)
	figures := map[string]any{"output": path, "sha256": t.export.SHA256, "size": t.export.Size}
	if !o.bulk.Force && sameFile(path, t.export) {
		return bulk.Result{OK: true, Skipped: true, Figures: figures}
	}
	if err := writeExport(ctx, t.pkg, t.export, path); err != nil {
		return bulk.Failed("export", "export", err)
	}
	return bulk.Result{OK: true, Figures: figures}
}

// writeExport writes a file that is whole or not there. SyncTree must follow.
func writeExport(ctx context.Context, p *content.Package, e content.Export, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return atomicfile.WriteFromUnsynced(path, 0o666, func(w io.Writer) error { return p.WriteExport(ctx, e, w) })
}

// sameFile tells by its digest whether a file is there already.
func sameFile(path string, e content.Export) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != e.Size {
		return false
	}
	sum, err := fileSHA256(path)
	return err == nil && sum == e.SHA256
}

func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
