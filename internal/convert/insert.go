package convert

import (
	"slices"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// insert puts the entries and sections in that the layout does not name, each
// beside its nearest sibling.
func insert(nodes []node, a *arranger) []node {
	for _, s := range a.index.sections {
		if s.entry != nil && !a.placed[s.entry] {
			nodes = insertSection(nodes, a, s)
		}
	}
	for _, s := range a.index.sections {
		if s.kind == "changelog" || a.whole[s] {
			continue
		}
		for i, l := range s.lists {
			for n, e := range l.items {
				if !a.placed[e] {
					nodes = insertEntry(nodes, a, s, i, n)
					a.placed[e] = true
				}
			}
		}
	}
	return nodes
}

// insertEntry puts entry n of a list behind the entry before it, else before
// the one behind it, else behind the lists that come before its own.
func insertEntry(nodes []node, a *arranger, s *section, list, n int) []node {
	items := s.lists[list].items
	fresh := node{op: opLine, entry: items[n]}
	path := outerPath(items[n])
	for m := n - 1; m >= 0; m-- {
		if at := lineOf(nodes, items[m]); at >= 0 && siblings(items[m], items[n]) {
			fresh.tmpl = nodes[at].tmpl
			return slices.Insert(nodes, outOf(nodes, at+1, path), fresh)
		}
	}
	for m := n + 1; m < len(items); m++ {
		if at := lineOf(nodes, items[m]); at >= 0 && siblings(items[m], items[n]) {
			fresh.tmpl = nodes[at].tmpl
			return slices.Insert(nodes, before(nodes, at, path), fresh)
		}
	}
	return slices.Insert(nodes, outOf(nodes, a.placeFor(nodes, s, list, items[n]), path), fresh)
}

// siblings tells whether two entries of a list stand together: macros do when
// they stand behind the same.
func siblings(x, y pkgtoml.Entry) bool {
	m, ok := x.(*pkgtoml.Macro)
	o, both := y.(*pkgtoml.Macro)
	return !ok || !both || m.At == o.At
}

// placeFor gives the place of the first entry of a list in a section: behind
// what a macro is said to stand behind, else behind the lists before its own.
func (a *arranger) placeFor(nodes []node, s *section, list int, e pkgtoml.Entry) int {
	start, end := span(nodes, s)
	m, isMacro := e.(*pkgtoml.Macro)
	if isMacro && m.At == "preamble" {
		return contentEnd(nodes, 0)
	}
	if isMacro && m.At != "" {
		if behind := a.index.byToken["%"+m.At]; behind != nil {
			return endOf(nodes, behind)
		}
	}
	at := start
	for i := start; i < end; i++ {
		if nodes[i].op != opLine {
			continue
		}
		where := a.spot(nodes[i].entry)
		name := ""
		if where.sect == s {
			name = s.lists[where.list].name
		}
		switch {
		case isMacro && m.At == name, isMacro && m.At == "sources" && name == "s", isMacro && m.At == "patches" && name == "p":
			at = i + 1
		case !isMacro && where.sect == s && where.list < list && name != "m":
			at = i + 1
		}
	}
	if at == start && !isMacro { // nothing but macros so far
		at = contentEnd(nodes, start)
	}
	return at
}

// spot is where an entry stands in the document.
func (a *arranger) spot(e pkgtoml.Entry) spot {
	if at, ok := a.index.spots[e]; ok {
		return at
	}
	for _, s := range a.index.sections {
		a.index.names(s)
	}
	return a.index.spots[e]
}

// span gives the nodes between the header of a section and the next one.
func span(nodes []node, s *section) (start, end int) {
	if s.entry != nil {
		start = 1 + slices.IndexFunc(nodes, func(n node) bool { return n.op == opSection && n.sect == s })
	}
	end = start
	for end < len(nodes) && nodes[end].op != opSection {
		end++
	}
	return start, end
}

func lineOf(nodes []node, e pkgtoml.Entry) int {
	return slices.IndexFunc(nodes, func(n node) bool { return n.op == opLine && n.entry == e })
}

// outOf moves a place forward out of the conditions that a path does not stand
// in.
func outOf(nodes []node, at int, path []string) int {
	for {
		depth, open := 0, 0
		for i := range nodes[:at] {
			switch nodes[i].op {
			case opOpen:
				depth++
			case opClose:
				depth--
			}
		}
		if depth <= len(path) {
			return at
		}
		for ; at < len(nodes); at++ {
			if nodes[at].op == opOpen {
				open++
			}
			if nodes[at].op == opClose {
				if open == 0 {
					at++
					break
				}
				open--
			}
		}
		if at == len(nodes) {
			return at
		}
	}
}

// before moves a place backward out of conditions.
func before(nodes []node, at int, path []string) int {
	for {
		depth, start := 0, -1
		var opens []int
		for i := range nodes[:at] {
			switch nodes[i].op {
			case opOpen:
				opens = append(opens, i)
				depth++
			case opClose:
				if len(opens) > 0 {
					opens = opens[:len(opens)-1]
				}
				depth--
			}
		}
		if depth <= len(path) || len(opens) == 0 {
			return at
		}
		start = opens[len(opens)-1]
		at = start
	}
}

// insertSection puts a section behind the one of its family that comes before
// it in a canonical spec, with as many blank lines as are usual.
func insertSection(nodes []node, a *arranger, s *section) []node {
	order := a.index.sections
	at := slices.Index(order, s)
	place := -1
	for i := at - 1; i >= 0 && place < 0; i-- {
		if family(order[i]) == family(s) {
			place = endOf(nodes, order[i])
		}
	}
	for i := at - 1; i >= 0 && place < 0; i-- {
		place = endOf(nodes, order[i])
	}
	if place < 0 {
		place = contentEnd(nodes, 0)
	}
	place = outOf(nodes, place, s.entry.Common().When)
	fresh := []node{}
	if place > 0 {
		for range usualGap(nodes) {
			fresh = append(fresh, node{op: opBlank, text: "\n"})
		}
	}
	fresh = append(fresh, node{op: opSection, sect: s})
	if s.kind != "changelog" {
		fresh = append(fresh, usualNodes(s)...)
		a.whole[s] = true
	}
	a.placed[s.entry] = true
	return slices.Insert(nodes, place, fresh...)
}

// family groups the sections that stand together.
func family(s *section) int {
	switch s.kind {
	case "package", "description":
		return 1
	case "prep", "generate_buildrequires", "conf", "build", "install", "check", "clean":
		return 2
	case "files":
		return 4
	case "changelog":
		return 5
	case "sourcelist", "patchlist":
		return 0
	}
	return 3
}

// endOf gives the place behind a section's last line, or -1.
func endOf(nodes []node, s *section) int {
	for i := range nodes {
		if nodes[i].op == opSection && nodes[i].sect == s {
			return contentEnd(nodes, i+1)
		}
	}
	return -1
}

// contentEnd gives the place behind the last entry of the section whose first
// line is at.
func contentEnd(nodes []node, at int) int {
	end := at
	for i := at; i < len(nodes) && nodes[i].op != opSection; i++ {
		if nodes[i].op == opLine {
			end = i + 1
		}
	}
	return end
}

// usualGap is how many blank lines mostly stand before a section.
func usualGap(nodes []node) int {
	count := map[int]int{}
	gap := 0
	for i := range nodes {
		switch nodes[i].op {
		case opBlank:
			gap++
		case opSection:
			count[gap]++
			gap = 0
		default:
			gap = 0
		}
	}
	best := 1
	for n, k := range count {
		if k > count[best] || k == count[best] && n < best {
			best = n
		}
	}
	return best
}
