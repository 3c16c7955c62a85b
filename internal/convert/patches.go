package convert

import (
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// patchNumber gives the number of the patch that a line of %prep applies:
// %patch -P 3, %patch -P3, %patch 3, %patch3.
func patchNumber(line string) (int, bool) {
	rest, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), "%patch")
	if !ok {
		return 0, false
	}
	words := strings.Fields(rest)
	number := ""
	switch {
	case rest == "":
	case rest[0] >= '0' && rest[0] <= '9':
		number = words[0]
	case isBlank(rest[0]):
		for i, w := range words {
			if w == "-P" && i+1 < len(words) {
				number = words[i+1]
			} else if after, ok := strings.CutPrefix(w, "-P"); ok && after != "" {
				number = after
			} else if i == 0 && isNumber(w) {
				number = w
			}
		}
	}
	n, err := strconv.Atoi(number)
	return n, err == nil && n >= 0
}

// patchNumbers are the numbers of the patches in a list. Those that have none
// are counted as rpm counts them.
func patchNumbers(list []*pkgtoml.Source) map[int]bool {
	out := make(map[int]bool, len(list))
	next := 0
	for _, p := range list {
		if n, err := strconv.Atoi(p.Number); err == nil {
			next = n
		}
		out[next] = true
		next++
	}
	return out
}

// patchesApplied gives the numbers that the lines of %prep apply and that are
// no patch of the document, in order.
func patchesApplied(d *pkgtoml.Document) []int {
	var out []int
	var known map[int]bool // the patches, and what was seen
	for _, s := range d.Build {
		if s.Kind != "prep" || !strings.Contains(s.Body, "%patch") {
			continue
		}
		if known == nil {
			known = patchNumbers(d.Patches)
		}
		for line := range strings.Lines(s.Body) {
			if n, ok := patchNumber(line); ok && !known[n] {
				known[n] = true
				out = append(out, n)
			}
		}
	}
	return out
}

// dropPatches takes the lines out of a %prep that apply a patch which the
// document has no more, and a conditional that holds nothing else. Those that
// never named a patch are in the layout and stay.
func (w *writer) dropPatches(body string) string {
	if len(w.gone) == 0 || !strings.Contains(body, "%patch") {
		return body
	}
	lines := strings.SplitAfter(body, "\n")
	out := make([]string, 0, len(lines))
	for i := 0; i < len(lines); i++ {
		n, ok := patchNumber(strings.TrimSuffix(lines[i], "\n"))
		if !ok || !w.gone[n] {
			out = append(out, lines[i])
			continue
		}
		if last := len(out) - 1; last >= 0 && i+1 < len(lines) && strings.HasPrefix(out[last], "%if") && strings.HasPrefix(lines[i+1], "%endif") {
			out = out[:last]
			i++
		}
	}
	return strings.Join(out, "")
}

// gonePatches are the numbers whose lines go. Only a layout remembers that a
// spec was in order before.
func gonePatches(d *pkgtoml.Document, layout *pkgtoml.Layout) map[int]bool {
	if layout == nil || layout.Order == "" {
		return nil
	}
	gone := map[int]bool{}
	for _, n := range patchesApplied(d) {
		gone[n] = true
	}
	for _, word := range strings.Fields(layout.Unpatched) {
		if n, err := strconv.Atoi(word); err == nil {
			delete(gone, n)
		}
	}
	return gone
}
