package gitmirror

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// The bounds that git sets to .gitattributes, in bytes.
const (
	maxAttributes = 100 << 20
	maxAttrLine   = 2048
)

// dropRefused keeps those files out of a tree that git fsck takes for an attack: no server that checks would take the tree.
func (r *repo) dropRefused(t *tarmodel.Tree) error {
	return t.Drop(func(f tarmodel.File) (string, error) {
		if f.Mode == tarmodel.Symlink { // Tree has looked at it
			return "", nil
		}
		return r.refused(entry{f.Path, gitModes[f.Mode], Hash(f.Hash)})
	})
}

// refusedFile says why git fsck takes a file for an attack, "" if it does not.
func refusedFile(path string, data []byte) string {
	switch {
	case !tarmodel.IsGitFile(path):
		return ""
	case tarmodel.Means(path, ".gitmodules"):
		return hostileModules(string(data))
	case len(data) > maxAttributes:
		return "larger than git reads it"
	}
	text, _, _ := strings.Cut(string(data), "\x00")
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) >= maxAttrLine {
			return "a line longer than git reads it"
		}
	}
	return ""
}

// hostileModules says what git refuses in the text of a .gitmodules, "" if it refuses nothing. It may refuse more than git does, never less:
// a line is looked at as it stands, and joined with the next where a backslash ends it.
func hostileModules(text string) string {
	for _, text := range []string{text, strings.ReplaceAll(text, "\\\n", "")} {
		for line := range strings.Lines(text) {
			if why := hostileLine(strings.TrimSpace(line)); why != "" {
				return why
			}
		}
	}
	return ""
}

// hostileLine reads section headers, and a key behind them.
func hostileLine(line string) string {
	for strings.HasPrefix(line, "[") {
		end := sectionEnd(line)
		if name := moduleName(line[1:end]); unsafeModule(name) {
			return "submodule called " + strconv.Quote(name)
		}
		line = strings.TrimSpace(line[min(end+1, len(line)):])
	}
	key, value, _ := strings.Cut(line, "=")
	value = configValue(value)
	bad := false
	switch key = strings.ToLower(strings.TrimSpace(key)); key {
	case "path":
		bad = strings.HasPrefix(value, "-")
	case "update":
		bad = strings.HasPrefix(value, "!")
	case "url":
		bad = unsafeURL(value)
	}
	if bad {
		return "submodule with the " + key + " " + strconv.Quote(value)
	}
	return ""
}

// sectionEnd is where the bracket stands that ends a section header, the end of the line if there is none.
func sectionEnd(line string) int {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ']' && !quoted:
			return i
		}
	}
	return len(line)
}

// moduleName is the name in a section header: [submodule "NAME"], or [submodule.NAME]. A header without one gives a name that is safe.
func moduleName(header string) string {
	if _, name, ok := strings.Cut(header, `"`); ok {
		return configValue(`"` + name)
	}
	if _, name, ok := strings.Cut(header, "."); ok {
		return name
	}
	return "-"
}

// configValue reads a value of a git configuration: quotes and escapes go, and what is a comment.
func configValue(raw string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && i+1 < len(raw):
			i++
			if raw[i] == 'n' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(raw[i])
			}
		case !quoted && (c == '#' || c == ';'):
			return strings.TrimSpace(b.String())
		default:
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(b.String())
}

// unsafeModule reports whether a directory of a submodule's name would lie elsewhere.
func unsafeModule(name string) bool {
	return name == "" || slices.Contains(strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' }), "..")
}

// hostName is a host as git takes it in a URL.
var hostName = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$`)

// unsafeURL reports whether git would take a URL for an option, or two lines of a credential for one, or cannot tell its host.
func unsafeURL(raw string) bool {
	plain := raw
	if p, err := url.PathUnescape(raw); err == nil {
		plain = p
	}
	rest := raw
	for strings.HasPrefix(rest, "../") || strings.HasPrefix(rest, "./") {
		_, rest, _ = strings.Cut(rest, "/")
	}
	if strings.HasPrefix(raw, "-") || strings.Contains(plain, "\n") || rest != raw && (strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "/")) {
		return true
	}
	for _, scheme := range []string{"http", "https", "ftp", "ftps"} {
		below, curl := strings.CutPrefix(raw, scheme+"::")
		if !curl && !strings.HasPrefix(raw, scheme+"://") {
			continue
		}
		u, err := url.Parse(below)
		if err != nil || !hostName.MatchString(strings.TrimSuffix(u.Host, ":"+u.Port())) {
			return true
		}
		port, err := strconv.Atoi(orElse(u.Port(), "1"))
		return err != nil || port < 1 || port > 65535
	}
	return false
}
