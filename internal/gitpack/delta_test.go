package gitpack

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiff(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789"), 30_000)
	for _, c := range []struct{ name, a, b string }{
		{"nothing", "", ""},
		{"from nothing", "", "abc"},
		{"to nothing", "abc", ""},
		{"same", "abc", "abc"},
		{"middle", "abcdef", "abXdef"},
		{"inserted", "abcdef", "abcXYZdef"},
		{"taken out", "abcXYZdef", "abcdef"},
		{"repeated", "aaaa", "aaaaaaa"},
		{"long", string(long), string(long[:250_000]) + string(long[:500]) + string(long[250_000:])},
		{"two lengths of a copy", string(long[:2*maxCopy]), string(long[:2*maxCopy]) + "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := patch([]byte(c.a), diff([]byte(c.a), []byte(c.b)))
			if err != nil || string(got) != c.b {
				t.Errorf("%d bytes, want %d (%v)", len(got), len(c.b), err)
			}
		})
	}
}

// TestAddChanged has git read a chain of changes that is longer than one chain of deltas may be.
func TestAddChanged(t *testing.T) {
	dir, objects := newObjects(t)
	w, err := NewWriter(objects, nil)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewSource(2))
	data := make([]byte, 20_000)
	rnd.Read(data)
	var base Hash
	contents := map[Hash][]byte{}
	for i := range 3*maxChain + 7 {
		at := rnd.Intn(len(data))
		switch i % 3 {
		case 0:
			data = fmt.Appendf(data[:at:at], "%d%s", i, data[at:])
		case 1:
			data = append(data[:at:at], data[min(at+20, len(data)):]...)
		}
		if i == 70 { // something else comes between
			base = Hash{}
		}
		if base, err = w.AddChanged(Blob, data, base); err != nil {
			t.Fatal(err)
		}
		contents[base] = bytes.Clone(data)
	}
	read := func() {
		for h, want := range contents {
			_, size, r, ok, err := w.Open(h)
			if err != nil || !ok || size != int64(len(want)) {
				t.Fatal(size, ok, err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: %d bytes, want %d (%v)", h, len(got), len(want), err)
			}
		}
	}
	read()
	if most := int64(7 * len(data)); w.Size() > most {
		t.Errorf("%d bytes, more than %d", w.Size(), most)
	}
	if err := w.Publish(); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "fsck", "--strict")
	for h, want := range contents {
		if d := cmp.Diff(string(want), git(t, dir, "cat-file", "blob", h.String())); d != "" {
			t.Fatal(d)
		}
	}
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte("abcdef"), diff([]byte("abcdef"), []byte("abXdef")))
	f.Add([]byte(""), []byte{0, 0, 0xff})
	f.Fuzz(func(t *testing.T, base, ops []byte) {
		if got, err := patch(base, diff(base, ops)); err != nil || !bytes.Equal(got, ops) {
			t.Errorf("%q instead of %q (%v)", got, ops, err)
		}
		if len(ops) < 1<<10 && len(base) < 1<<10 {
			_, _ = patch(base, ops)
		}
	})
}
