package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/bulktest"
	"github.com/weld-linux/weld-bridge/internal/judges"
)

// TestBad: bad specs among good ones fail alone.
func TestBad(t *testing.T) {
	bin := os.Getenv("WELD_BIN")
	if bin == "" {
		judges.Missing(t, "WELD_BIN is not set: run make test")
	}
	specs := manySpecs(t, bulktest.Good(t))
	if err := os.Chmod(filepath.Dir(specs), 0o755); err != nil {
		t.Fatal(err)
	}
	bad := bulktest.Strange(t, specs, ".spec")
	for name, size := range map[string]int64{"unterminated": 0, "huge": 300 << 20} {
		path := filepath.Join(specs, "bad-"+name+".spec")
		if err := os.WriteFile(path, []byte("%if 1\nName: x\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, max(size, 14)); err != nil {
			t.Fatal(err)
		}
		bad = append(bad, path)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "spec2toml"), "-o", filepath.Join(bulktest.Dir(t), "out"), specs)
	bulktest.Run(t, cmd, bulktest.Good(t), bad)
}
