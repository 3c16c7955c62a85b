package gitmirror

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/spec"
)

var (
	patchMacro = regexp.MustCompile(`^%patch(\d*)$`)
	patchRef   = regexp.MustCompile(`%\{?(?:PATCH|P:)(\d+)\}?`)
)

// prep reads one line of %prep.
func (s *specInfo) prep(l *spec.Line) {
	if s.define(l.Text) {
		return
	}
	text := strings.TrimSpace(strings.ReplaceAll(l.Text, "\\\n", " "))
	if refs := patchRef.FindAllStringSubmatch(text, -1); refs != nil && !strings.HasPrefix(text, "%patch") && !strings.HasPrefix(text, "#") {
		// Seen before expansion, which would make a file name of it.
		s.hand(text, refs)
		return
	}
	text = s.x.expand(text)
	if i := strings.Index(text, " #"); i >= 0 {
		text = text[:i]
	}
	words := shellWords(text)
	if len(words) == 0 {
		return
	}
	st := step{words: words[1:], cond: s.condText(), active: s.active()}
	switch word := words[0]; {
	case word == "%setup" || word == "%autosetup" || word == "%forgesetup" || word == "%forgeautosetup":
		st.kind, st.auto = "setup", word != "%setup" && word != "%forgesetup"
		if st.active {
			opts, _ := options(st.words, setupValues)
			s.dirs = []string{path.Clean(orElse(last(opts['n']), s.m["name"]+"-"+s.m["version"]))}
		}
	case word == "%autopatch":
		st.kind, st.auto = "patch", true
	case word == "gem" && len(words) > 2 && words[1] == "unpack":
		st.kind = "gem"
	case patchMacro.MatchString(word):
		st.kind = "patch"
		if digits := patchMacro.FindStringSubmatch(word)[1]; digits != "" {
			st.words = append([]string{"-P", digits}, st.words...)
		}
	default:
		if s.active() {
			s.changeDir(words)
		}
		return
	}
	st.dir = s.dir()
	s.steps = append(s.steps, st)
}

// dir is where the shell is, below the build directory.
func (s *specInfo) dir() string { return last(s.dirs) }

// changeDir follows the shell into a directory.
func (s *specInfo) changeDir(words []string) {
	if words[0] == "popd" && len(s.dirs) > 1 {
		s.dirs = s.dirs[:len(s.dirs)-1]
	}
	if words[0] != "cd" && words[0] != "pushd" || len(words) < 2 || words[1] == "-" {
		return
	}
	to := path.Join(s.dir(), words[1])
	for _, top := range []string{"%{_builddir}", "%_builddir", "$RPM_BUILD_DIR", "${RPM_BUILD_DIR}"} {
		if below, ok := strings.CutPrefix(words[1], top); ok {
			to = path.Clean(strings.TrimPrefix(below, "/"))
		}
	}
	if words[0] == "cd" && len(s.dirs) > 0 {
		s.dirs = s.dirs[:len(s.dirs)-1]
	}
	s.dirs = append(s.dirs, to)
}

// hand notes a patch that the spec applies by a command of its own.
func (s *specInfo) hand(text string, refs [][]string) {
	st := step{kind: "hand", cond: s.condText(), active: s.active(), dir: s.dir()}
	words := shellWords(text)
	// "patch -p1 < %{PATCH0}" and "patch -p1 -i %{PATCH0}" are clear enough to follow.
	if len(refs) == 1 && len(words) > 0 && (words[0] == "patch" || words[0] == "%{__patch}" || words[0] == "%__patch") && !strings.ContainsAny(text, "|;&$`") {
		st.words = slices.DeleteFunc(words[1:], func(w string) bool { return w == "<" || w == "-i" || strings.Contains(w, refs[0][0]) })
		st.words = append([]string{"-P", refs[0][1]}, st.words...)
	}
	for _, r := range refs {
		one := st
		if one.words == nil {
			one.words, one.active = []string{"-P", r[1]}, false
		}
		s.steps = append(s.steps, one)
	}
}

