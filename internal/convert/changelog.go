package convert

import (
	"strconv"
	"strings"
	"time"

	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
	"github.com/weld-linux/weld-bridge/internal/spec"
)

const (
	dateForm      = "Mon Jan 02 2006"
	dash          = " - "
	autoChangelog = "%autochangelog\n"
)

// changelogSection reads the changelog. Its entries are no nodes: they stand in
// the order of the document.
func (l *lifter) changelogSection(s *spec.Section) {
	c := &l.doc.Changelog
	c.Present = true
	number := 0
	for i := range l.file.Sections {
		if l.file.Sections[i].Head == s.Head {
			number = i
		}
	}
	end := l.bodyEnd(s, l.blocks.hoistStart(number))
	body := l.text(s.Body, end)
	if body == autoChangelog {
		c.Auto = true
	} else if body != "" {
		c.Entries = parseChanges(body)
		common(c)
	}
	l.section(s, "changelog", nil, c, body)
	l.items(end, s.End, func(i int) { l.between(c, i) })
}

// parseChanges splits a changelog at the lines that begin with a star.
func parseChanges(body string) []*pkgtoml.Change {
	var out []*pkgtoml.Change
	for start := 0; start < len(body); {
		end := start
		for {
			n := strings.IndexByte(body[end:], '\n')
			if n < 0 {
				end = len(body)
				break
			}
			end += n + 1
			if end == len(body) || body[end] == '*' {
				break
			}
		}
		out = append(out, parseChange(strings.TrimRight(body[start:end], "\n")))
		start = end
	}
	return out
}

func parseChange(text string) *pkgtoml.Change {
	head, rest, _ := strings.Cut(text, "\n")
	c := &pkgtoml.Change{Text: rest}
	after, ok := strings.CutPrefix(head, "* ")
	date, who, dated := cutDate(after)
	if !ok || !dated {
		return &pkgtoml.Change{Raw: text + "\n"}
	}
	c.Date = date
	c.Author, c.Separator, c.EVR = cutEVR(who)
	if changeText(c, c.Separator) != text {
		return &pkgtoml.Change{Raw: text + "\n"}
	}
	return c
}

// cutDate takes the date from the head of an entry: in ISO form when it is
// written as it should be, else as it is written.
func cutDate(s string) (date, rest string, ok bool) {
	if len(s) > len(dateForm) && s[len(dateForm)] == ' ' {
		if t, err := time.Parse(dateForm, s[:len(dateForm)]); err == nil && t.Format(dateForm) == s[:len(dateForm)] {
			return t.Format(time.DateOnly), s[len(dateForm)+1:], true
		}
	}
	at := 0
	for n := 0; n < 7; n++ {
		at = skipBlanks(s, at)
		end := wordEnd(s, at, false, false)
		w := s[at:end]
		if n >= 2 && len(w) == 4 && isNumber(w) {
			if end+1 >= len(s) {
				return "", "", false
			}
			return s[:end], s[end+1:], s[end] == ' '
		}
		if at = end; at >= len(s) {
			break
		}
	}
	return "", "", false
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

// cutEVR splits author and version. The separator is never empty when there is
// a version.
func cutEVR(who string) (author, sep, evr string) {
	n := strings.LastIndexByte(who, '>')
	if n < 0 {
		if n = strings.LastIndex(who, dash); n < 0 {
			return who, "", ""
		}
		n--
	}
	tail := who[n+1:]
	at := skipBlanks(tail, 0)
	if strings.HasPrefix(tail[at:], "-") {
		at = skipBlanks(tail, at+1)
	}
	word := strings.TrimRight(tail[at:], blanks)
	if at == 0 || word == "" || strings.ContainsAny(word, blanks) || n < 0 {
		return who, "", ""
	}
	return who[:n+1], tail[:at], tail[at:]
}

// common makes the most frequent separator that of the whole changelog.
func common(c *pkgtoml.Changelog) {
	count := map[string]int{}
	best := dash
	for _, e := range c.Entries {
		if e.EVR != "" {
			count[e.Separator]++
		}
	}
	for _, e := range c.Entries {
		if count[e.Separator] > count[best] && e.EVR != "" {
			best = e.Separator
		}
	}
	if best != dash {
		c.Separator = best
	}
	for _, e := range c.Entries {
		if e.Separator == best {
			e.Separator = ""
		}
	}
}

// changeText writes an entry without the line end.
func changeText(c *pkgtoml.Change, sep string) string {
	if c.Raw != "" {
		return strings.TrimSuffix(c.Raw, "\n")
	}
	if c.Separator != "" {
		sep = c.Separator
	}
	date := c.Date
	if t, err := time.Parse(time.DateOnly, date); err == nil {
		date = t.Format(dateForm)
	}
	head := "* " + date + " " + c.Author
	if c.EVR != "" {
		head += sep + c.EVR
	}
	if c.Text == "" {
		return head
	}
	return head + "\n" + strings.TrimSuffix(c.Text, "\n")
}

// changelogText writes all entries.
func (w *writer) changelogText(c *pkgtoml.Changelog, gaps gapRule) string {
	if c.Auto {
		return autoChangelog
	}
	sep := c.Separator
	if sep == "" {
		sep = dash
	}
	var b strings.Builder
	for i, e := range c.Entries {
		b.WriteString(changeText(e, sep))
		b.WriteByte('\n')
		if i < len(c.Entries)-1 {
			b.WriteString(strings.Repeat("\n", gaps.after(w.index.tokens[e])))
		}
	}
	return b.String()
}

// gapRule says how many blank lines follow an entry of the changelog.
type gapRule struct {
	usual  int
	others map[string]int
}

func (g gapRule) after(token string) int {
	if n, ok := g.others[token]; ok {
		return n
	}
	return g.usual
}

// parseGaps reads "0 2012-01-01=1": the usual number, where it is not 1, and the
// exceptions.
func parseGaps(s string) gapRule {
	g := gapRule{usual: 1, others: map[string]int{}}
	for i, w := range strings.Fields(s) {
		name, count, ok := strings.Cut(w, "=")
		n, err := strconv.Atoi(count)
		if !ok && i == 0 {
			n, err = strconv.Atoi(name)
		}
		switch {
		case err != nil || n < 0 || n > 1000:
		case !ok:
			g.usual = n
		default:
			g.others["c:"+name] = n
		}
	}
	return g
}

// findGaps is the inverse of parseGaps for the body of a changelog.
func findGaps(body string, c *pkgtoml.Changelog, tokens map[pkgtoml.Entry]string) string {
	if len(c.Entries) < 2 || c.Auto {
		return ""
	}
	counts := map[int]int{}
	sizes := make([]int, 0, len(c.Entries))
	sep := c.Separator
	if sep == "" {
		sep = dash
	}
	at := 0
	for i, e := range c.Entries[:len(c.Entries)-1] {
		at += len(changeText(e, sep)) + 1
		n := 0
		for at < len(body) && body[at] == '\n' {
			n++
			at++
		}
		sizes = append(sizes, n)
		counts[sizes[i]]++
	}
	usual := 1
	for n, k := range counts {
		if k > counts[usual] || k == counts[usual] && n < usual && usual != 1 {
			usual = n
		}
	}
	var words []string
	if usual != 1 {
		words = append(words, strconv.Itoa(usual))
	}
	for i, n := range sizes {
		if n != usual {
			words = append(words, strings.TrimPrefix(tokens[c.Entries[i]], "c:")+"="+strconv.Itoa(n))
		}
	}
	return strings.Join(words, " ")
}
