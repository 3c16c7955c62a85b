package ostree

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

func TestSet(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	s, want := NewSet(), map[Object]bool{}
	object := func() Object {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(r.IntN(20_000)))
		sum := Checksum(sha256.Sum256(b[:]))
		sum[0] &= 3 // few tables, so that they grow
		return Object{Type(r.IntN(len(extensions))), sum}
	}
	for range 200_000 {
		o := object()
		switch r.IntN(3) {
		case 0:
			s.Remove(o)
			delete(want, o)
		case 1:
			if added := s.Add(o); added == want[o] {
				t.Fatalf("%s: added %v, want %v", o, added, !want[o])
			}
			want[o] = true
		}
		if s.Has(o) != want[o] || s.Len() != len(want) {
			t.Fatalf("%s: has %v, %d objects; want %v, %d", o, s.Has(o), s.Len(), want[o], len(want))
		}
	}
	visited := 0
	s.Each(func(o Object) error {
		visited++
		if !want[o] {
			t.Errorf("%s was not added", o)
		}
		return nil
	})
	if visited != len(want) {
		t.Errorf("visited %d objects, want %d", visited, len(want))
	}
	if zero := (Object{}); s.Add(zero) || s.Has(zero) {
		t.Error("the zero checksum is in the set")
	}
}

// TestMarks: what was added is there, what was taken out is not.
func TestMarks(t *testing.T) {
	m := NewMarks()
	object := func(i uint64) Object {
		b := binary.LittleEndian.AppendUint64(nil, i)
		return Object{Type(i % uint64(len(extensions))), sha256.Sum256(b)}
	}
	const count = 40_000
	for i := range uint64(count) {
		if !m.Add(object(i)) || m.Add(object(i)) {
			t.Fatalf("object %d is not new just once", i)
		}
	}
	for i := range uint64(count / 2) {
		m.Remove(object(i))
	}
	for i := range uint64(2 * count) {
		if want := i >= count/2 && i < count; m.Has(object(i)) != want {
			t.Fatalf("object %d: %v", i, !want)
		}
	}
	if m.Len() != count/2 {
		t.Errorf("%d objects, want %d", m.Len(), count/2)
	}
	if zero := (Object{Type: TypeFile}); m.Has(zero) {
		t.Error("a file that was not added is there")
	}
}
