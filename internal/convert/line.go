package convert

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// parsed is what a line says, and how it says it.
type parsed struct {
	entry pkgtoml.Entry
	tmpl  string // the exact spelling
}

var (
	tagKeys = lowerKeys(func(add func(key, name string)) { // lower case spelling → key
		for _, n := range pkgtoml.TagNames {
			add(n.Key, n.Name)
		}
	})
	depKeys = lowerKeys(func(add func(key, name string)) {
		for _, n := range pkgtoml.DepNames {
			add(n.Key, n.Name)
		}
	})
	names  = spellings("")  // key → canonical spelling
	starts = spellings(":") // the same with what follows it
)

func lowerKeys(each func(add func(key, name string))) map[string]string {
	m := map[string]string{}
	each(func(key, name string) { m[strings.ToLower(name)] = key })
	return m
}

func spellings(end string) map[string]string {
	m := map[string]string{}
	for _, n := range pkgtoml.TagNames {
		m[n.Key] = n.Name + end
	}
	for _, n := range pkgtoml.DepNames {
		m[n.Key] = n.Name + end
	}
	return m
}

// parsePreamble reads a line of the preamble or of a %package section. It
// accepts every line: what it does not understand becomes a macro of the form
// "raw".
func parsePreamble(text string) parsed {
	body := strings.TrimRight(text, blanks)
	tail := strings.TrimSuffix(text[len(body):], "\n")
	lead := body[:len(body)-len(strings.TrimLeft(body, blanks))]
	body = body[len(lead):]
	p, ok := parseItem(body)
	if !ok {
		form := pkgtoml.Raw
		if strings.HasPrefix(body, "%") {
			form = pkgtoml.Call
		}
		p = parsed{entry: &pkgtoml.Macro{Form: form, Name: body}, tmpl: "{name}"}
	}
	p.tmpl = lead + p.tmpl + tail
	return p
}

func parseItem(body string) (parsed, bool) {
	if tangled(body) {
		return parsed{}, false
	}
	if strings.HasPrefix(body, "%") {
		return parsePercent(body)
	}
	return parseTag(body)
}

// parsePercent reads definitions and what stands inside a %{?name:…}.
func parsePercent(body string) (parsed, bool) {
	if p, ok := parseGuarded(body); ok {
		return p, true
	}
	word := "%" + ident(body[1:])
	rest := body[len(word):]
	at := skipBlanks(rest, 0)
	gap, arg := rest[:at], rest[at:]
	if strings.HasPrefix(body, "%{load:") && macroEnd(body, 0) == len(body) {
		name := body[len("%{load:") : len(body)-1]
		return one(&pkgtoml.Macro{Form: pkgtoml.Load, Name: name}, "%{load:{name}}"), strings.Trim(name, blanks) != ""
	}
	if gap == "" || arg == "" {
		return parsed{}, false
	}
	switch word {
	case "%global", "%define":
		return parseDefinition(word, gap, arg)
	case "%undefine", "%include":
		if strings.ContainsAny(arg, blanks) {
			return parsed{}, false
		}
		return one(&pkgtoml.Macro{Form: word[1:], Name: arg}, word+gap+"{name}"), true
	case "%bcond_with", "%bcond_without":
		if ident(arg) != arg {
			return parsed{}, false
		}
		on := strconv.FormatBool(word == "%bcond_without")
		return one(&pkgtoml.Macro{Form: pkgtoml.Bcond, Name: arg, Value: on}, "{bcond}"+gap+"{name}"), true
	case "%bcond":
		return parseBcond(gap, arg)
	}
	return parsed{}, false
}

func one(e pkgtoml.Entry, tmpl string) parsed {
	return parsed{entry: e, tmpl: tmpl}
}

func parseDefinition(word, gap, arg string) (parsed, bool) {
	name := ident(arg)
	if name == "" {
		return parsed{}, false
	}
	if strings.HasPrefix(arg[len(name):], "(") {
		n := strings.IndexByte(arg, ')')
		if n < 0 || strings.ContainsAny(arg[:n], "\n") {
			return parsed{}, false
		}
		name = arg[:n+1]
	}
	value := arg[len(name):]
	at := skipInline(value)
	if at == 0 && value != "" && !strings.HasSuffix(name, ")") {
		return parsed{}, false
	}
	m := &pkgtoml.Macro{Form: word[1:], Name: name, Value: value[at:]}
	return one(m, word+gap+"{name}"+value[:at]+"{value}"), true
}

// skipInline skips blanks within a line.
func skipInline(s string) int {
	return len(s) - len(strings.TrimLeft(s, " \t"))
}

func parseBcond(gap, arg string) (parsed, bool) {
	name := ident(arg)
	value := arg[len(name):]
	at := skipInline(value)
	if name == "" || at == 0 || value[at:] == "" {
		return parsed{}, false
	}
	tmpl := "%bcond" + gap + "{name}" + value[:at] + "{value}"
	switch value = value[at:]; value {
	case "0":
		value = "false"
	case "1":
		value = "true"
	case "true", "false":
		return parsed{}, false
	}
	return one(&pkgtoml.Macro{Form: pkgtoml.Bcond, Name: name, Value: value}, tmpl), true
}

