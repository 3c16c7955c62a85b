package content

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// readBound is what reading a package may decode besides its own bytes.
const readBound = 64 << 20

// decoded reads all of a package from a store that was just opened and gives the bytes that were decoded, and those of its files.
func decoded(t *testing.T, dir, collection, nevra string) (all, own int64) {
	t.Helper()
	s, err := Open(dir, Options{NoIndex: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := s.Collection(collection)
	if err != nil {
		t.Fatal(err)
	}
	p := mustFind(t, c, nevra)
	before := s.packs.Decoded() // finding it reads no files
	recipe, err := p.Recipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Export(t.Context(), Form{}, io.Discard); err != nil {
		t.Errorf("%s: %v", nevra, err)
	}
	if recipe.Archive != nil {
		own = recipe.Archive.Size
	}
	return s.packs.Decoded() - before, own
}

func mustFind(t *testing.T, c *Collection, nevra string) *Package {
	t.Helper()
	found, err := c.Find(nevra)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %d found, %v", nevra, len(found), err)
	}
	return found[0]
}

// TestPackBound: however packages share files, reading one of them decodes little besides. Families of 30 MiB each share a file with a
// package, which shares another one with what is packed later.
func TestPackBound(t *testing.T) {
	if testing.Short() {
		t.Skip("packs 300 MB")
	}
	s := newStore(t)
	line := func(seed, size int) []byte {
		b := bytes.Repeat(fmt.Appendf(nil, "%d is written again and again; ", seed), size/20)
		for i := 0; i < len(b); i += 4096 {
			copy(b[i:], fmt.Sprint(i*seed))
		}
		return b[:size]
	}
	build := func(name, version string, files ...[]byte) []byte {
		spec := rpmtest.Spec{Name: name, Version: version, Compressor: "none"}
		for i, body := range files {
			spec.Files = append(spec.Files, rpmtest.File{Path: fmt.Sprintf("/usr/share/%s/%d", name, i), Body: body})
		}
		return rpmtest.Build(t, spec)
	}
	var names []string
	add := func(name, version string, files ...[]byte) {
		importAll(t, s, "c", ImportOptions{}, build(name, version, files...))
		names = append(names, name+"-"+version)
	}
	var shared [][]byte
	for i := range 6 {
		shared = append(shared, line(100+i, 9000))
		add(fmt.Sprintf("f%d", i), "1", line(i+1, 30<<20), shared[i])
	}
	add("s", "1", append(shared, line(50, 1<<20))...)
	for v := range 3 {
		add("v", fmt.Sprint(v), line(200+v, 25<<20), shared[v])
	}
	mustPack(t, s, "c")
	add("t", "1", append(shared, line(51, 1<<20))...)
	mustPack(t, s, "c")
	for _, n := range names {
		if all, own := decoded(t, s.repo.Dir(), "c", n); all-own > readBound {
			t.Errorf("reading %s decodes %d bytes for %d", n, all, own)
		} else {
			t.Logf("%s: %d bytes beyond %d", n, all-own, own)
		}
	}
	sound(t, s)
}

// TestPackBoundStore does the sum for every package of a packed store, WELD_PACKED.
func TestPackBoundStore(t *testing.T) {
	dir := os.Getenv("WELD_PACKED")
	if dir == "" {
		t.Skip("WELD_PACKED names no packed store")
	}
	s, err := Open(dir, Options{NoIndex: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all, err := s.everything()
	if err != nil {
		t.Fatal(err)
	}
	most, sum, copies := int64(0), int64(0), 0
	for _, p := range all {
		seen := ostree.NewSet()
		if err := s.objects.WalkTree(t.Context(), p.Tree, seen); err != nil {
			t.Fatal(err)
		}
		var objects []sharedFile
		if err := seen.Each(func(o ostree.Object) error {
			places := s.packs.Places(keyOf(o))
			copies += max(0, len(places)-1)
			objects = append(objects, sharedFile{item{Object: pack.Object{Key: keyOf(o), Size: places[0].Size}}, places})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		chooseCopies(objects)
		frames := map[frameAt]bool{}
		besides := int64(0)
		for _, o := range objects {
			if besides -= o.Size; !frames[at(o.places[0])] {
				frames[at(o.places[0])] = true
				besides += o.places[0].Plain
			}
		}
		if sum += besides; besides > readBound {
			t.Errorf("reading %s decodes %d bytes besides its own", p.NEVRA(), besides)
		}
		most = max(most, besides)
	}
	t.Logf("%d packages: at most %d bytes besides, %d on average; %d objects of packages have copies", len(all), most, sum/int64(len(all)), copies)
}
