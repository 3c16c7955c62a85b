package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/bulktest"
)

// TestImportBad: bad source packages among good ones fail alone.
func TestImportBad(t *testing.T) {
	srpms, work := bulktest.Dir(t), bulktest.Dir(t)
	good := bulktest.Good(t)
	var last []byte
	for i := range good {
		b, err := helloSRPM(fmt.Sprintf("1.%d", i))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(srpms, fmt.Sprintf("hello-1.%d-1.src.rpm", i)), b, 0o644); err != nil {
			t.Fatal(err)
		}
		last = b
	}
	bad := append(bulktest.Strange(t, srpms, ".src.rpm"), bulktest.Damaged(t, srpms, ".src.rpm", last)...)
	program, err := exec.LookPath("srpm2git")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "import", "--mirrors", filepath.Join(work, "m"), "--metadata", filepath.Join(work, "meta"), srpms)
	bulktest.Run(t, cmd, good, bad)
}
