package convert

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// headerArgs is what the header of a section says.
type headerArgs struct {
	name   string
	full   bool // -n
	script pkgtoml.Script
	from   []string
	rest   string // what was not understood, verbatim
}

// parseHeader reads the words behind a section's name.
func parseHeader(kind, rest string) headerArgs {
	h, ok := scanHeader(kind, rest)
	if !ok {
		return headerArgs{rest: rest}
	}
	return h
}

func scanHeader(kind, rest string) (h headerArgs, ok bool) {
	if strings.Contains(rest, "\n") || tangled(rest) {
		return h, false
	}
	if pkgtoml.IsTrigger(kind) {
		head, on, found := strings.Cut(rest, "--")
		if !found || strings.TrimSpace(on) == "" || strings.HasSuffix(head, "-") {
			return h, false
		}
		h.script.On = strings.Trim(on, blanks)
		rest = strings.TrimRight(head, blanks)
	}
	isBuild := slices.Contains(pkgtoml.BuildKinds, kind)
	words := splitWords(rest)
	for i := 0; i < len(words); i++ {
		w := words[i]
		if isBuild {
			if (w != "-a" && w != "-p") || h.script.Mode != "" {
				return h, false
			}
			h.script.Mode = map[string]string{"-a": "append", "-p": "prepend"}[w]
			continue
		}
		if !strings.HasPrefix(w, "-") {
			if kind == "description" && h.name != "" && h.script.Head == "" && strings.HasPrefix(w, "%") {
				h.script.Head = w
				continue
			}
			if h.name != "" || strings.HasPrefix(w, "#") || kind == "changelog" {
				return h, false
			}
			h.name = w
			continue
		}
		if (w == "-e" || w == "-q") && kind != "files" && kind != "package" && kind != "description" {
			h.script.Flags = strings.TrimSpace(h.script.Flags + " " + w)
			continue
		}
		if i+1 >= len(words) || !h.option(kind, w, words[i+1]) {
			return h, false
		}
		i++
	}
	return h, kind != "package" || h.name != ""
}

// option reads an option that has a value.
func (h *headerArgs) option(kind, opt, value string) bool {
	set := func(to *string) bool {
		was := *to
		*to = value
		return was == "" && !strings.HasPrefix(value, "-")
	}
	scriptlet := kind != "files" && kind != "package" && kind != "description" && kind != "changelog"
	switch {
	case opt == "-n":
		h.full = true
		return set(&h.name)
	case opt == "-f" && kind == "files":
		h.from = append(h.from, value)
		return true
	case opt == "-f" && scriptlet:
		return set(&h.script.File)
	case opt == "-l" && kind == "description":
		return set(&h.script.Lang)
	case opt == "-p" && scriptlet:
		return set(&h.script.Interpreter)
	case opt == "-P" && pkgtoml.IsTrigger(kind):
		return set(&h.script.Priority)
	}
	return false
}

func splitWords(s string) []string {
	var out []string
	for i := skipBlanks(s, 0); i < len(s); i = skipBlanks(s, i) {
		end := wordEnd(s, i, false, true)
		out = append(out, s[i:end])
		i = end
	}
	return out
}

// header writes the header of a section as it is by default.
func (s *section) header() string {
	b := "%" + s.kind
	if s.kind == "section" {
		return s.entry.(*pkgtoml.Section).Header
	}
	script, _ := s.entry.(*pkgtoml.Script)
	if script != nil && script.Args != "" {
		return b + " " + script.Args
	}
	if f, ok := s.entry.(*pkgtoml.Files); ok && f.Args != "" {
		return b + " " + f.Args
	}
	if s.pkg != nil && s.pkg.Name != "" {
		if s.pkg.Full {
			b += " -n"
		}
		b += " " + s.pkg.Name
	}
	if script != nil && script.Lang != "" {
		b += " -l " + script.Lang
	}
	if f, ok := s.entry.(*pkgtoml.Files); ok {
		for _, from := range f.From {
			b += " -f " + from
		}
	}
	if script != nil {
		b += scriptOptions(script)
	}
	return b
}

