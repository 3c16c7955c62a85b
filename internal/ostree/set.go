package ostree

import (
	"encoding/binary"
	"hash/maphash"
	"math/rand/v2"
)

// Set is a set of objects, kept in little more memory than their checksums take: some 50 bytes each.
type Set struct {
	tables [len(extensions)]table[Checksum]
}

func (c Checksum) first() byte { return c[0] }

func (c Checksum) spread(seed uint64) uint64 { return binary.LittleEndian.Uint64(c[1:]) * seed }

// NewSet makes an empty set.
func NewSet() *Set {
	s := &Set{}
	for t := range s.tables {
		s.tables[t].seed = rand.Uint64() | 1
	}
	return s
}

// Has tells whether the object is in the set.
func (s *Set) Has(o Object) bool { return s.tables[o.Type].has(o.Checksum) }

// Add puts an object into the set and tells whether it is new there. The zero checksum, which names nothing, never is.
func (s *Set) Add(o Object) bool { return s.tables[o.Type].add(o.Checksum) }

// Remove takes an object out of the set.
func (s *Set) Remove(o Object) { s.tables[o.Type].remove(o.Checksum) }

// Len is the number of objects.
func (s *Set) Len() (n int) {
	for t := range s.tables {
		n += s.tables[t].len
	}
	return n
}

// Each visits every object of the set, in no order, until visit fails. The set must not change meanwhile.
func (s *Set) Each(visit func(Object) error) error {
	for t := range s.tables {
		if err := s.tables[t].each(func(sum Checksum) error { return visit(Object{Type(t), sum}) }); err != nil {
			return err
		}
	}
	return nil
}

// Marks is a set of objects for those who tell what to keep of very many: directories and commits are in it by their names, files
// by 64 bits, which takes some 12 bytes each. Nothing that was added is lost unless another file is removed that has the same bits; of those files
// that were not added, one in 10^12 is taken for one that was, when there are 10 million. The bits are a hash under a key that nobody knows, so that
// files that share them cannot be made.
type Marks struct {
	others Set
	files  table[mark]
	key    maphash.Seed
}

// mark is the keyed hash of a file's name.
type mark uint64

func (m mark) first() byte { return byte(m) }

func (m mark) spread(seed uint64) uint64 { return uint64(m>>8) * seed }

func (m *Marks) mark(o Object) mark { return max(1, mark(maphash.Bytes(m.key, o.Checksum[:]))) }

// NewMarks makes an empty set.
func NewMarks() *Marks {
	return &Marks{others: *NewSet(), files: table[mark]{seed: rand.Uint64() | 1}, key: maphash.MakeSeed()}
}

// Has tells whether the object was added.
func (m *Marks) Has(o Object) bool {
	if o.Type != TypeFile {
		return m.others.Has(o)
	}
	return m.files.has(m.mark(o))
}

// Add adds an object and tells whether it is new.
func (m *Marks) Add(o Object) bool {
	if o.Type != TypeFile {
		return m.others.Add(o)
	}
	return m.files.add(m.mark(o))
}

// Remove takes an object out.
func (m *Marks) Remove(o Object) {
	if o.Type != TypeFile {
		m.others.Remove(o)
		return
	}
	m.files.remove(m.mark(o))
}

// Len is the number of objects.
func (m *Marks) Len() int { return m.others.Len() + m.files.len }
