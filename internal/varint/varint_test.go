package varint_test

import (
	"encoding/binary"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/varint"
)

func sample() []byte {
	b := binary.AppendUvarint(nil, 1<<40)
	b = binary.AppendVarint(b, -7)
	b = varint.AppendBlock(b, "text")
	b = varint.AppendBlock(b, []byte{1, 2})
	b = binary.AppendUvarint(b, 2) // things of three bytes
	return append(b, "abcdefz"...)
}

func TestReader(t *testing.T) {
	r := varint.NewReader(sample())
	if r.Uint() != 1<<40 || r.Int() != -7 || r.Text() != "text" || len(r.Block()) != 2 || r.Count(3) != 2 {
		t.Fatal("other values")
	}
	if string(r.Bytes(6)) != "abcdef" || r.Byte() != 'z' || r.Bad() || len(r.Rest()) != 0 {
		t.Fatal("other bytes")
	}
	if r.Byte() != 0 || !r.Bad() {
		t.Fatal("reads behind the end")
	}
}

// TestCut wants every shorter input to be found out, and nothing to be given after that.
func TestCut(t *testing.T) {
	whole := sample()
	for n := range whole {
		r := varint.NewReader(whole[:n])
		r.Uint()
		r.Int()
		r.Block()
		r.Block()
		r.Bytes(3 * r.Count(3))
		r.Byte()
		if !r.Bad() {
			t.Errorf("%d bytes are enough", n)
		}
		if r.Uint() != 0 || r.Int() != 0 || r.Text() != "" || r.Count(1) != 0 {
			t.Error("something is given after a fault")
		}
	}
}

func TestCountIsBounded(t *testing.T) {
	r := varint.NewReader(append(binary.AppendUvarint(nil, 3), "12345"...))
	if r.Count(2) != 0 || !r.Bad() {
		t.Error("three things of two bytes in five")
	}
}

func FuzzReader(f *testing.F) {
	f.Add(sample())
	f.Fuzz(func(t *testing.T, b []byte) {
		r := varint.NewReader(b)
		for len(r.Rest()) > 0 {
			before := len(r.Rest())
			if len(r.Block()) > len(b) || r.Count(2) > len(b)/2 || r.Uint() == 0 && r.Int() == 0 && r.Byte() == 0 && r.Bad() != (r.Rest() == nil) {
				t.Fatal("more than there is")
			}
			if len(r.Rest()) >= before {
				t.Fatal("does not advance")
			}
		}
	})
}
