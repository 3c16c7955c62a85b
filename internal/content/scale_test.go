package content

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
	"github.com/weld-linux/weld-bridge/internal/scaletest"
)

// TestScale works on a distribution of WELD_SCALE synthetic packages and logs what each operation takes.
func TestScale(t *testing.T) {
	count := scaletest.Count(t)
	s := newStore(t)
	timed := func(what string, limit time.Duration, work func()) { scaletest.Timed(t, what, limit, work) }
	timed("import", 0, func() { importSynthetic(t, s, count) })
	var c *Collection
	timed("list", 0, func() {
		var err error
		if c, err = s.Collection("c"); err != nil {
			t.Fatal(err)
		}
		list, err := c.Packages()
		if err != nil || len(list) != count {
			t.Fatalf("%d packages, %v", len(list), err)
		}
	})
	timed("branch", time.Second, func() {
		if err := s.Branch(t.Context(), "c", "d"); err != nil {
			t.Fatal(err)
		}
	})
	timed("replace", time.Second, func() {
		rpm := synthetic(t, 7, "different")
		importAll(t, s, "d", ImportOptions{Defer: true, Replace: true}, rpm)
	})
	timed("diff", time.Second, func() {
		d, err := s.Collection("d")
		if err != nil {
			t.Fatal(err)
		}
		if changes, err := c.Diff(d); err != nil || len(changes) != 2 {
			t.Fatalf("%d changes, %v", len(changes), err)
		}
	})
	timed("reindex", time.Minute, func() {
		if n, err := s.Reindex(); err != nil || n != count+1 {
			t.Fatalf("%d packages, %v", n, err)
		}
	})
	timed("gc", 0, func() {
		if _, err := s.GC(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	})
	timed("headers", 0, func() {
		list, _ := c.Packages()
		for _, p := range list {
			if _, err := p.Header(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// importSynthetic imports in batches, each of which is published together.
func importSynthetic(t *testing.T, s *Store, count int) {
	t.Helper()
	se, err := s.Session(t.Context(), "c", runtime.GOMAXPROCS(0))
	if err != nil {
		t.Fatal(err)
	}
	scaletest.Each(t, count, func(i int) error {
		rpm := synthetic(t, i, "body")
		_, err := se.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{Defer: true})
		return err
	})
	if err := se.Close(); err != nil {
		t.Fatal(err)
	}
}

func synthetic(t *testing.T, i int, word string) []byte {
	name := fmt.Sprintf("package-%05d", i)
	spec := rpmtest.Spec{Name: name, Compressor: "none"}
	for j := range 3 {
		spec.Files = append(spec.Files, rpmtest.File{Path: fmt.Sprintf("/usr/share/%s/%d", name, j), Body: []byte(name + word)})
	}
	b, err := rpmtest.Encode(spec)
	if err != nil {
		t.Error(err)
	}
	return b
}
