package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/bulktest"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestImportBad: bad packages among good ones fail alone, and a second run says the same.
func TestImportBad(t *testing.T) {
	rpms, work := bulktest.Dir(t), bulktest.Dir(t)
	good := bulktest.Good(t)
	for i := range good {
		rpmtest.Write(t, rpms, rpmtest.Spec{Name: fmt.Sprint("good", i)})
	}
	bad := bulktest.Strange(t, rpms, ".rpm")
	b := rpmtest.Build(t, rpmtest.Spec{Name: "damaged"})
	bad = append(bad, bulktest.Damaged(t, rpms, ".rpm", b)...)
	for name, content := range map[string][]byte{
		"overstated": overstated(b),
		"more":       append(b[:len(b):len(b)], "more"...),
	} {
		bad = append(bad, filepath.Join(rpms, "bad-"+name+".rpm"))
		write(t, bad[len(bad)-1], content)
	}
	store := filepath.Join(work, "store")
	setup := program(t, "init", store)
	bulktest.Unprivileged(t, setup)
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for range 2 {
		bulktest.Run(t, program(t, "import", "--store", store, "--into", "c", rpms), good, bad)
	}
	checkStore(t, store, "imported")
}

// overstated gives a package whose first header claims more entries and data than any file has.
func overstated(pkg []byte) []byte {
	const counts = 96 + 8 // behind lead and magic
	return append(append(pkg[:counts:counts], "\x00\xff\xff\xff\x0f\xff\xff\xff"...), pkg[counts+8:]...)
}
