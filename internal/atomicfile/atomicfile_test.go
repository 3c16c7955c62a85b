package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"first", "second"} {
		if err := Write(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := WriteFrom(path, 0o666, func(w io.Writer) error {
		io.WriteString(w, "half")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "second" {
		t.Errorf("a failed write left %q", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left, want one", len(entries))
	}
	if err := Write(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("the permissions became %v", info.Mode())
	}
}

func TestWriteSaysWhereItCannot(t *testing.T) {
	if err := Write(filepath.Join(t.TempDir(), "none", "file"), nil, 0o666); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestWhatACrashLeftIsTakenOver(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(filepath.Join(dir, ".file.tmp0000"), []byte("half a longer text"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("whole"), 0o644); err != nil {
		t.Fatal(err)
	}
	expectOnly(t, dir, "whole")
}

func TestWritersAtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 50 {
				if err := WriteUnsynced(path, []byte(strings.Repeat("whole", 2000)), 0o644); err != nil {
					t.Error(err)
				}
				if data, err := os.ReadFile(path); err != nil || string(data) != strings.Repeat("whole", 2000) {
					t.Errorf("%d bytes, %v", len(data), err)
				}
			}
		})
	}
	wg.Wait()
	expectOnly(t, dir, strings.Repeat("whole", 2000))
}

func expectOnly(t *testing.T, dir, want string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(data) != want {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}
