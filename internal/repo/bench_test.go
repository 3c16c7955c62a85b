package repo

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/repodata"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// BenchmarkRead reads package files as directory mode does: header and checksum in one pass.
func BenchmarkRead(b *testing.B) {
	for _, test := range []struct {
		name string
		size int
	}{{"4KB", 4 << 10}, {"1MB", 1 << 20}, {"64MB", 64 << 20}} {
		b.Run(test.name, func(b *testing.B) {
			data := rpmtest.Build(b, rpmtest.Spec{Compressor: "none", Files: []rpmtest.File{{Path: "/big", Body: make([]byte, test.size)}}})
			path := filepath.Join(b.TempDir(), "big.rpm")
			if err := os.WriteFile(path, data, 0o666); err != nil {
				b.Fatal(err)
			}
			r, err := newRPMReader("sha256", 10, "")
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var p repodata.Package
			for b.Loop() {
				if _, err := r.read(path, &p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
