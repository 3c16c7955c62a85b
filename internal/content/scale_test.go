package content

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
	"github.com/weld-linux/weld-bridge/internal/scaletest"
)

// TestScale works on a distribution of WELD_SCALE synthetic packages and logs what each operation takes.
func TestScale(t *testing.T) {
	count := scaletest.Count(t)
	s := newStore(t)
	timed := func(what string, limit time.Duration, work func()) { scaletest.Timed(t, what, limit, work) }
	timed("import", 0, func() { importSynthetic(t, s, count) })
	var c *Collection
	timed("list", 0, func() {
		var err error
		if c, err = s.Collection("c"); err != nil {
			t.Fatal(err)
		}
		list, err := c.Packages()
		if err != nil || len(list) != count {
			t.Fatalf("%d packages, %v", len(list), err)
		}
	})
	timed("branch", time.Second, func() {
		if err := s.Branch(t.Context(), "c", "d"); err != nil {
			t.Fatal(err)
		}
	})
	timed("replace", time.Second, func() {
		rpm := synthetic(t, 7, "different")
		importAll(t, s, "d", ImportOptions{Defer: true, Replace: true}, rpm)
	})
	timed("diff", time.Second, func() {
		d, err := s.Collection("d")
		if err != nil {
			t.Fatal(err)
		}
		if changes, err := c.Diff(d); err != nil || len(changes) != 2 {
			t.Fatalf("%d changes, %v", len(changes), err)
		}
	})
	timed("reindex", time.Minute, func() {
		if n, err := s.Reindex(); err != nil || n != count+1 {
			t.Fatalf("%d packages, %v", n, err)
		}
	})
	timed("gc", 0, func() {
		if _, err := s.GC(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	})
	timed("headers", 0, func() {
		list, _ := c.Packages()
		for _, p := range list {
			if _, err := p.Header(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// importSynthetic imports in batches, each of which is published together.
func importSynthetic(t *testing.T, s *Store, count int) {
	t.Helper()
	se, err := s.Session(t.Context(), "c", runtime.GOMAXPROCS(0))
	if err != nil {
		t.Fatal(err)
	}
	scaletest.Each(t, count, func(i int) error {
		rpm := synthetic(t, i, "body")
		_, err := se.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{Defer: true})
		return err
	})
	if err := se.Close(); err != nil {
		t.Fatal(err)
	}
}

func synthetic(t *testing.T, i int, word string) []byte {
	name := fmt.Sprintf("package-%05d", i)
	spec := rpmtest.Spec{Name: name, Compressor: "none"}
	for j := range 3 {
		spec.Files = append(spec.Files, rpmtest.File{Path: fmt.Sprintf("/usr/share/%s/%d", name, j), Body: []byte(name + word)})
	}
	b, err := rpmtest.Encode(spec)
	if err != nil {
		t.Error(err)
	}
	return b
}

// TestScalePacked brings a packed collection to WELD_SCALE packages as a distribution grows, by some thousands and a pack run at a time, and logs what
// each operation takes. A package has 150 small files that no other has, 14 of which its second version shares: 143 distinct ones each,
// as in Fedora. WELD_SCALE_STORE names a directory whose store is used, goes on growing, and is made when it is not there; an interrupted run is run again.
func TestScalePacked(t *testing.T) {
	const slice = 5000
	count := scaletest.Count(t)
	s := newStore(t)
	if dir := os.Getenv("WELD_SCALE_STORE"); dir != "" {
		if err := Init(dir); err != nil {
			t.Fatal(err)
		}
		var err error
		if s, err = Open(dir, Options{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
	}
	timed := func(what string, work func()) { scaletest.Timed(t, what, 0, work) }
	for to := min(slice, count); ; to = min(to+slice, count) {
		if missing := lackingDistinct(t, s, to); len(missing) > 0 {
			timed(fmt.Sprintf("import %d, %d in all", len(missing), to), func() { importDistinct(t, s, missing) })
			timed("pack", func() {
				done, err := s.Pack(t.Context(), []string{"c"}, PackOptions{Level: s.UsualPackLevel()})
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%+v", done)
			})
		}
		if to == count {
			break
		}
	}
	var list []*Package
	timed("list", func() { list = packagesOf(t, s, "c") })
	timed("export of one", func() {
		if _, err := list[len(list)/2].Export(t.Context(), Form{}, io.Discard); err != nil {
			t.Fatal(err)
		}
	})
	timed("gc", func() {
		done, err := s.GC(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", done)
	})
	timed("gc again", func() {
		if _, err := s.GC(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	})
}

// lackingDistinct gives those of the first packages that the collection has not.
func lackingDistinct(t *testing.T, s *Store, count int) (missing []int) {
	t.Helper()
	have := map[string]bool{}
	if names, err := s.Collections(); err != nil {
		t.Fatal(err)
	} else if len(names) > 0 {
		for _, p := range packagesOf(t, s, "c") {
			have[p.NEVRA()] = true
		}
	}
	for i := range count {
		name, version := distinctName(i)
		if !have[name+"-"+version+"-1.x86_64"] {
			missing = append(missing, i)
		}
	}
	return missing
}

func importDistinct(t *testing.T, s *Store, which []int) {
	t.Helper()
	se, err := s.Session(t.Context(), "c", runtime.GOMAXPROCS(0))
	if err != nil {
		t.Fatal(err)
	}
	scaletest.Each(t, len(which), func(i int) error {
		rpm, err := distinct(which[i])
		if err != nil {
			return err
		}
		_, err = se.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{})
		return err
	})
	if err := se.Close(); err != nil {
		t.Fatal(err)
	}
}

func distinctName(i int) (name, version string) {
	return fmt.Sprintf("package-%05d", i/2), fmt.Sprint(i%2 + 1)
}

// distinct makes the package with this number. Of its files the second version of a package changes a few words, and leaves some as they were.
func distinct(i int) ([]byte, error) {
	const files, shared, words = 150, 14, 40
	name, version := distinctName(i)
	spec := rpmtest.Spec{Name: name, Version: version, Compressor: "none"}
	for j := range files {
		random := rand.New(rand.NewPCG(uint64(i/2), uint64(j)))
		var body bytes.Buffer
		fmt.Fprintf(&body, "%s %d\n", name, j)
		for range 10 + random.IntN(words) {
			fmt.Fprintf(&body, "%s ", scaleWords[random.IntN(len(scaleWords))])
			if random.IntN(4) == 0 {
				fmt.Fprintf(&body, "%d\n", random.IntN(100000))
			}
		}
		if j >= shared {
			fmt.Fprintf(&body, "version %s\n", version)
		}
		spec.Files = append(spec.Files, rpmtest.File{Path: fmt.Sprintf("/usr/share/%s/%d/file-%d", name, j/30, j), Body: body.Bytes()})
	}
	return rpmtest.Encode(spec)
}

var scaleWords = strings.Fields("the a of and package file store read write object tree header payload version release family frame index bucket digest " +
	"return if else for while import static const struct table entry offset length number count size byte word line text name value")

func packagesOf(t *testing.T, s *Store, collection string) []*Package {
	t.Helper()
	c, err := s.Collection(collection)
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Packages()
	if err != nil {
		t.Fatal(err)
	}
	return list
}
