package cpio_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weld-linux/weld-bridge/internal/cpio"
	"github.com/weld-linux/weld-bridge/internal/judges"
)

// sample is an archive of every kind of file.
func sample() []*cpio.Entry {
	return []*cpio.Entry{
		{Name: "./etc", Mode: 0o040755, NLink: 2, Inode: 1, MTime: 1700000000},
		{Name: "./etc/empty", Mode: 0o100644, NLink: 1, Inode: 2, MTime: 0xffffffff},
		{Name: "./etc/a", Mode: 0o100600, NLink: 1, Inode: 3, UID: 7, GID: 8, Size: 1},
		{Name: "./etc/link", Mode: 0o120777, NLink: 1, Inode: 4, Size: 5},
		{Name: "./dev/null", Mode: 0o020666, NLink: 1, Inode: 5, RDevMajor: 1, RDevMinor: 3, DevMajor: 9, DevMinor: 10},
		{Name: "./odd\n\xe9 name", Mode: 0o100644, NLink: 2, Inode: 0xffffffff, Size: 4},
		{Format: cpio.CRC, Name: "./sum", Mode: 0o100644, NLink: 1, Size: 3, Check: 0x126},
	}
}

const contents = "xxxxxxxxxxxx"

func write(t testing.TB, entries []*cpio.Entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := cpio.NewWriter(&out)
	for _, e := range entries {
		if err := w.WriteHeader(e); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, contents[:e.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// concat puts an archive together from what the reader gives, byte for byte.
func concat(data []byte, sizes func(uint32) (int64, error)) (all []byte, entries []*cpio.Entry, err error) {
	r := cpio.NewReader(bytes.NewReader(data), sizes)
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		if e.Offset != int64(len(all)+len(e.Pad)) {
			return nil, nil, errors.New("wrong offset")
		}
		entries = append(entries, e)
		body, err := io.ReadAll(r)
		if err != nil {
			return nil, nil, err
		}
		all = append(append(append(all, e.Pad...), e.Raw...), body...)
	}
	if e := r.Trailer(); e != nil {
		all = append(append(all, e.Pad...), e.Raw...)
	}
	rest, err := io.ReadAll(r.Rest())
	return append(all, rest...), entries, err
}

func TestRoundTrip(t *testing.T) {
	data := write(t, sample())
	for _, tail := range []string{"", strings.Repeat("\x00", 300), "junk"} {
		input := append(bytes.Clone(data), tail...)
		all, entries, err := concat(input, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(all, input) {
			t.Errorf("tail %q: the archive comes back otherwise", tail)
		}
		for _, e := range entries {
			if !e.Canonical() {
				t.Errorf("%q is not canonical", e.Name)
			}
			e.Offset, e.Pad, e.Raw = 0, nil, nil
		}
		if diff := cmp.Diff(sample(), entries); diff != "" {
			t.Error(diff)
		}
	}
}

func TestStripped(t *testing.T) {
	entries := []*cpio.Entry{
		{Format: cpio.Stripped, Index: 2, Size: 5},
		{Format: cpio.Stripped, Index: 0},
		{Format: cpio.Stripped, Index: 0x1a, Size: 4},
	}
	sizes := func(i uint32) (int64, error) {
		for _, e := range entries {
			if e.Index == i {
				return e.Size, nil
			}
		}
		return 0, errors.New("no such file")
	}
	data := write(t, entries)
	all, got, err := concat(data, sizes)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(all, data) || len(got) != 3 || !got[2].Canonical() {
		t.Errorf("comes back otherwise: %d entries", len(got))
	}
	if _, _, err := concat(data, nil); !errors.Is(err, cpio.ErrFormat) {
		t.Errorf("without sizes: %v", err)
	}
	data[5+8] = '9'
	if _, _, err := concat(data, sizes); !errors.Is(err, cpio.ErrFormat) {
		t.Errorf("unknown file: %v", err)
	}
}

func TestNotCanonical(t *testing.T) {
	data := write(t, sample()[1:2])
	upper := bytes.Clone(data)
	copy(upper[6:], "0000000A")
	padded := bytes.Clone(data)
	padded[110+12] = 'x' // behind the name's NUL
	for name, input := range map[string][]byte{"upper case": upper, "padding": padded} {
		all, entries, err := concat(input, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(all, input) || entries[0].Canonical() {
			t.Errorf("%s: canonical is %v", name, entries[0].Canonical())
		}
	}
}

func TestErrors(t *testing.T) {
	good := write(t, sample())
	spoil := func(at int, s string) []byte {
		b := bytes.Clone(good)
		copy(b[at:], s)
		return b
	}
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"magic":          {spoil(0, "070707"), `cpio at 0xe: bad cpio archive: bad magic "070707"`},
		"number":         {spoil(14, "0000zz00"), `cpio at 0x6e: bad cpio archive: bad number "0000zz00"`},
		"no name":        {spoil(94, "00000000"), "cpio at 0x6e: bad cpio archive: name of 0 bytes"},
		"long name":      {spoil(94, "00001001"), "cpio at 0x6e: bad cpio archive: name of 4097 bytes"},
		"unended name":   {spoil(94, "00000004"), "cpio at 0x72: bad cpio archive: name without its NUL"},
		"no trailer":     {good[:len(good)-124], "bad cpio archive: unexpected EOF"},
		"in the content": {spoil(54, "7fffffff"), "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := concat(test.data, nil)
			if !errors.Is(err, cpio.ErrFormat) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, not %q", err, test.want)
			}
		})
	}
	if _, entries, err := concat(nil, nil); err != nil || entries != nil {
		t.Errorf("no bytes: %v", err)
	}
}

func TestWriterRefuses(t *testing.T) {
	w := cpio.NewWriter(io.Discard)
	if err := w.WriteHeader(&cpio.Entry{Name: "big", Size: 1 << 32}); err == nil {
		t.Error("4 GiB in a newc record")
	}
	if err := w.WriteHeader(&cpio.Entry{Name: strings.Repeat("x", 4096)}); err == nil {
		t.Error("a name of 4096 bytes")
	}
	if err := w.WriteHeader(&cpio.Entry{Name: "a", Size: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("abc")); err == nil {
		t.Error("more content than said")
	}
	if err := w.Close(); err == nil {
		t.Error("less content than said")
	}
}

// TestGNU lets GNU cpio extract what we write, and reads what it writes.
func TestGNU(t *testing.T) {
	path := judges.Need(t, "cpio")
	dir := t.TempDir()
	cmd := exec.Command(path, "-idm", "--quiet")
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(write(t, sample()[:4]))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if target, err := os.Readlink(filepath.Join(dir, "etc/link")); err != nil || target != contents[:5] {
		t.Errorf("link to %q: %v", target, err)
	}
	cmd = exec.Command(path, "-o", "-H", "newc", "--quiet")
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader("etc\netc/empty\netc/a\netc/link\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all, entries, err := concat(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(all, out) || len(entries) != 4 {
		t.Errorf("%d entries of 4", len(entries))
	}
}

// FuzzReader reads archives: whatever is taken comes back byte for byte, and what is canonical is written the same.
func FuzzReader(f *testing.F) {
	f.Add(write(f, sample()))
	f.Add(write(f, []*cpio.Entry{{Format: cpio.Stripped, Index: 1, Size: 3}, {Format: cpio.Stripped, Index: 2}}))
	f.Add([]byte(nil))
	sizes := func(i uint32) (int64, error) {
		if i > 100 {
			return 0, errors.New("no such file")
		}
		return int64(i % 12), nil
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, entries, err := concat(data, sizes)
		if err != nil {
			return
		}
		if !bytes.Equal(all, data) {
			t.Fatal("the archive comes back otherwise")
		}
		for _, e := range entries {
			if !e.Canonical() {
				continue
			}
			var out bytes.Buffer
			w := cpio.NewWriter(&out)
			if err := w.WriteHeader(e); err != nil || !bytes.Equal(out.Bytes(), e.Raw) {
				t.Fatalf("%q is written otherwise: %v", e.Name, err)
			}
		}
	})
}
