package pack

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// crafted makes a pack of frames and entries that no Writer would write, with the checksums that they need to be believed.
type crafted struct {
	bytes.Buffer
	frames  []*frame
	entries []entry
}

func (c *crafted) skippable(magic uint32, b []byte) {
	c.Write(order.AppendUint32(order.AppendUint32(nil, magic), uint32(len(b))))
	c.Write(b)
}

// add writes a list and a frame. The list is written as it is given.
func (c *crafted) add(list, stored []byte, f frame) *frame {
	packed, _ := compressList(list)
	c.skippable(magicList, order.AppendUint32(packed, checksum(packed)))
	f.number, f.offset, f.stored, f.crc = uint32(len(c.frames)), int64(c.Len()), int64(len(stored)), checksum(stored)
	c.Write(stored)
	c.frames = append(c.frames, &f)
	return &f
}

// finish gives the pack with its index, or without it.
func (c *crafted) finish(index bool) []byte {
	if index {
		w := Writer{frames: c.frames, entries: c.entries, offset: int64(c.Len())}
		c.skippable(magicIndex, w.index())
	}
	return c.Bytes()
}

func newCrafted() *crafted {
	c := &crafted{}
	c.skippable(magicHead, append(signature[:], version, 0, 0, 0))
	return c
}

func zeros(t testing.TB, n int) (stored []byte) {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithWindowSize(MaxWindow))
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 1<<20); n > 0; n -= len(chunk) {
		z.Write(chunk[:min(n, len(chunk))])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hostile gives packs that promise more than they hold, or hold more than they should.
func hostile(t testing.TB) map[string][]byte {
	key := Key{0, sha256.Sum256(nil)}
	small, _ := compressList([]byte("plain bytes"))
	bomb := zeros(t, MaxFrame+1<<20)
	packs := map[string][]byte{}

	c := newCrafted() // millions of empty objects in a few bytes, in the lists alone
	for range 20 {
		f := frame{plain: 11, count: maxObjects}
		c.add(append(f.append(nil), make([]byte, 8*maxObjects)...), small, f)
	}
	packs["lists of empty objects"] = c.finish(false)

	c = newCrafted() // a frame that gives more than it says
	f := c.add(nil, bomb, frame{plain: 50000, count: 1})
	c.entries = append(c.entries, entry{Object{Key: key, Size: 50000}, f, 0})
	packs["bomb in a small frame"] = c.finish(true)

	c = newCrafted()
	f = c.add(nil, bytes.Repeat(bomb, 3), frame{plain: MaxFrame, count: 1})
	c.entries = append(c.entries, entry{Object{Key: key, Size: MaxFrame}, f, 0})
	packs["bombs in a large frame"] = c.finish(true)

	c = newCrafted() // one frame many times
	f = c.add(nil, zeros(t, MaxFrame), frame{plain: MaxFrame, count: 1})
	for i := range 1000 {
		again := *f
		again.number = uint32(i + 1)
		c.frames = append(c.frames, &again)
		c.entries = append(c.entries, entry{Object{Key: key, Size: MaxFrame}, &again, 0})
	}
	packs["frames upon each other"] = c.finish(true)

	c = newCrafted() // the same bytes as many objects
	f = c.add(nil, zeros(t, MaxFrame), frame{plain: MaxFrame, count: 10000})
	for i := range 10000 {
		k := key
		k.Sum[31] = byte(i)
		c.entries = append(c.entries, entry{Object{Key: k, Size: MaxFrame}, f, 0})
	}
	packs["objects upon each other"] = c.finish(true)

	c = newCrafted() // what codings say of themselves
	f = c.add(nil, small, frame{plain: 11, count: 1})
	for _, coding := range []Coding{X86, Gzip, 3} {
		c.entries = append(c.entries, entry{Object{Key: key, Size: 11, Coding: coding}, f, 0})
	}
	packs["codings"] = c.finish(true)

	c = newCrafted() // places outside
	f = c.add(nil, small, frame{plain: 11, count: 1})
	c.entries = append(
		c.entries,
		entry{Object{Key: key, Size: 12}, f, 0},
		entry{Object{Key: key, Size: 1}, f, 1 << 31},
		entry{Object{Key: key, Size: maxSize}, f, 0},
		entry{Object{Key: key, Size: 11}, &frame{number: 7}, 0},
	)
	packs["entries out of bounds"] = c.finish(true)

	c = newCrafted() // lists everywhere that are none: each promises much
	head := order.AppendUint32(order.AppendUint32(nil, magicList), 8<<20)
	c.Write(bytes.Repeat(head, 2<<20))
	packs["heads of lists"] = c.finish(false)

	c = newCrafted() // a large object that is none
	f = c.add(nil, bomb, frame{plain: 1 << 50, count: 1})
	c.entries = append(c.entries, entry{Object{Key: key, Size: 1 << 50}, f, 0})
	packs["promise of a large object"] = c.finish(true)
	return packs
}

// TestHostile: packs that were made to harm are found out, in bounded memory.
func TestHostile(t *testing.T) {
	for name, b := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "0"+Suffix), b, 0o644); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s, err := OpenSet(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			faults := 0
			for _, p := range s.Packs() {
				if _, err := p.Verify(t.Context(), func(error) { faults++ }); err != nil {
					t.Error(err)
				}
			}
			runtime.ReadMemStats(&after)
			const most = 1 << 30 // of all that was asked for, given back or not
			if got := after.TotalAlloc - before.TotalAlloc; got > most {
				t.Errorf("%d bytes of pack take %d MB", len(b), got>>20)
			} else {
				t.Logf("%d bytes, %d MB, %d faults", len(b), got>>20, faults)
			}
			if faults == 0 {
				t.Error("no fault")
			}
		})
	}
}
