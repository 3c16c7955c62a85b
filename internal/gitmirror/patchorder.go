package gitmirror

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/spec"
)

// add puts an entry behind that of the patch before, and a command where the spec needs one. near are the numbers of the patches before and
// behind.
func (e *specEditor) add(f *patchFile, near [2]int) {
	tags := e.tags()
	line := func(number int) int {
		for i, n := range tags {
			if n == number {
				return i
			}
		}
		return -1
	}
	behind := true
	at := -1
	before, after := line(near[0]), line(near[1])
	switch {
	case before >= 0:
		at = e.outside(before, after)
	case after >= 0:
		at, behind = after, false
	case len(tags) > 0:
		at = slices.Max(slices.Collect(maps.Keys(tags)))
		at = e.outside(at, -1)
	}
	if at < 0 {
		for i, l := range e.file.Lines {
			if l.Kind == spec.Text && sourceTagLine.MatchString(l.Text) {
				at = i
			}
		}
	}
	if at >= 0 {
		e.keepNumber(at, behind, tags)
		e.insert(at, fmt.Sprintf("Patch%d%s%s\n", f.number, e.colon(at, f.number), f.name), behind)
	}
	e.apply(f, near)
}

// outside is the line behind which something stands that belongs to no condition around line at, unless line limit comes before.
func (e *specEditor) outside(at, limit int) int {
	depth := 0
	for i := at + 1; i < len(e.file.Lines) && i != limit; i++ {
		switch e.file.Lines[i].Kind {
		case spec.Header:
			return at
		case spec.If:
			depth++
		case spec.Endif:
			if depth--; depth < 0 {
				at, depth = i, 0
			}
		}
	}
	return at
}

// keepNumber writes the number of the entry that will follow a new one, if it has none: it would become another.
func (e *specEditor) keepNumber(at int, behind bool, tags map[int]int) {
	if behind {
		at++
	}
	for ; at < len(e.file.Lines); at++ {
		n, ok := tags[at]
		if !ok {
			continue
		}
		l := &e.file.Lines[at]
		if g := patchTagLine.FindStringSubmatchIndex(l.Text); g[6] == g[7] { // the group of the number
			key := l.Text[:g[6]] + fmt.Sprint(n)
			l.Text = key + alignment(l.Text[g[4]:g[9]], n) + l.Text[g[10]:]
		}
		return
	}
}

// colon is what stands between the key and the value of a new entry, as in the entry on line at or the one that is nearest above.
func (e *specEditor) colon(at, number int) string {
	for ; at >= 0; at-- {
		l := &e.file.Lines[at]
		if l.Kind != spec.Text {
			continue
		}
		if g := patchTagLine.FindStringSubmatch(l.Text); g != nil {
			return alignment(g[2]+g[3]+g[4], number)
		}
		if g := sourceTagLine.FindStringSubmatch(l.Text); g != nil {
			head, _, _ := strings.Cut(strings.TrimLeft(l.Text, " \t"), ":")
			return alignment(head+g[1], number)
		}
	}
	return ": "
}

// insert puts a line behind line at, or before it.
func (e *specEditor) insert(at int, text string, behind bool) {
	l := &e.file.Lines[at]
	switch {
	case !behind:
		l.Text = text + l.Text
	case strings.HasSuffix(l.Text, "\n"):
		l.Text += text
	default:
		l.Text += "\n" + text
	}
	e.reread()
}

// apply adds the command that applies a patch, unless %autosetup or %autopatch does.
func (e *specEditor) apply(f *patchFile, near [2]int) {
	for _, st := range e.info.steps {
		if !st.auto || !st.active {
			continue
		}
		opts, rest := options(st.words, st.values())
		_, never := opts['N']
		if !never && len(rest) == 0 && f.number >= atoi(last(opts['m']), 0) && f.number <= atoi(last(opts['M']), 1<<30) {
			return
		}
	}
	at, before, after := -1, -1, -1
	for i, l := range e.file.Lines {
		text := strings.TrimSpace(l.Text)
		if strings.HasPrefix(text, "%patch") && !strings.HasPrefix(text, "%patchlist") || strings.HasPrefix(text, "%setup") && at < 0 ||
			strings.HasPrefix(text, "%autosetup") && at < 0 {
			at = i
		}
		if n, ok := appliedBy(l.Text); ok && n == near[0] {
			before = i
		} else if ok && n == near[1] && after < 0 {
			after = i
		}
	}
	text := fmt.Sprintf("%%patch -P %d -p1\n", f.number)
	switch {
	case before >= 0:
		e.insert(e.outside(before, after), text, true)
	case after >= 0:
		e.insert(after, text, false)
	case at >= 0:
		e.insert(e.outside(at, -1), text, true)
	}
}

// order makes the spec apply the patches in the order of the branch: entries, or commands, change places. It fails where that needs
// more, as for a patch that a condition guards.
func (e *specEditor) order(files []patchFile) error {
	want := map[string]int{}
	for i, f := range files {
		want[f.name] = i
	}
	for _, how := range []string{"auto", "macro"} {
		var now []use
		for _, u := range readSpec(e.file.Bytes(), rpmfile.NEVRA{}).uses() {
			if _, ok := want[u.file]; ok && u.apply && u.how == how {
				now = append(now, u)
			}
		}
		sorted := slices.SortedStableFunc(slices.Values(now), func(a, b use) int { return want[a.file] - want[b.file] })
		if err := e.swap(how, now, sorted); err != nil {
			return err
		}
	}
	return nil
}

// swap gives the lines of the patches of now to those of sorted.
func (e *specEditor) swap(how string, now, sorted []use) error {
	lines := map[int]int{} // by number
	if how == "auto" {
		for i, n := range e.tags() {
			lines[n] = i
		}
	} else {
		for i, l := range e.file.Lines {
			if n, ok := appliedBy(l.Text); ok && l.Kind == spec.Text {
				lines[n] = i
			}
		}
	}
	texts := map[int]string{}
	for i, u := range now {
		v := sorted[i]
		if u.number == v.number {
			continue
		}
		at, ok := lines[u.number]
		from, ok2 := lines[v.number]
		if !ok || !ok2 || u.cond != "" || v.cond != "" {
			return fmt.Errorf("the branch has %s where the spec applies %s, in a way that a change of the spec's Patch lines cannot follow", v.file, u.file)
		}
		texts[at] = e.numbered(from, v.number, how)
	}
	for at, text := range texts {
		e.file.Lines[at].Text = text
	}
	if len(texts) > 0 {
		e.reread()
	}
	return nil
}

// numbered is the text of a line, with the number that an entry without one has.
func (e *specEditor) numbered(at, number int, how string) string {
	text := e.file.Lines[at].Text
	if g := patchTagLine.FindStringSubmatchIndex(text); how == "auto" && g[6] == g[7] {
		return text[:g[6]] + fmt.Sprint(number) + text[g[6]:]
	}
	return text
}
