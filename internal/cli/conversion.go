package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/bulk"
)

const (
	// maxInput bounds what a converter reads of one file, in bytes.
	maxInput = 256 << 20
	// memoryFactor is how many times its size a document may take in memory, with what it is converted to.
	memoryFactor = 60
	// gcPercent trades memory, of which little is needed, for time.
	gcPercent = 400
)

// Converter is a command that makes one file of another, for one file or for trees of them.
type Converter struct {
	From, To string // endings of the names of inputs and outputs, such as ".spec" and ".toml"
	Out      string // a file, - for standard output, or a directory that mirrors the inputs; empty: beside the input
	Options  string // all but the input that decides the output
	Check    Check
	Bulk     *Bulk

	// Make gives the output, with a result that is OK, or a result that says why there is none. It depends on its arguments alone.
	Make func(name string, in []byte) (out []byte, r bulk.Result)

	tree    bool        // Out is a directory
	wrote   atomic.Bool // into that directory, and not yet to disk
	journal *bulk.Journal
	tool    string // what identifies the program that converts
}

// Check is what a converter does instead of writing.
type Check int

const (
	Writes   Check = iota // it writes
	Makes                 // it makes the output and drops it
	Compares              // it compares the output with what stands in its place
)

// Run converts what args name.
func (c *Converter) Run(cmd *cobra.Command, args []string) error {
	items, many := Inputs(args, func(name string) bool { return strings.HasSuffix(name, c.From) })
	for i := range items {
		if info, err := os.Stat(items[i].Input); err == nil {
			items[i].Memory = memoryFactor * info.Size()
		}
	}
	if c.Out != "-" && isStream(c.Out) {
		out, err := os.OpenFile(c.Out, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer out.Close()
		cmd.SetOut(out)
		c.Out = "-"
	}
	if c.Out == "-" && (many || c.Check == Compares) {
		return Usagef("-o -: standard output takes one file")
	}
	c.tree = many || isDir(c.Out)
	c.Bulk.Many = many
	c.refuseTwins(items)
	debug.SetGCPercent(gcPercent)
	if c.Check == Writes && c.Out != "-" {
		// Without a journal everything is converted again and then found to be there.
		c.journal, c.tool, _ = openJournal(cmd.Root().Name())
		defer c.journal.Close()
	}
	err := c.Bulk.Run(cmd, items, func(ctx context.Context, it bulk.Item) bulk.Result {
		return c.convert(ctx, cmd, it.Value.(File))
	})
	if c.wrote.Load() {
		err = cmp.Or(atomicfile.SyncTree(c.Out), err)
	}
	return err
}

// refuseTwins fails the items whose output would replace that of an item before them.
func (c *Converter) refuseTwins(items []bulk.Item) {
	if c.Check == Makes || c.Out == "-" {
		return
	}
	from := make(map[string]string, len(items))
	for i := range items {
		f := items[i].Value.(File)
		path := c.target(f)
		switch first, taken := from[path]; {
		case !taken:
			from[path] = f.Path
		case first != f.Path && items[i].Err == nil:
			items[i].Err = fmt.Errorf("%s: its output %s is that of %s", f.Path, path, first)
		}
	}
}

// isStream says whether path is a device or a pipe, or a link to one: it is written to, and no file takes its place.
func isStream(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && !info.Mode().IsRegular()
}

// isDir says whether path is a directory or is meant to be one.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return strings.HasSuffix(path, "/") || err == nil && info.IsDir()
}

func (c *Converter) convert(ctx context.Context, cmd *cobra.Command, f File) bulk.Result {
	in, err := readInput(f.Path)
	if err != nil {
		return bulk.Failed("read", "read", err)
	}
	if c.Check == Makes || c.Out == "-" {
		out, r := c.inTime(ctx, f.Path, in)
		if r.OK && c.Check != Makes {
			if _, err := cmd.OutOrStdout().Write(out); err != nil {
				return bulk.Failed("write", "write", err)
			}
		}
		return r
	}
	path := c.target(f)
	old, err := os.ReadFile(path)
	if c.Check == Compares {
		out, r := c.inTime(ctx, f.Path, in)
		if !r.OK {
			return r
		}
		return compared(r, path, old, err, out)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return bulk.Failed("write", "write", err)
	}
	return c.update(ctx, f, path, in, old)
}

