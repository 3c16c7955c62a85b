package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// text gives n bytes that compress as prose does, with stretches that do not compress at all and long repetitions.
func text(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	words := make([]string, 400)
	for i := range words {
		b := make([]byte, 1+r.IntN(11))
		for j := range b {
			b[j] = "etaoinshrdlucmfwypvbgk"[min(r.IntN(22), r.IntN(22))]
		}
		words[i] = string(b)
	}
	var b []byte
	for len(b) < n {
		switch r.IntN(3000) {
		case 0:
			for range r.IntN(20000) {
				b = append(b, byte(r.Uint32()))
			}
		case 1:
			b = append(b, bytes.Repeat([]byte{'='}, r.IntN(3000))...)
		case 2, 3, 4:
			if len(b) > 0 {
				at := r.IntN(len(b))
				b = append(b, b[at:min(len(b), at+r.IntN(500))]...)
			}
		default:
			b = append(append(b, words[min(r.IntN(400), r.IntN(400))]...), ' ')
		}
	}
	return b[:n]
}

var sizes = []int{0, 1, 2, 3, 10, 300, 5000, 32768, 50000, 65000, 65200, 65274, 65300, 65436, 65535, 65536, 65537, 65600, 98304, 131072, 300000}

// TestPrograms compares with the programs themselves.
func TestPrograms(t *testing.T) {
	for _, p := range []struct {
		name    string
		as      Writer
		command []string // one %d: the level
		head    int
	}{
		{"gzip", Gzip, []string{"gzip", "-n", "-c", "-%d"}, 10},
		{"zlib", Zlib, []string{"python3", "-c", "import sys,zlib\nc=zlib.compressobj(%d,8,31)\nsys.stdout.buffer.write(c.compress(sys.stdin.buffer.read())+c.flush())"}, 10},
	} {
		t.Run(p.name, func(t *testing.T) {
			if _, err := exec.LookPath(p.command[0]); err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			for i, size := range sizes {
				for at := MinLevel; at <= MaxLevel; at++ {
					if size > 70000 && at != 6 && at != 9 {
						continue
					}
					compare(t, p.as, p.command, p.head, text(size+at, uint64(i)), at)
				}
			}
		})
	}
}

func compare(t *testing.T, as Writer, command []string, head int, plain []byte, at int) {
	t.Helper()
	args := strings.Split(strings.ReplaceAll(strings.Join(command[1:], "\x00"), "%d", fmt.Sprint(at)), "\x00")
	cmd := exec.Command(command[0], args...)
	in, err := os.Create(t.TempDir() + "/in")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := in.Write(plain); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = in
	want, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want = want[head : len(want)-8]
	var got bytes.Buffer
	if err := Encode(&got, plain, as, at); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		same := 0
		for same < min(got.Len(), len(want)) && got.Bytes()[same] == want[same] {
			same++
		}
		t.Errorf("%d bytes at level %d: %d bytes differ from %d after %d", len(plain), at, got.Len(), len(want), same)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add([]byte("some words and some words"), uint8(9))
	f.Add(text(70000, 1), uint8(6))
	f.Fuzz(func(t *testing.T, plain []byte, at uint8) {
		for _, as := range []Writer{Gzip, Zlib} {
			var b bytes.Buffer
			if err := Encode(&b, plain, as, MinLevel+int(at)%6); err != nil {
				t.Fatal(err)
			}
			again, err := io.ReadAll(flate.NewReader(&b))
			if err != nil || !bytes.Equal(again, plain) {
				t.Fatalf("writer %d gives %d bytes back of %d: %v", as, len(again), len(plain), err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	plain := text(1<<20, 3)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		if err := Encode(io.Discard, plain, Gzip, 9); err != nil {
			b.Fatal(err)
		}
	}
}
