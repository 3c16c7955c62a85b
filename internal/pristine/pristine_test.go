package pristine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// testEncoders returns the encoders that make built, for the tests of a checkout.
func testEncoders(t testing.TB) *Encoders {
	t.Helper()
	if os.Getenv("WELD_LIBEXEC") != "" {
		return OpenEncoders()
	}
	return OpenEncoders("../../build/libexec/weld-bridge")
}

// need skips when an encoder is not installed, which is a failure in CI.
func need(t testing.TB, e *Encoders, library, version string) {
	t.Helper()
	if _, exact, err := e.lookup(context.Background(), library, version); err == nil && exact {
		return
	}
	judges.Missing(t, "encoder %s %s is not installed: run make encoders", library, version)
}

// sample makes n bytes that compress like a package: words, repeated, with some noise between.
func sample(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := make([][]byte, 500)
	for i := range words {
		w := make([]byte, 2+r.IntN(12))
		for j := range w {
			w[j] = byte('a' + r.IntN(26))
		}
		words[i] = w
	}
	b := make([]byte, 0, n+1<<10)
	for len(b) < n {
		if r.IntN(200) == 0 {
			for range r.IntN(1 << 10) {
				b = append(b, byte(r.Uint32()))
			}
		}
		b = append(append(b, words[r.IntN(r.IntN(len(words))+1)]...), ' ')
	}
	return b[:n]
}

