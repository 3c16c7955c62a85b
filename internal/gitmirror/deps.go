package gitmirror

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// dep is a dependency as a header has it.
type dep struct {
	name  string
	flags uint32
	evr   string
}

// rpm's dependency flags.
const (
	senseLess    = 1 << 1
	senseGreater = 1 << 2
	senseEqual   = 1 << 3
	senseRPMLib  = 1 << 24
)

var depOperators = map[string]uint32{
	"<": senseLess, ">": senseGreater, "=": senseEqual, "==": senseEqual,
	"<=": senseLess | senseEqual, ">=": senseGreater | senseEqual, "=<": senseLess | senseEqual, "=>": senseGreater | senseEqual,
}

// parseDeps reads the value of a dependency tag: names, each with a version or not, separated by blanks or commas; rich
// dependencies in parentheses are one name.
func parseDeps(value string) ([]dep, error) {
	var deps []dep
	for {
		value = strings.TrimLeft(value, " \t\n,")
		if value == "" || value[0] == '#' {
			return deps, nil
		}
		if value[0] == '(' {
			end := closing(value, 0, '(', ')')
			if end < 0 {
				return nil, fmt.Errorf("dependency %q has no closing parenthesis", value)
			}
			deps = append(deps, dep{name: strings.Join(strings.Fields(value[:end+1]), " ")})
			value = value[end+1:]
			continue
		}
		var d dep
		d.name, value = cutWord(value)
		op, rest := cutWord(value)
		if flags, ok := depOperators[op]; ok {
			d.flags = flags
			if d.evr, value = cutWord(rest); d.evr == "" {
				return nil, fmt.Errorf("dependency %q has no version behind %q", d.name, op)
			}
		}
		deps = append(deps, d)
	}
}

func cutWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, " \t\n")
	if i := strings.IndexAny(s, " \t\n,"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// sortDeps sorts as rpm does and drops what stands twice.
func sortDeps(deps []dep) []dep {
	slices.SortStableFunc(deps, func(a, b dep) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.evr, b.evr), cmp.Compare(a.flags, b.flags))
	})
	return slices.Compact(deps)
}

// rpmlibDeps are the features of rpm that a source RPM needs to be read.
func rpmlibDeps(deps []dep, compressor string) []dep {
	lib := func(name, evr string) dep {
		return dep{"rpmlib(" + name + ")", senseRPMLib | senseLess | senseEqual, evr}
	}
	out := []dep{lib("CompressedFileNames", "3.0.4-1"), lib("FileDigests", "4.6.0-1")}
	rich, tilde, caret := false, false, false
	for _, d := range deps {
		rich = rich || strings.HasPrefix(d.name, "(")
		tilde = tilde || strings.Contains(d.evr, "~")
		caret = caret || strings.Contains(d.evr, "^")
	}
	if rich {
		out = append(out, lib("RichDependencies", "4.12.0-1"))
	}
	if tilde {
		out = append(out, lib("TildeInVersions", "4.10.0-1"))
	}
	if caret {
		out = append(out, lib("CaretInVersions", "4.15.0-1"))
	}
	switch compressor {
	case "xz":
		out = append(out, lib("PayloadIsXz", "5.2-1"))
	case "zstd":
		out = append(out, lib("PayloadIsZstd", "5.4.18-1"))
	}
	return out
}
