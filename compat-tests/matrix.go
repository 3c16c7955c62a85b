package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// result is one line of the suite's results: what was tried with which program, and whether it worked.
type result struct {
	Feature string `json:"feature"`
	Program string `json:"program"`
	Version string `json:"version"`
	OK      *bool  `json:"ok"` // nil: skipped, and How says why
	How     string `json:"how"`
}

func newMatrixCmd() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "matrix RESULTS...",
		Short: "Make docs/compatibility.md of results, JSON lines; the last one of a feature and a version holds",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, paths []string) error {
			results, err := readResults(paths)
			if err != nil {
				return err
			}
			return os.WriteFile(out, matrix(results), 0o666)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "docs/compatibility.md", "the page to write")
	return cmd
}

// readResults gives the results in the order of the page: by program, version and feature.
func readResults(paths []string) ([]result, error) {
	type key struct{ program, version, feature string }
	last := map[key]result{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		scanner := bufio.NewScanner(bytes.NewReader(data))
		for n := 1; scanner.Scan(); n++ {
			var r result
			if err := json.Unmarshal(scanner.Bytes(), &r); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, n, err)
			}
			last[key{r.Program, r.Version, r.Feature}] = r
		}
		if err := scanner.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	results := make([]result, 0, len(last))
	for _, r := range last {
		results = append(results, r)
	}
	slices.SortFunc(results, func(a, b result) int {
		return cmp.Or(cmp.Compare(a.Program, b.Program), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Feature, b.Feature))
	})
	return results, nil
}

// matrix is the page.
func matrix(results []result) []byte {
	var b bytes.Buffer
	b.WriteString(`# Compatibility

What was tried with the real programs, and whether it worked. ` + "`make compat`" + ` tries it and writes this page; nothing here is from memory.
`)
	heading := ""
	for _, r := range results {
		if h := strings.TrimSpace(r.Program + " " + r.Version); h != heading {
			heading = h
			fmt.Fprintf(&b, "\n## %s\n| feature | works | how tested |\n|---|---|---|\n", h)
		}
		works := "skipped"
		switch {
		case r.OK != nil && *r.OK:
			works = "yes"
		case r.OK != nil:
			works = "**no**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(r.Feature), works, cell(r.How))
	}
	return b.Bytes()
}

// cell keeps text within its cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}
