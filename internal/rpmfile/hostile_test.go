package rpmfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// allocated gives the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestHostile breaks a package in one place each.
func TestHostile(t *testing.T) {
	good := rpmtest.Build(t, rpmtest.Samples()["full"])
	p, err := rpmfile.Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	header, end := p.HeaderRange()
	const signature = rpmfile.LeadSize
	put := func(at int64, n uint32) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[at:], n)
			return b
		}
	}
	entry := func(i, field int64) int64 { return header + 16 + 16*i + 4*field }
	tests := []struct {
		name  string
		spoil func([]byte) []byte
		want  string // a part of the error
	}{
		{"empty", func([]byte) []byte { return nil }, "lead at 0x0: unexpected EOF"},
		{"short lead", func(b []byte) []byte { return b[:95] }, "lead at 0x0: unexpected EOF"},
		{"magic", put(0, 0), "lead at 0x0: not an RPM package"},
		{"signature type", put(76, 0), "lead at 0x4e: signature type 0"},
		{"version", func(b []byte) []byte { b[4] = 9; return b }, "lead at 0x4: package version 9"},
		{"signature magic", put(signature, 1), "signature header at 0x60: bad magic"},
		{"no signature tags", put(signature+8, 0), "signature header at 0x60: 0 tags"},
		{"many signature tags", put(signature+8, 33), "signature header at 0x60: 33 tags"},
		{"much signature data", put(signature+12, 1<<30), "signature header at 0x60: 1073741824 bytes of data"},
		{"64 MiB of signature", put(signature+12, 64<<20), "unexpected EOF"},
		{"signature cut", func(b []byte) []byte { return b[:200] }, "signature header at 0x60: ends at 0xc8"},
		{"header magic", put(header+4, 1), "bad magic 8eade80100000001"},
		{"many tags", put(header+8, 1<<16), "65536 tags where 1 to 65535 are allowed"},
		{"gigabytes of data", put(header+12, 0xffffffff), "4294967295 bytes of data"},
		{"256 MiB of data", put(header+12, 0x0fffffff), "unexpected EOF"},
		{"header cut", func(b []byte) []byte { return b[:end-1] }, "unexpected EOF"},
		{"no header", func(b []byte) []byte { return b[:header] }, "unexpected EOF"},
		{"region type", put(entry(0, 1), 6), "region tag 63 has type 6"},
		{"region count", put(entry(0, 3), 17), "region tag 63 has type 7 and count 17"},
		{"region outside", put(entry(0, 2), 0xfffffff0), "region trailer at 0xfffffff0 lies outside"},
		{"region trailer", put(end-16, 62), "bad region trailer"},
		{"region size", put(end-8, 0xfffffff0), "region of 1 tags and"},
		{"region not whole", put(end-8, 0xffffffff), "region of 1 bytes of index"},
		{"tag", put(entry(2, 0), 99), "tag 99 is not allowed"},
		{"type 0", put(entry(2, 1), 0), "tag 1000 has unknown type 0"},
		{"type 10", put(entry(2, 1), 10), "tag 1000 has unknown type 10"},
		{"wrong type", put(entry(2, 1), 7), "tag 1000 (Name) has type 7"},
		{"offset", put(entry(2, 2), 0x7fffffff), "overlaps the next or lies outside"},
		{"overlap", put(entry(2, 2), 0), "overlaps the next or lies outside"},
		{"twice", put(entry(3, 0), 1000), "tag 1000 stands twice"},
		{"count 0", put(entry(2, 3), 0), "tag 1000 has no data"},
		{"two names", put(entry(2, 3), 2), "tag 1000 is one string but claims 2"},
		{"many locales", put(entry(1, 3), 0xffffffff), "tag 100 claims 4294967295 strings"},
		{"many epochs", put(entry(5, 3), 0x40000000), "tag 1003 claims 1073741824 items of 4 bytes"},
		{"alignment", put(entry(5, 2), binary.BigEndian.Uint32(good[entry(5, 2):])-1), "tag 100"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data := test.spoil(bytes.Clone(good))
			for name, read := range map[string]func() (*rpmfile.Package, error){
				"Read":  func() (*rpmfile.Package, error) { return rpmfile.Read(bytes.NewReader(data)) },
				"Parse": func() (*rpmfile.Package, error) { return rpmfile.Parse(data) },
			} {
				var err error
				if n := allocated(func() { _, err = read() }); n > 1<<20 {
					t.Errorf("%s allocates %d bytes", name, n)
				}
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: %v, not %q", name, err, test.want)
				}
				if strings.Contains(test.want, "EOF") != errors.Is(err, io.ErrUnexpectedEOF) && test.name != "signature cut" {
					t.Errorf("%s: %v should or should not wrap io.ErrUnexpectedEOF", name, err)
				}
			}
		})
	}
}

