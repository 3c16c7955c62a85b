package pack

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"testing"
)

// program gives n bytes that are like an ELF executable: calls of some functions and uses of some variables among other bytes.
func program(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 5))
	b := make([]byte, CodingHead, n+20)
	copy(b, "\x7fELF\x02\x01\x01")
	b[16], b[18] = 3, 62
	targets := make([]int, 30)
	for i := range targets {
		targets[i] = r.IntN(n)
	}
	for len(b) < n {
		switch r.IntN(8) {
		case 0:
			b = append(b, 0xe8)
		case 1:
			b = append(b, 0x48, 0x8d, 0x3d)
		case 2:
			b = append(b, 0xff, 0x15)
		default:
			b = append(b, byte(r.IntN(256)), 0x89, 0xe8)
			continue
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(targets[r.IntN(len(targets))]-len(b)-4))
	}
	return b[:n]
}

func TestCodingOf(t *testing.T) {
	elf := program(100, 1)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(elf)
		b[at] = to
		return b
	}
	for _, test := range []struct {
		name string
		head []byte
		want Coding
	}{
		{"shared object", elf, X86},
		{"executable", change(16, 2), X86},
		{"32 bits", change(18, 3), X86},
		{"object file", change(16, 1), Plain},
		{"other machine", change(18, 183), Plain},
		{"cut", elf[:CodingHead-1], Plain},
		{"gzip", []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3}, Gzip},
		{"text", []byte("#!/bin/sh and a good deal more"), Plain},
		{"nothing", nil, Plain},
	} {
		if got := CodingOf(test.head); got != test.want {
			t.Errorf("%s: coding %d, want %d", test.name, got, test.want)
		}
	}
}

// TestX86: a function that moves within its program changes nothing but its own place.
func TestX86(t *testing.T) {
	call := func(from, to int) []byte { return order.AppendUint32([]byte{0xe8}, uint32(to-from-5)) }
	b := append(append(bytes.Repeat([]byte{0x90}, 100), call(100, 40)...), call(105, 40)...)
	b = append(b, 0x90, 0x90)
	EncodeX86(b)
	if !bytes.Equal(b[100:105], b[105:110]) || order.Uint32(b[101:]) != 40 {
		t.Errorf("two calls of one function: % x", b[100:110])
	}
	decodeX86(b)
	if !bytes.Equal(b[100:110], append(call(100, 40), call(105, 40)...)) {
		t.Errorf("come back as % x", b[100:110])
	}
}

// TestX86Random: any bytes come back, also where instructions overlap.
func TestX86Random(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	alphabet := []byte{0xe8, 0xff, 0x15, 0x48, 0x8b, 0x05, 0, 0xff, 0x12}
	for range 100000 {
		b := make([]byte, 8+r.IntN(30))
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		again := bytes.Clone(b)
		EncodeX86(again)
		if decodeX86(again); !bytes.Equal(again, b) {
			t.Fatalf("% x comes back as % x", b, again)
		}
	}
}

func FuzzX86(f *testing.F) {
	f.Add(program(300, 1))
	f.Add([]byte{0xe8, 0xff, 0xff, 0xff, 0xff, 0xe8, 0, 0, 0, 0, 0x48, 0x8d, 0x05, 0, 0, 0, 0xff, 0x15})
	f.Fuzz(func(t *testing.T, b []byte) {
		again := bytes.Clone(b)
		EncodeX86(again)
		if decodeX86(again); !bytes.Equal(again, b) {
			t.Errorf("% x comes back as % x", b, again)
		}
	})
}

func BenchmarkX86(b *testing.B) {
	object, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		b.Skip(err)
	}
	b.SetBytes(int64(len(object)))
	for b.Loop() {
		EncodeX86(object)
	}
}
