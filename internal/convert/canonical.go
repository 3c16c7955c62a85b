package convert

import (
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// canonical gives the nodes of a document without a layout.
func (w *writer) canonical() []node {
	var out []node
	blank := node{op: opBlank, text: "\n"}
	for i, s := range w.index.sections {
		if i == 0 {
			out = w.canonicalPreamble(s)
			continue
		}
		if len(out) > 0 {
			out = append(out, blank)
		}
		out = append(out, node{op: opSection, sect: s})
		if s.kind != "changelog" {
			out = append(out, usualNodes(s)...)
		}
		if more := w.anchored(s.token[1:]); len(more) > 0 {
			out = append(append(out, blank), more...)
		}
	}
	return out
}

// canonicalPreamble puts macros where they are anchored and tags in the order
// of the document.
func (w *writer) canonicalPreamble(s *section) []node {
	var groups [][]node
	add := func(g []node) {
		if len(g) > 0 {
			groups = append(groups, g)
		}
	}
	add(w.anchored(""))
	tags := []node{}
	for _, l := range s.lists[1:] {
		nodes := usualNodes(&section{lists: []entryList{l}})
		if isTagList(l.name) {
			tags = append(tags, nodes...)
			if more := w.anchored(l.name); len(more) > 0 {
				tags = append(tags, more...)
			}
			continue
		}
		add(tags)
		tags = nil
		add(nodes)
		switch l.name {
		case "s":
			add(w.anchored("sources"))
		case "p":
			add(w.anchored("patches"))
		}
	}
	add(tags)
	add(w.anchored("preamble"))
	var out []node
	for i, g := range groups {
		if i > 0 {
			out = append(out, node{op: opBlank, text: "\n"})
		}
		out = append(out, g...)
	}
	return out
}

func isTagList(name string) bool {
	return slices.ContainsFunc(pkgtoml.TagNames, func(n struct{ Key, Name string }) bool { return n.Key == name })
}

// anchored gives the macros that stand behind a place.
func (w *writer) anchored(at string) []node {
	var out []node
	for _, m := range w.doc.Macros {
		if m.At == at || at == "" && strings.Trim(m.At, " ") != "" && !w.isPlace(m.At) {
			out = append(out, node{op: opLine, entry: m})
		}
	}
	return out
}

// isPlace tells whether the document has the place that a macro names.
func (w *writer) isPlace(at string) bool {
	if w.index.byToken["%"+at] != nil {
		return true
	}
	switch at {
	case "sources":
		return len(w.doc.Sources) > 0
	case "patches":
		return len(w.doc.Patches) > 0
	}
	return slices.ContainsFunc(w.doc.Main.Tags, func(t *pkgtoml.Tag) bool { return t.Key == at })
}
