package deflate

import "math/bits"

// node is a leaf or an inner node of a Huffman tree.
type node struct {
	freq   int
	parent int
	depth  uint8
	length uint8
	code   uint16
}

// tree is a Huffman code. Equal frequencies are told apart as both programs do, by the depth of what is below.
type tree struct {
	nodes [2*286 + 1]node
	count int // leaves
	last  int // leaf in use
	bits  int // of all symbols, with their extra bits

	heap []int
}

func (t *tree) init(count int) { t.count = count }

func (t *tree) less(a, b int) bool {
	x, y := &t.nodes[a], &t.nodes[b]
	return x.freq < y.freq || x.freq == y.freq && x.depth <= y.depth
}

// down restores the heap below place k, counted from 1.
func (t *tree) down(k int) {
	h := t.heap
	v := h[k]
	for j := 2 * k; j < len(h); j *= 2 {
		if j+1 < len(h) && t.less(h[j+1], h[j]) {
			j++
		}
		if t.less(v, h[j]) {
			break
		}
		h[k], k = h[j], j
	}
	h[k] = v
}

// build makes the code. At least two leaves get one, whether they are used or not.
func (t *tree) build(limit int, extra func(int) uint) {
	t.heap = append(t.heap[:0], 0)
	t.last = -1
	for i := range t.count {
		if t.nodes[i].freq > 0 {
			t.heap = append(t.heap, i)
			t.last = i
		}
	}
	var spare []int
	for len(t.heap) < 3 {
		i := 0
		if t.last < 2 {
			t.last++
			i = t.last
		}
		t.nodes[i].freq = 1
		t.heap = append(t.heap, i)
		spare = append(spare, i)
	}
	for k := (len(t.heap) - 1) / 2; k >= 1; k-- {
		t.down(k)
	}
	sorted, next := t.join()
	t.limitLengths(sorted, next, limit, extra)
	t.assign()
	for _, i := range spare { // they are in no block: their bits do not count
		t.bits -= int(t.nodes[i].length) + int(extra(i))
		t.nodes[i].freq = 0
	}
}

// join takes the two rarest nodes together until there is one. sorted gives the nodes but the root, the rarest first.
func (t *tree) join() (sorted []int, root int) {
	next := t.count
	for len(t.heap) > 2 {
		a := t.heap[1]
		t.heap[1] = t.heap[len(t.heap)-1]
		t.heap = t.heap[:len(t.heap)-1]
		t.down(1)
		b := t.heap[1]
		sorted = append(sorted, a, b)
		t.nodes[next] = node{freq: t.nodes[a].freq + t.nodes[b].freq, depth: max(t.nodes[a].depth, t.nodes[b].depth) + 1}
		t.nodes[a].parent, t.nodes[b].parent = next, next
		t.heap[1] = next
		t.down(1)
		next++
	}
	return sorted, next - 1
}

// limitLengths gives each leaf its length, none longer than limit.
func (t *tree) limitLengths(sorted []int, root, limit int, extra func(int) uint) {
	var counts [maxBits + 1]int
	t.nodes[root].length = 0
	overflow := 0
	for i := len(sorted) - 1; i >= 0; i-- {
		n := &t.nodes[sorted[i]]
		length := int(t.nodes[n.parent].length) + 1
		if length > limit {
			length = limit
			overflow++
		}
		if n.length = uint8(length); sorted[i] < t.count {
			counts[length]++
		}
	}
	if overflow > 0 {
		for ; overflow > 0; overflow -= 2 {
			length := limit - 1
			for counts[length] == 0 {
				length--
			}
			counts[length]--
			counts[length+1] += 2
			counts[limit]--
		}
		i := 0
		for length := limit; length > 0; length-- {
			for n := counts[length]; n > 0; i++ {
				if sorted[i] < t.count {
					t.nodes[sorted[i]].length = uint8(length)
					n--
				}
			}
		}
	}
	t.bits = 0
	for i := range t.last + 1 {
		if n := t.nodes[i]; n.freq > 0 {
			t.bits += n.freq * (int(n.length) + int(extra(i)))
		}
	}
}

// assign gives the leaves their codes, with the bits in the order in which they are written.
func (t *tree) assign() {
	var counts, next [maxBits + 2]uint16
	for i := range t.last + 1 {
		if t.nodes[i].freq > 0 {
			counts[t.nodes[i].length]++
		}
	}
	code := uint16(0)
	for length := 1; length <= maxBits; length++ {
		code = (code + counts[length-1]) << 1
		next[length] = code
	}
	for i := range t.last + 1 {
		if n := &t.nodes[i]; n.freq > 0 {
			n.code = bits.Reverse16(next[n.length]) >> (16 - n.length)
			next[n.length]++
		}
	}
}

// lengths gives the length of every leaf up to the last, 0 for none.
func (t *tree) lengths() []uint8 {
	list := make([]uint8, t.last+1)
	for i := range list {
		list[i] = t.nodes[i].length
	}
	return list
}

// fixedBits gives the bits that the symbols would take with the fixed code.
func (t *tree) fixedBits(extra func(int) uint, length func(int) uint8) (n int) {
	for i := range t.count {
		n += t.nodes[i].freq * (int(length(i)) + int(extra(i)))
	}
	return n
}

// fix makes the fixed code of count leaves.
func (t *tree) fix(count int, length func(int) uint8) {
	t.last = count - 1
	for i := range count {
		t.nodes[i] = node{freq: 1, length: length(i)}
	}
	t.assign()
}
