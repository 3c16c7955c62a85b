package inflate_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/weld-linux/weld-bridge/internal/inflate"
)

// bodies are plain texts of many kinds, by name.
func bodies(t testing.TB) map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 300<<10)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	skewed := make([]byte, 700<<10) // long codes for what is rare
	for i := range skewed {
		skewed[i] = byte(r.ExpFloat64() * 6)
	}
	words := []byte{}
	for len(words) < 900<<10 {
		words = fmt.Appendf(words, "%x %s", r.Uint32N(2000), random[:r.IntN(20)])
	}
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"empty": nil, "one": {7}, "random": random, "skewed": skewed, "words": words,
		"zeros": make([]byte, 1<<20), "program": self[:min(len(self), 3<<20)],
		"period": bytes.Repeat([]byte("abc"), 100_000), "far": bytes.Repeat(random[:32768], 5),
	}
}

func deflate(t testing.TB, b []byte, level int) []byte {
	var buf bytes.Buffer
	z, err := flate.NewWriter(&buf, level)
	if err != nil {
		t.Fatal(err)
	}
	z.Write(b)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestRoundTrip(t *testing.T) {
	z := inflate.NewReader(nil)
	for name, b := range bodies(t) {
		for _, level := range []int{flate.HuffmanOnly, 0, 1, 5, 9} {
			packed := append(deflate(t, b, level), "what follows"...)
			for kind, wrap := range map[string]func(io.Reader) io.Reader{
				"plain": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader, "err": iotest.DataErrReader, "one": iotest.OneByteReader,
			} {
				if kind == "one" && len(packed) > 100<<10 {
					continue
				}
				t.Run(fmt.Sprintf("%s %d %s", name, level, kind), func(t *testing.T) {
					z.Reset(wrap(bytes.NewReader(packed)))
					got, err := io.ReadAll(z)
					if err != nil || !bytes.Equal(got, b) {
						t.Fatalf("%d bytes, %v; want %d", len(got), err, len(b))
					}
					if rest := z.Rest(); !bytes.HasPrefix([]byte("what follows"), rest) || kind == "plain" && len(packed) < 1000 && len(rest) != 12 {
						t.Errorf("rest is %q", rest)
					}
					z.Reset(wrap(bytes.NewReader(packed)))
					var buf bytes.Buffer
					if n, err := z.WriteTo(&buf); err != nil || n != int64(len(b)) || !bytes.Equal(buf.Bytes(), b) {
						t.Errorf("WriteTo: %d bytes, %v", n, err)
					}
				})
			}
		}
	}
}

func TestGzip(t *testing.T) {
	var file bytes.Buffer
	var want []byte
	z := gzip.NewWriter(&file)
	for name, b := range bodies(t) {
		z.Reset(&file)
		z.Name, z.Extra, z.Comment = name, []byte(name+name), "of "+name
		z.Write(b)
		z.Close()
		want = append(want, b...)
	}
	open := func(b []byte) (*inflate.GzipReader, error) { return inflate.NewGzipReader(bytes.NewReader(b)) }
	g, err := open(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(iotest.OneByteReader(g)); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, %v; want %d", len(got), err, len(want))
	}
	var buf bytes.Buffer
	g, _ = open(file.Bytes())
	if n, err := g.WriteTo(&buf); err != nil || n != int64(len(want)) || !bytes.Equal(buf.Bytes(), want) {
		t.Errorf("WriteTo: %d bytes, %v", n, err)
	}
	if _, err := open(nil); err != io.ErrUnexpectedEOF {
		t.Errorf("empty file: %v", err)
	}
	for what, b := range map[string][]byte{
		"cut": file.Bytes()[:file.Len()-1], "garbage": append(bytes.Clone(file.Bytes()), "more than a header"...),
		"checksum": append(bytes.Clone(file.Bytes()[:file.Len()-8]), "12345678"...),
	} {
		g, _ := open(b)
		if _, err := io.Copy(io.Discard, g); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func TestReadError(t *testing.T) {
	packed := deflate(t, bodies(t)["words"], 6)
	z := inflate.NewReader(io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(os.ErrClosed)))
	if _, err := io.Copy(io.Discard, z); err != os.ErrClosed {
		t.Errorf("got %v", err)
	}
}

// agree fails unless both decoders say the same of b.
func agree(t *testing.T, b []byte) {
	t.Helper()
	want, wantErr := io.ReadAll(flate.NewReader(bytes.NewReader(b)))
	got, err := io.ReadAll(inflate.NewReader(bytes.NewReader(b)))
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%x: got %v, compress/flate says %v", b[:min(len(b), 64)], err, wantErr)
	}
	if (err == io.ErrUnexpectedEOF) != (wantErr == io.ErrUnexpectedEOF) {
		t.Logf("%x: got %v, compress/flate says %v", b[:min(len(b), 64)], err, wantErr)
	}
	if err == nil && !bytes.Equal(got, want) {
		t.Fatalf("%x: other bytes", b[:min(len(b), 64)])
	}
}

func TestDamaged(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, b := range bodies(t) {
		t.Run(name, func(t *testing.T) {
			for _, level := range []int{flate.HuffmanOnly, 0, 1, 6} {
				packed := deflate(t, b[:min(len(b), 20_000)], level)
				for range 300 {
					c := bytes.Clone(packed)
					for range 1 + r.IntN(3) {
						c[r.IntN(len(c))] ^= 1 << r.IntN(8)
					}
					agree(t, c[:len(c)-r.IntN(2)*r.IntN(len(c))])
				}
			}
		})
	}
}

func FuzzReader(f *testing.F) {
	for _, b := range bodies(f) {
		for _, level := range []int{flate.HuffmanOnly, 0, 1, 6} {
			f.Add(deflate(f, b[:min(len(b), 2000)], level))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { agree(t, b) })
}

// BenchmarkReader reads the files of WELD_PLAIN, or this program, as they are after compression.
func BenchmarkReader(b *testing.B) {
	var plain [][]byte
	size := 0
	filepath.WalkDir(os.Getenv("WELD_PLAIN"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && size < 100<<20 {
			text, _ := os.ReadFile(path)
			plain = append(plain, text)
			size += len(text)
		}
		return nil
	})
	if len(plain) == 0 {
		plain = [][]byte{bodies(b)["program"]}
		size = len(plain[0])
	}
	var packed [][]byte
	for _, text := range plain {
		packed = append(packed, deflate(b, text, 6))
	}
	type reader interface {
		io.Reader
		Reset(io.Reader)
	}
	for name, z := range map[string]reader{"inflate": inflate.NewReader(nil), "stdlib": resetter{flate.NewReader(nil)}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			buf := make([]byte, 64<<10)
			for b.Loop() {
				for _, p := range packed {
					z.Reset(bytes.NewReader(p))
					io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{z}, buf)
				}
			}
		})
	}
}

type resetter struct{ io.ReadCloser }

func (r resetter) Reset(src io.Reader) { r.ReadCloser.(flate.Resetter).Reset(src, nil) }
