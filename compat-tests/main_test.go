package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tools are the five programs under test.
var tools = []string{"spec2toml", "toml2spec", "srpm2git", "rpmstore", "repogen"}

var binDir = os.Getenv("WELD_BIN")

// TestMain insists on the built tools: a test that builds them itself would be answered from a cache.
func TestMain(m *testing.M) {
	if binDir == "" {
		binDir, _ = filepath.Abs("../build/bin")
	}
	for _, tool := range tools {
		if _, err := os.Stat(filepath.Join(binDir, tool)); err != nil {
			fmt.Fprintln(os.Stderr, "compat-tests: run make build first:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// program is one run of a program.
type program struct {
	dir string
	env []string
}

// command prepares a program; the name of one of our tools means the built one.
func (p program) command(name string, args ...string) *exec.Cmd {
	for _, tool := range tools {
		if name == tool {
			name = filepath.Join(binDir, tool)
		}
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = p.dir
	cmd.Env = append(append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC"), p.env...)
	return cmd
}

// must runs a program that has to succeed and gives what it printed.
func (p program) must(t *testing.T, name string, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := p.command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.String(), errOut.String())
	}
	return out.String()
}

// status runs a program and gives its exit status and what it said.
func (p program) status(t *testing.T, name string, args ...string) (int, string) {
	t.Helper()
	out, err := p.command(name, args...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, string(out)
	case errors.As(err, &exit):
		return exit.ExitCode(), string(out)
	}
	t.Fatal(err)
	return 0, ""
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
