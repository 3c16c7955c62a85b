package gitmirror

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// Lock is sources.lock: where every file of the source RPM that a package was last imported from comes from.
type Lock struct {
	Format   int    `toml:"format"` // 1
	Name     string `toml:"name"`
	NEVR     string `toml:"nevr"` // as in the tag srpm/<nevr>
	EVR      string `toml:"evr"`
	SRPM     string `toml:"srpm"` // file name
	SHA256   string `toml:"sha256"`
	Branch   string `toml:"branch"`   // distro, or distro-<b>
	Base     string `toml:"base"`     // the commit that the patches of this version stand on
	Spec     string `toml:"spec"`     // file name in the source RPM
	Document string `toml:"document"` // SHA-256 of package.toml as imported, "" if there is none

	Sources []LockSource `toml:"source"`
}

// LockSource is one file of a source RPM, in the order of its header.
type LockSource struct {
	Name   string `toml:"name"`
	Kind   string `toml:"kind"` // spec, source, patch; file for what the spec does not name
	Number int    `toml:"number"`
	SHA256 string `toml:"sha256"`
	Size   int64  `toml:"size"`
	Mode   string `toml:"mode"` // octal
	MTime  int64  `toml:"mtime"`
	From   string `toml:"from"` // git:<ref>, pristine:<sha256> or meta:<path>
}

// metaFrom begins LockSource.From of what stands in the metadata repository.
const metaFrom = "meta:"

// encode writes the lock as TOML with every key in its place.
func (l *Lock) encode() []byte {
	var b strings.Builder
	put := func(key, value string) { fmt.Fprintf(&b, "%s = %s\n", key, quoteTOML(value)) }
	b.WriteString("# Written by srpm2git. It changes with the next import.\nformat = 1\n")
	put("name", l.Name)
	put("nevr", l.NEVR)
	put("evr", l.EVR)
	put("srpm", l.SRPM)
	put("sha256", l.SHA256)
	put("branch", l.Branch)
	put("base", l.Base)
	put("spec", nameText(l.Spec))
	put("document", l.Document)
	for _, s := range l.Sources {
		b.WriteString("\n[[source]]\n")
		put("name", nameText(s.Name))
		put("kind", s.Kind)
		if s.Kind == "source" || s.Kind == "patch" {
			fmt.Fprintf(&b, "number = %d\n", s.Number)
		}
		put("sha256", s.SHA256)
		fmt.Fprintf(&b, "size = %d\n", s.Size)
		put("mode", s.Mode)
		fmt.Fprintf(&b, "mtime = %d\n", s.MTime)
		from := s.From
		if strings.HasPrefix(from, metaFrom) {
			from = metaFrom + nameText(from[len(metaFrom):])
		}
		put("from", from)
	}
	return []byte(b.String())
}

// quoteTOML writes a basic string.
func quoteTOML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, "\\u%04X", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// decodeLock reads a lock.
func decodeLock(data []byte) (*Lock, error) {
	var l Lock
	meta, err := toml.Decode(string(data), &l)
	if err != nil {
		return nil, fmt.Errorf("sources.lock: %s", strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		return nil, fmt.Errorf("sources.lock: unknown key %q", extra[0].String())
	}
	if l.Format != 1 {
		return nil, fmt.Errorf("sources.lock: format %d, want 1", l.Format)
	}
	if err := checkName(l.Name); err != nil {
		return nil, fmt.Errorf("sources.lock: %w", err)
	}
	if l.Spec = textName(l.Spec); l.Spec != "" && !isFileName(l.Spec) {
		return nil, fmt.Errorf("sources.lock: spec %q: not a file name", l.Spec)
	}
	for i := range l.Sources {
		s := &l.Sources[i]
		s.Name = textName(s.Name)
		if file, ok := strings.CutPrefix(s.From, metaFrom); ok {
			s.From = metaFrom + textName(file)
		}
		if !isSHA256(s.SHA256) || !isFileName(s.Name) {
			return nil, fmt.Errorf("sources.lock: source %q: not a file name and a SHA-256", s.Name)
		}
		if _, err := strconv.ParseUint(s.Mode, 8, 32); err != nil {
			return nil, fmt.Errorf("sources.lock: source %q: mode %q is not octal", s.Name, s.Mode)
		}
	}
	return &l, nil
}
