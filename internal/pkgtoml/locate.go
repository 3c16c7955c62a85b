package pkgtoml

import (
	"regexp"
	"strconv"
	"strings"
)

var pathStep = regexp.MustCompile(`^([^.\[]+)(?:\[(\d+)\])?`)

// locate finds the line of a key path, as well as a look at the text allows.
func locate(data []byte, path string) int {
	return 1 + strings.Count(string(data[:find(string(data), path)]), "\n")
}

// find gives the offset of the table or key that a path names. It walks down
// the text by table headers and keys; where it loses the way it stays at the
// last place that it found.
func find(text, path string) int {
	at, prefix := 0, ""
	for path != "" {
		step := pathStep.FindStringSubmatch(path)
		if step == nil {
			break
		}
		path = strings.TrimPrefix(path[len(step[0]):], ".")
		n := 0
		if step[2] != "" {
			n, _ = strconv.Atoi(step[2])
		}
		prefix = strings.TrimPrefix(prefix+"."+step[1], ".")
		next := findStep(text, at, prefix, step[1], n, step[2] != "")
		if next < 0 {
			continue
		}
		at = next
	}
	return at
}

func findStep(text string, at int, prefix, key string, n int, indexed bool) int {
	rest := text[at:]
	header := regexp.MustCompile(`(?m)^\[\[?` + regexp.QuoteMeta(prefix) + `\]\]?`)
	if all := header.FindAllStringIndex(rest, n+1); len(all) > n {
		return at + all[n][0]
	}
	name := regexp.MustCompile(`(?m)(?:^|[{,]\s*)(` + regexp.QuoteMeta(key) + `)\s*=`)
	loc := name.FindStringSubmatchIndex(rest)
	if loc == nil {
		return -1
	}
	start := at + loc[2]
	if !indexed {
		return start
	}
	lines := strings.SplitAfter(text[start:], "\n")
	offset, seen := start, -1
	for _, l := range lines {
		if strings.HasPrefix(l, "  ") && !strings.HasPrefix(l, "   ") && !strings.HasPrefix(l, "  ]") {
			if seen++; seen == n {
				return offset
			}
		}
		if strings.HasPrefix(l, "]") {
			break
		}
		offset += len(l)
	}
	return start
}

// nearest gives the known word that a mistyped one was probably meant to be,
// or "".
func nearest(word string, known []string) string {
	best, at := "", 1+len(word)/3
	for _, k := range known {
		if d := distance(strings.ToLower(word), k, at); d <= at && (best == "" || d < at) {
			best, at = k, d
		}
	}
	return best
}

// distance is the edit distance of two words, with neighbours that changed
// places as one edit. Words that are further apart than most are most + 1.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most || len(a) > 64 || len(b) > 64 {
		return most + 1
	}
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
