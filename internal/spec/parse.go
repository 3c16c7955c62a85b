package spec

import "strings"

// sections are the names that rpm knows, up to 6.1.
var sections = map[string]bool{
	"package": true, "description": true, "prep": true, "generate_buildrequires": true,
	"conf": true, "build": true, "install": true, "check": true, "clean": true,
	"pre": true, "post": true, "preun": true, "postun": true, "pretrans": true,
	"posttrans": true, "preuntrans": true, "postuntrans": true, "verifyscript": true,
	"trigger": true, "triggerin": true, "triggerun": true, "triggerprein": true, "triggerpostun": true,
	"filetrigger": true, "filetriggerin": true, "filetriggerun": true, "filetriggerpostun": true,
	"transfiletrigger": true, "transfiletriggerin": true, "transfiletriggerun": true, "transfiletriggerpostun": true,
	"files": true, "changelog": true, "sepolicy": true, "sourcelist": true, "patchlist": true, "end": true,
}

// IsItems tells whether the body of the section is a list of entries that
// stand on a line each, rather than text.
func IsItems(section string) bool {
	switch section {
	case "", "package", "files", "sourcelist", "patchlist", "end":
		return true
	}
	return false
}

var conditionals = map[string]Kind{
	"if": If, "ifarch": If, "ifnarch": If, "ifos": If, "ifnos": If,
	"elif": Elif, "elifarch": Elif, "elifos": Elif, "else": Else, "endif": Endif,
}

// wasteMax bounds, for one parse, how many bytes may be looked at in search of
// a closing bracket that is not there.
const wasteMax = 4 << 20

type parser struct {
	in     string
	pos    int
	num    int
	wasted int
	file   File
}

// Parse takes a spec apart. It accepts every input.
func Parse(b []byte) *File { return ParseText(string(b)) }

// ParseText is Parse for a spec that is a string.
func ParseText(text string) *File {
	p := &parser{in: text, num: 1}
	p.file.Text = text
	p.file.Lines = make([]Line, 0, strings.Count(text, "\n")+1)
	p.file.Sections = append(p.file.Sections, Section{Head: -1})
	current := &p.file.Sections[0]
	for p.pos < len(p.in) {
		items := IsItems(current.Name)
		line := p.next(items)
		p.file.Lines = append(p.file.Lines, line)
		if line.Kind == Header {
			at := len(p.file.Lines) - 1
			current.End = at
			p.file.Sections = append(p.file.Sections, Section{Name: line.Word, Head: at, Body: at + 1})
			current = &p.file.Sections[len(p.file.Sections)-1]
		}
	}
	current.End = len(p.file.Lines)
	return &p.file
}

// Count looks at each physical line by itself, which is less work than Parse: it
// gives how many look like the header of a section, and how many more like an
// %if than like an %endif.
func Count(text string) (headers, open int) {
	for line := range strings.Lines(text) {
		switch classify(line).Kind {
		case Header:
			headers++
		case If:
			open++
		case Endif:
			open--
		}
	}
	return headers, open
}

// next takes one logical line. Outside of item sections a backslash does not
// join: rpm looks for conditionals in each line of a continued command.
func (p *parser) next(items bool) Line {
	start := p.pos
	end := p.bracketEnd(start)
	line := classify(p.in[start:end])
	if line.Kind == Text && (items || isDefinition(line.Text)) {
		for continued(p.in[start:end]) && end < len(p.in) {
			more := p.bracketEnd(end)
			if items && !isDefinition(line.Text) && classify(p.in[end:more]).Kind > Comment {
				break
			}
			end = more
		}
		line.Text = p.in[start:end]
	}
	if line.Kind == If || line.Kind == Elif { // its expression may go on
		for continued(p.in[start:end]) && end < len(p.in) {
			end = p.bracketEnd(end)
		}
		line.Text = p.in[start:end]
		at := strings.Index(line.Text, "%"+line.Word) + 1 + len(line.Word)
		line.Rest = trim(line.Text[at:])
	}
	line.Num, line.Pos = p.num, start
	p.num += strings.Count(line.Text, "\n")
	p.pos = end
	return line
}

