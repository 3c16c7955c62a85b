package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/progress"
)

// Bulk holds the flags of a command that works on many items, and runs it.
type Bulk struct {
	Jobs    int
	Force   bool // do again what is done
	JSON    bool // results on standard output, one object a line
	Many    bool // failed items give status 3 instead of 1; set by the command, see Inputs
	Append  bool // the report goes on after that of an earlier Run; set by the command
	report  string
	html    string
	shard   string
	timeout time.Duration
	memory  size
}

// Add declares the flags.
func (b *Bulk) Add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVarP(&b.Jobs, "jobs", "j", runtime.GOMAXPROCS(0), "items to work on at once")
	f.BoolVarP(&b.Force, "force", "f", false, "do again what an earlier run has done")
	f.BoolVar(&b.JSON, "json", false, "print results as JSON, one object a line")
	f.StringVar(&b.report, "report", "", "write a report to `FILE`: JSON lines, one object an item (- for standard output)")
	f.StringVar(&b.html, "report-html", "", "write a report to `FILE` for a person to read: one HTML page")
	f.StringVar(&b.shard, "shard", "", "take only part `i/n` of the items, split by package name")
	f.DurationVar(&b.timeout, "timeout", 0, "give up on an item after this long (default: never)")
	f.Var(&b.memory, "memory", "for all items at once: one waits until its share is free, and fails if it needs more than `SIZE` (as in 2G; default: no limit)")
}

// Select keeps the items of the shard that was asked for, in their order. Run does so by itself; it is for what counts them before.
func (b *Bulk) Select(items []bulk.Item) ([]bulk.Item, error) {
	shard, err := bulk.ParseShard(b.shard)
	if err != nil {
		return nil, Usagef("--shard %s: %v", b.shard, err)
	}
	return shard.Select(items), nil
}

// Run works on the items and reports. It returns nil when all are done, ErrSomeFailed or ErrReported when some failed,
// and another error when the run itself could not go on.
func (b *Bulk) Run(cmd *cobra.Command, items []bulk.Item, work func(context.Context, bulk.Item) bulk.Result) error {
	if b.Jobs < 1 {
		return Usagef("--jobs %d: want at least 1", b.Jobs)
	}
	items, err := b.Select(items)
	if err != nil {
		return err
	}
	if b.memory > 0 {
		debug.SetMemoryLimit(int64(b.memory)) // collects garbage harder before it is passed
	}
	reports, err := b.openReports(cmd)
	if err != nil {
		return err
	}
	var meter *progress.Meter
	if len(items) > 1 {
		meter = progress.New(cmd.ErrOrStderr(), term.IsTerminal(int(os.Stderr.Fd())), cmd.Root().Name(), len(items))
	}
	summary, runErr := bulk.Run(cmd.Context(), items, bulk.Options{
		Jobs: b.Jobs, Timeout: b.timeout, Memory: int64(b.memory),
		Ended: func(r bulk.Result) {
			meter.Add(!r.OK)
			if !r.OK {
				b.complain(cmd, meter, r)
			}
		},
		Report: reports.add,
	}, work)
	meter.Close()
	if err := errors.Join(runErr, reports.close(summary)); err != nil {
		return err
	}
	return b.verdict(cmd, summary)
}

// complain names a failed item. The message begins with the input's name wherever the layer below knew a place in it.
func (b *Bulk) complain(cmd *cobra.Command, meter *progress.Meter, r bulk.Result) {
	line := fmt.Sprintf("%s: %s", cmd.Root().Name(), withInput(r))
	if meter != nil {
		meter.Print(line)
		return
	}
	fmt.Fprintln(cmd.ErrOrStderr(), line)
}

func withInput(r bulk.Result) string {
	msg, input := oneLine(errors.New(r.Message)), Printable(r.Input)
	if rest, ok := strings.CutPrefix(msg, input); ok && strings.HasPrefix(rest, ":") {
		return msg
	}
	return input + ": " + msg
}

func (b *Bulk) verdict(cmd *cobra.Command, s bulk.Summary) error {
	if b.Many {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d items: %d done, %d skipped, %d failed\n", cmd.Root().Name(), s.Total, s.Done, s.Skipped, s.Failed)
	}
	switch {
	case s.Failed == 0:
		return nil
	case b.Many:
		return ErrSomeFailed
	}
	return ErrReported
}

// reports writes each result to wherever it was asked for.
type reports struct {
	tool  string
	sinks []*sink
	html  *htmlReport
}

// sink writes each result at once, so that a run that is killed has told of what it did.
type sink struct {
	encoder *json.Encoder
	close   func() error
}

func (b *Bulk) openReports(cmd *cobra.Command) (*reports, error) {
	r := &reports{tool: cmd.CommandPath()}
	if b.JSON {
		r.sinks = append(r.sinks, newSink(nopCloser{cmd.OutOrStdout()}))
	}
	if b.report != "" {
		out, err := b.openReport(cmd)
		if err != nil {
			return nil, err
		}
		r.sinks = append(r.sinks, newSink(out))
	}
	if b.html != "" {
		var err error
		if r.html, err = newHTMLReport(b.html, cmd.CommandPath()); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// openReport gives standard output for "-" and makes the file anew, or goes on with it, otherwise.
func (b *Bulk) openReport(cmd *cobra.Command) (io.WriteCloser, error) {
	if b.report == "-" {
		return nopCloser{cmd.OutOrStdout()}, nil
	}
	if b.Append {
		return os.OpenFile(b.report, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	}
	return os.Create(b.report)
}

func newSink(w io.WriteCloser) *sink {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &sink{encoder: enc, close: w.Close}
}

func (r *reports) add(res bulk.Result) error {
	res.Tool = r.tool
	for _, s := range r.sinks {
		if err := s.encoder.Encode(res); err != nil {
			return err
		}
	}
	if r.html != nil {
		return r.html.add(res)
	}
	return nil
}

func (r *reports) close(s bulk.Summary) error {
	var errs []error
	for _, sink := range r.sinks {
		errs = append(errs, sink.close())
	}
	if r.html != nil {
		errs = append(errs, r.html.close(s))
	}
	return errors.Join(errs...)
}
