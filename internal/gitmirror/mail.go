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
	mboxLine    = regexp.MustCompile(`(?m)^From [0-9a-f]{40} .*\r?\n[A-Za-z-]+:`)
	patchPrefix = regexp.MustCompile(`^(?:\[[^\]]*\]\s*)+`)
	hunkLine    = regexp.MustCompile(`(?m)^(?:diff |Index: |--- |\*\*\* |@@ )`)
	fieldLine   = regexp.MustCompile(`\A[A-Za-z-]+:`)
	diffStart   = regexp.MustCompile(`^(diff |Index: |--- [^ ]|\*\*\* )`)
)

// maxLetter bounds how far into a patch its description is looked for.
const maxLetter = 64 << 10

// maxMails bounds the commits that one patch file becomes.
const maxMails = 10000

// splitMails cuts a file of several mails, as git format-patch writes them to one mbox, into the mails. Together they are
// the file.
func splitMails(patch []byte) [][]byte {
	starts := mboxLine.FindAllIndex(patch, maxMails+1)
	if len(starts) < 2 || len(starts) > maxMails {
		return [][]byte{patch}
	}
	var mails [][]byte
	from := 0
	for _, s := range starts[1:] {
		mails = append(mails, patch[from:s[0]])
		from = s[0]
	}
	return append(mails, patch[from:])
}

// readLetter reads the mail header of a patch, if it has one.
func readLetter(patch []byte) letter {
	l := letter{count: len(mboxLine.FindAllIndex(patch, 100))}
	text := strings.ReplaceAll(string(patch[:min(len(patch), maxLetter)]), "\r\n", "\n")
	if strings.HasPrefix(text, "From ") {
		_, text, _ = strings.Cut(text, "\n")
	}
	head, body, ok := strings.Cut(text, "\n\n")
	if !ok || !fieldLine.MatchString(head) {
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
