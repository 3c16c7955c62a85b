package gnupatch

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// diff is what a patch says about one file.
type diff struct {
	line   int       // of its header in the patch, from 1
	names  [2]string // old and new, stripped; "" for none
	index  string
	absent [2]int // 1: the hunk says that the old (new) file is empty, 2: that it does not exist
	git    bool
	binary bool
	rename string // the new name of a renamed or copied file
	copy   bool
	mode   uint64
	hunks  []*hunk
}

func (d *diff) anyName() string {
	for _, n := range []string{d.names[0], d.names[1], d.index} {
		if n != "" {
			return n
		}
	}
	return "a file"
}

// parser walks through the lines of a patch.
type parser struct {
	lines   []string
	numbers []int // of the lines in the patch, from 1; nil if they follow each other
	at      int
	o       Options
	cr      bool // carriage returns are stripped from the diff at hand
}

// newParser leaves out the lines that begin with a #, as patch does wherever they stand.
func newParser(patch []byte, o Options) *parser {
	p := &parser{lines: splitLines(patch), o: o}
	comment := func(line string) bool { return line[0] == '#' }
	if !slices.ContainsFunc(p.lines, comment) {
		return p
	}
	for i, line := range p.lines {
		if !comment(line) {
			p.numbers = append(p.numbers, i+1)
		}
	}
	p.lines = slices.DeleteFunc(p.lines, comment)
	return p
}

// number is that of the line at hand, or of the last line behind the end.
func (p *parser) number() int {
	if len(p.numbers) > 0 {
		return p.numbers[min(p.at, len(p.numbers)-1)]
	}
	return min(p.at, max(len(p.lines)-1, 0)) + 1
}

// next reads the next diff, nil at the end.
func (p *parser) next() (*diff, error) {
	d := &diff{}
	var epoch [2]bool
	for ; p.at < len(p.lines); p.at++ {
		line := chomp(p.lines[p.at])
		switch {
		case strings.HasPrefix(line, "diff --git "):
			if d.git && p.complete(d) {
				return p.turn(d), nil
			}
			*d, epoch = diff{git: true, line: p.number()}, [2]bool{}
			d.names = p.gitNames(line[len("diff --git "):])
		case d.git && p.extended(d, line):
		case strings.HasPrefix(line, "Index: ") && !d.git:
			d.index, _ = p.name(line[len("Index: "):])
		case p.follows(line, "--- ", "+++ "):
			epoch = p.headers(d, line)
		case strings.HasPrefix(line, "@@ -"):
			d.line = cmp.Or(d.line, p.number())
			if err := p.unified(d, epoch); err != nil {
				return nil, err
			}
			return p.turn(d), nil
		case p.follows(line, "*** ", "--- ") && !strings.HasSuffix(line, " ****"):
			epoch = p.headers(d, line)
		case strings.HasPrefix(line, "***************"):
			d.line = cmp.Or(d.line, p.number())
			if err := p.context(d, epoch); err != nil {
				return nil, err
			}
			return p.turn(d), nil
		}
	}
	if d.git && p.complete(d) {
		return p.turn(d), nil
	}
	return nil, nil
}

// follows reports whether line, at which the parser is, and the next one begin so.
func (p *parser) follows(line, first, second string) bool {
	return strings.HasPrefix(line, first) && p.at+1 < len(p.lines) && strings.HasPrefix(p.lines[p.at+1], second)
}

// headers takes the two lines with the names of a diff.
func (p *parser) headers(d *diff, line string) (epoch [2]bool) {
	if d.line == 0 {
		d.line = p.number()
	}
	p.cr = strings.HasSuffix(p.lines[p.at], "\r\n")
	epoch[0] = p.header(d, 0, line[4:])
	p.at++
	epoch[1] = p.header(d, 1, chomp(p.lines[p.at])[4:])
	return epoch
}

// complete reports whether a git header without hunks says something.
func (p *parser) complete(d *diff) bool {
	return d.binary || d.rename != "" || d.mode != 0 || d.absent != [2]int{}
}

// turn swaps old and new for -R.
func (p *parser) turn(d *diff) *diff {
	if !p.o.Reverse {
		return d
	}
	d.names[0], d.names[1] = d.names[1], d.names[0]
	d.absent[0], d.absent[1] = d.absent[1], d.absent[0]
	shift := 0
	for _, h := range d.hunks {
		added, removed := 0, 0
		for i, e := range h.edits {
			switch e.op {
			case '+':
				h.edits[i].op = '-'
				added++
			case '-':
				h.edits[i].op = '+'
				removed++
			}
		}
		if len(h.old) == 0 {
			h.first--
		}
		h.first += shift
		shift += added - removed
		h.seal()
	}
	return d
}

