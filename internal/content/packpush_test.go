package content

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/remote"
)

func pushAll(t *testing.T, p *Push) error {
	t.Helper()
	items, err := p.Items(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		if err := p.Send(t.Context(), item); err != nil {
			t.Error(err)
		}
	}
	_, err = p.Finish(t.Context())
	return err
}

// TestPushBothKinds: of two who make a collection at the same moment, one live and one packed, the one who comes second is told, and
// when the packed one is pushed again nothing is lost.
func TestPushBothKinds(t *testing.T) {
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			dir := t.TempDir()
			place, err := remote.Open(dir, remote.Options{})
			if err != nil {
				t.Fatal(err)
			}
			stores := []*Store{newStore(t), newStore(t)}
			var pushes []*Push
			for i, s := range stores {
				importAll(t, s, "c", ImportOptions{}, sample(t, fmt.Sprint("p", i), "1", "word"))
			}
			mustPack(t, stores[0], "c")
			for _, s := range stores {
				p, err := s.Push(t.Context(), place, "c", false)
				if err != nil {
					t.Fatal(err)
				}
				pushes = append(pushes, p)
			}
			if err := pushAll(t, pushes[order[0]]); err != nil {
				t.Error(err)
			}
			if err := pushAll(t, pushes[order[1]]); err == nil || !strings.Contains(err.Error(), "live and packed at the same moment") {
				t.Errorf("the second: %v", err)
			}
			for _, p := range pushes {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
			again, err := stores[0].Push(t.Context(), place, "c", false)
			if err != nil {
				t.Fatal(err)
			}
			if err := pushAll(t, again); err != nil {
				t.Error(err)
			}
			if err := again.Close(); err != nil {
				t.Error(err)
			}
			there, err := Open(dir, Options{NoIndex: true})
			if err != nil {
				t.Fatal(err)
			}
			defer there.Close()
			if _, err := there.GC(t.Context(), false); err != nil {
				t.Error(err)
			}
			if files := exportAll(t, there, "c"); len(files) != 2 {
				t.Errorf("%d packages, want 2", len(files))
			}
			sound(t, there)
			if err := there.Drop(t.Context(), "c"); err != nil {
				t.Error(err)
			}
			if names, err := there.Collections(); err != nil || len(names) > 0 {
				t.Errorf("dropped, and there are %v (%v)", names, err)
			}
		})
	}
}

// TestUnpackRace: packages that are imported while a packed collection is unpacked are in it afterwards.
func TestUnpackRace(t *testing.T) {
	s := newStore(t)
	importAll(t, s, "c", ImportOptions{}, versions(t)...)
	for round := range 5 {
		mustPack(t, s, "c")
		done := make(chan error)
		go func() {
			_, err := s.Unpack(t.Context(), "c")
			done <- err
		}()
		for i := range 4 {
			importAll(t, s, "c", ImportOptions{}, sample(t, fmt.Sprintf("r%d-%d", round, i), "1", "word"))
		}
		if err := <-done; err != nil && !strings.Contains(err.Error(), "has changed meanwhile") {
			t.Error(err)
		}
		c, err := s.Collection("c")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if found, err := c.Find(fmt.Sprintf("r%d-%d", round, i)); err != nil || len(found) != 1 {
				t.Errorf("round %d: package %d: %v", round, i, err)
			}
		}
		sound(t, s)
	}
}

// TestPackRefLeft: what a crash leaves beside the reference of a packed collection is no reference, and GC removes it.
func TestPackRefLeft(t *testing.T) {
	s := newStore(t)
	importAll(t, s, "c", ImportOptions{}, versions(t)...)
	mustPack(t, s, "c")
	path := s.packRefPath("collections/c")
	left := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp0000")
	if err := os.WriteFile(left, []byte("to"), 0o666); err != nil {
		t.Fatal(err)
	}
	if names, err := s.Collections(); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("it is there still")
	}
	sound(t, s)
}
