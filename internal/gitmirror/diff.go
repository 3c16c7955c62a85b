package gitmirror

import (
	"bytes"
	"fmt"
	"strings"
)

// context3 is the number of unchanged lines around a change.
const context3 = 3

// span is a run of lines that differ: old[a0:a1] became new[b0:b1].
type span struct{ a0, a1, b0, b1 int }

// writeUnified writes the hunks that lead from old to new.
func writeUnified(w *bytes.Buffer, old, fresh []string) {
	spans := diffLines(old, fresh)
	for i := 0; i < len(spans); {
		j := i + 1
		for j < len(spans) && spans[j].a0-spans[j-1].a1 <= 2*context3 {
			j++
		}
		writeHunk(w, old, fresh, spans[i:j])
		i = j
	}
}

func writeHunk(w *bytes.Buffer, old, fresh []string, spans []span) {
	first, end := spans[0], spans[len(spans)-1]
	lead := min(context3, first.a0)
	tail := min(context3, len(old)-end.a1)
	a0, a1 := first.a0-lead, end.a1+tail
	b0, b1 := first.b0-lead, end.b1+tail
	fmt.Fprintf(w, "@@ -%s +%s @@\n", hunkRange(a0, a1), hunkRange(b0, b1))
	pos := a0
	for _, s := range spans {
		writeLines(w, ' ', old[pos:s.a0])
		writeLines(w, '-', old[s.a0:s.a1])
		writeLines(w, '+', fresh[s.b0:s.b1])
		pos = s.a1
	}
	writeLines(w, ' ', old[pos:a1])
}

func hunkRange(from, to int) string {
	switch n := to - from; n {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return fmt.Sprintf("%d", from+1)
	default:
		return fmt.Sprintf("%d,%d", from+1, n)
	}
}

func writeLines(w *bytes.Buffer, op byte, lines []string) {
	for _, l := range lines {
		w.WriteByte(op)
		w.WriteString(l)
		if !strings.HasSuffix(l, "\n") {
			w.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// diffLines finds a short list of changes: Myers' algorithm on what is left between the equal ends, bounded so that two
// files without anything in common are one change.
func diffLines(old, fresh []string) []span {
	start := 0
	for start < len(old) && start < len(fresh) && old[start] == fresh[start] {
		start++
	}
	endA, endB := len(old), len(fresh)
	for endA > start && endB > start && old[endA-1] == fresh[endB-1] {
		endA--
		endB--
	}
	if start == endA && start == endB {
		return nil
	}
	spans := myers(old[start:endA], fresh[start:endB])
	for i := range spans {
		spans[i].a0 += start
		spans[i].a1 += start
		spans[i].b0 += start
		spans[i].b1 += start
	}
	return spans
}

// maxEdits bounds the work and memory of myers: both grow with its square.
const maxEdits = 2000

func myers(a, b []string) []span {
	whole := []span{{0, len(a), 0, len(b)}}
	if len(a) == 0 || len(b) == 0 {
		return whole
	}
	most := min(len(a)+len(b), maxEdits)
	v := make([]int, 2*most+2)
	var trace [][]int
	for d := 0; d <= most; d++ {
		trace = append(trace, append([]int(nil), v[most-d:most+d+2]...))
		for k := -d; k <= d; k += 2 {
			x := 0
			if k == -d || k != d && v[most+k-1] < v[most+k+1] {
				x = v[most+k+1]
			} else {
				x = v[most+k-1] + 1
			}
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x++
				y++
			}
			v[most+k] = x
			if x >= len(a) && y >= len(b) {
				return backtrack(trace, len(a), len(b), d)
			}
		}
	}
	return whole
}

// backtrack walks the trace from the end to the start and gathers the changes.
func backtrack(trace [][]int, x, y, d int) []span {
	var steps []span // single lines, last first
	for ; d > 0; d-- {
		v := func(k int) int { return trace[d][k+d] }
		k := x - y
		prev := k - 1
		if k == -d || k != d && v(k-1) < v(k+1) {
			prev = k + 1
		}
		px := v(prev)
		py := px - prev
		if prev == k+1 {
			steps = append(steps, span{px, px, py, py + 1})
		} else {
			steps = append(steps, span{px, px + 1, py, py})
		}
		x, y = px, py
	}
	var spans []span
	for i := len(steps) - 1; i >= 0; i-- {
		s := steps[i]
		if n := len(spans); n > 0 && spans[n-1].a1 == s.a0 && spans[n-1].b1 == s.b0 {
			spans[n-1].a1, spans[n-1].b1 = s.a1, s.b1
			continue
		}
		spans = append(spans, s)
	}
	return spans
}
