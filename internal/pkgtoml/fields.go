package pkgtoml

import (
	"slices"
	"strconv"
)

// field is one key of a table with its value, encoded.
type field struct{ key, value string }

// The functions below say which keys an entry has. A first field without a key
// is the value that stands for the whole entry when it has no other.

func macroFields(m *Macro) []field {
	f := []field{{m.Form, value(m.Name)}}
	switch {
	case m.Form == Bcond && (m.Value == "true" || m.Value == "false"):
		f = append(f, field{"default", m.Value})
	case m.Form == Bcond:
		f = append(f, field{"default", quote(m.Value)})
	case m.Form == Global, m.Form == Define:
		f = append(f, field{"value", value(m.Value)})
	}
	if m.At != "" {
		f = append(f, field{"at", quote(m.At)})
	}
	return f
}

func sourceFields(s *Source) []field {
	f := []field{}
	if s.Number == "" && s.Spelling == "" {
		f = append(f, field{"", quote(s.File)})
	}
	if s.Number != "" {
		f = append(f, field{"number", number(s.Number)})
	}
	return spelled(append(f, field{"file", quote(s.File)}), s.Spelling)
}

// number writes a number as such where that loses no leading zero.
func number(s string) string {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && strconv.Itoa(n) == s {
		return s
	}
	return quote(s)
}

func spelled(f []field, spelling string) []field {
	if spelling == "" {
		return f
	}
	return append(f, field{"spelling", quote(spelling)})
}

func tagFields(t *Tag) []field {
	value := quote(t.Value)
	if t.Key == "epoch" {
		value = number(t.Value)
	}
	f := []field{}
	if t.Lang == "" && t.Spelling == "" {
		f = append(f, field{"", value})
	}
	f = append(f, field{"value", value})
	if t.Lang != "" {
		f = append(f, field{"lang", quote(t.Lang)})
	}
	return spelled(f, t.Spelling)
}

func depFields(d *Dep) []field {
	key, with := "dep", "qualifiers"
	if d.Kind == "build_option" {
		key, with = "option", "section"
	}
	value := inlineArray(d.Deps)
	if len(d.Deps) == 1 {
		value = quote(d.Deps[0])
	} else {
		key = "deps"
	}
	f := []field{}
	if d.Qualifiers == "" && d.Spelling == "" && d.Separator == "" {
		f = append(f, field{"", value})
	}
	f = append(f, field{key, value})
	if d.Separator != "" {
		f = append(f, field{"separator", quote(d.Separator)})
	}
	if d.Qualifiers != "" {
		f = append(f, field{with, quote(d.Qualifiers)})
	}
	return spelled(f, d.Spelling)
}

func fileFields(f *File) []field {
	switch {
	case f.Raw != "":
		return []field{{"raw", quote(f.Raw)}}
	case f.Macro != "":
		return []field{{"macro", quote(f.Macro)}}
	case f.Defattr != "":
		return []field{{"defattr", quote(f.Defattr)}}
	}
	var out []field
	if len(f.Paths) == 1 {
		out = append(out, field{"path", quote(f.Paths[0])})
	} else {
		out = append(out, field{"paths", inlineArray(f.Paths)})
	}
	for _, d := range f.Directives() {
		out = append(out, directiveFields(f, d)...)
	}
	if len(out) == 1 && len(f.Paths) == 1 {
		out = []field{{"", out[0].value}, out[0]}
	}
	return out
}

// Directives are the directives of an entry, in the order of its line.
func (f *File) Directives() []string {
	has := func(d string) bool {
		switch d {
		case "config":
			return f.Config != ""
		case "attr":
			return f.Mode+f.User+f.Group+f.DirMode != ""
		case "verify":
			return f.HasVerify
		case "lang":
			return f.Lang != ""
		case "caps":
			return f.Caps != ""
		}
		return slices.Contains(f.Flags, d)
	}
	var out []string
	for _, d := range f.Order {
		if has(d) && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	for _, d := range FileDirectives {
		if has(d) && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

func directiveFields(f *File, d string) []field {
	switch d {
	case "config":
		if f.Config == "true" {
			return []field{{"config", "true"}}
		}
		return []field{{"config", quote(f.Config)}}
	case "attr":
		var out []field
		for _, x := range []field{{"mode", f.Mode}, {"user", f.User}, {"group", f.Group}, {"dirmode", f.DirMode}} {
			if x.value != "" {
				out = append(out, field{x.key, quote(x.value)})
			}
		}
		if f.Separator != "" {
			out = append(out, field{"separator", quote(f.Separator)})
		}
		return out
	case "verify":
		return []field{{"verify", quote(f.Verify)}}
	case "lang":
		return []field{{"lang", quote(f.Lang)}}
	case "caps":
		return []field{{"caps", quote(f.Caps)}}
	}
	return []field{{d, "true"}}
}
