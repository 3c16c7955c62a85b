package gitmirror

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

var (
	patchRun  = regexp.MustCompile(`rpmuncompress\s+'?([^\s|']+)'?\s*\|\|[^|]*\|[\s\\]*\S*/patch\s+([^\n]*)`)
	patchFuzz = regexp.MustCompile(`--fuzz=(\d+)`)
)

// TestPrepCorpus compares what is read out of %prep with the commands that rpm makes of it, for each WELD_STEP-th spec below WELD_SPECS
// that rpm can read here.
func TestPrepCorpus(t *testing.T) {
	root := os.Getenv("WELD_SPECS")
	if root == "" {
		t.Skip("WELD_SPECS names no directory of specs")
	}
	judges.Need(t, "rpmspec")
	step, err := strconv.Atoi(os.Getenv("WELD_STEP"))
	if err != nil || step < 1 {
		step = 100
	}
	seen, compared, equal, patches := 0, 0, 0, 0
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".spec") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(strings.ToLower(string(text)), "patch") {
			return err
		}
		if seen++; seen%step != 0 {
			return nil
		}
		want, n, ok := preparedByRpm(path)
		if !ok {
			return nil
		}
		compared++
		patches += len(want)
		if diff := cmp.Diff(want, preparedByUs(text, n)); diff != "" {
			t.Logf("%s (- rpm, + ours): %s", path, diff)
			return nil
		}
		equal++
		return nil
	})
	t.Logf("%d specs with patches looked at, %d read by rpm with %d patches applied, %d equal", seen/step, compared, patches, equal)
	if equal*100 < compared*97 {
		t.Errorf("%d of %d are read as rpm reads them", equal, compared)
	}
}

// preparedByUs lists the patches that %patch applies. What %autopatch does rpm shows only where the patches are.
func preparedByUs(text []byte, n rpmfile.NEVRA) []string {
	var list []string
	for _, u := range readSpec(text, n).uses() {
		if u.apply && u.how == "macro" {
			list = append(list, applied(u.file, u.strip, u.fuzz, u.empty, u.revert))
		}
	}
	return list
}

func applied(file string, strip, fuzz int, empty, revert bool) string {
	return fmt.Sprintf("%s -p%d -F%d -E=%t -R=%t", file, strip, fuzz, empty, revert)
}

// preparedByRpm is the same from rpmspec's expansion; false if rpm cannot read the spec.
func preparedByRpm(path string) (list []string, n rpmfile.NEVRA, ok bool) {
	query, err := exec.Command("rpmspec", "-q", "--srpm", "--qf", "%{NAME} %{VERSION} %{RELEASE}", path).Output()
	words := strings.Fields(string(query))
	if err != nil || len(words) != 3 {
		return nil, n, false
	}
	n = rpmfile.NEVRA{Name: words[0], Version: words[1], Release: words[2], Arch: "x86_64"}
	out, err := exec.Command("rpmspec", "-P", path).Output()
	if err != nil {
		return nil, n, false
	}
	_, prep, found := strings.Cut("\n"+string(out), "\n%prep")
	if !found {
		return nil, n, true
	}
	if i := regexp.MustCompile(`\n%(build|install|check|files|changelog|description|package|pre|post|generate_buildrequires|conf)\b`).FindStringIndex(prep); i != nil {
		prep = prep[:i[0]]
	}
	for _, m := range patchRun.FindAllStringSubmatch(prep, -1) {
		opts, _ := options(strings.Fields(m[2]), "pFbzd")
		fuzz := 0
		if g := patchFuzz.FindStringSubmatch(m[2]); g != nil {
			fuzz, _ = strconv.Atoi(g[1])
		}
		strip := -1
		if v, err := strconv.Atoi(last(opts['p'])); err == nil {
			strip = v
		}
		_, empty := opts['E']
		_, revert := opts['R']
		list = append(list, applied(filepath.Base(m[1]), strip, fuzz, empty, revert))
	}
	return list, n, true
}
