package cli

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"io"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/bulk"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Parse(reportPage))

// htmlReport gathers results, as JSON, for the page that a person reads.
type htmlReport struct {
	path, tool string
	rows       bytes.Buffer
}

func (h *htmlReport) add(res bulk.Result) error {
	line, err := json.Marshal(res) // escapes <, > and &, so that it may stand in a script element
	if err != nil {
		return err
	}
	if h.rows.Len() > 0 {
		h.rows.WriteString(",\n")
	}
	h.rows.Write(line)
	return nil
}

func (h *htmlReport) close(s bulk.Summary) error {
	return atomicfile.WriteFrom(h.path, 0o666, func(w io.Writer) error {
		return reportTemplate.Execute(w, map[string]any{
			"Tool": h.tool, "Version": Version, "Summary": s, "Rows": template.JS("[" + h.rows.String() + "]"),
		})
	})
}
