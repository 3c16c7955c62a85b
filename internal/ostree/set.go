package ostree

import (
	"encoding/binary"
	"math/rand/v2"
)

// Set is a set of objects, kept in little more memory than their checksums take: some 50 bytes each.
type Set struct {
	seed  uint64                     // so that nobody can choose objects that collide
	parts [len(extensions)][]setPart // one, or one for each first byte
	len   int
}

// setPart is an open-addressed hash table. Many small tables grow one at a time, so that no growth needs twice the memory of
// all. The zero checksum, which names nothing, marks a free slot.
type setPart struct {
	slots []Checksum
	len   int
}

// manyObjects is the number of objects of one type from which a set has a table for each first byte.
const manyObjects = 1 << 12

// NewSet makes an empty set.
func NewSet() *Set {
	s := &Set{seed: rand.Uint64() | 1}
	for t := range s.parts {
		s.parts[t] = make([]setPart, 1)
	}
	return s
}

func (s *Set) part(o Object) *setPart {
	parts := s.parts[o.Type]
	return &parts[int(o.Checksum[0])*len(parts)>>8]
}

// find gives the slot of a checksum, or the free one where it belongs.
func (s *Set) find(slots []Checksum, sum Checksum) int {
	// The high half of the product: an even share of the slots to each hash.
	h := uint64(uint32(binary.LittleEndian.Uint64(sum[1:]) * s.seed >> 32))
	i := int(h * uint64(len(slots)) >> 32)
	for !slots[i].IsZero() && slots[i] != sum {
		if i++; i == len(slots) {
			i = 0
		}
	}
	return i
}

// Has tells whether the object is in the set.
func (s *Set) Has(o Object) bool {
	p := s.part(o)
	return p.len > 0 && !p.slots[s.find(p.slots, o.Checksum)].IsZero()
}

// Add puts an object into the set and tells whether it is new there.
func (s *Set) Add(o Object) bool {
	if o.Checksum.IsZero() {
		return false
	}
	p := s.part(o)
	if (p.len+1)*5 > len(p.slots)*4 { // some slots stay free: find ends at one
		if p.len >= manyObjects && len(s.parts[o.Type]) == 1 {
			s.split(o.Type)
			p = s.part(o)
		}
		s.grow(p)
	}
	i := s.find(p.slots, o.Checksum)
	if !p.slots[i].IsZero() {
		return false
	}
	p.slots[i] = o.Checksum
	p.len++
	s.len++
	return true
}

// split gives each first byte its table.
func (s *Set) split(t Type) {
	old := s.parts[t][0].slots
	s.parts[t] = make([]setPart, 256)
	for _, sum := range old {
		if !sum.IsZero() {
			s.len--
			s.Add(Object{t, sum})
		}
	}
}

func (s *Set) grow(p *setPart) {
	old := p.slots
	p.slots = make([]Checksum, max(4, len(old)*3/2))
	for _, sum := range old {
		if !sum.IsZero() {
			p.slots[s.find(p.slots, sum)] = sum
		}
	}
}

// Remove takes an object out of the set.
func (s *Set) Remove(o Object) {
	p := s.part(o)
	if !s.Has(o) {
		return
	}
	i := s.find(p.slots, o.Checksum)
	p.slots[i] = Checksum{}
	p.len--
	s.len--
	// What follows may have been put there because this slot was taken.
	for {
		if i++; i == len(p.slots) {
			i = 0
		}
		sum := p.slots[i]
		if sum.IsZero() {
			return
		}
		p.slots[i] = Checksum{}
		p.slots[s.find(p.slots, sum)] = sum
	}
}

// Len is the number of objects.
func (s *Set) Len() int { return s.len }

// Each visits every object of the set, in no order, until visit fails. The set must not change meanwhile.
func (s *Set) Each(visit func(Object) error) error {
	for t := range s.parts {
		for i := range s.parts[t] {
			for _, sum := range s.parts[t][i].slots {
				if sum.IsZero() {
					continue
				}
				if err := visit(Object{Type(t), sum}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
