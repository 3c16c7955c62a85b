package deflate

import (
	"io"
	"math/bits"
)

// symbols are what a block will hold: a literal below 256, or length - 3 + distance << 8.
type symbols []uint32

const (
	literals   = 256
	endOfBlock = 256
	lengthBase = 257
	maxBits    = 15
	maxCode    = 7 // bits of a code of the code lengths
)

// What ends a block: so many symbols, less one.
var blockSymbols = [...]int{Gzip: 32 << 10, Zlib: 16 << 10}

// tally takes a match of length at distance, or with length 0 the literal value. It tells whether the block is full.
func (e *encoder) tally(length, value int) bool {
	if length == 0 {
		e.symbols = append(e.symbols, uint32(value))
	} else {
		e.symbols = append(e.symbols, uint32(length-minMatch)|uint32(value)<<8)
	}
	n := len(e.symbols)
	if e.as == Gzip && n&0xfff == 0 && e.worthEnding() {
		return true
	}
	return n == blockSymbols[e.as]-1
}

// worthEnding is GNU gzip's guess that the block compresses well enough to be ended early.
func (e *encoder) worthEnding() bool {
	out, matches := len(e.symbols)*8, 0
	for _, s := range e.symbols {
		if s >= literals {
			matches++
			out += 5 + int(distanceExtra(distanceCode(int(s>>8))))
		}
	}
	return matches < len(e.symbols)/2 && out>>3 < (e.start-e.block)/2
}

// Codes of distances and lengths (RFC 1951, 3.2.5).
func distanceCode(distance int) int {
	d := distance - 1
	if d < 4 {
		return d
	}
	n := bits.Len(uint(d)) - 2
	return 2*n + d>>n
}

func distanceExtra(code int) uint { return uint(max(code/2-1, 0)) }

func distanceFirst(code int) int {
	if code < 4 {
		return code
	}
	return (2 + code&1) << (code/2 - 1)
}

func lengthCode(length int) int { // of length - 3
	switch {
	case length < 8:
		return length
	case length == maxMatch-minMatch:
		return 28
	}
	n := bits.Len(uint(length)) - 3
	return 4*n + length>>n
}

func lengthExtra(code int) uint {
	if code < 8 || code == 28 {
		return 0
	}
	return uint(code/4 - 1)
}

func lengthFirst(code int) int {
	switch {
	case code < 8:
		return code
	case code == 28:
		return maxMatch - minMatch
	}
	return (4 + code&3) << (code/4 - 1)
}

// literalExtra gives the extra bits of a literal or length code, codeExtra of a code of the code lengths.
func literalExtra(code int) uint {
	if code < lengthBase {
		return 0
	}
	return lengthExtra(code - lengthBase)
}

var codeExtras = [19]uint{16: 2, 17: 3, 18: 7}

func codeExtra(code int) uint { return codeExtras[code] }

