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

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/pristine"
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

// TestGCWithoutEncoder: a level that cannot be had here does not stop GC.
func TestGCWithoutEncoder(t *testing.T) {
	s := twoPacks(t, 0)
	for _, p := range s.packs.Packs() {
		p.Level = MaxPackLevel + 1
	}
	s.encoders = &pristine.Encoders{}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if packs := s.packs.Packs(); len(packs) != 1 || packs[0].Level != 0 {
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

// TestGCReadsNothing: where nothing has changed, GC and Pack do not look into the packs, and without the facts they do the same.
func TestGCReadsNothing(t *testing.T) {
	s := twoPacks(t, 0)
	if _, err := s.GC(t.Context(), false); err != nil { // puts them together
		t.Fatal(err)
	}
	first, err := s.GC(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	names := packNames(t, s)
	for _, facts := range []bool{true, false} {
		if !facts {
			if err := os.Remove(s.factsPath()); err != nil {
				t.Fatal(err)
			}
		}
		again, err := Open(s.repo.Dir(), Options{NoIndex: true})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		done, err := again.GC(t.Context(), false)
		if err != nil || done != first {
			t.Errorf("facts %v: %+v, %v; want %+v", facts, done, err, first)
		}
		if read := again.packs.Decoded(); facts && read > 0 {
			t.Errorf("gc has decoded %d bytes", read)
		}
		if packed, err := again.Pack(t.Context(), []string{"c"}, PackOptions{}); err != nil || packed.Packs > 0 {
			t.Errorf("facts %v: %+v, %v", facts, packed, err)
		}
	}
	if got := packNames(t, s); !slices.Equal(got, names) {
		t.Errorf("packs %v, want %v", got, names)
	}
}

// TestGCReadsWhatChanged: what binds a collection from which a package was taken is loose, and to find that out GC reads no package that was packed.
func TestGCReadsWhatChanged(t *testing.T) {
	s := twoPacks(t, 0)
	for range 2 {
		if _, err := s.GC(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Remove(t.Context(), "c", packagesOf(t, s, "c")[:1]); err != nil {
		t.Fatal(err)
	}
	first, err := s.GC(t.Context(), false) // learns that the packs stay
	if err != nil {
		t.Fatal(err)
	}
	whole := s.wholePackages()
	for _, p := range packagesOf(t, s, "c") {
		if !whole.Has(p.object()) {
			t.Errorf("%s is not known to be whole", p.NEVRA())
		}
	}
	if again, err := s.GC(t.Context(), false); err != nil || again.Kept != first.Kept || again.Objects != 0 {
		t.Errorf("%+v, %v; want %+v", again, err, first)
	}
	sound(t, s)
}

// TestGCFactsOfOthers: facts about packs that are gone count for nothing.
func TestGCFactsOfOthers(t *testing.T) {
	s := twoPacks(t, 0)
	want := exportAll(t, s, "c")
	b, err := os.ReadFile(s.factsPath())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Unpack(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.factsPath(), b, 0o644); err != nil {
		t.Fatal(err)
	}
	mustPack(t, s, "c")
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, exportAll(t, s, "c")); diff != "" {
		t.Errorf("exports differ:\n%s", diff)
	}
	sound(t, s)
}

// TestImportAfterGC: a package that was removed, of which GC has left the directories in one pack and taken the files with another, is not taken for
// one that is there.
func TestImportAfterGC(t *testing.T) {
	s := newStore(t)
	random := rand.NewChaCha8([32]byte{7})
	body := make([]byte, 50000)
	random.Read(body)
	shared := rpmtest.File{Path: "/usr/share/shared", Body: body}
	old := rpmtest.Build(t, rpmtest.Spec{Name: "old", Files: []rpmtest.File{shared}})
	many := rpmtest.Spec{Name: "stays"} // so that its pack is not put together with others
	for i := range fewObjects {
		body := make([]byte, 200)
		random.Read(body)
		many.Files = append(many.Files, rpmtest.File{Path: fmt.Sprint("/usr/share/", i), Body: body})
	}
	both := rpmtest.Build(t, rpmtest.Spec{Name: "both", Files: []rpmtest.File{shared}})
	stays := rpmtest.Build(t, many)
	importAll(t, s, "c", ImportOptions{}, old)
	mustPack(t, s, "c")
	importAll(t, s, "c", ImportOptions{}, both, stays)
	mustPack(t, s, "c")
	c, err := s.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	gone := []*Package{mustFind(t, c, "old"), mustFind(t, c, "both")}
	if err := s.Remove(t.Context(), "c", gone); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if tree := gone[1].object(); !s.packs.Has(keyOf(tree)) || s.isWhole(t.Context(), tree.Checksum) {
		t.Fatalf("the packs have the directory of %s: %v; all of it: %v", gone[1].NEVRA(), s.packs.Has(keyOf(tree)), s.isWhole(t.Context(), tree.Checksum))
	}
	importAll(t, s, "c", ImportOptions{}, both)
	sound(t, s)
	exportAll(t, s, "c")
}

// TestImportPacked: what a packed collection has is known, and comes into a live one without being taken apart.
func TestImportPacked(t *testing.T) {
	s := newStore(t)
	rpm := sample(t, "p", "1", "x")
	importAll(t, s, "c", ImportOptions{}, rpm)
	mustPack(t, s, "c")
	for _, collection := range []string{"c", "live"} {
		se, err := s.Session(t.Context(), collection, 1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := se.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{})
		if err := errors.Join(err, se.Close()); err != nil {
			t.Fatal(err)
		}
		if !got.Known {
			t.Errorf("%s: taken apart again", collection)
		}
	}
	sound(t, s)
	exportAll(t, s, "live")
	if packed, err := s.IsPacked("live"); packed || err != nil {
		t.Errorf("live: packed %v, %v", packed, err)
	}
}

// TestGCFewPacks: the number of packs stays small however often something is added, if GC runs now and then.
func TestGCFewPacks(t *testing.T) {
	const increments, most = 40, 8
	s := newStore(t)
	for i := range increments {
		importAll(t, s, "c", ImportOptions{}, sample(t, fmt.Sprint("p", i), "1", strings.Repeat(fmt.Sprint(i), 1000)))
		mustPack(t, s, "c")
		if i%5 == 4 {
			if _, err := s.GC(t.Context(), false); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(packNames(t, s)); n > most {
		t.Errorf("%d packs", n)
	}
	sound(t, s)
	if got := len(exportAll(t, s, "c")); got != increments {
		t.Errorf("%d packages", got)
	}
}
