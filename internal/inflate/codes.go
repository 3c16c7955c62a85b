package inflate

import "io"

// Both tables are indexed by the next bits of the stream; a code that is longer leads to a second table behind. litMask and distMask are the
// logarithms of what both may need at most (2,342 and 402 entries), rounded up.
const (
	litBits  = 11
	litMask  = 12
	distBits = 8
	distMask = 9
	maxCode  = 15
)

// An entry holds, from below: the bits to drop (6), the bits of the code among them (from 8 on, 4), flags, and from 16 on a literal, the least
// length or distance, or where the second table begins, whose width stands in place of the code's bits. Zero bits to drop
// are a code that does not occur.
const (
	literal     = 1 << 31
	exceptional = 1 << 15 // no literal of the first table, no length, no distance
	subtable    = 1 << 14
	endOfBlock  = 1 << 13
)

// litEntries and distEntries give the entry of each symbol but for the bits of its code.
var (
	litEntries  = makeLitEntries()
	distEntries = makeDistEntries()
)

func makeLitEntries() (t [288]uint32) {
	for i := range 256 {
		t[i] = literal | uint32(i)<<16
	}
	t[256] = exceptional | endOfBlock
	least, extra := uint32(3), uint32(0)
	for i := 257; i < 285; i++ {
		t[i] = least<<16 | extra
		least += 1 << extra
		if i >= 264 && i%4 == 0 {
			extra++
		}
	}
	t[285] = 258 << 16
	t[286], t[287] = exceptional, exceptional
	return t
}

func makeDistEntries() (t [32]uint32) {
	least, extra := uint32(1), uint32(0)
	for i := range 30 {
		t[i] = least<<16 | extra
		least += 1 << extra
		if i >= 3 && i%2 == 1 {
			extra++
		}
	}
	t[30], t[31] = exceptional, exceptional
	return t
}

// codeOrder is the order in which the lengths of the codes for code lengths come.
var codeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// codeEntries are the entries of the codes for code lengths, whose table has 7 bits and no second one.
var codeEntries = makeCodeEntries()

func makeCodeEntries() (t [19]uint32) {
	for i := range t {
		t[i] = uint32(i) << 16
	}
	return t
}

func (z *Reader) fixedCodes() {
	var lengths [288 + 32]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		case i < 288:
			lengths[i] = 8
		default:
			lengths[i] = 5
		}
	}
	build(z.lit[:], litBits, lengths[:288], litEntries[:])
	build(z.dist[:], distBits, lengths[288:], distEntries[:])
	z.fixed = true
}

// dynamicCodes reads the codes that stand before a block. step has seen to it that the header's beginning is there.
func (z *Reader) dynamicCodes() error {
	nlit, ndist, ncode := int(z.take(5))+257, int(z.take(5))+1, int(z.take(4))+4
	if nlit > 286 || ndist > 30 {
		return z.corrupt("number of codes")
	}
	var lengths [286 + 30]uint8
	for _, i := range codeOrder[:ncode] {
		z.need()
		lengths[i] = uint8(z.take(3))
	}
	if !build(z.dist[:], 7, lengths[:19], codeEntries[:]) {
		return z.corrupt("codes of code lengths")
	}
	clear(lengths[:19])
	for i := 0; i < nlit+ndist; {
		if z.end-z.pos < inMargin && z.srcErr == nil {
			if err := z.fill(); err != nil {
				return err
			}
		}
		if z.overrun() {
			return io.ErrUnexpectedEOF
		}
		z.need()
		e := z.dist[z.bits&127]
		if e&exceptional != 0 {
			return z.corrupt("code length")
		}
		z.take(uint(e & 63))
		value, count := uint8(0), 1
		switch symbol := e >> 16; symbol {
		case 16:
			if i == 0 {
				return z.corrupt("repeated code length")
			}
			value, count = lengths[i-1], 3+int(z.take(2))
		case 17:
			count = 3 + int(z.take(3))
		case 18:
			count = 11 + int(z.take(7))
		default:
			value = uint8(symbol)
		}
		if i+count > nlit+ndist {
			return z.corrupt("number of code lengths")
		}
		for range count {
			lengths[i] = value
			i++
		}
	}
	if !build(z.lit[:], litBits, lengths[:nlit], litEntries[:]) {
		return z.corrupt("codes of literals")
	}
	if !build(z.dist[:], distBits, lengths[nlit:nlit+ndist], distEntries[:]) {
		return z.corrupt("codes of distances")
	}
	return nil
}

// build makes the table of width bits, and behind it the second ones. It is false for lengths that are no code: each code must be in
// use, but for a single one of one bit, or none at all.
func build(table []uint32, width uint, lengths []uint8, entries []uint32) bool {
	var count, first [maxCode + 2]int
	for _, l := range lengths {
		count[l]++
	}
	count[0] = 0
	space := 0
	for l := 1; l <= maxCode; l++ {
		first[l+1] = first[l] + count[l]
		space += count[l] << (maxCode - l)
	}
	var sorted [288]uint16
	used := first[maxCode+1]
	for symbol, l := range lengths {
		if l != 0 {
			sorted[first[l]] = uint16(symbol)
			first[l]++
		}
	}
	if space != 1<<maxCode {
		if used > 1 || used == 1 && count[1] != 1 {
			return false
		}
		for i := range table[:1<<width] {
			table[i] = exceptional
			if used == 1 && i&1 == 0 {
				table[i] = entries[sorted[0]] + 1<<8 + 1
			}
		}
		return true
	}
	fillTable(table, width, &count, sorted[:used], entries)
	return true
}

// fillTable enters the symbols, which are sorted by the length of their codes and use all codes.
func fillTable(table []uint32, width uint, count *[maxCode + 2]int, sorted []uint16, entries []uint32) {
	code, length := uint(0), uint(1)
	for count[length] == 0 {
		length++
	}
	// The table grows with the length of the codes: what was entered is repeated for each further bit.
	size := 1 << min(length, width)
	for length <= width {
		for ; count[length] > 0; count[length]-- {
			table[code] = entries[sorted[0]] + uint32(length)<<8 + uint32(length)
			sorted = sorted[1:]
			if int(code) == size-1 {
				for ; size < 1<<width; size <<= 1 {
					copy(table[size:], table[:size])
				}
				return
			}
			code = reversedNext(code, uint(size-1))
		}
		for count[length] == 0 {
			if length++; length <= width {
				copy(table[size:], table[:size])
				size <<= 1
			}
		}
	}
	prefix, start, end := ^uint(0), 0, 1<<width
	for {
		if p := code & (1<<width - 1); p != prefix {
			prefix, start = p, end
			sub := length - width
			for room := count[length]; room < 1<<sub; {
				sub++
				room = room<<1 + count[width+sub]
			}
			end = start + 1<<sub
			table[p] = exceptional | subtable | uint32(start)<<16 | uint32(sub)<<8 | uint32(width)
		}
		e := entries[sorted[0]] + uint32(length-width)<<8 + uint32(length-width)
		for i := start + int(code>>width); i < end; i += 1 << (length - width) {
			table[i] = e
		}
		if sorted = sorted[1:]; len(sorted) == 0 {
			return
		}
		code = reversedNext(code, 1<<length-1)
		for count[length]--; count[length] == 0; {
			length++
		}
	}
}