func opener(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

// encoded makes an archive with one encoder.
func encoded(t testing.TB, e *Encoders, c candidate, plain []byte) []byte {
	t.Helper()
	enc, _, err := e.lookup(t.Context(), c.library, c.version)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := encodeWith(t.Context(), enc, c.params, 1, bytes.NewReader(plain), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// roundTrip finds, marshals, unmarshals and reproduces.
func roundTrip(t testing.TB, e *Encoders, archive, plain []byte, hint Hint) Recipe {
	t.Helper()
	r, err := Find(t.Context(), e, bytes.NewReader(archive), int64(len(archive)), opener(plain), hint)
	if err != nil {
		t.Fatal(err)
	}
	j, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Recipe
	if err := json.Unmarshal(j, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, back); d != "" {
		t.Fatalf("the recipe changes in JSON:\n%s", d)
	}
	if n := back.PlainSize(); n != int64(len(plain)) {
		t.Errorf("the recipe needs %d plain bytes, there are %d", n, len(plain))
	}
	var out bytes.Buffer
	if err := back.Reproduce(t.Context(), e, bytes.NewReader(plain), &out); err != nil {
		t.Fatalf("%s: %v", j, err)
	}
	if !bytes.Equal(out.Bytes(), archive) {
		t.Fatalf("%s: reproduced other bytes without an error", j)
	}
	return r
}

// rpmCases is every compressor and level that rpm can be told to use, by flags.
func rpmCases() []struct {
	format  Format
	flags   string
	library string
	version string
	params  string
} {
	type row = struct {
		format  Format
		flags   string
		library string
		version string
		params  string
	}
	var rows []row
	for l := 1; l <= 9; l++ {
		rows = append(rows, row{Gzip, fmt.Sprint(l), "zlib", "", fmt.Sprintf("level=%d", l)},
			row{Bzip2, fmt.Sprint(l), "libbz2", "", fmt.Sprintf("level=%d", l)})
	}
	for l := range 10 {
		rows = append(rows, row{XZ, fmt.Sprint(l), "liblzma", "", fmt.Sprintf("preset=%d check=10", l)},
			row{LZMA, fmt.Sprint(l), "liblzma", "", fmt.Sprintf("format=1 preset=%d", l)})
	}
	rows = append(rows,
		row{Gzip, "9", "zlib", "", "level=9 rsync=1"},
		row{XZ, "2T2", "liblzma", "", "preset=2 check=10 mt=1"},
		row{XZ, "7T8", "liblzma", "", "preset=7 check=10 mt=1"},
		row{XZ, "2", "liblzma", "", oldPreset + " check=10"})
	for _, v := range zstdVersions {
		all := []string{"3", "7T8", "19T0"}
		if v.version == "1.5.5" {
			all = append(all, "1", "7", "19", "7L", "19L27T0")
		}
		for _, flags := range all {
			p, _ := parseZstdFlags(flags)
			rows = append(rows, row{Zstd, flags, "libzstd", v.version, p.String()})
		}
	}
	return rows
}

func TestRPMPayloads(t *testing.T) {
	e := testEncoders(t)
	plain := sample(150<<10, 1)
	for _, c := range rpmCases() {
		t.Run(fmt.Sprintf("%s %s %s", c.format, c.flags, c.version), func(t *testing.T) {
			need(t, e, c.library, c.version)
			archive := encoded(t, e, candidate{library: c.library, version: c.version, params: c.params}, plain)
			if c.format == Gzip {
				archive = gzipMember("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03", archive, plain)
			}
			r := roundTrip(t, e, archive, plain, Hint{Compressor: string(c.format), Flags: c.flags, RPMVersion: "4.18.0"})
			if len(r.Parts) != 1 {
				t.Errorf("%d parts: %s", len(r.Parts), r)
			}
			z, err := Decompress(bytes.NewReader(archive), Detect(archive))
			if err != nil {
				t.Fatal(err)
			}
			defer z.Close()
			if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("decompressed to %d bytes, %v", len(got), err)
			}
		})
	}
}

// TestXZContainer holds our own container against liblzma's: in the normal mode
// both encoders write the same.
func TestXZContainer(t *testing.T) {
	e := testEncoders(t)
	need(t, e, "liblzma", "")
	need(t, e, "lzma2", "5.2.0")
	for _, size := range []int{1, 1000, 70000, 70001, 70002} {
		for _, check := range []int{1, 4, 10} {
			plain := sample(size, uint64(size))
			params := fmt.Sprintf("preset=6 check=%d", check)
			want := encoded(t, e, candidate{library: "liblzma", params: params}, plain)
			got := encoded(t, e, candidate{library: "lzma2", version: "5.2.0", params: params}, plain)
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes, check %d: the containers differ", size, check)
			}
		}
	}
}

// TestPerl is about tarballs from CPAN: zlib with all the memory that it may have, under a header that tells nothing.
func TestPerl(t *testing.T) {
	e := testEncoders(t)
	need(t, e, "zlib", "")
	plain := sample(150<<10, 3)
	for _, level := range []string{"9", "1", "6"} {
		body := encoded(t, e, candidate{library: "zlib", params: "level=" + level + " mem=9"}, plain)
		roundTrip(t, e, gzipMember("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", body, plain), plain, Hint{})
	}
}

// TestGoEncoders is about archives that Go programs write.
func TestGoEncoders(t *testing.T) {
	e := testEncoders(t)
	plain := sample(1500<<10, 10)
	for _, c := range []candidate{
		{library: "go-flate", params: "level=5"},
		{library: "go-flate", params: "level=-1"},
		{library: "klauspost-flate", params: "level=5"},
		{library: "klauspost-flate", params: "level=9"},
		{library: "pgzip", params: "level=-1"},
		{library: "pgzip", params: "level=9"},
	} {
		t.Run(c.library+" "+c.params, func(t *testing.T) {
			body := encoded(t, e, c, plain)
			roundTrip(t, e, body, plain, Hint{Compressor: "deflate"})
			roundTrip(t, e, gzipMember("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", body, plain), plain, Hint{})
		})
	}
	for level := 1; level <= 4; level++ {
		for _, checksum := range []string{"", " checksum=1"} {
			c := candidate{library: "klauspost-zstd", params: fmt.Sprintf("level=%d", level) + checksum}
			roundTrip(t, e, encoded(t, e, c, plain), plain, Hint{})
		}
	}
}

// TestModuleVersions holds that recipes name the versions that are built in.
func TestModuleVersions(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for module, version := range map[string]string{"github.com/klauspost/compress": klauspostVersion, "github.com/klauspost/pgzip": pgzipVersion} {
		if !bytes.Contains(mod, []byte(module+" v"+version+"\n")) && !bytes.Contains(mod, []byte(module+" v"+version+" ")) {
			t.Errorf("go.mod has another version of %s than %s", module, version)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	e := testEncoders(b)
	plain := sample(8<<20, 11)
	for _, c := range []struct {
		library, version, params string
		hint                     Hint
	}{
		{"zlib", "1.2.11", "level=9", Hint{Compressor: "deflate", Flags: "9"}},
		{"libzstd", "1.5.5", "level=7", Hint{Flags: "7", RPMVersion: "4.19.1"}},
		{"libzstd", "1.5.7", "level=7 workers=1", Hint{Flags: "7T0", RPMVersion: "4.19.1"}},
		{"liblzma", "", "preset=1 check=10", Hint{Flags: "1", RPMVersion: "4.11"}},
	} {
		need(b, e, c.library, c.version)
		archive := encoded(b, e, candidate{library: c.library, version: c.version, params: c.params}, plain)
		r, err := Find(b.Context(), e, bytes.NewReader(archive), int64(len(archive)), opener(plain), c.hint)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("search/"+c.library, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Find(b.Context(), e, bytes.NewReader(archive), int64(len(archive)), opener(plain), c.hint); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("reproduce/"+c.library, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Reproduce(b.Context(), e, bytes.NewReader(plain), io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// gzipMember puts header and trailer around raw deflate.
func gzipMember(header string, body, plain []byte) []byte {
	c := counter{r: bytes.NewReader(plain), format: Gzip, crc: newCRC()}
	io.Copy(io.Discard, &c)
	return bytes.Join([][]byte{[]byte(header), body, c.trailer()}, nil)
}

func TestNoEncoder(t *testing.T) {
	e := testEncoders(t)
	need(t, e, "libzstd", "1.5.5")
	plain := sample(200<<10, 2)
	archive := encoded(t, e, candidate{library: "libzstd", version: "1.5.5", params: "level=3"}, plain)
	archive[len(archive)-40] ^= 1
	_, err := Find(t.Context(), e, bytes.NewReader(archive), int64(len(archive)), opener(plain), Hint{Compressor: "zstd", Flags: "3"})
	var none *NoEncoderError
	if !errors.Is(err, ErrNoEncoder) || !errors.As(err, &none) || none.Tried == 0 {
		t.Errorf("got %v", err)
	}
}
