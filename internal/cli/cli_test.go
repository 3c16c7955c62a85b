package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
)

// tool is a program with one command that works on files and fails on those called bad.
func tool(out, errOut *bytes.Buffer) *cobra.Command {
	root := &cobra.Command{Use: "tool"}
	root.SetOut(out)
	root.SetErr(errOut)
	var b Bulk
	var store StoreFlag
	work := &cobra.Command{
		Use: "work FILE|DIR...", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			items, many := Inputs(args, func(name string) bool { return strings.HasSuffix(name, ".in") })
			b.Many = many
			return b.Run(cmd, items, func(_ context.Context, it bulk.Item) bulk.Result {
				if strings.Contains(it.Input, "bad") {
					return bulk.Failed("parse", "syntax", fmt.Errorf("%s:3:1: bad <line>", it.Input))
				}
				return bulk.Result{OK: true, Figures: map[string]any{"size": 1}}
			})
		},
	}
	b.Add(work)
	fail := &cobra.Command{Use: "fail", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return errors.New("reading x: broken\nin two lines")
	}}
	needs := &cobra.Command{Use: "needs", RunE: func(*cobra.Command, []string) error {
		_, err := store.Path()
		return err
	}}
	store.Add(needs)
	family := &cobra.Command{Use: "family", Short: "others"}
	family.AddCommand(&cobra.Command{Use: "member", RunE: func(*cobra.Command, []string) error { return nil }})
	root.AddCommand(work, fail, needs, family)
	return root
}

func TestExitStatus(t *testing.T) {
	t.Setenv("WELD_STORE", "")
	dir := t.TempDir()
	for _, name := range []string{"a.in", "bad.in", "sub/c.in", "other"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"sub/link.in": "../a.in", "sub/dangling.in": "none", "sub/loop.in": ".."} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	good, bad := filepath.Join(dir, "a.in"), filepath.Join(dir, "bad.in")
	for _, c := range []struct {
		name string
		args []string
		want int
		says string
	}{
		{"one good", []string{"work", good}, ExitDone, ""},
		{"one bad", []string{"work", bad}, ExitFailed, "tool: " + bad + ":3:1: bad <line>\n"},
		{"directory", []string{"work", dir}, ExitSomeFailed, "tool: 6 items: 3 done, 0 skipped, 3 failed\n"},
		{"link to a directory", []string{"work", link}, ExitSomeFailed, "tool: 6 items: 3 done, 0 skipped, 3 failed\n"},
		{"missing", []string{"work", dir + "/none"}, ExitFailed, "no such file"},
		{"failure", []string{"fail"}, ExitFailed, "tool: reading x: broken; in two lines\n"},
		{"no argument", []string{"work"}, ExitUsage, "tool: requires at least 1 arg(s), only received 0\nSee 'tool work --help'.\n"},
		{"odd command", []string{"wrok"}, ExitUsage, "unknown command"},
		{"family", []string{"family"}, ExitDone, ""},
		{"member", []string{"family", "member"}, ExitDone, ""},
		{"odd member", []string{"family", "membre"}, ExitUsage, "unknown command \"membre\" for \"tool family\""},
		{"odd flag", []string{"work", "--odd", good}, ExitUsage, "unknown flag: --odd"},
		{"odd shard", []string{"work", "--shard", "3/2", good}, ExitUsage, "--shard 3/2: want i/n"},
		{"odd jobs", []string{"work", "-j0", good}, ExitUsage, "--jobs 0: want at least 1"},
		{"no store", []string{"needs"}, ExitUsage, "no store: give --store or set WELD_STORE"},
		{"store", []string{"needs", "--store", "s"}, ExitDone, ""},
		{"help", []string{"--help"}, ExitDone, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			if got := Run(tool(&out, &errOut), c.args); got != c.want {
				t.Errorf("exit status %d, want %d", got, c.want)
			}
			if !strings.Contains(errOut.String(), c.says) || c.says == "" && errOut.Len() > 0 {
				t.Errorf("it says %q, want %q", errOut.String(), c.says)
			}
		})
	}
}

