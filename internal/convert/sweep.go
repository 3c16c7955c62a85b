package convert

import "slices"

// sweep takes away what entries that are gone leave behind: conditions that
// became empty, the comments directly above these, and the second of two gaps
// that came together.
func sweep(nodes []node) []node {
	if !slices.ContainsFunc(nodes, func(n node) bool { return n.op == opGone }) {
		return nodes
	}
	nodes = sweepBlocks(sweepSections(nodes))
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

// sweepBlocks drops the conditions that hold nothing any more because something
// of them is gone, with the comments directly above.
func sweepBlocks(nodes []node) []node {
	type open struct {
		at   int // in out
		full bool
		gone bool
	}
	var stack []open
	out := make([]node, 0, len(nodes))
	for i := range nodes {
		switch nodes[i].op {
		case opOpen:
			stack = append(stack, open{at: len(out)})
		case opLine, opSection, opVerbatim:
			if n := len(stack); n > 0 {
				stack[n-1].full = true
			}
		case opGone:
			if n := len(stack); n > 0 {
				stack[n-1].gone = true
			}
		case opClose:
			if len(stack) == 0 {
				break
			}
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if n := len(stack); n > 0 {
				stack[n-1].full = stack[n-1].full || top.full
				stack[n-1].gone = stack[n-1].gone || top.gone
			}
			if top.full || !top.gone {
				break
			}
			from := top.at
			for from > 0 && out[from-1].op == opComment {
				from--
			}
			out = append(out[:from], node{op: opGone})
			continue
		}
		out = append(out, nodes[i])
	}
	return out
}
