package content

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestHostileRecipe: what a stranger's recipe says makes an error, no panic, and no more than it says itself.
func TestHostileRecipe(t *testing.T) {
	repo, err := ostree.Init(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files := []rpmfile.File{{Path: "/a", Mode: 0o100644, Inode: 1}, {Path: "/b", Mode: 0o100644, Inode: 2}}
	for name, a := range map[string]Archive{
		"file before the first": {Entries: 3, Columns: []Column{{"file", []int64{1, -5, 1, 5}}}},
		"least file":            {Entries: 3, Columns: []Column{{"file", []int64{1, -1 << 63}}}},
		"largest file":          {Entries: 3, Columns: []Column{{"file", []int64{1, 1<<63 - 1}}}},
		"stripped":              {Entries: 3, Format: stripped, Columns: []Column{{"file", []int64{1, 1 << 32}}}},
		"negative size":         {Entries: 1, Columns: []Column{{"size", []int64{1, -1}}}},
		"a size above all":      {Entries: 2, Columns: []Column{{"size", []int64{1, 1 << 62}}}},
	} {
		t.Run(name, func(t *testing.T) {
			a.Size = 1000
			if a.Format == "" {
				a.Format = newc
			}
			if err := assemble(t.Context(), repo, &a, files, ostree.Checksum{}, ostree.Checksum{}, io.Discard, true); err == nil {
				t.Error("no error")
			}
		})
	}
	t.Run("long names", func(t *testing.T) {
		a := Archive{Entries: 1000, Format: newc, Size: 2000, Prefix: strings.Repeat("p", 1<<20)}
		size := new(counter)
		if err := assemble(t.Context(), repo, &a, files, ostree.Checksum{}, ostree.Checksum{}, size, true); err == nil || *size > 4<<20 {
			t.Errorf("%d bytes of an archive of 2000: %v", *size, err)
		}
	})
}

// TestHostileExports: a document that names no files as ours do is refused.
func TestHostileExports(t *testing.T) {
	s := newStore(t)
	p := importAll(t, s, "c", ImportOptions{}, sample(t, "p", "1", "x"))[0].Package
	list, err := p.Exports()
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Export){
		"digest that is a path": func(e *Export) { e.SHA256 = "../../../../" + e.SHA256[12:] },
		"short digest":          func(e *Export) { e.SHA256 = "" },
		"capitals":              func(e *Export) { e.SHA256 = strings.Repeat("A", 64) },
		"header in the lead":    func(e *Export) { e.Header = 5 },
		"no header":             func(e *Export) { e.Payload = e.Header },
		"payload behind":        func(e *Export) { e.Payload = e.Size + 1 },
		"key":                   func(e *Export) { e.Keys = []string{"\x1b[2J"} },
	} {
		t.Run(name, func(t *testing.T) {
			e := list[0]
			spoil(&e)
			w, err := s.repo.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			doc, err := json.Marshal(exports{Version: 1, Exports: []Export{e}})
			if err != nil {
				t.Fatal(err)
			}
			q := &Package{entry: p.entry, store: s, from: w}
			if q.Tree, err = p.change(w, map[string][]byte{nameExports: doc}, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := q.Exports(); err == nil {
				t.Error("taken")
			}
		})
	}
}

// TestHostilePaths: a path of very many directories is a reason to refuse a package, and no crash.
func TestHostilePaths(t *testing.T) {
	rpm := rpmtest.Build(t, rpmtest.Spec{Name: "deep", Long: true, Files: []rpmtest.File{
		{Path: "/" + strings.Repeat("a/", 3000) + "f", Body: []byte("x")},
	}})
	s := newStore(t)
	se, err := s.Session(t.Context(), "c", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer se.Close()
	_, err = se.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{})
	if err == nil || !strings.Contains(err.Error(), "path of 6002 bytes") {
		t.Errorf("imported: %v", err)
	}
}

// TestGCBetweenSessions: who works in one collection, and has another one at hand, does not keep gc waiting, nor itself.
func TestGCBetweenSessions(t *testing.T) {
	s := newStore(t)
	importAll(t, s, "a", ImportOptions{}, sample(t, "p", "1", "x"))
	if err := s.Branch(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	var sessions [2]*Session
	for i, name := range []string{"a", "b"} {
		se, err := s.Session(ctx, name, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer se.Close()
		sessions[i] = se
		rpm := sample(t, "first", "1", "y")
		if _, err := se.Import(ctx, bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(leastHold)
	collected := make(chan error, 1)
	go func() {
		_, err := s.GC(ctx, false)
		collected <- err
	}()
	time.Sleep(100 * time.Millisecond)
	rpm := sample(t, "q", "1", "x")
	if _, err := sessions[0].Import(ctx, bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{}); err != nil {
		t.Error(err)
	}
	if err := <-collected; err != nil {
		t.Error(err)
	}
}

// changing is a file that has another last byte from the second time on that it is read from a place.
type changing struct {
	data []byte
	from int64
	n    int
}

func (c *changing) ReadAt(b []byte, off int64) (int, error) {
	n, err := bytes.NewReader(c.data).ReadAt(b, off)
	if off == c.from {
		c.n++
	}
	if c.n > 1 && n > 0 && off+int64(n) == int64(len(c.data)) {
		b[n-1]++
	}
	return n, err
}

// TestChangingFile: what is kept is what was verified.
func TestChangingFile(t *testing.T) {
	s := newStore(t)
	rpm := sample(t, "p", "1", "x")
	pkg, err := rpmfile.Parse(rpm)
	if err != nil {
		t.Fatal(err)
	}
	_, payload := pkg.HeaderRange()
	se, err := s.Session(t.Context(), "c", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer se.Close()
	for name, try := range map[string]struct {
		src      io.ReaderAt
		size     int64
		deferred bool
	}{
		"payload, kept": {&changing{data: rpm, from: payload}, int64(len(rpm)), true},
		"cut":           {bytes.NewReader(rpm), int64(len(rpm)) + 1, false},
	} {
		if _, err := se.Import(t.Context(), try.src, try.size, ImportOptions{Defer: try.deferred}); !errors.Is(err, errChanging) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestImportTimeout: reading what a payload holds ends with the time that the package has.
func TestImportTimeout(t *testing.T) {
	s := newStore(t)
	rpm := sample(t, "p", "1", "x")
	se, err := s.Session(t.Context(), "c", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer se.Close()
	ctx, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	if _, err := se.Import(ctx, bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{Defer: true}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestSignatureWithoutDigests: nothing tells that such a signature header belongs to the package.
func TestSignatureWithoutDigests(t *testing.T) {
	s := newStore(t)
	p := importAll(t, s, "c", ImportOptions{}, sample(t, "p", "1", "x"))[0].Package
	var w rpmfile.HeaderWriter
	w.PutBytes(rpmfile.SigReservedSpace, make([]byte, 8))
	raw, err := w.Bytes(rpmfile.SigHeaderSignatures)
	if err != nil {
		t.Fatal(err)
	}
	raw = append(raw, make([]byte, -len(raw)&7)...)
	se, err := s.Session(t.Context(), "c", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer se.Close()
	if _, err := se.AddSignature(t.Context(), p, raw); err == nil || !strings.Contains(err.Error(), "no digests") {
		t.Errorf("added: %v", err)
	}
}

// TestWrongNames: a package under another's name, and two signature headers of one name, are told.
func TestWrongNames(t *testing.T) {
	s := newStore(t)
	p := importAll(t, s, "c", ImportOptions{}, sample(t, "p", "1", "x"))[0].Package
	other := &Package{Tree: p.Tree, entry: strings.Replace(p.entry, "p-1", "q-1", 1), store: s, from: s.objects}
	if _, err := other.Check(t.Context(), nil); err == nil || !strings.Contains(err.Error(), `header of "p-1-1.x86_64"`) {
		t.Errorf("checked: %v", err)
	}
	list, err := p.Exports()
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.repo.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	q := &Package{Tree: p.Tree, entry: p.entry, store: s, from: w}
	if _, err := q.change(w, nil, map[string][]byte{list[0].Signature: []byte("other")}); err == nil {
		t.Error("one signature header took the place of another")
	}
}

// TestOddPlace: the index lies in the store, whatever the store's directory is called.
func TestOddPlace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a?b#c%41", "store")
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := Init(dir); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	importAll(t, s, "c", ImportOptions{}, sample(t, "p", "1", "x"))
	if _, err := os.Stat(filepath.Join(dir, indexName)); err != nil {
		t.Error(err)
	}
}
