package ostree

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func emptyRepo(t *testing.T) *Repo {
	t.Helper()
	repo, err := Init(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func begin(t *testing.T, repo *Repo) *Writer {
	t.Helper()
	w, err := repo.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// publish writes one file below a reference.
func publish(t *testing.T, repo *Repo, ref, content string) (file Checksum) {
	t.Helper()
	w := begin(t, repo)
	file, err := w.PutBytes(FileInfo{Mode: 0o100644}, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	tree, _ := w.PutTree(DirTree{Files: []TreeFile{{"f", file}}})
	meta, _ := w.PutMeta(DirMeta{Mode: 0o40755})
	commit, err := w.PutCommit(Commit{Tree: tree, Meta: meta})
	if err := errors.Join(err, w.Flush(), repo.SwapRef(t.Context(), ref, Checksum{}, commit), w.Close()); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "not an OSTree repository") {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(dir); err == nil {
		t.Error("Init took a directory that holds something")
	}
}

func TestWriterDeduplicates(t *testing.T) {
	repo := emptyRepo(t)
	w := begin(t, repo)
	big := bytes.Repeat([]byte("0123456789abcdef"), smallFile/8)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, c := range [][]byte{nil, []byte("x"), big} {
				if _, err := w.PutFile(FileInfo{Mode: 0o100644}, int64(len(c)), bytes.NewReader(c)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, _ := w.Written(); n != 3 {
		t.Errorf("%d objects written, want 3", n)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := repo.ReadFile(FileInfo{Mode: 0o100644}.Checksum(big), 1<<30)
	if err != nil || !bytes.Equal(got, big) {
		t.Errorf("read back %d bytes, %v", len(got), err)
	}
	if _, err := w.PutFile(FileInfo{Mode: 0o100644}, 10, strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a short file: %v", err)
	}
}

func TestDamageIsNamed(t *testing.T) {
	repo := emptyRepo(t)
	file := publish(t, repo, "r", strings.Repeat("content ", 1000))
	path := filepath.Join(repo.Dir(), "objects", Object{TypeFile, file}.path())
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() error{
		"flipped":   func() error { b := bytes.Clone(whole); b[len(b)/2] ^= 1; return os.WriteFile(path, b, 0o600) },
		"truncated": func() error { return os.WriteFile(path, whole[:len(whole)-5], 0o600) },
		"header":    func() error { b := bytes.Clone(whole); b[3] = 0xff; b[0] = 0xff; return os.WriteFile(path, b, 0o600) },
		"size":      func() error { b := bytes.Clone(whole); b[15]++; return os.WriteFile(path, b, 0o600) },
		"gone":      func() error { return os.Remove(path) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if _, err := repo.ReadFile(file, 1<<20); err == nil || !strings.Contains(err.Error(), file.String()) {
			t.Errorf("%s: read gives %v", name, err)
		}
		var faults []error
		if _, err := repo.Fsck(t.Context(), func(err error) { faults = append(faults, err) }); err != nil || len(faults) != 1 {
			t.Errorf("%s: fsck gives %v, %v", name, faults, err)
		}
	}
}

func TestPruneKeepsWhatRefsReach(t *testing.T) {
	repo := emptyRepo(t)
	kept := publish(t, repo, "a/b", "kept")
	gone := publish(t, repo, "c", "gone")
	sum, _ := repo.Ref("c")
	if err := repo.SwapRef(t.Context(), "c", sum, Checksum{}); err != nil {
		t.Fatal(err)
	}
	dry, err := repo.Prune(t.Context(), true, nil)
	if err != nil || dry.Objects != 3 || !repo.Has(Object{TypeFile, gone}) {
		t.Errorf("dry run: %+v %v", dry, err)
	}
	if p, err := repo.Prune(t.Context(), false, nil); err != nil || p != dry {
		t.Errorf("pruned %+v, dry run said %+v: %v", p, dry, err)
	}
	if !repo.Has(Object{TypeFile, kept}) || repo.Has(Object{TypeFile, gone}) {
		t.Error("pruned the wrong file")
	}
}

func TestParentsFirst(t *testing.T) {
	repo := emptyRepo(t)
	w := begin(t, repo)
	meta, _ := w.PutMeta(DirMeta{Mode: 0o40755})
	chain := []Checksum{}
	tree, _ := w.PutTree(DirTree{})
	for range 5 {
		chain = append(chain, tree)
		tree, _ = w.PutTree(DirTree{Dirs: []TreeDir{{"a", tree, meta}, {"b", chain[0], meta}}})
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	got := repo.parentsFirst(chain)
	for i := range chain {
		if got[i] != chain[len(chain)-1-i] {
			t.Fatalf("place %d: %s, want %s", i, got[i], chain[len(chain)-1-i])
		}
	}
}

func TestSwapRefIsAtomic(t *testing.T) {
	repo := emptyRepo(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for n := 0; n < 20; {
				old, err := repo.Ref("counter")
				if err != nil && !errors.Is(err, ErrNotFound) {
					t.Error(err)
					return
				}
				next := old
				next[0]++
				switch err := repo.SwapRef(context.Background(), "counter", old, next); {
				case err == nil:
					n++
				case !errors.Is(err, ErrRefMoved):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got, _ := repo.Ref("counter"); got[0] != 80 {
		t.Errorf("counted to %d, want 80", got[0])
	}
}

func TestLocks(t *testing.T) {
	repo := emptyRepo(t)
	one, err := repo.LockShared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two, err := repo.LockShared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exclusive := make(chan func())
	go func() {
		release, err := repo.LockExclusive(context.Background())
		if err != nil {
			t.Error(err)
		}
		exclusive <- release
	}()
	time.Sleep(2 * breather) // which it leaves to others first
	short, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := repo.LockShared(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a shared lock went past one who waits for the exclusive lock: %v", err)
	}
	one()
	two()
	(<-exclusive)()
	again, err := repo.LockShared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again()
}
