package convert

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// What rpm reads out of a spec, a line for each fact. Lines of binary packages
// begin with the name of the package.
const (
	sourceQuery = `src version %{VERSION}\nsrc release %{RELEASE}\n[src br %{REQUIRENAME} %{REQUIREFLAGS:depflags} %{REQUIREVERSION}\n]` +
		`[src patch %{PATCH}\n][src source %{SOURCE}\n]`
	packageQuery = `%{NAME} summary %{SUMMARY}\n[%{=NAME} requires %{REQUIRENAME} %{REQUIREFLAGS:depflags} %{REQUIREVERSION}\n]` +
		`[%{=NAME} provides %{PROVIDENAME} %{PROVIDEFLAGS:depflags} %{PROVIDEVERSION}\n][%{=NAME} obsoletes %{OBSOLETENAME} %{OBSOLETEFLAGS:depflags} %{OBSOLETEVERSION}\n]`
)

// newer finds the lines that rpm before 4.20 does not know.
var newer = regexp.MustCompile(`(?mi)^(BuildSystem|BuildOption(\([^)]*\))?)[ \t]*:.*$|^%(conf|prep|build|install|check|generate_buildrequires)[ \t]+-[ap]\b.*$`)

// rpmReads gives the facts that rpm reads out of a spec, and false when it does not
// read it. WELD_MACROS names a file of macros that the specs need besides rpm's own.
// rpm runs shell and Lua out of the spec: as nobody and without network.
func rpmReads(t *testing.T, name string, spec []byte) (map[string]int, bool) {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && len(d) > 1; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, newer.ReplaceAll(spec, nil), 0o644); err != nil {
		t.Fatal(err)
	}
	facts := map[string]int{}
	for _, query := range [][]string{{"--srpm", "--qf", sourceQuery}, {"--qf", packageQuery}} {
		args := []string{
			"-n", "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "rpmspec", "-q", "--target", "x86_64",
			"--define", "fedora 45", "--define", "dist .fc45", "--define", "_sourcedir " + dir,
		}
		if macros := os.Getenv("WELD_MACROS"); macros != "" {
			args = append(args, "--macros", "/usr/lib/rpm/macros:/usr/lib/rpm/platform/x86_64-linux/macros:"+macros)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		cmd := exec.CommandContext(ctx, "unshare", append(append(args, query...), path)...)
		cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/nonexistent", "LC_ALL=C.UTF-8", "SOURCE_DATE_EPOCH=1700000000"}
		out, err := cmd.Output()
		cancel()
		if err != nil {
			return nil, false
		}
		for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			facts[strings.TrimSpace(line)]++
		}
	}
	return facts, true
}

var versions = regexp.MustCompile(`[0-9][0-9A-Za-z.~^+_:-]*`)

// agrees tells whether what rpm reads differs only as the edit means it.
func agrees(kind string, w want, before, after map[string]int) error {
	bump := strings.HasPrefix(kind, "bump")
	if bump { // what is derived from it changes too: compare without versions
		if kind == "bump version" && after["src version 99.1.2"] == 0 && before["src version 99.1.2"] == 0 && !strings.Contains(w.removed[0], "%") {
			return fmt.Errorf("rpm does not read the new version")
		}
		before, after = blurred(before), blurred(after)
	}
	for fact, n := range after {
		if n > before[fact] && !mayCome(kind, fact) {
			return fmt.Errorf("rpm reads %q more", fact)
		}
	}
	for fact, n := range before {
		if n > after[fact] && !mayGo(kind, fact, w) {
			return fmt.Errorf("rpm reads %q no more", fact)
		}
	}
	return nil
}

func blurred(facts map[string]int) map[string]int {
	out := map[string]int{}
	for fact, n := range facts {
		out[versions.ReplaceAllString(fact, "#")] += n
	}
	return out
}

func mayCome(kind, fact string) bool {
	switch kind {
	case "add build requirement":
		return fact == "src br weld-devel >= 1"
	case "add requirement to subpackage":
		return strings.HasSuffix(fact, " requires weld-libs")
	case "add patch":
		return fact == "src patch weld-fix.patch"
	case "add subpackage":
		name, _, _ := strings.Cut(fact, " ")
		return strings.HasSuffix(name, "-weld")
	case "flip bcond":
		return true
	}
	return false
}

func mayGo(kind, fact string, w want) bool {
	words := strings.Fields(fact)
	switch kind {
	case "drop dependency":
		return words[1] == "br" && strings.Contains(w.removed[0], "Build") || words[1] != "br" && !strings.Contains(w.removed[0], "BuildR")
	case "drop patch":
		return words[1] == "patch"
	case "drop subpackage":
		return words[0] != "src"
	case "flip bcond":
		return true
	}
	return false
}

// readable is rpmReads where it is asked for.
func readable(t *testing.T, asked bool, name string, spec []byte) (map[string]int, bool) {
	t.Helper()
	if !asked {
		return nil, false
	}
	return rpmReads(t, name, spec)
}
