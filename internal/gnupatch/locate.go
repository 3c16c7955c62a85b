package gnupatch

import (
	"maps"
	"slices"
)

// hunk is one change of a file.
type hunk struct {
	first          int // line of the old file, from 1; where to insert if old is empty
	old            []string
	edits          []edit
	prefix, suffix int // context lines before the first and after the last change
	line           int // in the patch
}

// edit is one line of a hunk.
type edit struct {
	op   byte // ' ', '-' or '+'
	text string
}

// seal computes what the lines imply.
func (h *hunk) seal() {
	h.old = h.old[:0]
	changed := false
	h.prefix, h.suffix = 0, 0
	for _, e := range h.edits {
		if e.op != '+' {
			h.old = append(h.old, e.text)
		}
		switch {
		case e.op != ' ':
			changed, h.suffix = true, 0
		case !changed:
			h.prefix++
		default:
			h.suffix++
		}
	}
	if !changed {
		h.suffix = h.prefix
	}
	if len(h.old) == 0 {
		h.first++ // a range of no lines stands behind its number
	}
}

// locator copies a file while hunks change it.
type locator struct {
	in     []string
	out    []string
	frozen int // lines of in that are done with
	offset int // what the hunks before were off by
}

// find gives the line of in (from 1) at which h fits with so much fuzz, 0 if at none. Lines of context at either end
// may differ up to the fuzz; a hunk with less context at one end than at the other stands at that end of the file.
func (l *locator) find(h *hunk, fuzz int) int {
	guess := h.first + l.offset
	if len(h.old) == 0 {
		if guess < l.frozen+1 || guess > len(l.in)+1 {
			return 0
		}
		return guess
	}
	context := max(h.prefix, h.suffix)
	prefixFuzz, suffixFuzz := fuzz+h.prefix-context, fuzz+h.suffix-context
	highest := len(l.in) - (len(h.old) - suffixFuzz) + 1
	lowest := l.frozen + 1
	up, down := highest-guess, min(guess-lowest, guess-1)
	if prefixFuzz < 0 && h.first <= 1 {
		return l.findAtStart(h, guess, up, suffixFuzz)
	}
	prefixFuzz = max(prefixFuzz, 0)
	if suffixFuzz < 0 {
		back := guess - (len(l.in) - len(h.old) + 1)
		if back <= down && l.matches(h, guess-back, prefixFuzz, 0) {
			l.offset -= back
			return guess - back
		}
		return 0
	}
	start := 0
	if up < 0 {
		start = guess - highest
	} else if down < 0 {
		start = lowest - guess
	}
	for off := start; off <= max(up, down); off++ {
		if off <= up && l.matches(h, guess+off, prefixFuzz, suffixFuzz) {
			l.offset += off
			return guess + off
		}
		if off > 0 && off <= down && l.matches(h, guess-off, prefixFuzz, suffixFuzz) {
			l.offset -= off
			return guess - off
		}
	}
	return 0
}

// findAtStart places a hunk that can only stand at the start of the file.
func (l *locator) findAtStart(h *hunk, guess, up, suffixFuzz int) int {
	if suffixFuzz < 0 && (len(h.old) != len(l.in) || h.prefix < l.frozen) {
		return 0
	}
	off := 1 - guess
	if l.frozen <= h.prefix && off <= up && l.matches(h, 1, 0, max(suffixFuzz, 0)) {
		l.offset += off
		return 1
	}
	return 0
}

// matches compares the old lines but for fuzz with the file from line at.
func (l *locator) matches(h *hunk, at, prefixFuzz, suffixFuzz int) bool {
	if at < 1 {
		return false
	}
	for i := prefixFuzz; i < len(h.old)-suffixFuzz; i++ {
		n := at - 1 + i
		if n >= len(l.in) || l.in[n] != h.old[i] {
			return false
		}
	}
	return true
}

// apply copies the file up to the hunk and makes its changes. Context stays as the file has it.
func (l *locator) apply(h *hunk, where int) {
	pos := where - 1
	for _, e := range h.edits {
		if e.op == '+' {
			l.copyTo(pos)
			l.out = append(l.out, e.text)
			continue
		}
		if e.op == '-' {
			l.copyTo(pos)
			l.frozen = max(l.frozen, min(pos+1, len(l.in)))
		}
		pos++
	}
}

func (l *locator) copyTo(pos int) {
	if pos = min(pos, len(l.in)); pos > l.frozen {
		l.out = append(l.out, l.in[l.frozen:pos]...)
		l.frozen = pos
	}
}

func (l *locator) finish() []string {
	l.copyTo(len(l.in))
	return l.out
}

func sortedKeys(m map[string]*Change) []string { return slices.Sorted(maps.Keys(m)) }
