package gitmirror

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
)

// identity is who commits: always the same, so that results do not tell who ran the import.
const identity = "srpm2git <srpm2git@invalid>"

// commit is a commit object.
type commit struct {
	tree    Hash
	parents []Hash
	author  string // "Name <mail>", identity if empty
	date    int64  // seconds since 1970, of author and committer
	message string
}

// addCommit stores a commit.
func (r *repo) addCommit(c commit) (Hash, error) {
	author := cleanIdentity(c.author)
	date := clipDate(c.date)
	var b bytes.Buffer
	fmt.Fprintf(&b, "tree %s\n", c.tree)
	for _, p := range c.parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author %s %d +0000\ncommitter %s %d +0000\n\n%s", author, date, identity, date, cleanMessage(c.message))
	return r.add(gitpack.Commit, b.Bytes())
}

// readCommit reads a commit object.
func (r *repo) readCommit(h Hash) (commit, error) {
	data, err := r.read(h, gitpack.Commit)
	if err != nil {
		return commit{}, err
	}
	var c commit
	head, message, _ := strings.Cut(string(data), "\n\n")
	c.message = message
	for line := range strings.SplitSeq(head, "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			c.tree, err = parseHash(value)
		case "parent":
			var p Hash
			p, err = parseHash(value)
			c.parents = append(c.parents, p)
		case "author":
			c.author, c.date, err = parseIdentity(value)
		}
		if err != nil {
			return c, fmt.Errorf("commit %s: %w", h, err)
		}
	}
	return c, nil
}

// addTag stores an annotated tag of a commit.
func (r *repo) addTag(name string, target Hash, date int64, message string) (Hash, error) {
	return r.add(gitpack.Tag, fmt.Appendf(nil, "object %s\ntype commit\ntag %s\ntagger %s %d +0000\n\n%s",
		target, name, identity, clipDate(date), cleanMessage(message)))
}

// readTag reads an annotated tag: what it names, and its message.
func (r *repo) readTag(h Hash) (target Hash, message string, err error) {
	data, err := r.read(h, gitpack.Tag)
	if err != nil {
		return target, "", err
	}
	head, message, _ := strings.Cut(string(data), "\n\n")
	value, ok := strings.CutPrefix(head, "object ")
	if !ok || len(value) < 40 {
		return target, "", fmt.Errorf("tag %s: damaged", h)
	}
	target, err = parseHash(value[:40])
	return target, message, err
}

// peel follows a tag to its commit.
func (r *repo) peel(h Hash) (Hash, error) {
	for range 5 {
		target, _, err := r.readTag(h)
		if err != nil {
			return h, nil // not a tag
		}
		h = target
	}
	return h, nil
}

func parseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return h, fmt.Errorf("%q is not an object name", s)
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("%q is not an object name", s)
	}
	return h, nil
}

// parseIdentity splits "Name <mail> seconds zone".
func parseIdentity(s string) (who string, date int64, err error) {
	i := strings.LastIndexByte(s, '>')
	if i < 0 {
		return "", 0, fmt.Errorf("%q is not an identity", s)
	}
	when, _, _ := strings.Cut(strings.TrimSpace(s[i+1:]), " ")
	date, err = strconv.ParseInt(when, 10, 64)
	return s[:i+1], date, err
}

// clipDate keeps dates in the range that every git reads.
func clipDate(date int64) int64 { return min(max(date, 0), 1<<32-1) }

// cleanIdentity makes "Name <mail>" what git fsck accepts.
func cleanIdentity(s string) string {
	name, rest, ok := strings.Cut(s, "<")
	mail, _, ok2 := strings.Cut(rest, ">")
	if !ok || !ok2 {
		return identity
	}
	tidy := func(s string) string {
		s = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == '<' || r == '>' || r == 0xfffd {
				return -1
			}
			return r
		}, s)
		return strings.Trim(strings.Join(strings.Fields(s), " "), " .,:;\"'")
	}
	name, mail = tidy(name), strings.ReplaceAll(tidy(mail), " ", "")
	if mail == "" {
		return identity
	}
	if name == "" {
		name = mail
	}
	return name + " <" + mail + ">"
}

// cleanMessage makes text that git takes: UTF-8 without NUL, one newline at the end.
func cleanMessage(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\x00", "")
	return strings.TrimRight(s, "\n") + "\n"
}

// trailers reads the last paragraph of a message as "Key: value" lines; nil if it is something else.
func trailers(message string) map[string]string {
	message = strings.TrimRight(message, "\n")
	if i := strings.LastIndex(message, "\n\n"); i >= 0 {
		message = message[i+2:]
	}
	found := map[string]string{}
	for line := range strings.SplitSeq(message, "\n") {
		key, value, ok := strings.Cut(line, ": ")
		if !ok || strings.Contains(key, " ") {
			return nil
		}
		found[key] = value
	}
	return found
}
