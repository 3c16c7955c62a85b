package pack

import (
	"encoding/binary"
	"errors"
	"slices"
)

// Coding is how the bytes of an object stand in a frame.
type Coding uint8

// The codings. Versions of a file compress better in them than as they are.
const (
	Plain Coding = iota // as they are
	X86                 // a program with addresses in place of distances, see EncodeX86
	Gzip                // a gzip member taken apart, which ends the object
)

// CodingHead is the number of bytes at the beginning of a file that CodingOf looks at.
const CodingHead = 20

// CodingOf gives the coding that may suit a file that begins so.
func CodingOf(head []byte) Coding {
	switch {
	case isGzip(head):
		return Gzip
	case isX86(head):
		return X86
	}
	return Plain
}

// Encode gives an object as it is to stand in a frame. Its content begins at an offset. The object is used up.
func Encode(object []byte, at int) ([]byte, Coding) {
	switch CodingOf(object[at:]) {
	case X86:
		EncodeX86(object)
		return object, X86
	case Gzip:
		if apart, ok := takeApart(object, at); ok {
			return apart, Gzip
		}
	}
	return object, Plain
}

// decode gives the object. What it gives is b itself or does not share memory with it.
func (c Coding) decode(b []byte) ([]byte, error) {
	switch c {
	case Plain:
		return b, nil
	case X86:
		b = slices.Clone(b)
		decodeX86(b)
		return b, nil
	case Gzip:
		return together(b)
	}
	return nil, errors.New("unknown coding")
}

// isX86 tells whether a file begins as an ELF executable or shared object for x86 does. Files that are to be linked have no distances yet.
func isX86(head []byte) bool {
	if len(head) < CodingHead || string(head[:4]) != "\x7fELF" {
		return false
	}
	const (
		executable, shared = 2, 3
		i386, amd64        = 3, 62
	)
	kind, machine := binary.LittleEndian.Uint16(head[16:]), binary.LittleEndian.Uint16(head[18:])
	return (kind == executable || kind == shared) && (machine == i386 || machine == amd64)
}

// EncodeX86 puts addresses, counted from the beginning of the object, in place of the distances in instructions of x86. A function that is called
// at many places has a distance of its own at each, and all of them change when a byte is put in between; its address is the same everywhere.
//
// Any bytes come back: an instruction is known by its opcode, and by a distance of less than 16 MiB, which the address is brought to as well.
func EncodeX86(object []byte) { codeX86(object, 1) }

func decodeX86(object []byte) { codeX86(object, ^uint32(0)) }

// codeX86 adds sign × the place of the next instruction to each distance.
func codeX86(b []byte, sign uint32) {
	for i := 0; i+7 <= len(b); {
		n := opcode(b[i : i+7 : i+7])
		if n == 0 {
			i++
			continue
		}
		field := b[i+n:][:4]
		if i += n + 3; field[3] != 0 && field[3] != 0xff {
			continue // no other instruction may change what told that this is none
		}
		i++
		value := order.Uint32(field) + sign*uint32(i)
		order.PutUint32(field, uint32(int32(value<<7)>>7)) // 25 bits with their sign: the high byte stays 0 or 255
	}
}

// opcode gives the number of bytes before the distance in an instruction of up to 7 bytes; 0: it has none.
func opcode(b []byte) int {
	switch b[0] {
	case 0xe8, 0xe9: // call, jmp
		return 1
	case 0xff: // call, jmp, push of what a variable holds
		if b[1] == 0x15 || b[1] == 0x25 || b[1] == 0x35 {
			return 2
		}
	case 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f: // mov and lea of a variable with 64 bits
		if (b[1] == 0x89 || b[1] == 0x8b || b[1] == 0x8d) && b[2]&0xc7 == 0x05 {
			return 3
		}
	}
	return 0
}