// codeOrder is the order in which the lengths of the code lengths' codes are written.
var codeOrder = [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func fixedLiteral(code int) uint8 {
	switch {
	case code < 144:
		return 8
	case code < 256:
		return 9
	case code < 280:
		return 7
	}
	return 8
}

// endBlock writes the block in the shortest of its three forms.
func (e *encoder) endBlock(last bool) {
	var literal, distance, code tree
	literal.init(286)
	distance.init(30)
	literal.nodes[endOfBlock].freq = 1
	for _, s := range e.symbols {
		if s < literals {
			literal.nodes[s].freq++
		} else {
			literal.nodes[lengthBase+lengthCode(int(s&0xff))].freq++
			distance.nodes[distanceCode(int(s>>8))].freq++
		}
	}
	literal.build(maxBits, literalExtra)
	distance.build(maxBits, distanceExtra)
	fixed := literal.fixedBits(literalExtra, fixedLiteral) + distance.fixedBits(distanceExtra, func(int) uint8 { return 5 })
	lengths := runs(literal.lengths(), distance.lengths())
	code.init(19)
	for _, r := range lengths {
		code.nodes[r.code].freq++
	}
	code.build(maxCode, codeExtra)
	codes := 19
	for codes > 4 && code.nodes[codeOrder[codes-1]].length == 0 {
		codes--
	}
	best := (literal.bits + distance.bits + code.bits + 3*codes + 5 + 5 + 4 + 3 + 7) >> 3
	fixed = (fixed + 3 + 7) >> 3
	final := uint32(0)
	if last {
		final = 1
	}
	size := e.start - e.block
	switch w := &e.bits; {
	case size+4 <= min(best, fixed) && e.block >= 0:
		w.put(final, 3)
		w.stored(e.window[e.block:e.start])
	case fixed <= best:
		w.put(1<<1|final, 3)
		literal.fix(288, fixedLiteral)
		distance.fix(30, func(int) uint8 { return 5 })
		w.symbols(e.symbols, &literal, &distance)
	default:
		w.put(2<<1|final, 3)
		w.put(uint32(literal.last-256), 5)
		w.put(uint32(distance.last), 5)
		w.put(uint32(codes-4), 4)
		for _, c := range codeOrder[:codes] {
			w.put(uint32(code.nodes[c].length), 3)
		}
		for _, r := range lengths {
			w.code(&code, int(r.code))
			w.put(uint32(r.more), codeExtra(int(r.code)))
		}
		w.symbols(e.symbols, &literal, &distance)
	}
	e.symbols, e.block = e.symbols[:0], e.start
}

// run is one of the symbols that tell code lengths.
type run struct{ code, more uint8 }

// runs tells the lengths of the codes. A run does not go over from literals to distances.
func runs(trees ...[]uint8) (list []run) {
	for _, lengths := range trees {
		prev := -1
		for i := 0; i < len(lengths); {
			n, length := 1, lengths[i]
			limit, least := 7, 4 // of a length that is new
			switch {
			case length == 0:
				limit, least = 138, 3
			case int(length) == prev:
				limit, least = 6, 3
			}
			for n < limit && i+n < len(lengths) && lengths[i+n] == length {
				n++
			}
			i += n
			switch {
			case n < least:
				for range n {
					list = append(list, run{code: length})
				}
			case length != 0:
				if int(length) != prev {
					list = append(list, run{code: length})
					n--
				}
				list = append(list, run{16, uint8(n - 3)})
			case n <= 10:
				list = append(list, run{17, uint8(n - 3)})
			default:
				list = append(list, run{18, uint8(n - 11)})
			}
			prev = int(length)
		}
	}
	return list
}

// bitWriter writes bits from the lowest on.
type bitWriter struct {
	w    io.Writer
	b    []byte
	hold uint64
	n    uint
	err  error
}

func (w *bitWriter) put(value uint32, n uint) {
	w.hold |= uint64(value) << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.b = append(w.b, byte(w.hold))
		w.hold >>= 8
	}
	if len(w.b) >= 32<<10 {
		w.out()
	}
}

func (w *bitWriter) out() {
	if w.err == nil {
		_, w.err = w.w.Write(w.b)
	}
	w.b = w.b[:0]
}

// flush ends the last byte and gives all to the writer.
func (w *bitWriter) flush() {
	if w.n > 0 {
		w.put(0, 8-w.n)
	}
	w.out()
}

func (w *bitWriter) stored(b []byte) {
	if w.n > 0 {
		w.put(0, 8-w.n)
	}
	w.put(uint32(len(b)), 16)
	w.put(^uint32(len(b))&0xffff, 16)
	w.b = append(w.b, b...)
}

func (w *bitWriter) code(t *tree, c int) {
	w.put(uint32(t.nodes[c].code), uint(t.nodes[c].length))
}

func (w *bitWriter) symbols(list symbols, literal, distance *tree) {
	for _, s := range list {
		if s < literals {
			w.code(literal, int(s))
			continue
		}
		length, far := int(s&0xff), int(s>>8)
		c := lengthCode(length)
		w.code(literal, lengthBase+c)
		w.put(uint32(length-lengthFirst(c)), lengthExtra(c))
		d := distanceCode(far)
		w.code(distance, d)
		w.put(uint32(far-1-distanceFirst(d)), distanceExtra(d))
	}
	w.code(literal, endOfBlock)
}
