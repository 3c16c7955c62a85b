package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/cli"
)

const compsXML = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
  <group>
    <id>core</id>
    <name>Core</name>
    <packagelist>
      <packagereq type="mandatory">bash</packagereq>
    </packagelist>
  </group>
</comps>
`

const compsTOML = `[[group]]
id = "core"
name = "Core"
packages.mandatory = [
  "bash",
]
`

func TestComps(t *testing.T) {
	good := compsXML
	far := strings.Replace(compsXML, "<comps>\n", "<comps>\n"+strings.Repeat("\n", 400), 1)
	bad := strings.Replace(compsXML, "<name>", "<nmae>", 1)
	for _, test := range []struct {
		name, input string
		args        []string
		old         string // what stands at in.toml before
		status      int
		stdout      string
		stderr      string // a part of it
		file        string // what stands at in.toml after
	}{
		{name: "beside", input: good, file: compsTOML},
		{name: "stdout", input: good, args: []string{"-o", "-"}, stdout: compsTOML},
		{name: "named", input: good, args: []string{"-o", "in.toml"}, old: "edited", file: compsTOML},
		{name: "edited", input: good, old: "edited", status: 1, stderr: "in.toml says something else", file: "edited"},
		{name: "force", input: good, args: []string{"-f"}, old: "edited", file: compsTOML},
		{name: "same", input: good, old: compsTOML, file: compsTOML},
		{name: "check", input: good, args: []string{"--check"}},
		{name: "check far", input: far, args: []string{"--check"}, status: 1, stderr: "in.xml:4: comes back written otherwise"},
		{name: "far", input: far, args: []string{"-o", "-"}, stdout: compsTOML, stderr: "in.xml:4: will come back written otherwise"},
		{name: "unknown", input: bad, status: 1, stderr: "in.xml:6:5: unknown element <nmae> in <group>"},
		{name: "usage", input: good, args: []string{"--fast"}, status: 2, stderr: "unknown flag: --fast"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, "in.xml", test.input)
			if test.old != "" {
				write(t, "in.toml", test.old)
			}
			cmd := newRootCmd()
			var stdout, stderr bytes.Buffer
			cmd.SetOut(&stdout)
			cmd.SetErr(&stderr)
			status := cli.Run(cmd, append([]string{"comps", "in.xml"}, test.args...))
			if status != test.status || stdout.String() != test.stdout || !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("status %d, output %q, errors %q", status, &stdout, &stderr)
			}
			file, err := os.ReadFile("in.toml")
			if string(file) != test.file || err != nil && !os.IsNotExist(err) {
				t.Errorf("in.toml is %q, %v", file, err)
			}
			if left, _ := filepath.Glob(".*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
