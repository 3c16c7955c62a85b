//go:build ostreego

package ostree

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ostreedev/ostree-go/pkg/otbuiltin"
)

// TestOSTreeGo: libostree's binding for Go opens, logs and checks out what we write.
func TestOSTreeGo(t *testing.T) {
	dir := sampleTree(t)
	repo, _ := newRepo(t, dir)
	if _, err := otbuiltin.OpenRepo(repo.Dir()); err != nil {
		t.Fatal(err)
	}
	entries, err := otbuiltin.Log(repo.Dir(), "sample", otbuiltin.NewLogOptions())
	if err != nil || len(entries) != 1 || entries[0].Subject != "sample" {
		t.Errorf("log gives %+v, %v", entries, err)
	}
	out := filepath.Join(t.TempDir(), "out")
	options := otbuiltin.NewCheckoutOptions()
	options.UserMode = true
	if err := otbuiltin.Checkout(repo.Dir(), out, "sample", options); err != nil {
		t.Fatal(err)
	}
	if diff, err := exec.Command("diff", "-r", "--no-dereference", dir, out).CombinedOutput(); err != nil {
		t.Errorf("diff: %v\n%.2000s", err, diff)
	}
}
