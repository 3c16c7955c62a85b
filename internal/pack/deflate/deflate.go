// Package deflate compresses as GNU gzip and zlib do, bit for bit, so that a gzip member whose plain bytes are stored can be made again
// without its compressed ones. It has the lazy levels, 4 to 9: documentation in packages is written at 9, the rest mostly at 6.
//
// Both programs search the same hash chains in a window of 64 KiB and differ in when a block ends, and in what they do in the
// last 262 bytes. What comes out must be compared with what is wanted: a writer may be none of the two.
package deflate

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// Writer is the program that is imitated.
type Writer uint8

// The programs.
const (
	Gzip Writer = iota // GNU gzip
	Zlib               // zlib with the memory level that it has without being told, 8
)

const (
	windowSize   = 32 << 10
	hashBits     = 15
	hashShift    = 5
	minMatch     = 3
	maxMatch     = 258
	minLookahead = maxMatch + minMatch + 1
	maxDistance  = windowSize - minLookahead
	tooFar       = 4096 // a match of three bytes costs more than literals from here on
)

// level says how long the search goes on.
type level struct{ good, lazy, nice, chain int }

var levels = [...]level{4: {4, 4, 16, 16}, 5: {8, 16, 32, 32}, 6: {8, 16, 128, 128}, 7: {8, 32, 128, 256}, 8: {32, 128, 258, 1024}, 9: {32, 258, 258, 4096}}

// The levels that Encode has.
const (
	MinLevel = 4
	MaxLevel = 9
)

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// Encode writes plain to w as a deflate stream. It ends with the first error of w.
func Encode(w io.Writer, plain []byte, as Writer, at int) error {
	if at < MinLevel || at > MaxLevel || as > Zlib {
		return fmt.Errorf("deflate: writer %d at level %d is unknown", as, at)
	}
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	*e = encoder{as: as, level: levels[at], input: plain, window: e.window, prev: e.prev, symbols: e.symbols[:0]}
	e.bits = bitWriter{w: w, b: make([]byte, 0, 64<<10)}
	if e.window == nil {
		e.window, e.prev = make([]byte, 2*windowSize+maxMatch), make([]uint16, windowSize)
	}
	clear(e.window)
	if e.run(); e.bits.err == nil {
		e.bits.flush()
	}
	return e.bits.err
}

// Equal is the writer of a comparison.
type Equal struct{ Want []byte }

// ErrDiffers ends a comparison.
var ErrDiffers = errors.New("deflate: other bytes")

// Write compares b with what is wanted next.
func (q *Equal) Write(b []byte) (int, error) {
	if len(b) > len(q.Want) || string(b) != string(q.Want[:len(b)]) {
		return 0, ErrDiffers
	}
	q.Want = q.Want[len(b):]
	return len(b), nil
}

type encoder struct {
	as     Writer
	level  level
	input  []byte // what is not in the window yet
	window []byte // twice the size of the distance; the spare bytes at its end are zeros
	head   [1 << hashBits]uint16
	prev   []uint16
	hash   uint32
	ended  bool // GNU gzip has read nothing: the window moves no more

	start, ahead, block int // in the window: the place, the bytes known from there, where the block began (negative: gone)
	matchStart          int

	symbols symbols
	bits    bitWriter
}

func (e *encoder) run() {
	e.fill()
	e.hash = (uint32(e.window[0])<<hashShift ^ uint32(e.window[1])) & (1<<hashBits - 1)
	length, available := minMatch-1, false
	for e.ahead > 0 && e.bits.err == nil {
		head := 0
		if e.as == Gzip || e.ahead >= minMatch {
			head = e.insert()
		}
		prevLength, prevMatch := length, e.matchStart
		length = minMatch - 1
		if head != 0 && prevLength < e.level.lazy && e.start-head <= maxDistance && (e.as == Zlib || e.start <= 2*windowSize-minLookahead) {
			if length = e.longest(head, prevLength); length == minMatch && e.start-e.matchStart > tooFar {
				length = minMatch - 1
			}
		}
		switch {
		case prevLength >= minMatch && length <= prevLength:
			full := e.tally(prevLength, e.start-1-prevMatch)
			e.skip(prevLength - 2)
			length, available = minMatch-1, false
			if e.start++; full {
				e.endBlock(false)
			}
		case available:
			if e.tally(0, int(e.window[e.start-1])) {
				e.endBlock(false)
			}
			e.start++
			e.ahead--
		default:
			available = true
			e.start++
			e.ahead--
		}
		if e.ahead < minLookahead {
			e.fill()
		}
	}
	if available {
		e.tally(0, int(e.window[e.start-1]))
	}
	e.endBlock(true)
}

// skip goes over n bytes of a match, of which two are behind already.
func (e *encoder) skip(n int) {
	last := e.start + e.ahead - minMatch
	e.ahead -= n + 1
	for range n {
		if e.start++; e.as == Gzip || e.start <= last {
			e.insert()
		}
	}
}

// insert puts the three bytes at the place into the hash table, and gives the place that had them last.
func (e *encoder) insert() int {
	e.hash = (e.hash<<hashShift ^ uint32(e.window[e.start+minMatch-1])) & (1<<hashBits - 1)
	head := e.head[e.hash]
	e.prev[e.start&(windowSize-1)] = head
	e.head[e.hash] = uint16(e.start)
	return int(head)
}

// longest gives the length of the best match of more than best bytes, or best, and sets its place.
func (e *encoder) longest(at, best int) int {
	chain, nice, limit := e.level.chain, e.level.nice, max(e.start-maxDistance, 0)
	if best >= e.level.good {
		chain >>= 2
	}
	if e.as == Zlib {
		nice = min(nice, e.ahead)
	}
	// GNU gzip compares beyond what it knows: with what was in the window before.
	scan := e.window[e.start:min(e.start+maxMatch, len(e.window))]
	for {
		match := e.window[at : at+len(scan)]
		if best < len(scan) && match[best] == scan[best] && match[best-1] == scan[best-1] && match[0] == scan[0] && match[1] == scan[1] {
			n := 2
			for n < len(scan) && match[n] == scan[n] {
				n++
			}
			if n > best {
				best, e.matchStart = n, at
				if n >= nice {
					break
				}
			}
		}
		at = int(e.prev[at&(windowSize-1)])
		if chain--; at <= limit || chain == 0 {
			break
		}
	}
	return min(best, e.ahead)
}

// fill moves the window when it is used up and reads what there is room for.
func (e *encoder) fill() {
	for e.ahead < minLookahead && !e.ended {
		if e.start >= windowSize+maxDistance {
			copy(e.window, e.window[windowSize:2*windowSize])
			e.matchStart -= windowSize
			e.start -= windowSize
			e.block -= windowSize
			move(e.head[:])
			move(e.prev)
		}
		n := copy(e.window[e.start+e.ahead:2*windowSize], e.input)
		e.input = e.input[n:]
		if e.ahead += n; n > 0 {
			continue
		}
		if e.as == Gzip {
			e.ended = true
			clear(e.window[e.start+e.ahead:][:minMatch-1])
		}
		return
	}
}

// move tells places anew after the window has moved by its size; those that are gone become 0, which is none.
func move(places []uint16) {
	for i, p := range places {
		places[i] = max(p, windowSize) - windowSize
	}
}
