package gnupatch

import (
	"errors"
	"fmt"
	"strings"
)

// target decides which file a diff is about.
func (a *applier) target(d *diff) (string, error) {
	var names, existing []string
	unsafe := ""
	candidates := d.names[:]
	if d.names == [2]string{} { // the Index: line counts only where there is nothing else
		candidates = []string{d.index}
	}
	for _, raw := range candidates {
		if raw == "" {
			continue
		}
		if !safe(raw) { // patch ignores such a name
			unsafe = raw
			continue
		}
		name := a.join(raw)
		names = append(names, name)
		_, _, ok, err := a.read(name)
		if err != nil {
			return "", err
		}
		if ok {
			existing = append(existing, name)
		}
	}
	switch {
	case d.git && len(existing) > 0 && d.names[0] != "" && d.rename != "":
		return a.join(d.names[0]), nil
	case len(existing) > 0:
		return best(existing), nil
	case len(names) == 0 && unsafe != "":
		return "", fmt.Errorf("%q: name leads out of the tree", unsafe)
	case len(names) == 0:
		return "", errors.New("diff names no file, or -p strips all of its name")
	}
	return best(names), nil
}

// safe refuses names that leave the tree or that git must not hold.
func safe(name string) bool {
	if strings.HasPrefix(name, "/") {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." || strings.EqualFold(part, ".git") {
			return false
		}
	}
	return true
}

// best is the name with the fewest components, then the shortest last one, then the shortest; the first among equals.
func best(names []string) string {
	rank := func(s string) [3]int {
		return [3]int{strings.Count(s, "/"), len(s) - strings.LastIndexByte(s, '/'), len(s)}
	}
	found := names[0]
	for _, n := range names[1:] {
		a, b := rank(n), rank(found)
		for i := range a {
			if a[i] != b[i] {
				if a[i] < b[i] {
					found = n
				}
				break
			}
		}
	}
	return found
}
