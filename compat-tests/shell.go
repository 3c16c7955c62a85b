package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// shell runs programs, shows their command lines and logs what they print.
type shell struct {
	bin string // where the tools of the bridge are
	log io.Writer
	env []string
}

// command prepares a program; a name that is one of our tools means the built one.
func (s shell) command(name string, args ...string) *exec.Cmd {
	if own := filepath.Join(s.bin, name); !strings.Contains(name, "/") {
		if _, err := os.Stat(own); err == nil {
			name = own
		}
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), s.env...)
	return cmd
}

// run runs a program and gives what it printed on standard output.
func (s shell) run(name string, args ...string) (string, error) {
	return s.runIn("", name, args...)
}

// runIn is run in a directory.
func (s shell) runIn(dir, name string, args ...string) (string, error) {
	line := strings.Join(append([]string{name}, args...), " ")
	fmt.Println("+", line)
	fmt.Fprintln(s.log, "+", line)
	cmd := s.command(name, args...)
	cmd.Dir = dir
	var out, both bytes.Buffer
	cmd.Stdout = io.MultiWriter(&out, &both, s.log)
	cmd.Stderr = io.MultiWriter(&both, s.log)
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", line, err, tail(both.String(), 15))
	}
	return out.String(), nil
}

// root is run as root: directly, or through sudo.
func (s shell) root(name string, args ...string) (string, error) {
	if os.Geteuid() == 0 {
		return s.run(name, args...)
	}
	return s.run("sudo", append([]string{name}, args...)...)
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}

// same fails unless two files are equal byte for byte.
func (s shell) same(a, b string) error {
	_, err := s.run("cmp", a, b)
	return err
}

// copyFile copies a small file.
func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o666)
}

// one gives the only file that matches a pattern.
func one(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%s: %d files, want one", pattern, len(found))
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}
