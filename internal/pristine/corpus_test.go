package pristine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rpmPayload is what the tests need of an RPM. The package cannot import
// rpmfile, which stands above it.
type rpmPayload struct {
	payload []byte
	hint    Hint
}

// readPayload cuts an RPM into what stands before the payload, and the payload.
func readPayload(b []byte) (p rpmPayload, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("not an RPM")
		}
	}()
	if binary.BigEndian.Uint32(b) != 0xedabeedb {
		return p, errors.New("not an RPM")
	}
	size := func(b []byte) (entries, total int) {
		il, dl := int(binary.BigEndian.Uint32(b[8:])), int(binary.BigEndian.Uint32(b[12:]))
		return il, 16 + 16*il + dl
	}
	b = b[96:]
	_, n := size(b)
	b = b[(n+7)&^7:]
	entries, n := size(b)
	store := b[16+16*entries : n]
	text := func(off int) string { return string(store[off : off+bytes.IndexByte(store[off:], 0)]) }
	for i := range entries {
		e := b[16+16*i:]
		off := int(binary.BigEndian.Uint32(e[8:]))
		switch binary.BigEndian.Uint32(e) {
		case 1006:
			p.hint.BuildTime = int64(binary.BigEndian.Uint32(store[off:]))
		case 1064:
			p.hint.RPMVersion = text(off)
		case 1125:
			p.hint.Compressor = text(off)
		case 1126:
			p.hint.Flags = text(off)
		}
	}
	p.payload = b[n:]
	if p.hint.Compressor == "" {
		p.hint.Compressor = string(Detect(p.payload))
	}
	return p, nil
}

// cpu is the CPU time that this process and its finished children have used.
func cpu() time.Duration {
	var total time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return total
}

// tally is the result of a corpus.
type tally struct {
	files, found, big, bigFound int
	bytes, foundBytes           int64
	ratios                      []float64 // CPU of the search to CPU of one compression
}

// TestRPMCorpus re-creates the payloads of all RPMs below the directories in
// WELD_RPMS and prints one line for each that it cannot, and a summary.
func TestRPMCorpus(t *testing.T) {
	dirs := os.Getenv("WELD_RPMS")
	if dirs == "" {
		t.Skip("WELD_RPMS names no directories with RPMs")
	}
	e := testEncoders(t)
	sums := map[string]*tally{}
	seen := map[string]bool{}
	for _, dir := range filepath.SplitList(dirs) {
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".rpm") {
				return nil
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Error(err)
				return nil
			}
			p, err := readPayload(b)
			if err != nil {
				t.Logf("%s: %v", path, err)
				return nil
			}
			if !seen[string(p.payload)] {
				seen[string(p.payload)] = true
				measure(t, e, path, p, sums)
			}
			return nil
		})
	}
	for _, name := range slices.Sorted(mapKeys(sums)) {
		s := sums[name]
		slices.Sort(s.ratios)
		q := func(f float64) float64 {
			if len(s.ratios) == 0 {
				return 0
			}
			return s.ratios[int(f*float64(len(s.ratios)-1))]
		}
		t.Logf("%-14s %5d of %5d files, %12d of %12d bytes, %4d of %4d of 100 KB; search/compression median %.2f, p90 %.2f, max %.2f",
			name, s.found, s.files, s.foundBytes, s.bytes, s.bigFound, s.big, q(.5), q(.9), q(1))
	}
}

func mapKeys(m map[string]*tally) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func measure(t *testing.T, e *Encoders, path string, p rpmPayload, sums map[string]*tally) {
	z, err := Decompress(bytes.NewReader(p.payload), Format(p.hint.Compressor))
	var plain []byte
	if err == nil {
		plain, err = io.ReadAll(z)
		z.Close()
	}
	if err != nil {
		t.Logf("%s: %s %v", path, p.hint.Compressor, err)
		return
	}
	p.hint.PlainSize = int64(len(plain))
	start := cpu()
	r, err := Find(t.Context(), e, bytes.NewReader(p.payload), int64(len(p.payload)), opener(plain), p.hint)
	search := cpu() - start
	size := int64(len(p.payload))
	for _, name := range []string{p.hint.Compressor, "all", "rpm " + r.String()} {
		if name == "rpm " {
			continue
		}
		s := sums[name]
		if s == nil {
			s = &tally{}
			sums[name] = s
		}
		s.files++
		s.bytes += size
		if size >= 100<<10 {
			s.big++
		}
		if err == nil {
			s.found++
			s.foundBytes += size
			if size >= 100<<10 {
				s.bigFound++
			}
		}
	}
	if err != nil {
		t.Logf("%s: %s %q rpm %s %s, %d bytes of %d: %v", path, p.hint.Compressor, p.hint.Flags, p.hint.RPMVersion,
			time.Unix(p.hint.BuildTime, 0).UTC().Format(time.DateOnly), size, len(plain), err)
		return
	}
	start = cpu()
	var out bytes.Buffer
	if err := r.Reproduce(t.Context(), e, bytes.NewReader(plain), &out); err != nil || !bytes.Equal(out.Bytes(), p.payload) {
		t.Errorf("%s: %v", path, err)
		return
	}
	once := cpu() - start
	ratio := float64(search) / float64(max(once, time.Millisecond))
	for _, name := range []string{p.hint.Compressor, "all"} {
		sums[name].ratios = append(sums[name].ratios, ratio)
	}
	if ratio > 1.5 {
		t.Logf("%s: %s %q rpm %s %s, %d bytes: %s, search %v, compression %v", path, p.hint.Compressor, p.hint.Flags, p.hint.RPMVersion,
			time.Unix(p.hint.BuildTime, 0).UTC().Format(time.DateOnly), size, r, search, once)
	}
}
