package content

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/ostree"
)

// packNames gives the packs of a store, which are named by their content.
func packNames(t *testing.T, s *Store) (names []string) {
	t.Helper()
	if err := s.packs.Refresh(); err != nil {
		t.Fatal(err)
	}
	for _, p := range s.packs.Packs() {
		names = append(names, p.Name)
	}
	return names
}

func mustPack(t *testing.T, s *Store, names ...string) {
	t.Helper()
	if _, err := s.Pack(t.Context(), names, PackOptions{}); err != nil {
		t.Fatal(err)
	}
}

// exportAll gives the file of every package of a collection.
func exportAll(t *testing.T, s *Store, name string) map[string]string {
	t.Helper()
	c, err := s.Collection(name)
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Packages()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, p := range list {
		var b bytes.Buffer
		if _, err := p.Export(t.Context(), Form{}, &b); err != nil {
			t.Errorf("%s: %v", p.NEVRA(), err)
			continue
		}
		files[p.NEVRA()] = b.String()
	}
	return files
}

func sound(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.Fsck(t.Context(), func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
}

func versions(t *testing.T) (rpms [][]byte) {
	t.Helper()
	for i := range 4 {
		for _, name := range []string{"a", "b"} {
			rpms = append(rpms, sample(t, name, fmt.Sprint(i), fmt.Sprintf("%s in version %d", name, i)))
		}
	}
	return rpms
}

// TestPack: a collection goes into a pack and back, and its packages come out the same from either tier. The order of import does not
// show in the pack.
func TestPack(t *testing.T) {
	rpms := versions(t)
	s, other := newStore(t), newStore(t)
	importAll(t, s, "c", ImportOptions{}, rpms...)
	want := exportAll(t, s, "c")
	mustPack(t, s, "c")
	slices.Reverse(rpms)
	for _, rpm := range rpms {
		importAll(t, other, "c", ImportOptions{}, rpm)
	}
	mustPack(t, other, "c")
	if diff := cmp.Diff(packNames(t, s), packNames(t, other)); diff != "" {
		t.Errorf("packs differ by the order of import:\n%s", diff)
	}
	if packed, err := s.IsPacked("c"); !packed || err != nil {
		t.Errorf("packed: %v, %v", packed, err)
	}
	if diff := cmp.Diff(want, exportAll(t, s, "c")); diff != "" {
		t.Errorf("exports differ:\n%s", diff)
	}
	for o := range s.repo.Objects() {
		t.Errorf("%s is loose still", o)
	}
	sound(t, s)
	if _, err := s.Unpack(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if names := packNames(t, s); len(names) > 0 {
		t.Errorf("packs left: %v", names)
	}
	if diff := cmp.Diff(want, exportAll(t, s, "c")); diff != "" {
		t.Errorf("exports differ after unpack:\n%s", diff)
	}
	sound(t, s)
}

// TestImportIntoPacked: what packs have is not written again for a packed collection, which names these packs then; and for a live one all is.
func TestImportIntoPacked(t *testing.T) {
	rpms := versions(t)
	s := newStore(t)
	importAll(t, s, "c", ImportOptions{}, rpms[:4]...)
	mustPack(t, s, "c")
	importAll(t, s, "d", ImportOptions{}, rpms[4:]...)
	mustPack(t, s, "d")
	importAll(t, s, "c", ImportOptions{}, rpms...)
	for o := range s.repo.Objects() {
		if o.Type == ostree.TypeFile {
			t.Errorf("%s is loose", o)
		}
	}
	ref, err := collectionRef("c")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := s.packRef(ref); err != nil || len(r.packs) != 2 {
		t.Errorf("packs %q, %v", r.packs, err)
	}
	sound(t, s)
	importAll(t, s, "live", ImportOptions{}, rpms...)
	for _, name := range []string{"c", "d"} {
		if err := s.Drop(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got := len(exportAll(t, s, "live")); got != len(rpms) {
		t.Errorf("%d of %d packages", got, len(rpms))
	}
	sound(t, s)
}

// TestPackIncrement: new versions are added without a change to the packs that are there, and GC puts small packs together.
func TestPackIncrement(t *testing.T) {
	rpms := versions(t)
	s := newStore(t)
	importAll(t, s, "c", ImportOptions{}, rpms[:4]...)
	mustPack(t, s, "c")
	first := packNames(t, s)
	importAll(t, s, "c", ImportOptions{}, rpms[4:]...)
	if packed, err := s.IsPacked("c"); !packed || err != nil {
		t.Errorf("a changed collection is packed: %v, %v", packed, err)
	}
	want := exportAll(t, s, "c")
	sound(t, s)
	mustPack(t, s, "c")
	if names := packNames(t, s); len(names) != 2 || !slices.Contains(names, first[0]) {
		t.Errorf("packs %v, want %v and another", names, first)
	}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if names := packNames(t, s); len(names) != 1 {
		t.Errorf("packs after gc: %v", names)
	}
	if diff := cmp.Diff(want, exportAll(t, s, "c")); diff != "" {
		t.Errorf("exports differ:\n%s", diff)
	}
	sound(t, s)
}

// TestPackLive: what a live collection shares with a packed one stays loose, and comes back when it is imported again.
func TestPackLive(t *testing.T) {
	rpms := versions(t)
	s := newStore(t)
	importAll(t, s, "old", ImportOptions{}, rpms...)
	importAll(t, s, "live", ImportOptions{}, rpms[:2]...)
	mustPack(t, s, "old")
	importAll(t, s, "live", ImportOptions{}, rpms[2:4]...)
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.repo.Fsck(t.Context(), func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
	if n := len(exportAll(t, s, "live")); n != 4 {
		t.Errorf("%d packages are live", n)
	}
	if err := s.Branch(t.Context(), "old", "copy"); err != nil {
		t.Fatal(err)
	}
	if packed, err := s.IsPacked("copy"); !packed || err != nil {
		t.Errorf("a copy of a packed collection is packed: %v, %v", packed, err)
	}
	for _, name := range []string{"old", "copy"} {
		if err := s.Drop(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.GC(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if names := packNames(t, s); len(names) > 0 {
		t.Errorf("packs left: %v", names)
	}
	sound(t, s)
}

// TestPackDamaged: a flipped bit in a pack is named, and what another tier has is served from there.
func TestPackDamaged(t *testing.T) {
	rpms := versions(t)
	s := newStore(t)
	importAll(t, s, "old", ImportOptions{}, rpms...)
	importAll(t, s, "live", ImportOptions{}, rpms...)
	want := exportAll(t, s, "live")
	mustPack(t, s, "old")
	path := filepath.Join(s.repo.Dir(), packsDir, packNames(t, s)[0])
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{len(b) / 8, len(b) / 3, len(b) / 2, len(b) * 3 / 4, len(b) - 60, len(b) - 4} {
		bad := bytes.Clone(b)
		bad[at] ^= 4
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		again, err := Open(s.repo.Dir(), Options{NoIndex: true})
		if err != nil {
			t.Fatal(err)
		}
		faults := 0
		if _, err := again.Fsck(t.Context(), func(error) { faults++ }); err != nil {
			t.Error(err)
		}
		if faults == 0 && at != 8 {
			t.Logf("byte %d: nothing is lost", at) // a list: it is needed only when the index is damaged too
		}
		if diff := cmp.Diff(want, exportAll(t, again, "old")); diff != "" {
			t.Errorf("byte %d: what is loose too is not served:\n%s", at, diff)
		}
		again.Close()
	}
}

// TestPackFragments: the index keeps what repodata says of packages for live collections alone.
func TestPackFragments(t *testing.T) {
	s := newStore(t)
	rpms := versions(t)
	importAll(t, s, "live", ImportOptions{}, rpms[:4]...)
	importAll(t, s, "c", ImportOptions{}, rpms...)
	mustPack(t, s, "c")
	count := func(name string) int {
		c, err := s.Collection(name)
		if err != nil {
			t.Fatal(err)
		}
		list, err := c.Packages()
		if err != nil {
			t.Fatal(err)
		}
		return len(s.index.fragments(list))
	}
	if live, all := count("live"), count("c"); live != 4 || all != 4 {
		t.Errorf("fragments of %d packages of the live collection, %d of the packed one", live, all)
	}
}
