package content

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	if err := Init(dir); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// importAll puts package files into a collection, all in one session.
func importAll(t *testing.T, s *Store, collection string, o ImportOptions, rpms ...[]byte) []*Imported {
	t.Helper()
	se, err := s.Session(t.Context(), collection, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer se.Close()
	var list []*Imported
	for _, rpm := range rpms {
		got, err := se.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), o)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, got)
	}
	return list
}

func exported(t *testing.T, p *Package, form Form) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := p.Export(t.Context(), form, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func fsck(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.repo.Fsck(context.Background(), func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
}

// TestIdentity: what went in comes out.
func TestIdentity(t *testing.T) {
	samples := rpmtest.Samples()
	for _, deferred := range []bool{false, true} {
		s := newStore(t)
		for _, name := range slices.Sorted(maps.Keys(samples)) {
			rpm, err := rpmtest.Encode(samples[name])
			if err != nil {
				t.Fatal(err)
			}
			got := importAll(t, s, "all", ImportOptions{Defer: deferred}, rpm)[0]
			if out := exported(t, got.Package, Form{}); !bytes.Equal(out, rpm) {
				t.Errorf("%s: exported %d bytes, imported %d", name, len(out), len(rpm))
			}
			t.Logf("%s: kept %q, %s", name, got.Kept, got.Detail)
			again := importAll(t, s, "all", ImportOptions{Defer: deferred}, rpm)[0]
			if !again.Known {
				t.Errorf("%s: not known the second time", name)
			}
		}
		fsck(t, s)
	}
}

// TestCorpus takes real packages, every *.rpm below $WELD_RPMS: each is refused with a reason or comes out as it went in.
func TestCorpus(t *testing.T) {
	root := os.Getenv("WELD_RPMS")
	if root == "" {
		t.Skip("WELD_RPMS names no directory of packages")
	}
	s := newStore(t)
	se, err := s.Session(t.Context(), "corpus", 2)
	if err != nil {
		t.Fatal(err)
	}
	defer se.Close()
	kept := map[string]int{}
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".rpm" {
			return err
		}
		rpm, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := se.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{})
		if err != nil {
			var stage *StageError
			if !errors.As(err, &stage) {
				t.Errorf("%s: no stage: %v", path, err)
			}
			kept["refused"]++
			t.Logf("refused: %s: %v", path, err)
			return nil
		}
		kept[got.Kept]++
		if got.Kept != "" {
			t.Logf("%s: %s: %s", got.Kept, path, got.Detail)
		}
		var b bytes.Buffer
		form := Form{}
		list, err := got.Package.Exports()
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.SHA256 == got.SHA256 {
				b.Reset()
				if err := got.Package.WriteExport(t.Context(), e, &b); err != nil || !bytes.Equal(b.Bytes(), rpm) {
					t.Errorf("%s: exported %d bytes of %d: %v", path, b.Len(), len(rpm), err)
				}
			}
		}
		if _, err := got.Package.Export(t.Context(), form, &b); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("payloads: %v", kept)
	fsck(t, s)
}
