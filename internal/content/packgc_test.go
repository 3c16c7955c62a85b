package content

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// twoPacks gives a store with two small packs, which GC would put together.
func twoPacks(t *testing.T, level int) *Store {
	t.Helper()
	s := newStore(t)
	rpms := versions(t)
	for _, part := range [][][]byte{rpms[:4], rpms[4:]} {
		importAll(t, s, "c", ImportOptions{}, part...)
		if _, err := s.Pack(t.Context(), []string{"c"}, PackOptions{Level: level}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestGCLevel: what GC packs again is compressed as it was.
func TestGCLevel(t *testing.T) {
	s := newStore(t)
	if _, err := s.compressor(17); err != nil {
		judges.Missing(t, "%v", err)
	}
	s = twoPacks(t, 17)
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	packs := s.packs.Packs()
	if len(packs) != 1 || packs[0].Level != 17 {
		t.Errorf("%d packs, the first of level %d", len(packs), packs[0].Level)
	}
	sound(t, s)
}

// TestGCCounts: an object in two packs is kept once.
func TestGCCounts(t *testing.T) {
	s := twoPacks(t, 0)
	first, err := s.GC(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	name := packNames(t, s)[0]
	dir := filepath.Join(s.repo.Dir(), packsDir)
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "copy"+pack.Suffix), b, 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := s.GC(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if again.Kept != first.Kept {
		t.Errorf("kept %d objects, before %d", again.Kept, first.Kept)
	}
}

// TestGCDamaged: a file that cannot be read is named and its pack stays; the packs are put together all the same.
func TestGCDamaged(t *testing.T) {
	s := newStore(t)
	random := rand.NewChaCha8([32]byte{9})
	var bodies [][]byte
	for i := range 3 {
		spec := rpmtest.Spec{Name: fmt.Sprint("p", i)}
		for j := range 3 {
			body := make([]byte, 20000)
			random.Read(body)
			bodies = append(bodies, body)
			spec.Files = append(spec.Files, rpmtest.File{Path: fmt.Sprint("/usr/share/", j), Body: body})
		}
		importAll(t, s, "c", ImportOptions{}, rpmtest.Build(t, spec))
		mustPack(t, s, "c")
	}
	want := exportAll(t, s, "c")
	var hurt string
	for _, name := range packNames(t, s) { // what does not compress stands in a pack as it is
		path := filepath.Join(s.repo.Dir(), packsDir, name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(b, bodies[4][5000:5100]); at >= 0 {
			hurt = name
			b[at] ^= 1
			if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, b, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := Open(s.repo.Dir(), Options{NoIndex: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var d *pack.DamagedError
	if _, err := s.GC(t.Context(), false); !errors.As(err, &d) || d.Pack != hurt || d.Key == (pack.Key{}) {
		t.Errorf("gc says %v, want a file of %s", err, hurt)
	}
	if left := packNames(t, s); len(left) != 2 || !slices.Contains(left, hurt) {
		t.Errorf("packs %v, want a new one and %s", left, hurt)
	}
	for nevra, file := range want {
		c, err := s.Collection("c")
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		_, err = mustFind(t, c, nevra).Export(t.Context(), Form{}, &b)
		if lost := strings.HasPrefix(nevra, "p1-"); lost != (err != nil) || !lost && b.String() != file {
			t.Errorf("%s: %v", nevra, err)
		}
	}
}
