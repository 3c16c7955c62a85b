package comps

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

var (
	declarationRE = regexp.MustCompile(`^<\?xml[^>]*\?>`)
	doctypeRE     = regexp.MustCompile(`^<!DOCTYPE[^>\[]*>`)

	// indentREs find the first element of each depth.
	indentREs = []*regexp.Regexp{
		regexp.MustCompile(`(?m)^([ \t]*)<(?:group|category|environment|langpacks)[ >]`),
		regexp.MustCompile(`(?m)^([ \t]*)<(?:id|name|match)[ >]`),
		regexp.MustCompile(`(?m)^([ \t]*)<(?:packagereq|groupid)[ >]`),
	}
	canonicalIndent = []string{"  ", "    ", "      "}
)

// XML gives the comps file as Layout says. An error means that a text cannot stand in XML, or that Layout would change more
// than how the file is written.
func (d *Document) XML() ([]byte, error) {
	out, err := d.canonical()
	if err != nil || len(d.Layout.Spelling) == 0 {
		return out, err
	}
	spelled := respell(out, d.Layout.Spelling)
	again, err := parse("comps.xml", spelled)
	if err != nil || !bytes.Equal(withoutLayout(again), withoutLayout(d)) {
		return nil, &Error{File: "layout.spelling", Line: d.Layout.Spelling[0].Line, Message: "changes what the file says"}
	}
	return spelled, nil
}

func withoutLayout(d *Document) []byte { return (&Document{Items: d.Items}).TOML() }

// findLayout notes how the file was written, so that XML gives the file again. Where that would take too many spellings they
// are left out: the caller sees the difference by comparing.
func (d *Document) findLayout(data []byte) {
	l := &d.Layout
	slices.Sort(l.First)
	head := bytes.TrimPrefix(data, []byte("\ufeff"))
	if found := declarationRE.Find(head); string(found) != declaration {
		s := string(found)
		l.Declaration = &s
	}
	head = bytes.TrimLeft(head[len(declarationRE.Find(head)):], " \t\r\n")
	if found := doctypeRE.Find(head); string(found) != doctype {
		s := string(found)
		l.Doctype = &s
	}
	l.CRLF = bytes.Count(data, []byte("\r\n")) > bytes.Count(data, []byte("\n"))/2
	l.NoFinalNewline = !bytes.HasSuffix(data, []byte("\n"))
	indent := slices.Clone(canonicalIndent)
	for i, re := range indentREs {
		if m := re.FindSubmatch(data); m != nil {
			indent[i] = string(m[1])
		}
	}
	if !slices.Equal(indent, canonicalIndent) {
		l.Indent = indent
	}
	best, least := *l, -1
	for _, l.OpenLists = range [...]bool{false, true} {
		for _, l.EmptyText = range [...]string{"", "open", "space"} {
			out, err := d.canonical()
			if err != nil {
				return
			}
			spelling, cost, ok := spellings(out, data)
			if ok && (least < 0 || cost < least) {
				best, least = *l, cost
				best.Spelling = spelling
			}
		}
	}
	*l = best
	if l.Spelling != nil {
		if out, err := d.XML(); err != nil || !bytes.Equal(out, data) {
			l.Spelling = nil
		}
	}
}

const (
	maxHunk  = 200  // lines that one place may differ in
	maxShift = 5000 // lines that an edit may move a spelling
)

// spellings gives the places where the lines of written differ from canonical, and how many lines these are. It fails where
// more lines differ than agree, but for small files.
func spellings(canonical, written []byte) (list []Spelling, cost int, ok bool) {
	a, b := strings.SplitAfter(string(canonical), "\n"), strings.SplitAfter(string(written), "\n")
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i, j = i+1, j+1
			continue
		}
		n, m, found := resync(a[i:], b[j:])
		if cost += n + m; !found || cost > max(100, len(a)) {
			return nil, 0, false
		}
		list = append(list, Spelling{i + 1, strings.Join(a[i:i+n], ""), strings.Join(b[j:j+m], "")})
		i, j = i+n, j+m
	}
	return list, cost, true
}

// resync gives how many lines of a and b to skip until they agree again, for two lines or to the end.
func resync(a, b []string) (n, m int, ok bool) {
	agree := func(n, m int) bool {
		for range 2 {
			if n == len(a) || m == len(b) {
				return n == len(a) && m == len(b)
			}
			if a[n] != b[m] {
				return false
			}
			n, m = n+1, m+1
		}
		return true
	}
	for sum := 1; sum <= 2*maxHunk; sum++ {
		for n := max(0, sum-maxHunk); n <= min(sum, maxHunk, len(a)); n++ {
			if m := sum - n; m <= len(b) && agree(n, m) {
				return n, m, true
			}
		}
	}
	return 0, 0, false
}

// respell replaces lines. Each place is looked for near its line, after the one before it.
func respell(canonical []byte, list []Spelling) []byte {
	lines := strings.SplitAfter(string(canonical), "\n")
	var out strings.Builder
	done := 0
	for _, s := range list {
		old := strings.SplitAfter(s.Canonical, "\n")
		if s.Canonical == "" || strings.HasSuffix(s.Canonical, "\n") {
			old = old[:len(old)-1]
		}
		at := nearest(lines, old, s.Line-1, done)
		if at < 0 {
			continue
		}
		for _, line := range lines[done:at] {
			out.WriteString(line)
		}
		out.WriteString(s.Written)
		done = at + len(old)
	}
	for _, line := range lines[done:] {
		out.WriteString(line)
	}
	return []byte(out.String())
}

// nearest gives the place of old in lines that is nearest to at and not before least; -1 when there is none. Where nothing
// is replaced, only the very place counts.
func nearest(lines, old []string, at, least int) int {
	fits := func(i int) bool {
		return i >= least && i+len(old) <= len(lines) && slices.Equal(lines[i:i+len(old)], old)
	}
	if len(old) == 0 {
		if at < least || at > len(lines) {
			return -1
		}
		return at
	}
	for d := range min(len(lines), maxShift) {
		if fits(at - d) {
			return at - d
		}
		if fits(at + d) {
			return at + d
		}
	}
	return -1
}
