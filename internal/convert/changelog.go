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
	end := l.bodyEnd(s, l.blocks.hoistStart(l.blocks.owner[s.Head]))
	body := l.text(s.Body, end)
	if body == autoChangelog {
		c.Auto = true
	} else if body != "" {
		c.Entries, l.gaps = parseChanges(body)
		common(c)
	}
	l.section(s, "changelog", nil, c)
	l.items(end, s.End, func(i int) { l.between(c, i) })
}

// parseChanges splits a changelog at the lines that begin with a star or are
// %autochangelog, and counts the blank lines behind each entry.
func parseChanges(body string) (out []*pkgtoml.Change, gaps []int) {
	for start := 0; start < len(body); {
		end := start
		for {
			n := strings.IndexByte(body[end:], '\n')
			if n < 0 {
				end = len(body)
				break
			}
			end += n + 1
			if end == len(body) || body[end] == '*' || beginsAuto(body[end:]) {
				break
			}
		}
		text := strings.TrimRight(body[start:end], "\n")
		out = append(out, parseChange(text))
		gaps = append(gaps, end-start-len(text)-1)
		start = end
	}
	return out, gaps
}

// beginsAuto tells whether a line lets rpmautospec write the rest.
func beginsAuto(line string) bool {
	return strings.HasPrefix(line, "%autochangelog") || strings.HasPrefix(line, "%{autochangelog}")
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
	return c
}

// cutDate takes the date from the head of an entry: in ISO form when it is
// written as it should be, else as it is written.
func cutDate(s string) (date, rest string, ok bool) {
	if len(s) > len(dateForm) && s[len(dateForm)] == ' ' {
		if iso := isoDate(s[:len(dateForm)]); iso != "" {
			return iso, s[len(dateForm)+1:], true
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

const (
	weekdays = "SunMonTueWedThuFriSat"
	months   = "JanFebMarAprMayJunJulAugSepOctNovDec"
)

// isoDate turns "Mon Jan 02 2006" into "2006-01-02", or gives "" when it is
// not a date that is written so.
func isoDate(s string) string {
	month := strings.Index(months, s[4:7])
	day, dayErr := strconv.ParseUint(s[8:10], 10, 8)
	year, yearErr := strconv.ParseUint(s[11:15], 10, 16)
	if month < 0 || month%3 != 0 || dayErr != nil || yearErr != nil || s[3] != ' ' || s[7] != ' ' || s[10] != ' ' {
		return ""
	}
	t := time.Date(int(year), time.Month(month/3+1), int(day), 0, 0, 0, 0, time.UTC)
	if n := int(t.Weekday()); year == 0 || t.Day() != int(day) || s[:3] != weekdays[3*n:3*n+3] {
		return ""
	}
	m := month/3 + 1
	return s[11:15] + "-" + string([]byte{byte('0' + m/10), byte('0' + m%10)}) + "-" + s[8:10]
}

// specDate is the inverse of isoDate. What is no such date stays as it is.
func specDate(s string) string {
	if len(s) != len(time.DateOnly) || s[4] != '-' || s[7] != '-' {
		return s
	}
	year, yearErr := strconv.ParseUint(s[:4], 10, 16)
	month, monthErr := strconv.ParseUint(s[5:7], 10, 8)
	day, dayErr := strconv.ParseUint(s[8:], 10, 8)
	t := time.Date(int(year), time.Month(month), int(day), 0, 0, 0, 0, time.UTC)
	if yearErr != nil || monthErr != nil || dayErr != nil || t.Day() != int(day) || t.Month() != time.Month(month) {
		return s
	}
	n := int(t.Weekday())
	return weekdays[3*n:3*n+3] + " " + months[3*month-3:3*month] + " " + s[8:] + " " + s[:4]
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

// change writes an entry with its line end.
func (w *writer) change(c *pkgtoml.Change, sep string) {
	if c.Raw != "" {
		w.out.WriteString(strings.TrimSuffix(c.Raw, "\n"))
		w.out.WriteByte('\n')
		return
	}
	if c.Separator != "" {
		sep = c.Separator
	}
	w.out.WriteString("* ")
	w.out.WriteString(specDate(c.Date))
	w.out.WriteByte(' ')
	w.out.WriteString(c.Author)
	if c.EVR != "" {
		w.out.WriteString(sep)
		w.out.WriteString(c.EVR)
	}
	w.out.WriteByte('\n')
	if c.Text != "" {
		w.out.WriteString(strings.TrimSuffix(c.Text, "\n"))
		w.out.WriteByte('\n')
	}
}

// changelog writes all entries.
func (w *writer) changelog(c *pkgtoml.Changelog) {
	if c.Auto {
		w.out.WriteString(autoChangelog)
		return
	}
	sep := c.Separator
	if sep == "" {
		sep = dash
	}
	if len(w.gaps.others) > 0 {
		w.index.names(w.index.byEntry[c])
	}
	for i, e := range c.Entries {
		w.change(e, sep)
		if i < len(c.Entries)-1 {
			for range w.gaps.after(w.index.spots[e].token) {
				w.out.WriteByte('\n')
			}
		}
	}
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

// findGaps is the inverse of parseGaps for the blank lines behind the entries
// of a changelog.
func (x *index) findGaps(sizes []int, s *section, c *pkgtoml.Changelog) string {
	if len(sizes) < 2 {
		return ""
	}
	sizes = sizes[:len(sizes)-1]
	counts := map[int]int{}
	for _, n := range sizes {
		counts[n]++
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
			x.names(s)
			words = append(words, strings.TrimPrefix(x.spots[c.Entries[i]].token, "c:")+"="+strconv.Itoa(n))
		}
	}
	return strings.Join(words, " ")
}
