package pristine

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

// FuzzRecipe decodes recipes of strangers: no panic, no more output than the
// recipe says, and what is accepted survives JSON.
func FuzzRecipe(f *testing.F) {
	f.Add([]byte(`{"format":"gzip","size":5,"sha256":"`+strings.Repeat("0", 64)+`","parts":[{"raw":"aGVsbG8="}]}`), []byte("plain"))
	f.Add([]byte(`{"format":"deflate","size":7,"sha256":"`+strings.Repeat("0", 64)+`","parts":[{"encoder":"go-flate","version":"1.26","params":"level=9","plain":5,"repeat":3}]}`), []byte("plain"))
	f.Add([]byte(`{"format":"none","size":5,"sha256":"`+strings.Repeat("0", 64)+`","parts":[{"encoder":"copy","version":"1","plain":9223372036854775807,"repeat":16777216}]}`), []byte("plain"))
	e := OpenEncoders(f.TempDir())
	f.Fuzz(func(t *testing.T, text, plain []byte) {
		var r Recipe
		if json.Unmarshal(text, &r) != nil || r.Check() != nil {
			return
		}
		_ = r.String()
		_ = r.PlainSize()
		again, err := json.Marshal(r)
		var back Recipe
		if err != nil || json.Unmarshal(again, &back) != nil || back.Check() != nil {
			t.Fatalf("%s does not survive JSON", again)
		}
		for _, p := range r.Parts {
			if p.Encoder != "" && p.Encoder != "copy" && p.Encoder != "go-flate" {
				return // programs are slow to fuzz
			}
		}
		var out bytes.Buffer
		if err := r.Reproduce(t.Context(), e, bytes.NewReader(plain), &out); err == nil && int64(out.Len()) != r.Size {
			t.Fatalf("%d bytes of %d without an error", out.Len(), r.Size)
		}
	})
}

// FuzzFind searches in garbage with the encoders of this process: no panic, no
// hit that is not one.
func FuzzFind(f *testing.F) {
	e := OpenEncoders(f.TempDir())
	plain := []byte("some plain data, plain data")
	for _, script := range []string{"go-flate", "klauspost-flate", "pgzip", "klauspost-zstd", "copy"} {
		enc, _, err := e.lookup(f.Context(), script, "")
		if err != nil {
			f.Fatal(err)
		}
		var out bytes.Buffer
		if err := encodeWith(f.Context(), enc, "level=1", 1, bytes.NewReader(plain), &out); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes(), plain, "", "")
		f.Add(out.Bytes(), plain, "deflate", "9")
		f.Add(append([]byte("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03n\x00"), out.Bytes()...), plain, "gzip", "w9.gzdio")
	}
	f.Add([]byte("\xfd7zXZ\x00\x00\x0a\xe1\xfb\x0c\xa1\x02\x00\x21\x01\x12\x00\x00\x00"), plain, "xz", "2T8")
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x58\x01\x00\x00"), plain, "zstd", "19L27T0")
	f.Add([]byte("BZh91AY&SY"), plain, "bzip2", "9")
	f.Add([]byte("\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff"), plain, "lzma", "5")
	only := &Encoders{threads: 1}
	only.once.Do(func() {
		for _, enc := range e.all(f.Context()) {
			if _, program := enc.(interface{ path() string }); !program {
				only.found = append(only.found, enc)
			}
		}
	})
	f.Fuzz(func(t *testing.T, archive, plain []byte, compressor, flags string) {
		hint := Hint{Compressor: compressor, Flags: flags, PlainSize: int64(len(plain))}
		r, err := Find(t.Context(), only, bytes.NewReader(archive), int64(len(archive)), opener(plain), hint)
		if err != nil {
			if !errors.Is(err, ErrNoEncoder) {
				t.Fatal(err)
			}
			return
		}
		var out bytes.Buffer
		if err := r.Reproduce(t.Context(), only, bytes.NewReader(plain), &out); err != nil || !bytes.Equal(out.Bytes(), archive) {
			t.Fatalf("%+v: %v", r, err)
		}
	})
}

// FuzzParse reads headers: no panic, and lengths that lie within the input.
func FuzzParse(f *testing.F) {
	f.Add([]byte("\x1f\x8b\x08\x1e\x00\x00\x00\x00\x00\x03\x02\x00abname\x00comment\x00\x00\x00"))
	f.Add([]byte("\xfd7zXZ\x00\x00\x0a\xe1\xfb\x0c\xa1\x02\xc0\x80\x01\x80\x02\x21\x01\x12\x00\x00\x00\xe0\x00\x00\x00\x00\x5d"))
	f.Add([]byte("am\x80\x00coment\x00\x00b\x00"))
	f.Add([]byte("\x28\xb5\x2f\xfd\xe4\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, ok := parseGzip(b); ok && h.len > int64(len(b)) {
			t.Errorf("gzip header of %d bytes in %d", h.len, len(b))
		}
		if h, err := parseXZ(b); err == nil && h.blockLen > len(b) {
			t.Errorf("xz block header of %d bytes in %d", h.blockLen, len(b))
		}
		if h, ok := parseZstd(b); ok && h.len > int64(len(b)) {
			t.Errorf("zstd header of %d bytes in %d", h.len, len(b))
		}
		_, _ = parseZstdFlags(string(b))
		s := &search{data: bytes.NewReader(b), size: int64(len(b)), hint: Hint{PlainSize: 1}}
		for _, s.format = range []Format{Gzip, Bzip2, XZ, LZMA, Zstd, Deflate} {
			spans, err := s.layout()
			if err == nil && spans == nil {
				spans, err = s.scan(t.Context())
			}
			at := int64(0)
			for _, sp := range spans {
				if sp.head < at && s.format != XZ || sp.end < sp.head || sp.end > s.size {
					t.Errorf("%s: stream at %d to %d after %d in %d bytes", s.format, sp.head, sp.end, at, s.size)
				}
				at = sp.end
			}
			_, _ = s.describe(0, s.size)
			_ = err
			z, err := Decompress(bytes.NewReader(b), s.format)
			if err == nil {
				io.CopyN(io.Discard, z, 1<<20)
				z.Close()
			}
		}
		p, err := parseParams(string(b))
		if err == nil {
			words := make([]string, len(p))
			for i := range p {
				words[i] = p[i].String()
			}
			if q, err := parseParams(strings.Join(words, " ")); err != nil || len(p) > 0 && !reflect.DeepEqual(p, q) {
				t.Errorf("%v is not %v: %v", p, q, err)
			}
		}
	})
}