// TestTruncated cuts a package at every place before its payload.
func TestTruncated(t *testing.T) {
	data := rpmtest.Build(t, rpmtest.Spec{})
	p, err := rpmfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	_, end := p.HeaderRange()
	for n := range end {
		if _, err := rpmfile.Read(bytes.NewReader(data[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if _, err := rpmfile.Parse(data[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

// TestFileArrays gives headers whose arrays do not fit together.
func TestFileArrays(t *testing.T) {
	for name, test := range map[string]struct {
		extra func(*rpmfile.HeaderWriter)
		want  string
	}{
		"directory": {
			func(w *rpmfile.HeaderWriter) { w.PutUint32(rpmfile.TagDirIndexes, 7) },
			`file 0 ("f"): directory 7 of 1`,
		},
		"indexes": {
			func(w *rpmfile.HeaderWriter) { w.PutUint32(rpmfile.TagDirIndexes, 0, 0) },
			"header has 1 base names but 2 directory indexes",
		},
		"a path of many bytes": {
			func(w *rpmfile.HeaderWriter) { w.PutStrings(rpmfile.TagDirNames, strings.Repeat("d", 4096)) },
			"file 0: path of 4097 bytes where 4096 are allowed",
		},
		"modes": {
			func(w *rpmfile.HeaderWriter) { w.PutUint16(rpmfile.TagFileModes, 1, 2, 3) },
			"header has 1 files but 3 items in FileModes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := rpmfile.Parse(rpmtest.Build(t, rpmtest.Spec{Files: []rpmtest.File{{Path: "/f"}}, Extra: test.extra}))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Files(); err == nil || err.Error() != test.want {
				t.Errorf("%v, not %q", err, test.want)
			}
		})
	}
}

// TestPathsBounded: a directory that very many files name does not fill the memory.
func TestPathsBounded(t *testing.T) {
	const n = 100_000
	p, err := rpmfile.Parse(rpmtest.Build(t, rpmtest.Spec{Extra: func(w *rpmfile.HeaderWriter) {
		w.PutStrings(rpmfile.TagDirNames, strings.Repeat("d", 4000))
		w.PutStrings(rpmfile.TagBaseNames, make([]string, n)...)
		w.PutUint32(rpmfile.TagDirIndexes, make([]uint32, n)...)
	}}))
	if err != nil {
		t.Fatal(err)
	}
	var got error
	if used := allocated(func() { _, got = p.Files() }); used > 32<<20 {
		t.Errorf("a header of %d bytes takes %d of memory", len(p.Header.Raw()), used)
	}
	if got == nil || !strings.Contains(got.Error(), "paths of more than 16 times the header's") {
		t.Errorf("taken: %v", got)
	}
}

// TestDecompressBounded feeds streams that claim gigabytes.
func TestDecompressBounded(t *testing.T) {
	streams := map[string][]byte{
		// A block header with a dictionary of 4 GiB - 1.
		"xz": append([]byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46"), 2, 0, 0x21, 1, 40, 0, 0, 0, 0, 0, 0, 0),
		// Properties, a dictionary of 3 GiB, an unknown size.
		"lzma": append([]byte{0x5d, 0, 0, 0, 0xc0}, bytes.Repeat([]byte{0xff}, 32)...),
		// A window of 2 GiB.
		"zstd": {0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0},
	}
	for name, data := range streams {
		t.Run(name, func(t *testing.T) {
			var err error
			n := allocated(func() {
				var r io.ReadCloser
				if r, err = rpmfile.Decompress(bytes.NewReader(data), name); err == nil {
					_, err = io.ReadAll(r)
					r.Close()
				}
			})
			if err == nil || n > 4<<20 {
				t.Errorf("%d bytes allocated, error %v", n, err)
			}
		})
	}
	if _, err := rpmfile.Decompress(strings.NewReader(""), "rot13"); err == nil {
		t.Error("an unknown compressor is taken")
	}
}
