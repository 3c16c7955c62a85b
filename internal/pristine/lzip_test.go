package pristine

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// lzip compresses with the program, which is the judge of the reader.
func lzip(t testing.TB, plain []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("lzip", append([]string{"-c"}, args...)...)
	cmd.Stdin = bytes.NewReader(plain)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLzip(t *testing.T) {
	judges.Need(t, "lzip")
	small, large := sample(100<<10, 3), sample(500<<10, 4)
	for _, c := range []struct {
		name  string
		plain []byte
		file  []byte
		found bool
	}{
		{"default", large, lzip(t, large), true},
		{"level 9", large, lzip(t, large, "-9"), true},
		{"level 0", large, lzip(t, large, "-0"), true},
		{"level 1", large, lzip(t, large, "-1"), true},
		{"small", small, lzip(t, small, "-9"), true},
		{"empty", nil, lzip(t, nil), true},
		{"members", append(bytes.Clone(small), large...), append(lzip(t, small, "-9"), lzip(t, large, "-9")...), true},
		{"other options", small, lzip(t, small, "-s", "20KiB", "-m", "100"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if f := Detect(c.file); f != Lzip {
				t.Fatalf("detected as %s", f)
			}
			z, err := Decompress(bytes.NewReader(c.file), Lzip)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(z)
			if err != nil || !bytes.Equal(got, c.plain) {
				t.Fatalf("%v, %d bytes of %d", err, len(got), len(c.plain))
			}
			e := OpenEncoders(t.TempDir())
			r, err := Find(t.Context(), e, bytes.NewReader(c.file), int64(len(c.file)), opener(c.plain), Hint{PlainSize: int64(len(c.plain))})
			if !c.found {
				if !errors.Is(err, ErrNoEncoder) {
					t.Fatal(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := r.Reproduce(t.Context(), e, bytes.NewReader(c.plain), &out); err != nil || !bytes.Equal(out.Bytes(), c.file) {
				t.Fatal(err, r)
			}
		})
	}
}

func TestLzipDamaged(t *testing.T) {
	judges.Need(t, "lzip")
	file := lzip(t, sample(50<<10, 5))
	flip := func(at int) []byte {
		b := bytes.Clone(file)
		b[at] ^= 1
		return b
	}
	for name, b := range map[string][]byte{
		"cut": file[:len(file)-1], "no trailer": file[:len(file)-20], "header only": file[:6], "CRC": flip(len(file) - 20),
		"size": flip(len(file) - 16), "data": flip(len(file) / 2), "tail": append(bytes.Clone(file), "tail"...), "dictionary": flip(5)[:6],
	} {
		z, err := Decompress(bytes.NewReader(b), Lzip)
		if err == nil {
			_, err = io.Copy(io.Discard, z)
		}
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzLzip(f *testing.F) {
	f.Add([]byte(lzipMagic + "\x0c"))
	if _, err := exec.LookPath("lzip"); err == nil {
		f.Add(lzip(f, []byte("hello hello hello")))
		f.Add(append(lzip(f, nil), lzip(f, []byte("x"))...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := Decompress(bytes.NewReader(b), Lzip)
		if err == nil {
			io.CopyN(io.Discard, z, 1<<20)
		}
	})
}
