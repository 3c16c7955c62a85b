package content

import (
	"encoding/binary"
	"maps"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// program gives n bytes that begin as a shared object for x86-64 does and call one function again and again.
func program(n int) []byte {
	b := make([]byte, pack.CodingHead, n+5)
	copy(b, "\x7fELF\x02\x01\x01")
	b[16], b[18] = 3, 62
	for len(b) < n {
		b = append(b, 0xe8)
		b = binary.LittleEndian.AppendUint32(b, uint32(50-len(b)-4))
	}
	return b[:n]
}

// TestPackPrograms: programs of sizes that are looked at and read in different ways come out of packs as they were.
func TestPackPrograms(t *testing.T) {
	s := newStore(t)
	spec := rpmtest.Spec{Name: "p", Version: "1", Compressor: "none"}
	for i, size := range []int{0, 1, pack.CodingHead - 1, pack.CodingHead, 1000, keepBytes, keepBytes + 1, 200000} {
		body := program(max(size, pack.CodingHead))[:size]
		spec.Files = append(spec.Files, rpmtest.File{Path: "/usr/lib/p/" + string(rune('a'+i)), Body: body})
	}
	importAll(t, s, "c", ImportOptions{}, rpmtest.Build(t, spec))
	want := exportAll(t, s, "c")
	mustPack(t, s, "c")
	coded := 0
	for _, p := range s.packs.Packs() {
		p.Each(func(o pack.Object) bool {
			if o.Coding == pack.X86 {
				coded++
			}
			return true
		})
	}
	if coded != 5 {
		t.Errorf("%d programs are coded, want 5", coded)
	}
	if !maps.Equal(want, exportAll(t, s, "c")) {
		t.Error("other files come from the packs")
	}
	sound(t, s)
}