func scriptOptions(s *pkgtoml.Script) string {
	b := ""
	switch s.Mode {
	case "append":
		b += " -a"
	case "prepend":
		b += " -p"
	}
	for _, o := range []struct{ flag, value string }{{" -p ", s.Interpreter}, {" -f ", s.File}, {" -P ", s.Priority}} {
		if o.value != "" {
			b += o.flag + o.value
		}
	}
	if s.Flags != "" {
		b += " " + s.Flags
	}
	if s.Head != "" {
		b += " " + s.Head
	}
	if s.On != "" {
		b += " -- " + s.On
	}
	return b
}

// headerTemplate spells a header exactly, with its values taken out.
func headerTemplate(line, kind string) string {
	if tangled(line) {
		return ""
	}
	var b strings.Builder
	from, role, named := 0, "", false
	for i := 0; i < len(line); {
		at := skipBlanks(line, i)
		b.WriteString(line[i:at])
		if at == len(line) {
			break
		}
		end := wordEnd(line, at, false, true)
		w := line[at:end]
		switch {
		case i == 0:
			b.WriteString(w)
		case role != "":
			b.WriteString("{" + role + "}")
			named = named || role == "name"
			role = ""
		case w == "--":
			rest := strings.TrimRight(line[end:], blanks)
			lead := skipBlanks(rest, 0)
			b.WriteString(w + rest[:lead] + "{on}" + line[end+len(rest):])
			return b.String()
		case strings.HasPrefix(w, "-"):
			b.WriteString(w)
			switch {
			case slices.Contains(pkgtoml.BuildKinds, kind) || w == "-e" || w == "-q":
			case w == "-f" && kind == "files":
				from++
				role = "from" + strconv.Itoa(from)
			default:
				role = map[string]string{"-n": "name", "-f": "file", "-l": "lang", "-p": "interpreter", "-P": "priority"}[w]
			}
		case named:
			b.WriteString("{head}")
		default:
			b.WriteString("{name}")
			named = true
		}
		i = end
	}
	return b.String()
}

// spell writes the header by a template, or by default where the template
// would say something else than the section.
func (s *section) spell(tmpl string) string {
	plain := s.header()
	if tmpl == "" {
		return plain
	}
	h := parseHeader(s.kind, headerRest(plain))
	values := map[string]string{
		"name": h.name, "lang": h.script.Lang, "interpreter": h.script.Interpreter, "priority": h.script.Priority,
		"file": h.script.File, "on": h.script.On, "head": h.script.Head,
	}
	for i, f := range h.from {
		values["from"+strconv.Itoa(i+1)] = f
	}
	line := fill(tmpl, values)
	if word := headerWord(line); !strings.EqualFold(word, s.kind) || strings.Contains(line, "\n") {
		return plain
	}
	if got := parseHeader(s.kind, headerRest(line)); !reflect.DeepEqual(got, h) {
		return plain
	}
	return line
}

func headerWord(line string) string { return ident(strings.TrimPrefix(line, "%")) }

func headerRest(line string) string {
	return strings.Trim(line[min(len(line), 1+len(headerWord(line))):], blanks)
}

// fill puts values in the place of {name}.
func fill(tmpl string, values map[string]string) string {
	var b strings.Builder
	for {
		open := strings.IndexByte(tmpl, '{')
		shut := strings.IndexByte(tmpl[max(open, 0):], '}')
		if open < 0 || shut < 0 {
			break
		}
		v, ok := values[tmpl[open+1:open+shut]]
		if !ok {
			b.WriteString(tmpl[:open+1])
			tmpl = tmpl[open+1:]
			continue
		}
		b.WriteString(tmpl[:open] + v)
		tmpl = tmpl[open+shut+1:]
	}
	return b.String() + tmpl
}
