package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// TestKilled kills runs over a tree at random and expects of the rerun what an undisturbed run gives.
// WELD_SPECS names another tree to do it with.
func TestKilled(t *testing.T) {
	bin := os.Getenv("WELD_BIN")
	if bin == "" {
		judges.Missing(t, "WELD_BIN is not set: run make test")
	}
	tool := filepath.Join(bin, "spec2toml")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	specs := os.Getenv("WELD_SPECS")
	if specs == "" {
		specs = manySpecs(t, 1000)
	}
	whole, killed := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "killed")
	begun := time.Now()
	if out, err := exec.CommandContext(t.Context(), tool, "-f", "-o", whole, specs).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	took := time.Since(begun)
	for range 5 {
		cmd := exec.CommandContext(t.Context(), tool, "-o", killed, specs)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(took/4 + 1))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		t.Logf("killed: %v", cmd.Wait())
	}
	if out, err := exec.CommandContext(t.Context(), tool, "-o", killed, specs).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), "diff", "-r", whole, killed).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out[:min(len(out), 2000)])
	}
}

func manySpecs(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		var b bytes.Buffer
		fmt.Fprintf(&b, "Name: p%d\nVersion: 1.%d\nRelease: 1%%{?dist}\nSummary: Number %d\nLicense: MIT\n", i, i, i)
		for j := range i % 40 {
			fmt.Fprintf(&b, "BuildRequires: pkgconfig(x%d) >= %d\n", j, i)
		}
		b.WriteString("\n%description\nOne of many.\n\n%files\n%license COPYING\n")
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("p%d.spec", i)), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
