package pkgtoml

import (
	"regexp"
	"slices"
	"strings"
)

var (
	macroName = regexp.MustCompile(`^[A-Za-z0-9_]+(\([^)\n]*\))?$`)
	bcondName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
)

// blanks are those of a spec.
const blanks = " \t\n\r\f\v"

func isBlank(s string) bool { return strings.Trim(s, blanks) == "" }

// checkName refuses a macro that rpm would read as another one, or as none.
func (m *Macro) checkName(r *reader, path string) {
	ok := !isBlank(m.Name)
	switch m.Form {
	case Global, Define:
		ok = macroName.MatchString(m.Name)
	case Bcond:
		ok = bcondName.MatchString(m.Name)
	case Undefine, Include:
		ok = ok && !strings.ContainsAny(m.Name, blanks)
	}
	if !ok {
		r.fail(path, "%s = %q is not one", m.Form, m.Name)
	}
}

// checkKeys refuses what the header of such a section does not have.
func (s *Script) checkKeys(r *reader, t *table) {
	isBuild, isTrigger, isDescription := slices.Contains(BuildKinds, s.Kind), IsTrigger(s.Kind), s.Kind == "description"
	isScript := !isBuild && !isDescription
	for _, key := range []struct {
		name, value string
		allowed     bool
	}{
		{"mode", s.Mode, isBuild},
		{"interpreter", s.Interpreter, isScript},
		{"file", s.File, isScript},
		{"flags", s.Flags, isScript},
		{"priority", s.Priority, isTrigger},
		{"on", s.On, isTrigger},
		{"lang", s.Lang, isDescription},
		{"head", s.Head, isDescription},
	} {
		switch {
		case key.value == "":
		case !key.allowed:
			r.fail(t.at(key.name), "%%%s has no such thing", s.Kind)
		case strings.Contains(key.value, "\n"):
			r.fail(t.at(key.name), "expected one line, found %q", key.value)
		}
	}
	switch {
	case s.Mode != "" && s.Mode != "append" && s.Mode != "prepend":
		r.fail(t.at("mode"), `expected "append" or "prepend", found %q`, s.Mode)
	case !t.has("text") && s.Interpreter == "" && s.File == "":
		r.fail(t.path, `needs "text"`)
	}
}

// checkKeys refuses an entry that is several things at once, or none.
func (f *File) checkKeys(r *reader, t *table) {
	what := slices.DeleteFunc([]string{"path", "paths", "defattr", "macro", "raw"}, func(key string) bool { return !t.has(key) })
	switch {
	case len(what) == 0:
		r.fail(t.path, `needs "path"`)
	case len(what) > 1:
		r.fail(t.path, "%q and %q: an entry has one", what[0], what[1])
	case len(f.Paths) == 0 && len(f.Directives()) > 0:
		r.fail(t.path, "%q stands alone on its line", what[0])
	case len(f.Paths) == 0 && f.Defattr+f.Macro+f.Raw == "", slices.Contains(f.Paths, ""):
		r.fail(t.at(what[0]), "is empty")
	}
}

// check refuses an entry that rpm would read as two, or as none.
func (c *Change) check(r *reader, t *table) {
	for _, key := range []struct{ name, value string }{{"date", c.Date}, {"author", c.Author}, {"evr", c.EVR}, {"separator", c.Separator}} {
		if strings.Contains(key.value, "\n") {
			r.fail(t.at(key.name), "expected one line, found %q", key.value)
		}
	}
	switch {
	case c.Raw != "" && c.Date+c.Author+c.EVR+c.Text != "":
		r.fail(t.path, `"raw" is an entry as a whole`)
	case strings.HasPrefix(c.Text, "*"), strings.Contains(c.Text, "\n*"):
		r.fail(t.at("text"), "a line that begins with * begins an entry of its own")
	}
}
