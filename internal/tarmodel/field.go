package tarmodel

import (
	"bytes"
	"fmt"
	"strconv"
)

// Offsets and lengths of the fields of a header block (POSIX.1-1988 ustar; the same in GNU and v7 as far as they go).
const (
	offName, lenName     = 0, 100
	offMode, lenMode     = 100, 8
	offSize, lenSize     = 124, 12
	offMTime, lenMTime   = 136, 12
	offChksum, lenChksum = 148, 8
	offType              = 156
	offLink, lenLink     = 157, 100
	offMagic             = 257
	offPrefix, lenPrefix = 345, 155
)

// numberStyles are the ways in which tar writers fill a numeric field of n bytes. Style 0 means that the field is not modelled.
var numberStyles = []func(v int64, n int) string{
	1: func(v int64, n int) string { return fmt.Sprintf("%0*o\x00", n-1, v) },
	2: func(v int64, n int) string { return fmt.Sprintf("%0*o ", n-1, v) },
	3: func(v int64, n int) string { return fmt.Sprintf("%*o ", n-1, v) },
	4: func(v int64, n int) string { return fmt.Sprintf("%0*o\x00 ", n-2, v) },
	5: func(v int64, n int) string { return fmt.Sprintf("%*o \x00", n-2, v) },
	6: func(v int64, n int) string { return fmt.Sprintf("%*o\x00 ", n-2, v) },
	7: func(v int64, n int) string { return fmt.Sprintf("%0*o \x00", n-2, v) },
	8: func(v int64, n int) string { return fmt.Sprintf("%0*o", n, v) },
	9: func(v int64, n int) string { // GNU's base 256
		b := make([]byte, n)
		for i := n - 1; i > 0 && i >= n-8; i-- {
			b[i] = byte(v)
			v >>= 8
		}
		b[0] |= 0x80
		return string(b)
	},
	10: func(v int64, n int) string { return fmt.Sprintf("%-*o", n, v) },
	11: func(v int64, n int) string { return fmt.Sprintf("%*o\x00", n-1, v) },
}

// putOctal is style 1, the one that nearly every header has, without fmt.
func putOctal(dst []byte, v int64) bool {
	n := len(dst) - 1
	dst[n] = 0
	for i := n - 1; i >= 0; i-- {
		dst[i] = '0' + byte(v&7)
		v >>= 3
	}
	return v == 0
}

// putNumber fills dst with v in the given style and reports whether it fits.
func putNumber(dst []byte, v int64, style byte) bool {
	if v < 0 || int(style) >= len(numberStyles) || numberStyles[style] == nil {
		return false
	}
	if style == 1 {
		return putOctal(dst, v)
	}
	s := numberStyles[style](v, len(dst))
	return copy(dst, s) == len(s) && len(s) == len(dst)
}

// numberStyle finds the style in which field says v, 0 if none does.
func numberStyle(field []byte, v int64) byte {
	buf := make([]byte, len(field))
	for style := 1; style < len(numberStyles); style++ {
		if putNumber(buf, v, byte(style)) && bytes.Equal(buf, field) {
			return byte(style)
		}
	}
	return 0
}

// parseNumber reads a numeric field, octal or base 256.
func parseNumber(field []byte) (int64, bool) {
	if field[0]&0x80 != 0 {
		if field[0] != 0x80 {
			return 0, false // negative, or beyond 63 bits
		}
		var v int64
		for _, c := range field[1:] {
			if v>>55 != 0 {
				return 0, false
			}
			v = v<<8 | int64(c)
		}
		return v, v >= 0
	}
	s := bytes.Trim(field, " \x00")
	if i := bytes.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	if len(s) == 0 {
		return 0, true
	}
	v, err := strconv.ParseUint(string(s), 8, 63)
	return int64(v), err == nil
}

// parseString reads a field up to its first NUL.
func parseString(field []byte) string {
	if i := bytes.IndexByte(field, 0); i >= 0 {
		field = field[:i]
	}
	return string(field)
}

// checksum is the sum of all bytes with the checksum field read as blanks.
func checksum(block []byte) (unsigned, signed int64) {
	for i, c := range block {
		if i >= offChksum && i < offChksum+lenChksum {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	return unsigned, signed
}

// isPOSIX tells the ustar of POSIX, which has a prefix field, from GNU's.
func isPOSIX(block []byte) bool { return string(block[offMagic:offMagic+6]) == "ustar\x00" }

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
