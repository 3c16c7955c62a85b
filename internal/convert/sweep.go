package convert

import "slices"

// sweep takes away what entries that are gone leave behind: conditions that
// became empty, the comments directly above these, and the second of two gaps
// that came together.
func sweep(nodes []node) []node {
	if !slices.ContainsFunc(nodes, func(n node) bool { return n.op == opGone }) {
		return nodes
	}
	nodes = sweepSections(nodes)
	for {
		next, changed := sweepBlock(nodes)
		if nodes = next; !changed {
			break
		}
	}
	out := nodes[:0:0]
	for i := 0; i < len(nodes); i++ {
		if nodes[i].op != opGone {
			out = append(out, nodes[i])
			continue
		}
		if len(out) == 0 || out[len(out)-1].op == opBlank {
			for i+1 < len(nodes) && (nodes[i+1].op == opBlank || nodes[i+1].op == opGone) {
				i++
			}
		}
	}
	return out
}

// sweepSections drops blanks and comments within sections that are gone.
func sweepSections(nodes []node) []node {
	out := nodes[:0:0]
	for i := 0; i < len(nodes); i++ {
		if nodes[i].op != opGone || nodes[i].sect == nil {
			out = append(out, nodes[i])
			continue
		}
		last := i
		end := i + 1
		for ; end < len(nodes) && nodes[end].op != opSection && !(nodes[end].op == opGone && nodes[end].sect != nil); end++ {
			if nodes[end].op == opGone {
				last = end
			}
		}
		out = append(out, node{op: opGone})
		for _, n := range nodes[i+1 : last+1] {
			if n.op != opBlank && n.op != opComment && n.op != opGone {
				out = append(out, n)
			}
		}
		i = last
	}
	return out
}

// sweepBlock drops the first condition that holds nothing any more because
// something of it is gone.
func sweepBlock(nodes []node) ([]node, bool) {
	type open struct {
		at   int
		full bool
		gone bool
	}
	var stack []open
	for i := range nodes {
		switch nodes[i].op {
		case opOpen:
			stack = append(stack, open{at: i})
		case opLine, opSection, opVerbatim:
			for j := range stack {
				stack[j].full = true
			}
		case opGone:
			for j := range stack {
				stack[j].gone = true
			}
		case opClose:
			if len(stack) == 0 {
				continue
			}
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if top.full || !top.gone {
				continue
			}
			from := top.at
			for from > 0 && nodes[from-1].op == opComment {
				from--
			}
			return slices.Concat(nodes[:from], []node{{op: opGone}}, nodes[i+1:]), true
		}
	}
	return nodes, false
}