func TestReports(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.in", "bad.in"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var out, errOut bytes.Buffer
	lines, page := filepath.Join(dir, "report"), filepath.Join(dir, "report.html")
	Run(tool(&out, &errOut), []string{"work", "--json", "--report", lines, "--report-html", page, dir})

	bad := filepath.Join(dir, "bad.in")
	want := []bulk.Result{
		{Tool: "tool work", Input: filepath.Join(dir, "a.in"), OK: true, Figures: map[string]any{"size": 1.0}},
		{Tool: "tool work", Input: bad, Stage: "parse", Class: "syntax", Message: bad + ":3:1: bad <line>"},
	}
	report, err := os.ReadFile(lines)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{out.Bytes(), report} {
		var got []bulk.Result
		for line := range bytes.Lines(text) {
			var r bulk.Result
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(bulk.Result{}, "Seconds")); diff != "" {
			t.Error(diff)
		}
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"<b>2</b>items", "<b>1</b>failed", `bad \u003cline\u003e`} {
		if !bytes.Contains(html, []byte(part)) {
			t.Errorf("the page lacks %q", part)
		}
	}
}

// TestComplaint: an item is named once, and nothing of it gets at the terminal.
func TestComplaint(t *testing.T) {
	for _, c := range []struct{ input, message, want string }{
		{"a", "a:3:1: bad", "a:3:1: bad"},
		{"a", "abc is odd", "a: abc is odd"},
		{"a", "two\nlines", "a: two; lines"},
		{"a\x1b[2J", "a\x1b[2J: \u009b1m", "a?[2J: ?1m"},
		{"a\nb", "odd", "a?b: odd"},
	} {
		if got := withInput(bulk.Result{Input: c.input, Message: c.message}); got != c.want {
			t.Errorf("%q of %q: %q, want %q", c.message, c.input, got, c.want)
		}
	}
}

// TestReportIsThere: what was reported is in the file before the run has ended; a second run begins it anew, or goes on with it.
func TestReportIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report")
	b := Bulk{Jobs: 1, report: path}
	seen := 0
	for _, c := range []struct {
		more bool
		want int
	}{{false, 2}, {false, 2}, {true, 4}} {
		b.Append = c.more
		var last int
		cmd := &cobra.Command{}
		cmd.SetContext(t.Context())
		err := b.Run(cmd, []bulk.Item{{Input: "1"}, {Input: "2"}}, func(context.Context, bulk.Item) bulk.Result {
			last = strings.Count(read(t, path), "\n")
			return bulk.Result{OK: true}
		})
		if seen = strings.Count(read(t, path), "\n"); err != nil || last != c.want-1 || seen != c.want {
			t.Errorf("%d lines at the second item, %d at the end, want %d (%v)", last, seen, c.want, err)
		}
	}
}

func TestReportOfManyRuns(t *testing.T) {
	dir := t.TempDir()
	one, two, page := filepath.Join(dir, "1.jsonl"), filepath.Join(dir, "2.jsonl"), filepath.Join(dir, "page.html")
	write(t, one, `{"tool":"a","input":"x","ok":false,"class":"odd","message":"no","seconds":1}
{"tool":"a","input":"y","ok":true,"seconds":1}
{"tool":"a","input":"y","ok":false,"class":"odd","message":"of two of one name one is bad","seconds":1}
`)
	write(t, two, `{"tool":"a","input":"x","ok":true,"seconds":2,"figures":{"size":3}}
{"tool":"b","input":"x","ok":true,"skipped":true,"seconds":0}
`)
	var out, errOut bytes.Buffer
	if got := Run(tool(&out, &errOut), []string{"report", "-o", page, one, two}); got != ExitDone {
		t.Fatal(errOut.String())
	}
	html := read(t, page)
	for _, part := range []string{"<b>4</b>items", "<b>2</b>done", "<b>1</b>done before", "<b>1</b>failed", `"figures":{"size":3}`} {
		if !strings.Contains(html, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	write(t, two, "{\"input\":\"x\"}\nno\n")
	if got := Run(tool(&out, &errOut), []string{"report", "-o", page, one, two}); got != ExitFailed || !strings.Contains(errOut.String(), two+":2: not a line of a report") {
		t.Errorf("status %d, %s", got, &errOut)
	}
}

func TestManPagesAreDeterministic(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	for _, dir := range []string{one, two} {
		var out, errOut bytes.Buffer
		if got := Run(tool(&out, &errOut), []string{"man", dir}); got != ExitDone {
			t.Fatal(errOut.String())
		}
	}
	a, err := os.ReadFile(filepath.Join(one, "tool-work.1"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(two, "tool-work.1"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) || !bytes.Contains(a, []byte(`"Weld Bridge"`)) {
		t.Error("two man pages differ, or are odd")
	}
}
