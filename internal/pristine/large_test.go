package pristine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// endless makes size bytes without keeping them: a sample again and again, with
// a number in every 4 KiB.
type endless struct {
	size, off int64
	block     []byte
}

func (e *endless) Read(b []byte) (int, error) {
	if e.off == e.size {
		return 0, io.EOF
	}
	in := int(e.off % int64(len(e.block)))
	if in%4096 == 0 {
		binary.LittleEndian.PutUint64(e.block[in:], uint64(e.off)*0x9E3779B97F4A7C15)
	}
	n := min(len(b), 4096-in%4096, int(min(e.size-e.off, 4096)))
	copy(b, e.block[in:in+n])
	e.off += int64(n)
	return n, nil
}

// peak is the largest resident size of this process so far, in MiB.
func peak(t *testing.T) int {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	for line := range bytes.Lines(b) {
		if text, ok := strings.CutPrefix(string(line), "VmHWM:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(text)[0])
			return kb >> 10
		}
	}
	return 0
}

// TestLarge re-creates archives of WELD_LARGE bytes of plain data and holds the
// memory that this process uses for it.
func TestLarge(t *testing.T) {
	size, _ := strconv.ParseInt(os.Getenv("WELD_LARGE"), 10, 64)
	if size == 0 {
		t.Skip("WELD_LARGE gives no size")
	}
	e := testEncoders(t).WithThreads(2)
	block := sample(8<<20, 9)
	plain := func() (io.ReadCloser, error) {
		return io.NopCloser(bufio.NewReaderSize(&endless{size: size, block: bytes.Clone(block)}, 128<<10)), nil
	}
	for _, c := range []struct {
		format                          Format
		flags, library, version, params string
	}{
		{Gzip, "1", "zlib", "1.2.11", "level=1"},
		{Zstd, "3", "libzstd", "1.5.5", "level=3"},
		{Zstd, "3T0", "libzstd", "1.5.7", "level=3 workers=1"},
		{XZ, "0T2", "liblzma", "", "preset=0 check=10 mt=1"},
	} {
		t.Run(string(c.format)+" "+c.flags, func(t *testing.T) {
			need(t, e, c.library, c.version)
			enc, _, _ := e.lookup(t.Context(), c.library, c.version)
			name := filepath.Join(t.TempDir(), "archive")
			f, err := os.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r, _ := plain()
			in := &counter{r: r, format: c.format, crc: newCRC()}
			if c.format == Gzip {
				f.WriteString("\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\x03")
			}
			start := cpu()
			if err := encodeWith(t.Context(), enc, c.params, 2, in, f); err != nil {
				t.Fatal(err)
			}
			once := cpu() - start
			f.Write(in.trailer())
			n, _ := f.Seek(0, io.SeekCurrent)
			start = cpu()
			recipe, err := Find(t.Context(), e, f, n, plain, Hint{Compressor: string(c.format), Flags: c.flags, PlainSize: size, RPMVersion: "4.20.1"})
			if err != nil {
				t.Fatal(err)
			}
			search := cpu() - start
			r, _ = plain()
			start = cpu()
			if err := recipe.Reproduce(t.Context(), e, r, io.Discard); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d to %d bytes, %s: compression %v, search %v (%.2f), export %v (%.2f), this process at most %d MiB", size, n, recipe, once,
				search, float64(search)/float64(once), cpu()-start, float64(cpu()-start)/float64(once), peak(t))
			if p := peak(t); p > 200 {
				t.Errorf("%d MiB of memory", p)
			}
		})
	}
}
