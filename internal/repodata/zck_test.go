package repodata

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
)

// zckFile makes a zchunk file of some chunks, the first of which is set last.
func zckFile(t testing.TB, dict []byte, chunks ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := NewZckWriter(&b, t.TempDir(), dict)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chunks[1:] {
		if _, err := z.Write(c); err != nil {
			t.Fatal(err)
		}
		if err := z.EndChunk(); err != nil {
			t.Fatal(err)
		}
	}
	z.SetFirst(chunks[0])
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := NewZckReader(bytes.NewReader(b.Bytes())); err != nil || r.HeaderSize != z.HeaderSize || r.HeaderSum != z.HeaderSum {
		t.Fatalf("header: %v", err)
	}
	return b.Bytes()
}

func zckChunks() (chunks [][]byte) {
	chunks = append(chunks, []byte("<metadata>\n"))
	for i := range 50 {
		chunks = append(chunks, bytes.Repeat(fmt.Appendf(nil, "<package><name>p%d</name></package>\n", i), i+1))
	}
	return append(chunks, bytes.Repeat([]byte("large "), zckMaxChunk/4))
}

// trainedDict has zstd make a dictionary.
func trainedDict(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--train", "-o", filepath.Join(dir, "dict"), "--maxdict=2048"}
	for i := range 200 {
		name := filepath.Join(dir, fmt.Sprint(i))
		text := fmt.Appendf(nil, "<package type=\"rpm\"><name>p%d</name><arch>x86_64</arch><version ver=\"%d\"/></package>\n", i*7, i*i)
		if err := os.WriteFile(name, bytes.Repeat(text, 5), 0o666); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	if out, err := exec.Command(judges.Need(t, "zstd"), args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "dict"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestZck reads what was written, with ours and with the original's reader.
func TestZck(t *testing.T) {
	dicts := map[string][]byte{"none": nil, "text": []byte("<package><name>p</name></package>\n"), "trained": trainedDict(t)}
	chunks := zckChunks()
	want := bytes.Join(chunks, nil)
	for name, dict := range dicts {
		t.Run(name, func(t *testing.T) {
			file := zckFile(t, dict, chunks...)
			r, err := NewReader(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes came back, want %d: %v", len(got), len(want), err)
			}
			unzck := judges.Need(t, "unzck", "zck_read_header")
			path := filepath.Join(t.TempDir(), "x.zck")
			if err := os.WriteFile(path, file, 0o666); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("zck_read_header", "-f", path).CombinedOutput(); err != nil {
				t.Errorf("zck_read_header: %v: %s", err, out)
			}
			if got, err := exec.Command(unzck, "-c", path).Output(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("unzck gave %d bytes, want %d: %v", len(got), len(want), err)
			}
		})
	}
}

// TestZckDamaged changes and cuts a file at every byte.
func TestZckDamaged(t *testing.T) {
	good := zckFile(t, []byte("<package>"), []byte("<a>"), []byte("<package>1</package>"), []byte("<package>2</package>"))
	read := func(b []byte) error {
		z, err := NewZckReader(bytes.NewReader(b))
		if err == nil {
			_, err = io.Copy(io.Discard, z)
		}
		return err
	}
	if err := read(good); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		for _, b := range [][]byte{bad, good[:i]} {
			if err := read(b); !errors.Is(err, errZck) {
				t.Errorf("byte %d changed or cut: %v", i, err)
			}
		}
	}
}

func FuzzZck(f *testing.F) {
	f.Add(zckFile(f, nil, []byte("<a>"), []byte("<b/>")))
	f.Add(zckFile(f, []byte("dictionary"), []byte("<a>"), []byte("<b/>")))
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := NewZckReader(bytes.NewReader(b))
		if err == nil {
			_, err = io.Copy(io.Discard, z)
		}
		if err != nil && !errors.Is(err, errZck) {
			t.Error(err)
		}
	})
}