// update writes what is made of in to path, where old stands (nil: nothing), unless it is known to stand there.
func (c *Converter) update(ctx context.Context, f File, path string, in, old []byte) bulk.Result {
	if old != nil && !c.Bulk.Force {
		if figures, ok := c.journal.Done(c.key(in, old)); ok {
			return bulk.Result{OK: true, Skipped: true, Figures: figures}
		}
	}
	out, r := c.inTime(ctx, f.Path, in)
	if !r.OK {
		return r
	}
	r.Skipped = old != nil && bytes.Equal(old, out) && !c.Bulk.Force
	if !r.Skipped {
		if old != nil && sameFile(f.Path, path) {
			return bulk.Failed("write", "write", fmt.Errorf("%s: the output would replace the input", path))
		}
		if err := c.write(path, old, out); err != nil {
			return bulk.Failed("write", "write", err)
		}
	}
	if err := c.journal.Mark(c.key(in, out), r.Figures); err != nil {
		return bulk.Failed("write", "journal", err)
	}
	return r
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// inTime leaves a conversion to itself when its time is over: it has no effect but its output.
func (c *Converter) inTime(ctx context.Context, name string, in []byte) ([]byte, bulk.Result) {
	if ctx.Done() == nil {
		return c.Make(name, in)
	}
	type made struct {
		out []byte
		r   bulk.Result
	}
	done := make(chan made, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- made{nil, bulk.Failed("internal", "panic", fmt.Errorf("internal fault: %v", p))}
			}
		}()
		out, r := c.Make(name, in)
		done <- made{out, r}
	}()
	select {
	case m := <-done:
		return m.out, m.r
	case <-ctx.Done():
		return nil, bulk.Failed("convert", "timeout", context.Cause(ctx))
	}
}

// key names a conversion by all that decides it, and by what came of it.
func (c *Converter) key(in, out []byte) string {
	return bulk.Key(c.tool, c.Options, digest(in), digest(out))
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return string(sum[:])
}

// readInput reads a file of at most 256 MiB.
func readInput(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxInput {
		return nil, fmt.Errorf("%s: %d bytes where at most %d are read", path, info.Size(), maxInput)
	}
	return os.ReadFile(path)
}

// target is where the output of f goes.
func (c *Converter) target(f File) string {
	switch {
	case c.Out == "":
		return strings.TrimSuffix(f.Path, c.From) + c.To
	case c.tree:
		return filepath.Join(c.Out, strings.TrimSuffix(f.Rel, c.From)+c.To)
	}
	return c.Out
}

// write puts data at path, whole or not at all. A file beside the input that says something else is not written over without
// force: somebody may have edited it.
func (c *Converter) write(path string, old, data []byte) error {
	if old != nil && !bytes.Equal(old, data) && c.Out == "" && !c.Bulk.Force {
		return fmt.Errorf("%s says something else and may have been edited: -f overwrites it", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	if c.Out == "" || !c.tree {
		return atomicfile.Write(path, data, 0o666)
	}
	c.wrote.Store(true)
	return atomicfile.WriteUnsynced(path, data, 0o666)
}

// compared says whether what stands at path, or why it could not be read, is what would be written.
func compared(r bulk.Result, path string, old []byte, err error, out []byte) bulk.Result {
	if err != nil {
		return bulk.Failed("check", "missing", err)
	}
	if !bytes.Equal(old, out) {
		n := 0
		for n < len(old) && n < len(out) && old[n] == out[n] {
			n++
		}
		line := 1 + bytes.Count(old[:n], []byte("\n"))
		return bulk.Failed("check", "differs", fmt.Errorf("%s:%d: differs from what would be written", path, line))
	}
	return r
}
