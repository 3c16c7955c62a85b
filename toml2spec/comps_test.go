package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/cli"
)

const compsTOML = `[[group]]
id = "core"
name = "Core"
packages.mandatory = ["bash"]
`

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

func TestComps(t *testing.T) {
	for _, test := range []struct {
		name, input string
		args        []string
		old         string // what stands at in.xml before
		status      int
		stdout      string
		stderr      string // a part of it
		file        string // what stands at in.xml after
	}{
		{name: "beside", input: compsTOML, file: compsXML},
		{name: "stdout", input: compsTOML, args: []string{"-o", "-"}, stdout: compsXML},
		{name: "named", input: compsTOML, args: []string{"-o", "in.xml"}, old: "old", file: compsXML},
		{name: "other", input: compsTOML, old: "old", status: 1, stderr: "in.xml says something else", file: "old"},
		{name: "force", input: compsTOML, args: []string{"-f"}, old: "old", file: compsXML},
		{name: "check", input: compsTOML, args: []string{"--check"}, old: compsXML, file: compsXML},
		{name: "check other", input: compsTOML, args: []string{"--check"}, old: "old", status: 1, stderr: "in.toml: in.xml:1: differs from what would be written", file: "old"},
		{name: "check none", input: compsTOML, args: []string{"--check"}, status: 1, stderr: "in.toml: open in.xml: no such file"},
		{name: "key", input: compsTOML + "visible = true\n", status: 1, stderr: "in.toml:5: unknown key visible in [[group]]"},
		{name: "syntax", input: "[[group]\n", status: 1, stderr: "in.toml:2:8: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name, text := range map[string]string{"in.toml": test.input, "in.xml": test.old} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cmd := newRootCmd()
			var stdout, stderr bytes.Buffer
			cmd.SetOut(&stdout)
			cmd.SetErr(&stderr)
			status := cli.Run(cmd, append([]string{"comps", "in.toml"}, test.args...))
			if status != test.status || stdout.String() != test.stdout || !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("status %d, output %q, errors %q", status, &stdout, &stderr)
			}
			file, err := os.ReadFile("in.xml")
			if string(file) != test.file || err != nil && !os.IsNotExist(err) {
				t.Errorf("in.xml is %q, %v", file, err)
			}
		})
	}
}
