package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/browsertest"
	"github.com/weld-linux/weld-bridge/internal/bulk"
)

// probe is appended to a page: it works as a person would and leaves what it saw as text.
const probe = `<script>
const seen = ["opened after " + performance.now().toFixed(0) + " ms"];
const count = () => document.getElementById("count").textContent;
function act(what, f) {
  const begun = performance.now();
  f();
  document.body.offsetHeight; // waits for the layout
  seen.push(what + ": " + count() + " after " + (performance.now() - begun).toFixed(0) + " ms");
}
function type(text) {
  const e = document.getElementById("filter");
  e.value = text;
  e.dispatchEvent(new Event("input"));
}
const first = () => document.querySelector("#body td").textContent;
act("filter", () => type("package-0012"));
act("filter again", () => type("package-001"));
act("no filter", () => type(""));
act("class", () => document.querySelector("#classes button").click());
act("no class", () => { document.getElementById("bad").checked = false; type(""); });
act("bar", () => document.querySelector("#plot rect").dispatchEvent(new Event("click")));
act("no bar", () => document.querySelector("#plot rect").dispatchEvent(new Event("click")));
act("sort", () => [...document.querySelectorAll("#head th")].find(e => e.textContent === "spec bytes").click());
seen.push("largest: " + first());
seen.push("tools: " + document.querySelectorAll("#tools tr").length);
document.body.replaceChildren(document.createTextNode("\n" + seen.join("\n") + "\n"));
</script>
`

// TestReportInBrowser works on a page of 25,000 rows in headless Chromium. It prints how long the page took. WELD_SHOTS names a directory
// for a picture of it.
func TestReportInBrowser(t *testing.T) {
	browser := browsertest.Start(t)
	path := filepath.Join(t.TempDir(), "page.html")
	page, err := newHTMLReport(path, "spec2toml")
	if err != nil {
		t.Fatal(err)
	}
	var s bulk.Summary
	for i := range 25000 {
		r := bulk.Result{
			Tool: "spec2toml", Input: fmt.Sprintf("specs/package-%05d.spec", i), OK: true, Seconds: float64(i%100) / 1000,
			Figures: map[string]any{"spec_bytes": 1000 + i*7919%50000, "toml_bytes": 1200 + i*7919%60000, "typed_percent": float64(1000-i%20) / 10, "why_raw": "%something odd"},
		}
		if i%1000 == 7 {
			r = bulk.Result{Tool: "spec2toml", Input: r.Input, Stage: "parse", Class: "unterminated condition", Message: r.Input + ":3:1: unterminated %if </script>"}
		}
		s.Count(r)
		if err := page.add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := page.close(s); err != nil {
		t.Fatal(err)
	}
	if shot := os.Getenv("WELD_SHOTS"); shot != "" {
		browser.Shot(t, filepath.Join(shot, "report.png"), "file://"+path)
	}
	write(t, path, strings.Replace(read(t, path), "</html>", probe+"</html>", 1))
	_, body, _ := strings.Cut(browser.DOM(t, "file://"+path), "<body>")
	t.Log(body)
	for _, want := range []string{
		"filter: 10 of 25,000", "filter again: 100 of 25,000", "no filter: 25,000 of 25,000", "class: 25 of 25,000",
		"no class: 25,000 of 25,000", "bar: 1,2", "no bar: 25,000 of 25,000", "largest: specs/package-", "tools: 2",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
