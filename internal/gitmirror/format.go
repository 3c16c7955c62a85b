package gitmirror

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
)

// pair is one file that differs between two trees.
type pair struct {
	path     string
	old, new entry // zero hash: not there
}

// diffTrees lists the files in which two trees differ, by path.
func (r *repo) diffTrees(a, b Hash) ([]pair, error) {
	var out []pair
	var walk func(a, b Hash, prefix string) error
	walk = func(a, b Hash, prefix string) error {
		if a == b {
			return nil
		}
		sides := [2]map[string]entry{{}, {}}
		var names []string
		for i, h := range []Hash{a, b} {
			if h.IsZero() {
				continue
			}
			entries, err := r.readTree(h)
			if err != nil {
				return err
			}
			for _, e := range entries {
				sides[i][e.name] = e
				names = append(names, e.name)
			}
		}
		slices.Sort(names)
		for _, n := range slices.Compact(names) {
			old, fresh := sides[0][n], sides[1][n]
			if old == fresh {
				continue
			}
			var subOld, subNew Hash
			if old.mode == modeTree {
				subOld, old = old.hash, entry{}
			}
			if fresh.mode == modeTree {
				subNew, fresh = fresh.hash, entry{}
			}
			if old != fresh {
				out = append(out, pair{prefix + n, old, fresh})
			}
			if subOld != subNew {
				if err := walk(subOld, subNew, prefix+n+"/"); err != nil {
					return err
				}
			}
		}
		return nil
	}
	err := walk(a, b, "")
	return out, err
}

// formatPatch writes a commit as git format-patch -N --no-signature --zero-commit --full-index would: a mail that git am
// and patch -p1 take; or so that patch, called as u says, makes the commit of it.
func (r *repo) formatPatch(c commit, parent Hash, u use) ([]byte, error) {
	pairs, err := r.diffTrees(parent, c.tree)
	if err != nil {
		return nil, err
	}
	subject, body, _ := strings.Cut(c.message, "\n")
	var b bytes.Buffer
	fmt.Fprintf(&b, "From %s Mon Sep 17 00:00:00 2001\nFrom: %s\nDate: %s\nSubject: [PATCH] %s\n\n",
		Hash{}, c.author, time.Unix(c.date, 0).UTC().Format("Mon, 2 Jan 2006 15:04:05 -0700"), subject)
	if body = strings.Trim(withoutTrailers(body), "\n"); body != "" {
		b.WriteString(body + "\n")
	}
	b.WriteString("---\n\n")
	for _, p := range pairs {
		from, to, err := u.names(p.path)
		if err == nil {
			if u.revert {
				p.old, p.new = p.new, p.old
			}
			err = r.formatPair(&b, p, from, to)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.path, err)
		}
	}
	return b.Bytes(), nil
}

// withoutTrailers drops the trailers that imports write.
func withoutTrailers(body string) string {
	var kept []string
	for line := range strings.SplitSeq(body, "\n") {
		if !strings.HasPrefix(line, "Patch-") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// names are what a patch has to call a file, old and new.
func (u use) names(path string) (from, to string, err error) {
	if u.dir != "" {
		below, ok := strings.CutPrefix(path, u.dir+"/")
		if !ok {
			return "", "", fmt.Errorf("the spec applies the patch in %s, where it cannot reach the file", u.dir)
		}
		path = below
	}
	switch {
	case u.strip == 0:
		return path, path, nil
	case u.strip < 0 && strings.Contains(path, "/"):
		return "", "", fmt.Errorf("the spec applies the patch without -p, which finds no file in a directory")
	}
	more := strings.Repeat("x/", max(u.strip-1, 0))
	return "a/" + more + path, "b/" + more + path, nil
}

func (r *repo) formatPair(b *bytes.Buffer, p pair, from, to string) error {
	if p.old.mode == modeLink || p.new.mode == modeLink && !p.old.hash.IsZero() {
		return fmt.Errorf("a change of a symbolic link cannot be a patch")
	}
	if p.old.mode == modeCommit || p.new.mode == modeCommit {
		return fmt.Errorf("a change of a submodule cannot be a patch")
	}
	old, err := r.blob(p.old)
	if err != nil {
		return err
	}
	fresh, err := r.blob(p.new)
	if err != nil {
		return err
	}
	if bytes.IndexByte(old, 0) >= 0 || bytes.IndexByte(fresh, 0) >= 0 {
		return fmt.Errorf("a change of a binary file cannot be a patch for patch(1)")
	}
	blank := strings.Contains(from, " ")
	from, to = quoted(from), quoted(to)
	fmt.Fprintf(b, "diff --git %s %s\n", from, to)
	switch {
	case p.old.hash.IsZero():
		fmt.Fprintf(b, "new file mode %06o\n", p.new.mode)
		from = "/dev/null"
	case p.new.hash.IsZero():
		fmt.Fprintf(b, "deleted file mode %06o\n", p.old.mode)
		to = "/dev/null"
	case p.old.mode != p.new.mode:
		fmt.Fprintf(b, "old mode %06o\nnew mode %06o\n", p.old.mode, p.new.mode)
	}
	if p.old.hash == p.new.hash {
		return nil
	}
	fmt.Fprintf(b, "index %s..%s", p.old.hash, p.new.hash)
	if p.old.mode == p.new.mode {
		fmt.Fprintf(b, " %06o", p.old.mode)
	}
	b.WriteByte('\n')
	if len(old) == 0 && len(fresh) == 0 {
		return nil
	}
	tab := ""
	if blank {
		tab = "\t"
	}
	fmt.Fprintf(b, "--- %s%s\n+++ %s%s\n", from, tab, to, tab)
	writeUnified(b, textLines(old), textLines(fresh))
	return nil
}

// blob reads a file, nothing where there is none.
func (r *repo) blob(e entry) ([]byte, error) {
	if e.hash.IsZero() {
		return nil, nil
	}
	return r.read(e.hash, gitpack.Blob)
}

// quoted writes a name as git does: between quotes if something in it is not to stand in a line of a patch.
func quoted(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == 0x7f }) {
		return name
	}
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c == '"' || c == '\\':
			b.Write([]byte{'\\', c})
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return `"` + b.String() + `"`
}

func textLines(data []byte) []string {
	lines := strings.SplitAfter(string(data), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
