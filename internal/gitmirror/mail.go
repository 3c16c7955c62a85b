package gitmirror

import (
	"mime"
	"net/mail"
	"regexp"
	"strings"
)

// letter is what the head of a patch file says about it.
type letter struct {
	author, subject, body string
	date                  int64 // 0 if none
	count                 int   // mails in the file
}

var (
	mboxLine    = regexp.MustCompile(`(?m)^From [0-9a-f]{40} `)
	patchPrefix = regexp.MustCompile(`^(?:\[[^\]]*\]\s*)+`)
	diffStart   = regexp.MustCompile(`^(diff |Index: |--- [^ ]|\*\*\* )`)
)

// maxLetter bounds how far into a patch its description is looked for.
const maxLetter = 64 << 10

// readLetter reads the mail header of a patch, if it has one.
func readLetter(patch []byte) letter {
	l := letter{count: len(mboxLine.FindAllIndex(patch, 100))}
	text := strings.ReplaceAll(string(patch[:min(len(patch), maxLetter)]), "\r\n", "\n")
	if strings.HasPrefix(text, "From ") {
		_, text, _ = strings.Cut(text, "\n")
	}
	head, body, ok := strings.Cut(text, "\n\n")
	if !ok || !regexp.MustCompile(`(?m)\A[A-Za-z-]+:`).MatchString(head) {
		return l
	}
	key := ""
	fields := map[string]string{}
	for line := range strings.SplitSeq(head, "\n") {
		if line != "" && (line[0] == ' ' || line[0] == '\t') && key != "" {
			fields[key] += " " + strings.TrimSpace(line)
			continue
		}
		k, v, ok := strings.Cut(line, ":")
		if !ok || strings.Contains(k, " ") {
			break
		}
		key = strings.ToLower(k)
		if _, twice := fields[key]; !twice {
			fields[key] = strings.TrimSpace(v)
		}
	}
	decode := func(s string) string {
		if d, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
			return d
		}
		return s
	}
	l.author = decode(orElse(fields["from"], fields["author"]))
	l.subject = patchPrefix.ReplaceAllString(decode(orElse(fields["subject"], fields["description"])), "")
	if when, err := mail.ParseDate(fields["date"]); err == nil {
		l.date = when.Unix()
	}
	var kept []string
	for line := range strings.SplitSeq(body, "\n") {
		if line == "---" || diffStart.MatchString(line) {
			break
		}
		kept = append(kept, strings.TrimRight(line, " \t"))
	}
	l.body = strings.TrimSpace(strings.Join(kept, "\n"))
	return l
}