// parseGuarded reads %{?name:LINE}, a line under the shortest of conditions.
func parseGuarded(body string) (parsed, bool) {
	if !strings.HasPrefix(body, "%{?") && !strings.HasPrefix(body, "%{!?") || macroEnd(body, 0) != len(body) {
		return parsed{}, false
	}
	term, inner, ok := strings.Cut(body[2:len(body)-1], ":")
	if !ok || ident(strings.TrimLeft(term, "!?")) == "" || "?"+ident(strings.TrimLeft(term, "!?")) != strings.TrimPrefix(term, "!") {
		return parsed{}, false
	}
	at := skipInline(inner)
	if at == len(inner) || strings.Contains(inner, "\n") || isGuard(strings.TrimPrefix(inner[at:], "%{")) {
		return parsed{}, false
	}
	end := strings.TrimRight(inner, blanks)
	p, ok := parseItem(end[at:])
	if !ok {
		return parsed{}, false
	}
	c := p.entry.Common()
	c.When = append([]string{term}, c.When...)
	p.tmpl = "%{{when}:" + inner[:at] + p.tmpl + inner[len(end):] + "}"
	return p, true
}

// parseTag reads "Name: value".
func parseTag(body string) (parsed, bool) {
	colon := strings.IndexByte(body, ':')
	if colon <= 0 {
		return parsed{}, false
	}
	head := body[:colon]
	at := colon + 1 + skipInline(body[colon+1:])
	sep, value := body[colon+1:at], body[at:]
	name, qual, hasQual := strings.Cut(strings.TrimRight(head, " \t"), "(")
	if hasQual {
		if !strings.HasSuffix(qual, ")") {
			return parsed{}, false
		}
		qual = qual[:len(qual)-1]
	}
	lower := strings.ToLower(strings.TrimRight(name, " \t"))
	var p parsed
	switch {
	case tagKeys[lower] != "":
		if hasQual && lower != "summary" && lower != "group" || hasQual && qual == "" {
			return parsed{}, false
		}
		p.entry = &pkgtoml.Tag{Key: tagKeys[lower], Value: value, Lang: qual}
		p.tmpl = "{value}"
	case depKeys[lower] != "":
		if hasQual && qual == "" || value == "" {
			return parsed{}, false
		}
		p = parseDeps(depKeys[lower], qual, value)
	case !hasQual && (strings.HasPrefix(lower, "source") || strings.HasPrefix(lower, "patch")):
		return parseSource(head, lower, sep, value)
	default:
		return parsed{}, false
	}
	setSpelling(p.entry, strings.TrimRight(name, " \t"))
	spelled := "{tag}"
	if text := tagText(p.entry); len(text) != colon+1 || text[:colon] != head {
		spelled = head + ":"
	}
	p.tmpl = spelled + sep + p.tmpl
	return p, true
}

// setSpelling keeps the letters of a tag where they are not the usual ones.
func setSpelling(e pkgtoml.Entry, name string) {
	switch e := e.(type) {
	case *pkgtoml.Tag:
		if name != names[e.Key] {
			e.Spelling = name
		}
	case *pkgtoml.Dep:
		if name != names[e.Kind] {
			e.Spelling = name
		}
	case *pkgtoml.Source:
		if name != "Source" && name != "Patch" {
			e.Spelling = name
		}
	}
}

func parseDeps(key, qual, value string) parsed {
	d := &pkgtoml.Dep{Kind: key, Deps: []string{value}, Qualifiers: qual}
	if key == "build_option" {
		return one(d, "{value}")
	}
	deps, seps := splitDeps(value)
	d.Deps = deps
	if len(seps) == 0 {
		return one(d, "{value}")
	}
	if strings.Contains(seps[0], ",") {
		d.Separator = seps[0]
	}
	usual := separator(d)
	if !slices.ContainsFunc(seps, func(s string) bool { return s != usual }) {
		return one(d, "{value}")
	}
	var tmpl strings.Builder
	tmpl.WriteString("{value1}")
	for i, s := range seps {
		tmpl.WriteString(s + "{value" + strconv.Itoa(i+2) + "}")
	}
	return one(d, tmpl.String())
}

// separator stands between the dependencies of one line.
func separator(d *pkgtoml.Dep) string {
	if d.Separator == "" {
		return " "
	}
	return d.Separator
}

// parseSource reads Source, SourceN, Patch and PatchN.
func parseSource(head, lower, sep, value string) (parsed, bool) {
	word := "source"
	if strings.HasPrefix(lower, "patch") {
		word = "patch"
	}
	s := &pkgtoml.Source{Patch: word == "patch", Number: lower[len(word):], File: value}
	if len(s.Number) > 9 || strings.Trim(s.Number, "0123456789") != "" {
		return parsed{}, false
	}
	setSpelling(s, head[:len(word)])
	spelled := head + ":"
	if spelled == tagText(s) {
		spelled = "{tag}"
	} else {
		spelled = head[:len(word)] + "{number}" + head[len(word)+len(s.Number):] + ":"
	}
	return one(s, spelled+sep+"{value}"), true
}
