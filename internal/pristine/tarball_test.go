package pristine

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTarballCorpus re-creates the tarballs in the directories of WELD_TARBALLS.
func TestTarballCorpus(t *testing.T) {
	dirs := os.Getenv("WELD_TARBALLS")
	if dirs == "" {
		t.Skip("WELD_TARBALLS names no directories with tarballs")
	}
	e := testEncoders(t)
	var files, found int
	for _, dir := range filepath.SplitList(dirs) {
		names, _ := filepath.Glob(filepath.Join(dir, "*.tar.*"))
		for _, name := range names {
			if strings.HasSuffix(name, ".asc") {
				continue
			}
			files++
			if tarball(t, e, name) {
				found++
			}
		}
	}
	t.Logf("%d of %d tarballs", found, files)
}

func tarball(t *testing.T, e *Encoders, name string) bool {
	f, err := os.Open(name)
	if err != nil {
		t.Error(err)
		return false
	}
	defer f.Close()
	info, _ := f.Stat()
	head := make([]byte, 64)
	f.ReadAt(head, 0)
	plain := func() (io.ReadCloser, error) {
		return Decompress(io.NewSectionReader(f, 0, info.Size()), Detect(head))
	}
	start := cpu()
	r, err := Find(t.Context(), e, f, info.Size(), plain, Hint{})
	search := cpu() - start
	if errors.Is(err, ErrNoEncoder) {
		t.Logf("MISS %-45s %9d %v %v", filepath.Base(name), info.Size(), search.Round(time.Millisecond), err)
		return false
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return false
	}
	start = cpu()
	p, err := plain()
	if err == nil {
		err = r.Reproduce(t.Context(), e, p, io.Discard)
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return false
	}
	once := cpu() - start
	t.Logf("ok   %-45s %9d %v %.2f %s", filepath.Base(name), info.Size(), search.Round(time.Millisecond), float64(search)/float64(once), r)
	return true
}
