package pack

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/pack/deflate"
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
	for _, b := range hostile(f) {
		if len(b) < 1<<10 {
			f.Add(b)
		}
	}
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

// gzipped gives a gzip member, as Go writes it or as zlib would: what of them can be taken apart is what the test finds out.
func gzipped(t testing.TB, plain []byte, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	b.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3})
	if name != "" {
		b.Bytes()[3] = gzipName
		b.WriteString(name + "\x00")
	}
	if err := deflate.Encode(&b, plain, deflate.Zlib, 9); err != nil {
		t.Fatal(err)
	}
	b.Write(gzipTrailer(plain))
	return b.Bytes()
}

func TestGzip(t *testing.T) {
	_, plain := sample(20, 50, 4)
	whole := gzipped(t, plain, "")
	var other bytes.Buffer
	z := gzip.NewWriter(&other)
	z.Write(plain)
	z.Close()
	for _, test := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"zlib", whole, true},
		{"with a name", gzipped(t, plain, "manual.1"), true},
		{"empty", gzipped(t, nil, ""), true},
		{"more behind", append(bytes.Clone(whole), 0), false},
		{"cut", whole[:len(whole)-1], false},
		{"other CRC", append(bytes.Clone(whole[:len(whole)-8]), make([]byte, 8)...), false},
		{"written by Go", other.Bytes(), false},
		{"too large", gzipped(t, make([]byte, maxApart+1), ""), false},
		{"plain", plain, false},
		{"nothing", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			object := append([]byte("prefix"), test.b...)
			apart, ok := takeApart(object, 6)
			if ok != test.ok {
				t.Fatalf("taken apart: %v", ok)
			}
			if !ok {
				return
			}
			if again, err := together(apart); err != nil || !bytes.Equal(again, object) {
				t.Errorf("%d bytes come back of %d: %v", len(again), len(object), err)
			}
		})
	}
}

// TestApart: an object that is taken apart comes out of a pack whole, also when the index is lost.
func TestApart(t *testing.T) {
	dir := t.TempDir()
	_, plain := sample(20, 50, 4)
	object := append([]byte("prefix"), gzipped(t, plain, "")...)
	apart, ok := takeApart(object, 6)
	if !ok {
		t.Fatal("not taken apart")
	}
	o := Object{Key: Key{0, sha256.Sum256(object)}, Size: int64(len(apart)), Coding: Gzip}
	w, err := Create(dir, Default())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Frame([]Object{{Key: Key{0, sha256.Sum256(plain)}, Size: o.Size, Coding: Gzip}}, apart); err == nil {
		t.Error("wrote what the name does not say")
	}
	for range 2 { // a copy
		if err := w.Frame([]Object{o}, apart); err != nil {
			t.Fatal(err)
		}
	}
	name, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 20} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, good[:len(good)-cut], 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := OpenSet(dir)
		if err != nil {
			t.Fatal(err)
		}
		r, size, err := s.Open(o.Key)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); err != nil || int64(len(b)) != size || !bytes.Equal(b, object) {
			t.Errorf("without %d bytes of the index: %d bytes of %d, %v", cut, len(b), size, err)
		}
		if places := s.Places(o.Key); len(places) != 2 {
			t.Errorf("places %v", places)
		}
		s.Close()
	}
}

func FuzzGzip(f *testing.F) {
	_, plain := sample(3, 50, 4)
	apart, _ := takeApart(gzipped(f, plain, ""), 0)
	f.Add(apart)
	f.Fuzz(func(t *testing.T, b []byte) {
		object, err := together(b)
		if err != nil {
			return
		}
		takeApart(object, 0)
	})
}
