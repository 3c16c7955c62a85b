package cli

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/bulk"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Parse(reportPage))

// rowsMark stands in the page where the rows go.
const rowsMark = "\nROWS\n"

// htmlReport gathers results, as JSON in a temporary file, for the page that a person reads.
type htmlReport struct {
	path, title string
	rows        *os.File
	out         *bufio.Writer
	any         bool
}

func newHTMLReport(path, title string) (*htmlReport, error) {
	rows, err := os.CreateTemp("", "weld-report-")
	if err != nil {
		return nil, err
	}
	os.Remove(rows.Name()) // it lives as long as it is open
	return &htmlReport{path: path, title: title, rows: rows, out: bufio.NewWriter(rows)}, nil
}

func (h *htmlReport) add(res bulk.Result) error {
	line, err := json.Marshal(res) // escapes <, > and &, so that it may stand in a script element
	if err != nil {
		return err
	}
	if h.any {
		h.out.WriteString(",\n")
	}
	h.any = true
	_, err = h.out.Write(line)
	return err
}

// close writes the page.
func (h *htmlReport) close(s bulk.Summary) error {
	err := h.out.Flush()
	if err == nil {
		_, err = h.rows.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = h.write(func(w io.Writer) error {
			var page strings.Builder
			if err := reportTemplate.Execute(&page, map[string]any{"Title": h.title, "Version": Version, "Summary": s}); err != nil {
				return err
			}
			head, tail, _ := strings.Cut(page.String(), rowsMark)
			_, err := io.Copy(w, io.MultiReader(strings.NewReader(head), h.rows, strings.NewReader(tail)))
			return err
		})
	}
	return errors.Join(err, h.rows.Close())
}

func (h *htmlReport) write(page func(io.Writer) error) error {
	if !isStream(h.path) {
		return atomicfile.WriteFrom(h.path, 0o666, page)
	}
	out, err := os.OpenFile(h.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(page(out), out.Close())
}

// newReportCmd makes one page of what many runs, of any of the tools, reported.
func newReportCmd() *cobra.Command {
	var out, title string
	cmd := &cobra.Command{
		Use:   "report -o PAGE.html REPORT.jsonl...",
		Short: "Make one page of the reports of many runs",
		Long: `Report makes one page for a person of what runs wrote with --report: those of other tools and of other machines too, so that a
whole migration stands on one page. Where the same command has worked on an input in several runs, the report that is named last counts.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if out == "" {
				return Usagef("no page: give -o")
			}
			return reportOn(out, title, args)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "write the page to `FILE` (required)")
	cmd.Flags().StringVar(&title, "title", "Weld Bridge", "what the page is called")
	return cmd
}

func reportOn(out, title string, paths []string) error {
	last := map[[2]string]int{} // of a command and an input: the last report that has it
	if err := eachLine(paths, func(report int, r bulk.Result) error {
		last[[2]string{r.Tool, r.Input}] = report
		return nil
	}); err != nil {
		return err
	}
	page, err := newHTMLReport(out, title)
	if err != nil {
		return err
	}
	var s bulk.Summary
	if err := eachLine(paths, func(report int, r bulk.Result) error {
		if last[[2]string{r.Tool, r.Input}] != report {
			return nil
		}
		s.Count(r)
		return page.add(r)
	}); err != nil {
		page.rows.Close()
		return err
	}
	return page.close(s)
}

// eachLine calls f for every line of reports, with the report's number.
func eachLine(paths []string, f func(report int, r bulk.Result) error) error {
	for i, path := range paths {
		if err := linesOf(path, func(r bulk.Result) error { return f(i, r) }); err != nil {
			return err
		}
	}
	return nil
}

func linesOf(path string, f func(bulk.Result) error) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	decoder := json.NewDecoder(bufio.NewReader(in))
	for n := 1; ; n++ {
		var r bulk.Result
		switch err := decoder.Decode(&r); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("%s:%d: not a line of a report: %w", path, n, err)
		case r.Input == "":
			return fmt.Errorf("%s:%d: not a line of a report: no input", path, n)
		}
		if err := f(r); err != nil {
			return err
		}
	}
}
