package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newDemoCmd() *cobra.Command {
	var work string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run GNU hello and ten signed CentOS packages through the whole bridge",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return runDemo(work)
		},
	}
	cmd.Flags().StringVar(&work, "work", "build/demo", "where the demo works; what an earlier one left there is removed")
	return cmd
}

// demo is one run of the main job. Each stage leaves what the next one takes in the fields below.
type demo struct {
	shell
	work string
	rows []row

	tarball   string // hello-VERSION.tar.gz
	version   string
	spec      string // as we wrote it
	srpm      string // as rpmbuild made it
	rpms      []string
	key       signingKey
	installed string // an empty root, until dnf fills it
}

// row is one line of the closing table.
type row struct{ stage, in, out, proof string }

func (d *demo) done(stage, in, out, proof string) {
	d.rows = append(d.rows, row{stage, in, out, proof})
}

func runDemo(work string) error {
	work, err := filepath.Abs(work)
	if err != nil {
		return err
	}
	bin := os.Getenv("WELD_BIN")
	if bin == "" {
		return errors.New("WELD_BIN names no directory: run make demo")
	}
	d := &demo{work: work}
	if err := d.clean(); err != nil {
		return err
	}
	log, err := os.Create(d.path("log"))
	if err != nil {
		return err
	}
	defer log.Close()
	d.shell = shell{bin: bin, log: log, env: []string{"SOURCE_DATE_EPOCH=1793577600", "LC_ALL=C.UTF-8"}}
	stages := []struct {
		name string
		run  func() error
	}{
		{"upstream tarball", d.fetchTarball},
		{"source package", d.buildSRPM},
		{"SRPM to git and back", d.throughGit},
		{"spec to TOML and back", d.throughTOML},
		{"one edit", d.edit},
		{"content store", d.throughStore},
		{"signatures", d.sign},
		{"repository", d.serve},
	}
	for _, s := range stages {
		fmt.Printf("\n== %s\n", s.name)
		if err := s.run(); err != nil {
			return fmt.Errorf("%s: %w\n(all output: %s)", s.name, err, log.Name())
		}
	}
	d.printTable()
	return nil
}

// clean removes what an earlier run left, except downloads.
func (d *demo) clean() error {
	entries, err := os.ReadDir(d.work)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if e.Name() == "downloads" {
			continue
		}
		// What dnf installed as root is root's.
		if err := os.RemoveAll(d.path(e.Name())); errors.Is(err, os.ErrPermission) {
			err = asRoot([]string{"rm", "-rf", d.path(e.Name())})
			if err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
	}
	return os.MkdirAll(d.path("downloads"), 0o777)
}

func (d *demo) path(elem ...string) string {
	return filepath.Join(append([]string{d.work}, elem...)...)
}

func (d *demo) printTable() {
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "STAGE\tIN\tOUT\tPROOF")
	for _, r := range d.rows {
		fmt.Fprintln(w, strings.Join([]string{r.stage, r.in, r.out, r.proof}, "\t"))
	}
	w.Flush()
	fmt.Printf("\nEverything stands in %s; every command and its output in %s.\n", d.work, d.path("log"))
}
