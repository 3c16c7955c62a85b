package gitmirror

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/spec"
)

// specInfo is what a spec says about its sources and how %prep uses them, as far as that can be read without running it.
type specInfo struct {
	m       macros
	x       *expander
	defined int            // bytes in m
	sources map[int]string // number to file name
	patches []patchTag     // in the order of the spec
	order   []int          // source numbers in the order of the spec
	steps   []step
	arch    string

	// What a source RPM's header is made of: tags of the preamble by lower case key, with "(lang)" where they have one;
	// descriptions by locale; full names of the packages; the changelog's text.
	tags      map[string][]string
	langs     []string
	descs     map[string]string
	packages  []string
	changelog string

	conds []cond
	deep  int      // conditions beyond maxConds
	dirs  []string // where the shell is in %prep, below the build directory; pushd adds one
}

// The bounds of a spec: bytes of its macros, conditions inside of each other, bytes that are kept of one, and uses of patches.
const (
	maxDefined  = 64 << 20
	maxConds    = 256
	maxCondText = 200
	maxUses     = 50000
)

// patchTag is one Patch tag.
type patchTag struct {
	number int
	file   string
	cond   string // the conditions around it, "" for none
	active bool
}

// step is one thing that %prep does with the sources.
type step struct {
	kind   string // setup, patch, hand; gem: "gem unpack"
	words  []string
	auto   bool   // %autosetup, %autopatch
	cond   string // the conditions around it
	active bool
	dir    string // where the shell is by then, below the build directory
}

// cond is one open %if: whether it holds, whether an earlier branch did, and whether that can be known.
type cond struct {
	holds, taken, known bool
	text                string
}

// distDefines are macros that the end of a release tells.
var distDefines = []struct {
	pattern *regexp.Regexp
	names   []string
}{
	{regexp.MustCompile(`(\.fc(\d+))\b`), []string{"fedora"}},
	{regexp.MustCompile(`(\.el(\d+))`), []string{"rhel"}},
	{regexp.MustCompile(`(\.azl(\d+))\b`), []string{"azl"}},
	{regexp.MustCompile(`(\.ph(\d+))\b`), []string{"photon_release"}},
}

// readSpec reads a spec for the package of a source RPM, whose header knows better what name, version and release are.
func readSpec(text []byte, n rpmfile.NEVRA) *specInfo {
	s := newSpecInfo(n)
	if n.Release != "" && s.m["dist"] == "" {
		s.m["dist"] = guessDist(text, n)
	}
	s.read(text, n)
	return s
}

// guessDist finds what %dist was: what the header's release has beyond the spec's.
func guessDist(text []byte, n rpmfile.NEVRA) string {
	plain := newSpecInfo(n)
	plain.read(text, rpmfile.NEVRA{Arch: n.Arch})
	rest, ok := strings.CutPrefix(n.Release, plain.m["release"])
	if !ok || plain.m["release"] == "" || strings.Contains(plain.m["release"], "%") {
		return ""
	}
	return rest
}

func newSpecInfo(n rpmfile.NEVRA) *specInfo {
	m := macros{"nil": ""}
	s := &specInfo{
		m: m, x: &expander{m: m}, sources: map[int]string{}, arch: n.Arch,
		tags: map[string][]string{}, descs: map[string]string{},
	}
	if s.arch == "" || s.arch == "src" || s.arch == "nosrc" || s.arch == "noarch" {
		s.arch = "x86_64"
	}
	s.m["_target_cpu"], s.m["_arch"], s.m["_target_os"], s.m["_os"] = s.arch, s.arch, "linux", "linux"
	for _, d := range distDefines {
		if g := d.pattern.FindStringSubmatch(n.Release); g != nil {
			s.m["dist"] = g[1]
			for _, name := range d.names {
				s.m[name] = g[2]
			}
		}
	}
	return s
}

// read reads the whole text. The header's name, version and release go before what the tags say.
func (s *specInfo) read(text []byte, n rpmfile.NEVRA) {
	f := spec.Parse(text)
	for i := range f.Sections {
		sec := &f.Sections[i]
		line, done := s.section(f, sec)
		var text strings.Builder
		for j := sec.Body; j < sec.End; j++ {
			l := &f.Lines[j]
			switch isCond := l.Kind == spec.If || l.Kind == spec.Elif || l.Kind == spec.Else || l.Kind == spec.Endif; {
			case sec.Name == "prep" && l.Kind == spec.Text:
				s.prep(l)
			case line == nil || isCond:
				s.line(l, sec.Name, n)
			case s.active():
				text.WriteString(line(l.Text))
			}
		}
		if done != nil {
			done(text.String())
		}
	}
}

