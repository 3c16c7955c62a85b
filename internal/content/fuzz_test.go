package content

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// FuzzImport: whatever comes in is refused or comes out again.
func FuzzImport(f *testing.F) {
	for _, spec := range rpmtest.Samples() {
		b, err := rpmtest.Encode(spec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	dir := filepath.Join(f.TempDir(), "store")
	if err := Init(dir); err != nil {
		f.Fatal(err)
	}
	s, err := Open(dir, Options{NoSync: true, NoIndex: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, rpm []byte) {
		se, err := s.Session(t.Context(), "c", 1)
		if err != nil {
			t.Fatal(err)
		}
		defer se.Close()
		got, err := se.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{Replace: true})
		if err != nil {
			return
		}
		list, err := got.Package.Exports()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			var out bytes.Buffer
			if err := got.Package.WriteExport(t.Context(), e, &out); err != nil {
				t.Fatal(err)
			}
			if e.SHA256 == got.SHA256 && !bytes.Equal(out.Bytes(), rpm) {
				t.Fatal("another file came out")
			}
		}
	})
}

// FuzzPlain: an archive is put together again from what it was taken apart to, or refused.
func FuzzPlain(f *testing.F) {
	header := func(name string, size int) []byte {
		a := Archive{Format: newc}
		return a.appendEntry(nil, record{fieldMode: 0o100644, fieldNLink: 1, fieldSize: int64(size)}, name)
	}
	whole := append(header("./a", 4), "body"...)
	whole = append(whole, (&Archive{}).usualTail(int64(len(whole)))...)
	f.Add(whole)
	f.Add(append(bytes.Clone(whole), make([]byte, 300)...))
	f.Add([]byte("07070X00000000\x00\x00body"))
	repo, err := ostree.Init(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	repo.SetSync(false)
	files := []rpmfile.File{
		{Path: "/a", Mode: 0o100644, Size: 4, Inode: 1},
		{Path: "/dir/b", Mode: 0o100755, Size: 2, Inode: 2},
		{Path: "/dir/c", Mode: 0o100755, Size: 2, Inode: 2},
		{Path: "/l", Mode: 0o120777, LinkTo: "a", Inode: 3},
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		w, err := repo.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		a, content, extra, err := takeApart(w, files, bytes.NewReader(plain))
		if err != nil {
			return
		}
		tree := packageTree{content: content, extra: extra, recipe: &Recipe{Archive: a}}
		if err := tree.writeContent(w); err != nil {
			return
		}
		var out bytes.Buffer
		if err := tree.assemble(t.Context(), w, files, &out); err != nil || !bytes.Equal(out.Bytes(), plain) {
			t.Fatalf("%q came out as %q: %v", plain, out.Bytes(), err)
		}
	})
}

// FuzzRecipe: a recipe is refused or read, written and read alike; a wrong one makes an error and no panic.
func FuzzRecipe(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"` + string(bytes.Repeat([]byte("00"), 32)) + `","size":0,"kept":"deferred",
		"archive":{"size":160,"sha256":"","format":"070701","entries":2,"columns":[{"field":"ino","runs":[1,5,1,-3]}],"names":[{"entry":0,"name":"YQ=="}],"extra":[1]}}`))
	f.Add([]byte(`{"version":1,"id":"` + string(bytes.Repeat([]byte("00"), 32)) + `","size":0,"kept":"deferred",
		"archive":{"size":999,"sha256":"","format":"070701","entries":3,"columns":[{"field":"file","runs":[1,-5,1,3]}]}}`))
	repo, err := ostree.Init(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	files := []rpmfile.File{{Path: "/a", Mode: 0o100644, Size: 4, Inode: 1}, {Path: "/l", Mode: 0o120777, LinkTo: "a"}}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Recipe
		if decodeDocument(b, &r) != nil || r.check() != nil {
			return
		}
		doc, err := encodeDocument(&r)
		if err != nil {
			t.Fatal(err)
		}
		var again Recipe
		if err := json.Unmarshal(doc, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		if r.Archive != nil {
			_ = assemble(t.Context(), repo, r.Archive, files, ostree.Checksum{}, ostree.Checksum{}, io.Discard, true)
		}
	})
}
