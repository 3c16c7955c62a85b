package pristine

import (
	"bytes"
	"os/exec"
	"testing"
)

// TestNode re-creates a gzip file as npm writes it. Where node has the system's zlib, zlib itself does.
func TestNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is missing; it is no judge but an encoder that may be there")
	}
	plain := sample(400<<10, 6)
	for _, level := range []string{"9", "6"} {
		cmd := exec.Command(node, "-e", `process.stdin.pipe(require("zlib").createGzip({level: +process.argv[1]})).pipe(process.stdout)`, level)
		cmd.Stdin = bytes.NewReader(plain)
		file, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, OpenEncoders(t.TempDir()), file, plain, Hint{})
	}
}
