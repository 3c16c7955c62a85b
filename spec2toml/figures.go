package main

import "github.com/weld-linux/weld-bridge/internal/pkgtoml"

// figures says for the report what became of a spec.
func figures(d *pkgtoml.Document, in, out []byte) map[string]any {
	f := map[string]any{"spec_bytes": len(in), "toml_bytes": len(out), "subpackages": len(d.Subpackages)}
	if d.Layout != nil {
		f["layout_bytes"] = len(d.Layout.Order)
	}
	raw := 0
	for _, m := range d.Macros {
		if m.Form == pkgtoml.Raw {
			raw++
		}
	}
	f["raw"] = raw
	return f
}