// section reads the header of a section. Where the text of the section counts, line makes what is kept of a line, and done takes all of it.
func (s *specInfo) section(f *spec.File, sec *spec.Section) (line func(string) string, done func(text string)) {
	if sec.Head < 0 || !s.active() {
		return nil, nil
	}
	words := shellWords(s.x.expand(f.Lines[sec.Head].Rest))
	switch sec.Name {
	case "package":
		name := s.m["name"] + "-" + strings.Join(words, "")
		if len(words) == 2 && words[0] == "-n" {
			name = words[1]
		}
		s.packages = append(s.packages, name)
	case "changelog":
		return func(line string) string { return line }, func(text string) { s.changelog += text }
	case "description":
		opts, rest := options(words, "ln")
		if len(rest) > 0 || len(opts['n']) > 0 {
			return func(string) string { return "" }, nil
		}
		lang := last(opts['l'])
		s.lang(lang)
		return s.x.expand, func(text string) { s.descs[lang] += text }
	}
	return nil, nil
}

// lang notes a locale in the order of the spec.
func (s *specInfo) lang(lang string) {
	if lang != "" && !slices.Contains(s.langs, lang) {
		s.langs = append(s.langs, lang)
	}
}

// active reports whether all open conditions hold.
func (s *specInfo) active() bool {
	if s.deep > 0 {
		return false
	}
	for _, c := range s.conds {
		if !c.holds {
			return false
		}
	}
	return true
}

// condText spells the open conditions.
func (s *specInfo) condText() string {
	var parts []string
	for _, c := range s.conds {
		parts = append(parts, c.text)
	}
	return strings.Join(parts, " && ")
}

// line reads a line outside of %prep.
func (s *specInfo) line(l *spec.Line, section string, n rpmfile.NEVRA) {
	switch l.Kind {
	case spec.If, spec.Elif, spec.Else, spec.Endif:
		s.condition(l)
	case spec.Text:
		switch {
		case s.define(l.Text):
		case section == "" || section == "package":
			s.tag(l.Text, section, n)
		case section == "sourcelist" || section == "patchlist":
			s.listed(strings.TrimSpace(l.Text), section)
		}
	}
}

// condition reads a line that begins, turns or ends one.
func (s *specInfo) condition(l *spec.Line) {
	n := len(s.conds)
	switch {
	case l.Kind == spec.If && n == maxConds:
		s.deep++
	case l.Kind == spec.If:
		c := cond{text: clip(strings.TrimSpace(strings.TrimPrefix(l.Word, "if") + " " + l.Rest))}
		c.holds, c.known = s.test(l.Word, l.Rest)
		c.taken = c.holds
		s.conds = append(s.conds, c)
	case l.Kind == spec.Endif && s.deep > 0:
		s.deep--
	case n == 0 || s.deep > 0:
	case l.Kind == spec.Endif:
		s.conds = s.conds[:n-1]
	default:
		c := &s.conds[n-1]
		holds, known := true, true
		if l.Kind == spec.Elif {
			holds, known = s.test(strings.TrimPrefix(l.Word, "el"), l.Rest)
		}
		c.known = c.known && known
		c.holds = !c.taken && holds && c.known
		c.taken = c.taken || c.holds
		c.text = clip("not " + c.text)
	}
}

// clip keeps the beginning of a text.
func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxCondText)], "") }

// test evaluates a condition.
func (s *specInfo) test(word, rest string) (holds, known bool) {
	rest, _, _ = strings.Cut(rest, "#")
	rest = s.x.expand(rest)
	in := func(want string) bool {
		for f := range strings.FieldsFuncSeq(rest, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
			if f == want {
				return true
			}
		}
		return false
	}
	switch word {
	case "ifarch":
		return in(s.arch), true
	case "ifnarch":
		return !in(s.arch), true
	case "ifos":
		return in("linux"), true
	case "ifnos":
		return !in("linux"), true
	}
	return condition(rest)
}

