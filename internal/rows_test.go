package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/weld-linux/weld-bridge/"

// rows are the packages below internal/, from the bottom up. A package imports those of lower rows, and of its own row
// what stands in sideways.
var rows = [][]string{
	{"atomicfile", "pack/deflate", "inflate", "judges", "tomlguard", "varint"},
	{"spec", "pkgtoml", "comps", "cpio", "rpmver", "ostree", "pristine", "tarmodel", "gnupatch", "gitpack", "pack", "bulk", "progress", "remote", "remote/s3test", "browsertest"},
	{"rpmfile", "rpmfile/rpmtest", "repodata", "bulktest"},
	{"convert", "gitmirror", "content", "repo"},
	{"cli"},
}

var sideways = map[string][]string{
	"rpmfile/rpmtest": {"rpmfile"},
	"repodata":        {"rpmfile"},
	"gitmirror":       {"convert"},
	"repo":            {"content"},
}

var tools = []string{"spec2toml", "toml2spec", "srpm2git", "rpmstore", "repogen"}

func TestImportsGoDownwards(t *testing.T) {
	row := make(map[string]int)
	for i, names := range rows {
		for _, name := range names {
			row[name] = i
		}
	}
	for dir, imports := range importsOfAll(t, "..") {
		for _, imported := range imports {
			from, inside := strings.CutPrefix(dir, "internal/")
			to, internal := strings.CutPrefix(imported, "internal/")
			switch {
			case strings.HasPrefix(dir, "compat-tests") && to != "judges":
				t.Errorf("%s imports %s: it judges from outside", dir, imported)
			case !internal:
				t.Errorf("%s imports %s: a tool is no library", dir, imported)
			case !inside:
			case row[to] < row[from], slices.Contains(sideways[from], to):
			default:
				t.Errorf("%s imports %s: not downwards", dir, imported)
			}
			if _, ok := row[to]; internal && !ok {
				t.Errorf("%s imports %s: it stands in no row", dir, imported)
			}
		}
	}
}

// TestTopLevel holds the table of contents.
func TestTopLevel(t *testing.T) {
	want := append([]string{
		"compat-tests", "docs", "internal", "packaging", "build",
		"go.mod", "go.sum", "Makefile", "README.md", "LICENSE",
	}, tools...)
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(want, e.Name()) {
			t.Errorf("%s does not belong at the top", e.Name())
		}
	}
}

// importsOfAll gives our own packages that the non-test code of each of our packages imports, both by directory.
func importsOfAll(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := make(map[string]map[string]bool)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "build" || name == "testdata" || strings.HasPrefix(name, ".") && name != ".." {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if ours, ok := strings.CutPrefix(imported, module); ok {
				if found[dir] == nil {
					found[dir] = make(map[string]bool)
				}
				found[dir][ours] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sorted := make(map[string][]string)
	for dir, imports := range found {
		sorted[dir] = slices.Sorted(maps.Keys(imports))
	}
	return sorted
}
