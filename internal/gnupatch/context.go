package gnupatch

import (
	"fmt"
	"strings"
)

// context reads the hunks of a context diff from the row of asterisks at hand on.
func (p *parser) context(d *diff, epoch [2]bool) error {
	for p.at < len(p.lines) && strings.HasPrefix(p.lines[p.at], "***************") {
		h := &hunk{line: p.number()}
		p.at++
		first, last, ok := p.span("*** ", " ****")
		if !ok {
			return fmt.Errorf("line %d: malformed context diff", p.number())
		}
		old, err := p.half("--- ")
		if err != nil {
			return err
		}
		newFirst, newLast, ok := p.span("--- ", " ----")
		if !ok {
			return fmt.Errorf("line %d: malformed context diff", p.number())
		}
		fresh, err := p.half("")
		if err != nil {
			return err
		}
		if len(d.hunks) == 0 {
			for i, zero := range []bool{first == 0 && last == 0, newFirst == 0 && newLast == 0} {
				if zero {
					d.absent[i] = 1
					if epoch[i] {
						d.absent[i] = 2
					}
				}
			}
		}
		h.first = first
		if err := merge(h, old, fresh); err != nil {
			return err
		}
		h.seal()
		d.hunks = append(d.hunks, h)
	}
	return nil
}

// span reads "*** 1,5 ****" or "--- 1,5 ----".
func (p *parser) span(prefix, suffix string) (first, last int, ok bool) {
	if p.at >= len(p.lines) {
		return 0, 0, false
	}
	s, ok := strings.CutPrefix(chomp(p.lines[p.at]), prefix)
	if ok {
		s, ok = strings.CutSuffix(s, suffix)
	}
	if !ok {
		return 0, 0, false
	}
	p.at++
	if !strings.Contains(s, ",") {
		s += "," + s
	}
	return parseSpan(s)
}

// half reads the lines of one side up to a line with the prefix, or to the first that belongs to no hunk.
func (p *parser) half(until string) ([]edit, error) {
	var lines []edit
	for p.at < len(p.lines) {
		line := p.lines[p.at]
		if until != "" && strings.HasPrefix(line, until) && strings.HasSuffix(chomp(line), " ----") {
			break
		}
		if strings.HasPrefix(line, `\`) {
			p.at++
			if n := len(lines); n > 0 {
				lines[n-1].text = strings.TrimSuffix(lines[n-1].text, "\n")
			}
			continue
		}
		if len(line) < 2 || line[1] != ' ' && line[1] != '\t' || strings.IndexByte(" -+!", line[0]) < 0 {
			if chomp(line) == "" && until != "" {
				p.at++
				lines = append(lines, edit{' ', "\n"})
				continue
			}
			break
		}
		text := p.text()
		lines = append(lines, edit{text[0], text[2:]})
	}
	return lines, nil
}

// merge makes one list of edits out of the two sides; a side without changes may be left out.
func merge(h *hunk, old, fresh []edit) error {
	for len(old) > 0 || len(fresh) > 0 {
		switch {
		case len(old) > 0 && old[0].op != ' ':
			h.edits = append(h.edits, edit{'-', old[0].text})
			old = old[1:]
		case len(fresh) > 0 && fresh[0].op != ' ':
			h.edits = append(h.edits, edit{'+', fresh[0].text})
			fresh = fresh[1:]
		case len(old) > 0 && len(fresh) > 0:
			if old[0].text != fresh[0].text {
				return fmt.Errorf("line %d: the sides of a context diff disagree", h.line)
			}
			h.edits = append(h.edits, old[0])
			old, fresh = old[1:], fresh[1:]
		case len(old) > 0:
			h.edits = append(h.edits, old[0])
			old = old[1:]
		default:
			h.edits = append(h.edits, fresh[0])
			fresh = fresh[1:]
		}
	}
	return nil
}
