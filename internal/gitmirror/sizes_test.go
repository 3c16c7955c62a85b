package gitmirror

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// TestSizeTags has sizes on both sides of what 32 bits hold, as rpmbuild does.
func TestSizeTags(t *testing.T) {
	const edge = 1<<32 - 1
	payload := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(payload, []byte("payload"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		files []int64
		plain int64
		long  bool
	}{
		{"small", []int64{5, 7}, 300, false},
		{"just below", []int64{edge - 2, 1}, edge - 1, false},
		{"just there", []int64{edge - 1, 1}, edge, true},
		{"far above", []int64{3 << 30, 3 << 30, 3 << 30}, 9<<30 + 700, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &freshHeader{}
			var files []packed
			for _, n := range c.files {
				files = append(files, packed{name: "f", size: n})
			}
			h.fileTags(files)
			raw, err := h.w.Bytes(rpmfile.TagHeaderImmutable)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := writePackage(&b, rpmfile.NEVRA{Name: "n", Version: "1", Release: "1"}, raw, payload, payloadSums{size: 7, plainSize: c.plain}); err != nil {
				t.Fatal(err)
			}
			pkg, err := rpmfile.Parse(b.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			for _, tags := range [][2]rpmfile.Tag{{rpmfile.TagSize, rpmfile.TagLongSize}} {
				if pkg.Header.Has(tags[0]) == c.long || pkg.Header.Has(tags[1]) != c.long {
					t.Errorf("header: %v", tags)
				}
			}
			for _, tags := range [][2]rpmfile.Tag{{rpmfile.SigSize, rpmfile.SigLongSize}, {rpmfile.SigPayloadSize, rpmfile.SigLongArchiveSize}} {
				if pkg.Signature.Has(tags[0]) == c.long || pkg.Signature.Has(tags[1]) != c.long {
					t.Errorf("signature header: %v", tags)
				}
			}
		})
	}
}