// header takes the name of a --- or +++ line and reports whether its date says that there is no file.
func (p *parser) header(d *diff, i int, text string) (epoch bool) {
	name, gone := p.name(text)
	if name != "" || !d.git {
		d.names[i] = name
	}
	if gone {
		d.names[i] = ""
	}
	return gone || isEpoch(text)
}

// isEpoch reports whether a time stamp is the start of 1970, at which diff -N dates a file that is missing.
func isEpoch(text string) bool {
	_, stamp, ok := strings.Cut(text, "\t")
	if !ok {
		return false
	}
	for _, s := range []string{
		"1970-01-01 00:00:00", "1970-01-01 01:00:00", "1969-12-31 1", "1969-12-31 2", "1970-01-01 0", "1970-01-01 1",
		"Thu Jan  1 0", "Wed Dec 31 1", "Wed Dec 31 2", "Thu Jan  1 1",
	} {
		if strings.HasPrefix(stamp, s) {
			year := strings.HasPrefix(stamp, "19") || strings.HasSuffix(strings.Fields(stamp)[len(strings.Fields(stamp))-1], "70") ||
				strings.Contains(stamp, "1970") || strings.Contains(stamp, "1969")
			return year && strings.Contains(stamp, ":00:00")
		}
	}
	return false
}

// name takes a file name out of a header line and strips its directories. gone is true for /dev/null.
func (p *parser) name(text string) (name string, gone bool) {
	text = strings.TrimLeft(text, " \t")
	if strings.HasPrefix(text, `"`) {
		if s, ok := unquote(text); ok {
			text = s
		}
	} else if i := strings.IndexByte(text, '\t'); i >= 0 {
		text = text[:i]
	} else if i := strings.IndexByte(text, ' '); i >= 0 {
		text = text[:i]
	}
	if text == "/dev/null" {
		return "", true
	}
	return strip(text, p.o.Strip), false
}

// strip removes n leading directories, all of them for a negative n; "" if there are not so many.
func strip(name string, n int) string {
	if n < 0 {
		return name[strings.LastIndexByte(name, '/')+1:]
	}
	for n > 0 {
		i := strings.IndexByte(name, '/')
		if i < 0 {
			return ""
		}
		name = strings.TrimLeft(name[i:], "/")
		n--
	}
	for strings.HasPrefix(name, "./") {
		name = strings.TrimLeft(name[2:], "/")
	}
	return name
}

// unquote reads a C string as git writes names with odd characters.
func unquote(s string) (string, bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), true
		case c != '\\':
			b.WriteByte(c)
		case i+1 >= len(s):
			return "", false
		case s[i+1] >= '0' && s[i+1] <= '3' && i+3 < len(s):
			v, err := strconv.ParseUint(s[i+1:i+4], 8, 8)
			if err != nil {
				return "", false
			}
			b.WriteByte(byte(v))
			i += 3
		default:
			at := strings.IndexByte(`abtnvfr"\`, s[i+1])
			if at < 0 {
				return "", false
			}
			b.WriteByte("\a\b\t\n\v\f\r\"\\"[at])
			i++
		}
	}
	return "", false
}

// gitNames reads the two names of a diff --git line.
func (p *parser) gitNames(s string) [2]string {
	if strings.HasPrefix(s, `"`) {
		if first, ok := unquote(s); ok {
			rest := s[strings.LastIndexByte(s, ' ')+1:]
			second, _ := p.name(rest)
			return [2]string{strip(first, p.o.Strip), second}
		}
	}
	// Names may hold blanks; when both are the same but for the first directory, the middle is where they meet.
	for i := range len(s) {
		if s[i] != ' ' {
			continue
		}
		a, b := s[:i], s[i+1:]
		if strip(a, 1) == strip(b, 1) && strip(a, 1) != "" {
			return [2]string{strip(a, p.o.Strip), strip(b, p.o.Strip)}
		}
	}
	a, b, _ := strings.Cut(s, " ")
	return [2]string{strip(a, p.o.Strip), strip(b, p.o.Strip)}
}

