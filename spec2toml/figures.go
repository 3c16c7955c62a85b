package main

import (
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// figures says for the report what became of a spec: how much of it is typed,
// and what is kept verbatim.
func figures(d *pkgtoml.Document, in, out []byte) map[string]any {
	t := &tally{why: []string{}}
	t.macros(d.Macros)
	t.pkg(&d.Main)
	t.typed += len(d.Sources) + len(d.Patches)
	for _, l := range d.Lists {
		t.typed += len(l.List)
	}
	for _, p := range d.Subpackages {
		t.macros(p.Macros)
		t.pkg(p)
	}
	for _, s := range d.Sections {
		t.verbatim(s.Header + "\n" + s.Body)
	}
	f := map[string]any{
		"spec_bytes": len(in), "toml_bytes": len(out), "subpackages": len(d.Subpackages),
		"typed": t.typed, "macro": t.macro, "raw": t.raw, "typed_percent": percent(t.typed+t.macro, t.raw),
	}
	if d.Layout != nil {
		f["layout_percent"] = percent(len(d.Layout.Order), len(out)-len(d.Layout.Order))
	}
	if len(t.why) > 0 {
		f["why_raw"] = strings.Join(t.why, "; ")
	}
	return f
}

// percent gives the share of part, with one digit behind the point.
func percent(part, rest int) float64 {
	if part+rest == 0 {
		return 100
	}
	return float64(1000*part/(part+rest)) / 10
}

// tally counts entries: lines that are typed, lines of macros, and lines that
// are kept verbatim because they could not be taken apart.
type tally struct {
	typed, macro, raw int
	why               []string // the first words of what is raw
}

// reasons bounds how much of what is raw a report shows.
const reasons = 5

func (t *tally) verbatim(text string) {
	t.raw += 1 + strings.Count(strings.TrimRight(text, "\n"), "\n")
	if len(t.why) < reasons {
		line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		t.why = append(t.why, strings.ToValidUTF8(line[:min(len(line), 60)], ""))
	}
}

func (t *tally) macros(list []*pkgtoml.Macro) {
	for _, m := range list {
		switch m.Form {
		case pkgtoml.Raw:
			t.verbatim(m.Name)
		case pkgtoml.Call:
			t.macro++
		default:
			t.typed++
		}
	}
}

func (t *tally) pkg(p *pkgtoml.Package) {
	t.typed += len(p.Tags) + len(p.Deps)
	for _, f := range p.Files {
		for _, x := range f.List {
			switch {
			case x.Raw != "":
				t.verbatim(x.Raw)
			case x.Macro != "":
				t.macro++
			default:
				t.typed++
			}
		}
	}
}
