package gitpack

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

func newObjects(t *testing.T) (gitDir, objects string) {
	t.Helper()
	gitDir = t.TempDir()
	for _, d := range []string{"objects/pack", "objects/info", "refs/heads"} {
		if err := os.MkdirAll(filepath.Join(gitDir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(gitDir, "HEAD"), []byte("ref: refs/heads/main\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return gitDir, filepath.Join(gitDir, "objects")
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	judges.Need(t, "git")
	out, err := exec.Command("git", append([]string{"--git-dir=" + dir}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// samples are contents around the limits of the size field and of what is kept in memory.
func samples() [][]byte {
	rnd := rand.New(rand.NewSource(1))
	var all [][]byte
	for _, n := range []int{0, 1, 15, 16, 2047, 2048, 1 << 17, small, small + 1, 3 << 20} {
		b := make([]byte, n)
		rnd.Read(b[:n/2])
		all = append(all, b)
	}
	return all
}

func TestWriter(t *testing.T) {
	dir, objects := newObjects(t)
	w, err := NewWriter(objects, nil)
	if err != nil {
		t.Fatal(err)
	}
	names := map[Hash][]byte{}
	for range 2 { // the second time nothing is added
		for _, data := range samples() {
			h, err := w.AddStream(int64(len(data)), bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if h != Sum(Blob, data) {
				t.Fatalf("%d bytes are called %s", len(data), h)
			}
			names[h] = data
		}
	}
	if w.Len() != len(names) {
		t.Errorf("%d objects, want %d", w.Len(), len(names))
	}
	for h, data := range names { // before it is published
		typ, size, r, ok, err := w.Open(h)
		if err != nil || !ok || typ != Blob || size != int64(len(data)) {
			t.Fatal(typ, size, ok, err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes came back as %d others (%v)", len(data), len(got), err)
		}
	}
	if _, _, _, ok, _ := w.Open(Hash{1}); ok {
		t.Error("an object that was never added")
	}
	if err := w.Publish(); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "fsck", "--strict")
	for h, data := range names {
		if got := git(t, dir, "cat-file", "blob", h.String()); got != string(data) {
			t.Errorf("git reads %d bytes as %d others", len(data), len(got))
		}
	}
	found, _ := filepath.Glob(filepath.Join(objects, "pack", "*"))
	if len(found) != 2 {
		t.Errorf("left in the directory: %q", found)
	}
}

func TestShortStream(t *testing.T) {
	_, objects := newObjects(t)
	w, err := NewWriter(objects, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{10, small + 10} {
		if _, err := w.AddStream(n, strings.NewReader("short")); err == nil {
			t.Errorf("%d bytes out of five", n)
		}
	}
	if h, err := w.Add(Blob, []byte("whole")); err != nil || w.Len() != 1 || !w.Has(h) {
		t.Error(h, err, w.Len())
	}
	w.Discard()
	w.Discard()
	if found, _ := filepath.Glob(filepath.Join(objects, "pack", "*")); len(found) > 0 {
		t.Errorf("Discard leaves %q", found)
	}
}

func TestNothing(t *testing.T) {
	_, objects := newObjects(t)
	w, err := NewWriter(objects, func(Hash) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Add(Blob, []byte("the repository has it")); err != nil {
		t.Fatal(err)
	}
	if err := w.Publish(); err != nil {
		t.Fatal(err)
	}
	if found, _ := filepath.Glob(filepath.Join(objects, "pack", "*")); len(found) > 0 {
		t.Errorf("an empty pack leaves %q", found)
	}
}

func BenchmarkAdd(b *testing.B) {
	objects := b.TempDir()
	if err := os.Mkdir(filepath.Join(objects, "pack"), 0o755); err != nil {
		b.Fatal(err)
	}
	w, err := NewWriter(objects, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Discard()
	text := bytes.Repeat([]byte("static int probe(struct device *dev, unsigned long flags)\n"), 300)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := w.Add(Blob, fmt.Appendf(text[:len(text):len(text)], "%d", i)); err != nil {
			b.Fatal(err)
		}
	}
}