// extended reads a line of git's extended header.
func (p *parser) extended(d *diff, line string) bool {
	cut := func(prefix string) (string, bool) { return strings.CutPrefix(line, prefix) }
	full := func(s string) string {
		if u, ok := unquote(s); ok && strings.HasPrefix(s, `"`) {
			s = u
		}
		if p.o.Strip > 0 {
			return strip(s, p.o.Strip-1)
		}
		return strip(s, p.o.Strip)
	}
	if v, ok := cut("rename from "); ok {
		d.names[0] = full(v)
	} else if v, ok := cut("rename to "); ok {
		d.rename = full(v)
	} else if v, ok := cut("copy from "); ok {
		d.names[0] = full(v)
	} else if v, ok := cut("copy to "); ok {
		d.rename, d.copy = full(v), true
	} else if v, ok := cut("new file mode "); ok {
		d.mode, _ = strconv.ParseUint(v, 8, 32)
		d.absent[0] = 2
	} else if _, ok := cut("deleted file mode "); ok {
		d.absent[1] = 2
	} else if v, ok := cut("new mode "); ok {
		d.mode, _ = strconv.ParseUint(v, 8, 32)
	} else if _, ok := cut("old mode "); ok {
		return true
	} else if _, ok := cut("GIT binary patch"); ok {
		d.binary = true
	} else {
		return false
	}
	return true
}

// unified reads the hunks of a unified diff from the line at hand on.
func (p *parser) unified(d *diff, epoch [2]bool) error {
	for p.at < len(p.lines) && strings.HasPrefix(p.lines[p.at], "@@ -") {
		h := &hunk{line: p.number()}
		start, counts, ok := parseRange(chomp(p.lines[p.at]))
		if !ok {
			return fmt.Errorf("line %d: malformed hunk header", p.number())
		}
		if len(d.hunks) == 0 {
			for i := range start {
				if start[i] == 0 && d.absent[i] == 0 {
					d.absent[i] = 1
					if epoch[i] {
						d.absent[i] = 2
					}
				}
			}
		}
		h.first = start[0]
		p.at++
		if err := p.body(h, counts[0], counts[1]); err != nil {
			return err
		}
		h.seal()
		d.hunks = append(d.hunks, h)
	}
	return nil
}

// body reads old and new lines of a unified hunk.
func (p *parser) body(h *hunk, old, new int) error {
	for old > 0 || new > 0 {
		if p.at >= len(p.lines) {
			if old == new && old < 3 { // blank lines at the end that a mailer has cut off
				h.edits = append(h.edits, edit{' ', "\n"})
				old, new = old-1, new-1
				continue
			}
			return fmt.Errorf("line %d: patch ends inside a hunk", p.number())
		}
		line := p.number()
		text := p.text()
		op := text[0]
		switch op {
		case ' ', '-', '+':
			text = text[1:]
		case '\t': // the blank in front was lost
			op = ' '
		case '\n':
			op = ' '
		case '\\':
			p.noNewline(h)
			continue
		default:
			return fmt.Errorf("line %d: malformed patch", line)
		}
		if op != '+' {
			old--
		}
		if op != '-' {
			new--
		}
		if old < 0 || new < 0 {
			return fmt.Errorf("line %d: hunk has more lines than its header says", line)
		}
		h.edits = append(h.edits, edit{op, text})
	}
	if p.at < len(p.lines) && strings.HasPrefix(p.lines[p.at], `\`) {
		p.at++
		p.noNewline(h)
	}
	return nil
}

// text takes the next line, without the carriage return of a mailed patch, and with a newline even at the end of the patch.
func (p *parser) text() string {
	text := p.lines[p.at]
	p.at++
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if p.cr && strings.HasSuffix(text, "\r\n") {
		text = text[:len(text)-2] + "\n"
	}
	return text
}

// noNewline takes the newline off the last line of a hunk.
func (p *parser) noNewline(h *hunk) {
	if n := len(h.edits); n > 0 {
		h.edits[n-1].text = strings.TrimSuffix(h.edits[n-1].text, "\n")
	}
}

// parseRange reads "@@ -1,2 +3,4 @@".
func parseRange(line string) (start, count [2]int, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return start, count, false
	}
	for i, sign := range []string{"-", "+"} {
		s, found := strings.CutPrefix(fields[i+1], sign)
		if !found {
			return start, count, false
		}
		if start[i], count[i], ok = parseSpan(s); !ok {
			return start, count, false
		}
	}
	return start, count, true
}

func parseSpan(s string) (start, count int, ok bool) {
	a, b, has := strings.Cut(s, ",")
	start, err := strconv.Atoi(a)
	count = 1
	if err == nil && has {
		count, err = strconv.Atoi(b)
	}
	const most = 1 << 30
	return start, count, err == nil && start >= 0 && count >= 0 && start < most && count < most
}

func chomp(s string) string { return strings.TrimRight(s, "\r\n") }