// shellWords splits at blanks, minding quotes.
func shellWords(s string) []string {
	var words []string
	var b strings.Builder
	var quote byte
	in := false
	for i := range len(s) {
		c := s[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, in = c, true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if in {
				words = append(words, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if in {
		words = append(words, b.String())
	}
	return words
}

// The short options that take a value.
const (
	setupValues = "abnSpmM"
	patchValues = "pPFbzdomMBYVirDg"
)

func (st *step) values() string {
	if st.kind == "setup" {
		return setupValues
	}
	return patchValues
}

// options reads short options; those in with take a value. Other words are rest.
func options(words []string, with string) (opts map[byte][]string, rest []string) {
	opts = map[byte][]string{}
	for i := 0; i < len(words); i++ {
		w := words[i]
		if len(w) < 2 || w[0] != '-' || w[1] == '-' {
			rest = append(rest, w)
			continue
		}
		for j := 1; j < len(w); j++ {
			c := w[j]
			if strings.IndexByte(with, c) < 0 {
				opts[c] = append(opts[c], "")
				continue
			}
			value := w[j+1:]
			if value == "" && i+1 < len(words) {
				i++
				value = words[i]
			}
			opts[c] = append(opts[c], value)
			break
		}
	}
	return opts, rest
}

// use is a patch and how the spec applies it.
type use struct {
	patchTag
	how    string // auto, macro, hand, no
	strip  int
	fuzz   int
	empty  bool // -E
	revert bool // -R
	dir    string
	apply  bool
	why    string // when it is not to be applied
}

// uses lists every patch in the order in which %prep applies them; those that it does not apply come last.
func (s *specInfo) uses() []use {
	fuzz := 0
	if n, err := strconv.Atoi(s.x.expand("%{_default_patch_fuzz}")); err == nil {
		fuzz = n
	}
	var list []use
	seen := map[int]bool{}
	for i := range s.steps {
		st := &s.steps[i]
		if st.kind == "gem" || st.kind == "setup" && !st.auto || len(list) == maxUses {
			continue
		}
		opts, rest := options(st.words, st.values())
		if st.auto && st.kind == "setup" {
			if _, never := opts['N']; never {
				continue
			}
		}
		u := use{how: "macro", strip: s.strip(st, opts), fuzz: atoi(last(opts['F']), fuzz), dir: path.Join(st.dir, last(opts['d']))}
		_, u.empty = opts['E']
		_, u.revert = opts['R']
		switch {
		case st.auto:
			u.how = "auto"
		case st.kind == "hand":
			u.how = "hand"
		}
		for _, tag := range s.chosen(st, opts, rest) {
			u := u
			u.patchTag = tag
			u.apply = st.active && tag.active
			if !u.apply {
				u.why = "not applied by the commands as they can be read"
				if c := joinNonEmpty(" && ", tag.cond, st.cond); c != "" {
					u.why = "cond: " + c
				}
			}
			if seen[tag.number] && !u.apply || len(list) == maxUses {
				continue
			}
			seen[tag.number] = true
			list = append(list, u)
		}
	}
	for _, tag := range s.patches {
		if !seen[tag.number] {
			list = append(list, use{patchTag: tag, how: "no", why: orElse(prefixed("cond: ", tag.cond), "the spec does not apply it")})
		}
	}
	return onlyOnce(list)
}

// strip is the number of leading directories that a step takes off: %patch takes off none unless told; %autosetup and
// %autopatch leave it to the program, which takes off all (-1, patch) or one (-S git and the like).
func (s *specInfo) strip(st *step, opts map[byte][]string) int {
	if n, err := strconv.Atoi(last(opts['p'])); err == nil && n >= 0 {
		return n
	}
	if !st.auto {
		return 0
	}
	for _, other := range s.steps {
		if other.auto && other.kind == "setup" {
			o, _ := options(other.words, setupValues)
			if scm := last(o['S']); scm != "" && scm != "patch" && scm != "gendiff" && scm != "bzr" {
				return 1
			}
		}
	}
	return -1
}

// onlyOnce keeps, for a patch that is named more often, the uses that apply.
func onlyOnce(list []use) []use {
	applied := map[int]bool{}
	for _, u := range list {
		if u.apply {
			applied[u.number] = true
		}
	}
	return slices.DeleteFunc(list, func(u use) bool { return !u.apply && applied[u.number] })
}

// chosen are the patches that a step is about.
func (s *specInfo) chosen(st *step, opts map[byte][]string, rest []string) []patchTag {
	var found []patchTag
	if st.auto {
		from, to := atoi(last(opts['m']), 0), atoi(last(opts['M']), 1<<30)
		for _, t := range s.patches {
			if t.number >= from && t.number <= to {
				found = append(found, t)
			}
		}
		if st.kind == "patch" && len(rest) > 0 {
			found = slices.DeleteFunc(found, func(t patchTag) bool { return !slices.Contains(rest, strconv.Itoa(t.number)) })
		}
		return found
	}
	numbers := append(slices.Clone(opts['P']), rest...)
	if len(numbers) == 0 {
		numbers = []string{"0"}
	}
	for _, n := range numbers {
		for _, t := range s.patches {
			if strconv.Itoa(t.number) == strings.TrimLeft(n, "0") || n == "0" && t.number == 0 || n == strconv.Itoa(t.number) {
				found = append(found, t)
			}
		}
	}
	return found
}

func last(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

func atoi(s string, otherwise int) int {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		return n
	}
	return otherwise
}

func joinNonEmpty(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}
