package gitmirror

import (
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// dropModules keeps those .gitmodules out of a tree that git fsck takes for an attack: no server that checks would take the tree.
func (r *repo) dropModules(t *tarmodel.Tree) error {
	for _, f := range slices.Clone(t.Files) {
		if f.Mode == tarmodel.Symlink || !strings.EqualFold(path.Base(f.Path), ".gitmodules") {
			continue
		}
		data, err := r.read(Hash(f.Hash), gitpack.Blob)
		if err != nil {
			return err
		}
		if why := hostileModules(string(data)); why != "" {
			t.Drop(f.Path, why)
		}
	}
	return nil
}

// hostileModules says what git refuses in the text of a .gitmodules, "" if it refuses nothing.
func hostileModules(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if head, ok := strings.CutPrefix(line, "["); ok {
			_, name, ok := strings.Cut(head, `"`)
			if end := strings.LastIndexByte(name, '"'); ok && end >= 0 && unsafeModule(configValue(`"`+name[:end]+`"`)) {
				return "submodule called " + strconv.Quote(name[:end])
			}
			continue
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
	}
	return ""
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

// unsafeURL reports whether git would take a URL for an option, or two lines of a credential for one.
func unsafeURL(raw string) bool {
	plain := raw
	if p, err := url.PathUnescape(raw); err == nil {
		plain = p
	}
	rest := raw
	for strings.HasPrefix(rest, "../") || strings.HasPrefix(rest, "./") {
		_, rest, _ = strings.Cut(rest, "/")
	}
	return strings.HasPrefix(raw, "-") || strings.Contains(plain, "\n") || rest != raw && strings.HasPrefix(rest, ":")
}
