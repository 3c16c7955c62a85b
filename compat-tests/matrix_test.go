package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestMatrix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	writeFile(t, path, `{"feature": "b", "program": "mock", "version": "2", "ok": false, "how": "first"}
{"feature": "a | c", "program": "mock", "version": "2", "ok": true, "how": "h"}
{"feature": "all", "program": "koji", "version": "", "ok": null, "how": "skipped: not here"}
{"feature": "b", "program": "mock", "version": "2", "ok": true, "how": "second"}
`)
	results, err := readResults([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(string(matrix(results)), "\n\n## ")
	want := `koji
| feature | works | how tested |
|---|---|---|
| all | skipped | skipped: not here |

## mock 2
| feature | works | how tested |
|---|---|---|
| a \| c | yes | h |
| b | yes | second |
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	writeFile(t, path, "{\n")
	if _, err := readResults([]string{path}); err == nil || !strings.Contains(err.Error(), "results.jsonl:1: ") {
		t.Errorf("a broken line: %v", err)
	}
}