// define reads %global, %define, %undefine and the bcond macros.
func (s *specInfo) define(text string) bool {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "%{") {
		return s.defineDefaults(text)
	}
	word, rest, _ := strings.Cut(text, " ")
	if i := strings.IndexByte(word, '\t'); i >= 0 {
		word, rest = text[:i], text[i+1:]
	}
	rest = strings.TrimSpace(rest)
	switch word {
	case "%global", "%define", "%undefine", "%bcond", "%bcond_with", "%bcond_without":
	default:
		return false
	}
	if !s.active() {
		return true
	}
	n := nameLen(rest)
	name, body := rest[:n], strings.TrimSpace(rest[n:])
	switch word {
	case "%undefine":
		delete(s.m, name)
	case "%bcond":
		if v, ok := condition(s.x.expand(body)); ok && v {
			s.m["with_"+name] = "1"
		}
	case "%bcond_without":
		s.m["with_"+name] = "1"
	case "%bcond_with":
	default:
		if strings.HasPrefix(rest[n:], "(") {
			return true // parametric
		}
		body = strings.ReplaceAll(body, "\\\n", "\n")
		if word == "%global" {
			body = s.x.expand(body)
		}
		if s.defined += len(body); s.defined > maxDefined {
			return true // stays as it is written
		}
		s.m[name] = body
	}
	return true
}

// defineDefaults reads "%{!?name: %global name value}", of which a line may have several.
func (s *specInfo) defineDefaults(text string) (found bool) {
	for strings.HasPrefix(text, "%{") {
		end := closing(text, 1, '{', '}')
		if end < 0 {
			return found
		}
		in := text[2:end]
		text = strings.TrimLeft(text[end+1:], " \t")
		bare := strings.TrimLeft(in, "?!")
		name, body, ok := strings.Cut(bare, ":")
		body = strings.TrimSpace(body)
		if !ok || len(bare) == len(in) || nameLen(name) != len(name) || !strings.HasPrefix(body, "%global") && !strings.HasPrefix(body, "%define") {
			continue
		}
		found = true
		if _, defined := s.m[name]; defined != strings.Contains(in[:len(in)-len(bare)], "!") {
			s.define(body)
		}
	}
	return found
}

var tagLine = regexp.MustCompile(`(?is)^\s*([a-z]+)(\d*)(\([^)]*\))?\s*:[ \t]*(.*)$`)

// tag reads a tag of the preamble.
func (s *specInfo) tag(text, section string, n rpmfile.NEVRA) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "%{") {
		text = strings.TrimSpace(s.x.expand(text))
	}
	g := tagLine.FindStringSubmatch(text)
	if g == nil {
		return
	}
	key, digits, value := strings.ToLower(g[1]), g[2], strings.TrimSpace(s.x.expand(g[4]))
	if s.active() && (section == "" || strings.HasPrefix(key, "build")) {
		if g[3] != "" {
			s.lang(g[3][1 : len(g[3])-1])
		}
		s.tags[key+g[3]] = append(s.tags[key+g[3]], value)
	}
	switch {
	case key == "source":
		s.source(digits, value)
	case key == "patch":
		s.patch(digits, value)
	case section != "" || !s.active() || digits != "":
	case key == "name":
		s.m["name"] = orElse(n.Name, value)
	case key == "version":
		s.m["version"] = orElse(n.Version, value)
	case key == "release":
		s.m["release"] = orElse(n.Release, value)
	case key == "epoch" || key == "url":
		s.m[key] = value
		s.m[strings.ToUpper(key)] = value
	}
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// listed reads a line of %sourcelist or %patchlist.
func (s *specInfo) listed(value, section string) {
	value = s.x.expand(value)
	if section == "sourcelist" {
		s.source("", value)
	} else {
		s.patch("", value)
	}
}

func (s *specInfo) source(digits, value string) {
	number, err := strconv.Atoi(digits)
	if err != nil {
		number = 0
		if len(s.order) > 0 {
			number = s.order[len(s.order)-1] + 1
		}
	}
	if !s.active() {
		return
	}
	s.sources[number] = baseName(value)
	s.order = append(s.order, number)
	s.m["SOURCE"+strconv.Itoa(number)] = baseName(value)
}

func (s *specInfo) patch(digits, value string) {
	number, err := strconv.Atoi(digits)
	if err != nil {
		number = 0
		if len(s.patches) > 0 {
			number = s.patches[len(s.patches)-1].number + 1
		}
	}
	s.patches = append(s.patches, patchTag{number, baseName(value), s.condText(), s.active()})
	s.m["PATCH"+strconv.Itoa(number)] = baseName(value)
}

// baseName is the file name of a URL as rpm takes it.
func baseName(value string) string { return value[strings.LastIndexByte(value, '/')+1:] }
