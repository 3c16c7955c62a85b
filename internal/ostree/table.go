package ostree

// table is a hash table of keys. It is one open-addressed array, or many from manyKeys on: they grow one at a time, so that no growth
// needs twice the memory of all.
type table[K key] struct {
	seed  uint64    // odd; so that nobody can choose keys that collide
	parts []part[K] // none, one, or one for each first byte
	len   int
}

// key is what a table holds. The zero key stands for none.
type key interface {
	comparable
	first() byte
	spread(seed uint64) uint64 // a hash, of which the high half is used
}

// part is an open-addressed array. A zero key is a free slot.
type part[K key] struct {
	slots []K
	len   int
}

// manyKeys is the number of keys from which a table has an array for each first byte.
const manyKeys = 1 << 12

func (t *table[K]) part(k K) *part[K] { return &t.parts[int(k.first())*len(t.parts)>>8] }

// find gives the slot of a key, or the free one where it belongs.
func (p *part[K]) find(k K, seed uint64) int {
	var free K
	i := int((k.spread(seed) >> 32) * uint64(len(p.slots)) >> 32) // an even share of the slots to each hash
	for p.slots[i] != free && p.slots[i] != k {
		if i++; i == len(p.slots) {
			i = 0
		}
	}
	return i
}

func (t *table[K]) has(k K) bool {
	var free K
	if t.len == 0 || k == free {
		return false
	}
	p := t.part(k)
	return p.len > 0 && p.slots[p.find(k, t.seed)] == k
}

// add puts a key in and tells whether it is new.
func (t *table[K]) add(k K) bool {
	var free K
	if k == free {
		return false
	}
	if t.parts == nil {
		t.parts = make([]part[K], 1)
	}
	p := t.part(k)
	if (p.len+1)*5 > len(p.slots)*4 { // some slots stay free: find ends at one
		if p.len >= manyKeys && len(t.parts) == 1 {
			t.split()
			p = t.part(k)
		}
		p.grow(t.seed)
	}
	i := p.find(k, t.seed)
	if p.slots[i] == k {
		return false
	}
	p.slots[i] = k
	p.len++
	t.len++
	return true
}

// split gives each first byte its array.
func (t *table[K]) split() {
	old := *t
	*t = table[K]{seed: t.seed, parts: make([]part[K], 256)}
	_ = old.each(func(k K) error {
		t.add(k)
		return nil
	})
}

func (p *part[K]) grow(seed uint64) {
	var free K
	old := p.slots
	p.slots = make([]K, max(4, len(old)*3/2))
	for _, k := range old {
		if k != free {
			p.slots[p.find(k, seed)] = k
		}
	}
}

func (t *table[K]) remove(k K) {
	if !t.has(k) {
		return
	}
	var free K
	p := t.part(k)
	i := p.find(k, t.seed)
	p.slots[i] = free
	p.len--
	t.len--
	for { // what follows may have been put there because this slot was taken
		if i++; i == len(p.slots) {
			i = 0
		}
		next := p.slots[i]
		if next == free {
			return
		}
		p.slots[i] = free
		p.slots[p.find(next, t.seed)] = next
	}
}

// each visits every key, in no order, until visit fails.
func (t *table[K]) each(visit func(K) error) error {
	var free K
	for i := range t.parts {
		for _, k := range t.parts[i].slots {
			if k == free {
				continue
			}
			if err := visit(k); err != nil {
				return err
			}
		}
	}
	return nil
}
