package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
)

// upper is a converter of text into capitals that counts what it does, cannot read digits and hangs on "slow".
func upper(made *atomic.Int32) *cobra.Command {
	c := &Converter{From: ".low", To: ".up", Bulk: &Bulk{}}
	root := &cobra.Command{
		Use: "upper", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Make = func(name string, in []byte) ([]byte, bulk.Result) {
				made.Add(1)
				if i := bytes.IndexAny(in, "0123456789"); i >= 0 {
					return nil, bulk.Failed("parse", "digit", fmt.Errorf("%s:%d: a digit", name, i+1))
				}
				if string(in) == "slow" {
					select {}
				}
				return bytes.ToUpper(in), bulk.Result{OK: true, Figures: map[string]any{"bytes": len(in)}}
			}
			return c.Run(cmd, args)
		},
	}
	root.Flags().StringVarP(&c.Out, "output", "o", "", "")
	c.Bulk.Add(root)
	return root
}

func TestConverter(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	for name, text := range map[string]string{"a.low": "a", "sub/b.low": "b", "bad.low": "x1", "slow.low": "slow", "big.low": strings.Repeat("big", 100)} {
		write(t, filepath.Join(in, name), text)
	}
	steps := []struct {
		name   string
		before func()
		args   []string
		made   int
		want   string
	}{
		{"first", nil, nil, 5, "5 items: 2 done, 0 skipped, 3 failed"},
		{"what is done is not made again", nil, nil, 3, "5 items: 0 done, 2 skipped, 3 failed"},
		{"force", nil, []string{"-f"}, 5, "5 items: 2 done, 0 skipped, 3 failed"},
		{"input changed", func() { write(t, filepath.Join(in, "a.low"), "aa") }, nil, 4, "5 items: 1 done, 1 skipped, 3 failed"},
		{"output changed", func() { write(t, filepath.Join(out, "a.up"), "A") }, nil, 4, "5 items: 1 done, 1 skipped, 3 failed"},
		{"another place", func() { out = filepath.Join(dir, "out2") }, nil, 5, "5 items: 2 done, 0 skipped, 3 failed"},
		{"journal gone", func() { t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "in/a.low")) }, nil, 5, "5 items: 0 done, 2 skipped, 3 failed"},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			if s.before != nil {
				s.before()
			}
			var made atomic.Int32
			root := upper(&made)
			var errOut bytes.Buffer
			root.SetErr(&errOut)
			args := append([]string{"-j1", "--timeout", "1s", "--memory", "10K", "-o", out, in}, s.args...)
			if got := Run(root, args); got != ExitSomeFailed || int(made.Load()) != s.made-1 || !strings.Contains(errOut.String(), s.want) {
				t.Errorf("status %d, %d made, %s", got, made.Load(), &errOut)
			}
			for _, says := range []string{"bad.low:2: a digit", "slow.low: took longer than 1s", "big.low: may take"} {
				if !strings.Contains(errOut.String(), says) {
					t.Errorf("it does not say %q: %s", says, &errOut)
				}
			}
			for name, want := range map[string]string{"a.up": strings.ToUpper(read(t, filepath.Join(in, "a.low"))), "sub/b.up": "B"} {
				if got := read(t, filepath.Join(out, name)); got != want {
					t.Errorf("%s is %q", name, got)
				}
			}
		})
	}
}

// TestConverterTwins: of two inputs that would be written to one file the first is, and the other one says so.
func TestConverterTwins(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	write(t, filepath.Join(dir, "1/x.low"), "one")
	write(t, filepath.Join(dir, "2/x.low"), "two")
	for _, args := range [][]string{{"1", "2"}, {"1/x.low", "2/x.low"}} {
		var made atomic.Int32
		root := upper(&made)
		var errOut bytes.Buffer
		root.SetErr(&errOut)
		first, second := filepath.Join(dir, args[0]), filepath.Join(dir, args[1])
		got := Run(root, []string{"-f", "-o", out, first, second, first})
		if got != ExitSomeFailed || made.Load() != 2 || !strings.Contains(errOut.String(), "2/x.low: its output "+filepath.Join(out, "x.up")+" is that of ") {
			t.Errorf("%v: status %d, %d made, %s", args, got, made.Load(), &errOut)
		}
		if got := read(t, filepath.Join(out, "x.up")); got != "ONE" {
			t.Errorf("%v: %q was written", args, got)
		}
	}
}

// TestStreams: what is written to a device stays one.
func TestStreams(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	in, device := filepath.Join(dir, "x.low"), filepath.Join(dir, "device")
	write(t, in, "one")
	if err := os.Symlink(os.DevNull, device); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-o", device, in}, {"-o", filepath.Join(dir, "x.up"), "--report-html", device, in}} {
		var made atomic.Int32
		root := upper(&made)
		var errOut bytes.Buffer
		root.SetErr(&errOut)
		if got := Run(root, args); got != ExitDone || made.Load() != 1 {
			t.Errorf("%v: status %d, %d made, %s", args, got, made.Load(), &errOut)
		}
		if to, err := os.Readlink(device); err != nil || to != os.DevNull {
			t.Fatalf("%v: the device has become %q (%v)", args, to, err)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "12": 12, "3K": 3 << 10, "512M": 512 << 20, "2GiB": 2 << 30, "1T": 1 << 40, "": -1, "G": -1, "-1": -1, "1.5G": -1, "99999999T": -1} {
		var s size
		if err := s.Set(text); (err == nil) != (want >= 0) || err == nil && int64(s) != want {
			t.Errorf("%q gives %d, %v", text, s, err)
		}
	}
}

func TestPackageName(t *testing.T) {
	for path, want := range map[string]string{
		"x/bash.spec": "bash", "python3.13.spec": "python3.13", "a/bash-completion-2.11-5.fc41.noarch.rpm": "bash-completion",
		"bash-5.2-1.x86_64.rpm.sig": "bash", "odd.rpm": "odd", "x.src.rpm": "x.src",
	} {
		if got := packageName(path); got != want {
			t.Errorf("%s is of %s, want %s", path, got, want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
