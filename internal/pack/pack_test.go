package pack

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func sample(n, size int, seed uint64) (objects []Object, all []byte) {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		b := bytes.Repeat(fmt.Appendf(nil, "object %d of %d; ", i, seed), 1+r.IntN(size))
		objects = append(objects, Object{Key: Key{uint8(i % 4), sha256.Sum256(b)}, Size: int64(len(b))})
		all = append(all, b...)
	}
	return objects, all
}

func writePack(t testing.TB, dir string, frames int) (name string, objects []Object) {
	t.Helper()
	w, err := Create(dir, Default())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i := range frames {
		list, all := sample(100, 50, uint64(i))
		if err := w.Frame(list, all); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, list...)
	}
	if name, err = w.Finish(); err != nil {
		t.Fatal(err)
	}
	return name, objects
}

func readable(t testing.TB, s *Set, o Object) error {
	t.Helper()
	r, size, err := s.Open(o.Key)
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err == nil && (size != o.Size || sha256.Sum256(b) != o.Sum) {
		t.Errorf("object %s: wrong bytes", o.Key)
	}
	return err
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	name, objects := writePack(t, dir, 5)
	other, _ := writePack(t, t.TempDir(), 5)
	if name != other {
		t.Error("the same objects give another pack")
	}
	s, err := OpenSet(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, o := range objects {
		if err := readable(t, s, o); err != nil {
			t.Error(err)
		}
	}
	if s.Has(Key{9, [32]byte{1}}) {
		t.Error("has what it has not")
	}
	n, err := s.Packs()[0].Verify(t.Context(), func(err error) { t.Error(err) })
	if n != len(objects) || err != nil {
		t.Errorf("verified %d objects, %v", n, err)
	}
}

func TestRefused(t *testing.T) {
	w, err := Create(t.TempDir(), Default())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	objects, all := sample(3, 5, 1)
	all[0]++
	if err := w.Frame(objects, all); err == nil {
		t.Error("wrote what the names do not say")
	}
}

// TestEveryFlip flips bits all over a pack: what is damaged is named, the rest served, and a wrong byte never comes out.
func TestEveryFlip(t *testing.T) {
	dir := t.TempDir()
	name, objects := writePack(t, dir, 3)
	path := filepath.Join(dir, name)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(good); at += 1 + at%13 {
		bad := bytes.Clone(good)
		bad[at] ^= 1 << (at % 8)
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := OpenSet(dir)
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		lost := 0
		for _, o := range objects {
			if readable(t, s, o) != nil {
				lost++
			}
		}
		faults := 0
		for _, p := range s.Packs() {
			if _, err := p.Verify(t.Context(), func(error) { faults++ }); err != nil {
				t.Error(err)
			}
		}
		if lost > 100 || lost > 0 && faults == 0 {
			t.Errorf("byte %d of %d: %d objects lost, %d faults named", at, len(good), lost, faults)
		}
		s.Close()
	}
}

func FuzzPack(f *testing.F) {
	dir := f.TempDir()
	name, objects := writePack(f, dir, 2)
	good, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(good[len(good)/2:])
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := OpenSet(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, o := range objects[:5] {
			readable(t, s, o)
		}
		for _, p := range s.Packs() {
			if _, err := p.Verify(t.Context(), func(error) {}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
