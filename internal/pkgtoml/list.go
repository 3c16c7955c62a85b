package pkgtoml

import (
	"strings"
)

// writeTableList writes a list as the one key of a table.
func writeTableList[T Entry](e *encoder, table string, list []T, fields func(T) []field) {
	if len(list) == 0 {
		return
	}
	e.head("[" + table + "]")
	writeListAlways(e, "list", list, 0, fields)
}

// writeList writes a list whose entries stand in a table under depth terms of
// their conditions.
func writeList[T Entry](e *encoder, key string, list []T, depth int, fields func(T) []field) {
	if len(list) > 0 {
		writeListAlways(e, key, list, depth, fields)
	}
}

// shortLine is how long an array may be that stands on one line.
const shortLine = 100

// writeListAlways writes one entry a line; a single short one beside its key.
func writeListAlways[T Entry](e *encoder, key string, list []T, depth int, fields func(T) []field) {
	if len(list) == 0 {
		e.key(key, "[]")
		return
	}
	if len(list) == 1 {
		if v := entryValue(list[0], depth, "", fields); len(key)+len(v) <= shortLine && !strings.Contains(v, "\n") {
			e.key(key, "["+v+"]")
			return
		}
	}
	e.WriteString(key)
	e.WriteString(" = [\n")
	writeEntries(e, list, depth, "  ", fields)
	e.WriteString("]\n")
}

// writeShort writes a value that mostly has one plain entry.
func writeShort[T Entry](e *encoder, key string, list []T, depth int, fields func(T) []field) {
	if len(list) == 1 {
		e.key(key, entryValue(list[0], depth, "", fields))
		return
	}
	writeListAlways(e, key, list, depth, fields)
}

// writeEntries writes list, whose conditions are known to agree in their first
// depth terms. Neighbours under one condition become a group.
func writeEntries[T Entry](e *encoder, list []T, depth int, indent string, fields func(T) []field) {
	for i := 0; i < len(list); {
		n, other := groupEnd(list[i:], depth)
		if n <= 1 {
			e.WriteString(indent)
			e.WriteString(entryValue(list[i], depth, indent, fields))
			e.WriteString(",\n")
			i++
			continue
		}
		// One condition right within another needs no group of its own.
		inner := depth + 1
		for other == n {
			m, o := groupEnd(list[i:i+n], inner)
			if m < n {
				break
			}
			inner, other = inner+1, o
		}
		e.WriteString(indent + "{ when = " + whenValue(list[i].Common().When[depth:inner]) + ", all = ")
		writeGroup(e, list[i:i+other], inner, indent, fields)
		if other < n {
			e.WriteString(", else = ")
			writeGroup(e, list[i+other:i+n], inner, indent, fields)
		}
		e.WriteString(" },\n")
		i += n
	}
}

// writeGroup writes the array of a group: one plain entry beside the bracket,
// more on lines of their own.
func writeGroup[T Entry](e *encoder, list []T, depth int, indent string, fields func(T) []field) {
	if len(list) == 1 {
		if v := entryValue(list[0], depth, indent, fields); len(v) <= shortLine && v[0] != '{' {
			e.WriteString("[" + v + "]")
			return
		}
	}
	e.WriteString("[\n")
	writeEntries(e, list, depth, indent+"  ", fields)
	e.WriteString(indent + "]")
}

// groupEnd tells how many of the first entries stand under one condition, and
// how many of these before its else.
func groupEnd[T Entry](list []T, depth int) (n, other int) {
	term := func(i int) string {
		if w := list[i].Common().When; len(w) > depth {
			return w[depth]
		}
		return ""
	}
	first := term(0)
	if first == "" || strings.HasPrefix(first, "?") || strings.HasPrefix(first, "!?") {
		return 0, 0
	}
	for n < len(list) && term(n) == first {
		n++
	}
	other = n
	if strings.HasPrefix(first, "else ") {
		return n, other
	}
	for n < len(list) && term(n) == "else "+first {
		n++
	}
	return n, other
}

// entryValue writes one entry, without the conditions that hold anyhow.
func entryValue[T Entry](x T, depth int, indent string, fields func(T) []field) string {
	f := fields(x)
	m := x.Common()
	when := m.When[depth:]
	if len(f) > 0 && f[0].key == "" {
		if len(when) == 0 && m.Comment == "" {
			return f[0].value
		}
		f = f[1:]
	}
	if len(when) > 0 {
		f = append(f, field{"when", whenValue(when)})
	}
	if m.Comment != "" {
		f = append(f, field{"comment", commentValue(m.Comment, indent)})
	}
	return inlineTable(f)
}