func isDefinition(text string) bool {
	t := text
	for t != "" && (t[0] == ' ' || t[0] == '\t') {
		t = t[1:]
	}
	return hasWord(t, "%global") || hasWord(t, "%define")
}

func hasWord(t, word string) bool {
	return len(t) > len(word) && t[:len(word)] == word && (t[len(word)] == ' ' || t[len(word)] == '\t')
}

// continued tells whether the line ends in a backslash that is not itself
// escaped.
func continued(text string) bool {
	n := len(text)
	if n < 2 || text[n-1] != '\n' {
		return false
	}
	count := 0
	for i := n - 2; i >= 0 && text[i] == '\\'; i-- {
		count++
	}
	return count%2 == 1
}

// bracketEnd gives the end of the line that starts at start, joined with those
// after it while a %{, %( or %[ is open. A bracket that is never closed joins
// nothing.
func (p *parser) bracketEnd(start int) int {
	in := p.in
	line := in[start:]
	if n := strings.IndexByte(line, '\n'); n >= 0 {
		line = line[:n+1]
	}
	percent := strings.IndexByte(line, '%')
	if percent < 0 { // as most lines
		return start + len(line)
	}
	if percent > 0 && line[percent-1] == '\\' {
		percent = 0 // it may be escaped
	}
	brace, paren, square := 0, 0, 0
	first := -1
	for i := start + percent; i < len(in); i++ {
		switch in[i] {
		case '\\':
			if i+1 < len(in) && in[i+1] != '\n' {
				i++
			}
		case '%':
			if i+1 < len(in) {
				switch in[i+1] {
				case '{':
					brace++
					i++
				case '(':
					paren++
					i++
				case '[':
					square++
					i++
				case '%':
					i++
				}
			}
		case '{':
			if brace > 0 {
				brace++
			}
		case '}':
			if brace > 0 {
				brace--
			}
		case '(':
			if paren > 0 {
				paren++
			}
		case ')':
			if paren > 0 {
				paren--
			}
		case '[':
			if square > 0 {
				square++
			}
		case ']':
			if square > 0 {
				square--
			}
		case '\n':
			if brace == 0 && paren == 0 && square == 0 {
				return i + 1
			}
			if first < 0 {
				first = i + 1
				if p.wasted > wasteMax {
					return first
				}
			}
		}
	}
	if first >= 0 {
		p.wasted += len(in) - first
		return first
	}
	return len(in)
}

// classify looks at the start of a line.
func classify(text string) Line {
	line := Line{Text: text}
	t := text
	for t != "" && isSpace(t[0]) {
		t = t[1:]
	}
	if t == "" {
		line.Kind = Blank
		return line
	}
	if t[0] == '#' {
		line.Kind = Comment
		return line
	}
	if t[0] != '%' {
		return line
	}
	n := 1
	for n < len(t) && isLetter(t[n]) {
		n++
	}
	if kind, ok := conditionals[t[1:n]]; ok && condEnds(kind, t[n:]) {
		line.Kind, line.Word, line.Rest = kind, t[1:n], trim(t[n:])
		return line
	}
	for n < len(t) && isWordByte(t[n]) {
		n++
	}
	word := t[1:n]
	if t[0] == text[0] && (n == len(t) || isSpace(t[n])) {
		lower := strings.ToLower(word)
		if sections[lower] {
			line.Kind, line.Word, line.Rest = Header, lower, trim(t[n:])
		}
	}
	return line
}

// condEnds tells whether rpm ends the keyword here: those that open a
// condition need a blank, the others anything but a letter.
func condEnds(kind Kind, rest string) bool {
	if rest == "" {
		return true
	}
	if kind == Else || kind == Endif {
		return !isLetter(rest[0])
	}
	return isSpace(rest[0])
}

func trim(s string) string { return strings.Trim(s, " \t\r\n\f\v") }

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isWordByte(c byte) bool { return isLetter(c) || c == '_' || c >= '0' && c <= '9' }
