package repo

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
	"github.com/weld-linux/weld-bridge/internal/scaletest"
)

// TestScale publishes WELD_SCALE synthetic packages and logs what each step takes: 70,000 are 1 GB of XML, in the proportions of
// Fedora 38. WELD_SCALE_STORE names a directory whose store is used, and made when it is not there.
func TestScale(t *testing.T) {
	count := scaletest.Count(t)
	dir := os.Getenv("WELD_SCALE_STORE")
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "store")
	}
	made := isFile(filepath.Join(dir, "config"))
	if err := content.Init(dir); err != nil {
		t.Fatal(err)
	}
	s, err := content.Open(dir, content.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	timed := func(what string, work func()) { scaletest.Timed(t, what, 0, work) }
	if !made {
		timed("import", func() { importScale(t, s, count) })
	}
	cache, out := t.TempDir(), t.TempDir()
	publishTo := func(dir, cache, name string) {
		done := publish(t, s, Target{Dir: dir, Keep: 1}, PublishOptions{Profile: profile(t, name), CacheDir: cache})
		t.Logf("%d packages, unchanged %v, %s", done.Packages, done.Unchanged, sizes(done.Generation))
	}
	timed("full, fragments in the index", func() { publishTo(out, cache, "fedora") })
	timed("nothing changed", func() { publishTo(out, cache, "fedora") })
	timed("all frames in the cache, new place", func() { publishTo(t.TempDir(), cache, "fedora") })
	for _, i := range []int{count / 2, 0, count - 1} {
		spec := scaleSpec(i)
		spec.Release += "." + strconv.FormatInt(time.Now().UnixNano(), 10)
		replaceScale(t, s, spec)
		timed(fmt.Sprintf("one changed, %d in the order", i), func() { publishTo(out, cache, "fedora") })
	}
	spec := scaleSpec(count / 2)
	spec.Name += "-" + strconv.FormatInt(time.Now().UnixNano(), 10)
	replaceScale(t, s, spec)
	timed("one more", func() { publishTo(out, cache, "fedora") })
	timed("full for another profile", func() { publishTo(t.TempDir(), cache, "zypper") })
	bare, err := content.Open(dir, content.Options{NoSync: true, NoIndex: true})
	if err != nil {
		t.Fatal(err)
	}
	s = bare
	timed("cold: from headers", func() { publishTo(t.TempDir(), t.TempDir(), "fedora") })
}

func sizes(g *Generation) string {
	var b strings.Builder
	for _, r := range g.Records {
		fmt.Fprintf(&b, "%s %d of %d bytes; ", r.Type, r.Size, r.OpenSize)
	}
	return b.String()
}

func importScale(t *testing.T, s *content.Store, count int) {
	t.Helper()
	session, err := s.Session(t.Context(), "c", runtime.GOMAXPROCS(0))
	if err != nil {
		t.Fatal(err)
	}
	scaletest.Each(t, count, func(i int) error {
		return importScaled(t.Context(), session, scaleSpec(i), content.ImportOptions{Defer: true})
	})
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
}

func importScaled(ctx context.Context, session *content.Session, spec rpmtest.Spec, o content.ImportOptions) error {
	b, err := rpmtest.Encode(spec)
	if err != nil {
		return err
	}
	_, err = session.Import(ctx, bytes.NewReader(b), int64(len(b)), o)
	return err
}

// replaceScale takes out the packages that have the name of spec, and puts spec in.
func replaceScale(t *testing.T, s *content.Store, spec rpmtest.Spec) {
	t.Helper()
	c, err := s.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	if old, err := c.Find(spec.Name); err == nil {
		if err := s.Remove(t.Context(), "c", old); err != nil {
			t.Fatal(err)
		}
	}
	session, err := s.Session(t.Context(), "c", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := importScaled(t.Context(), session, spec, content.ImportOptions{Defer: true}); err != nil {
		t.Fatal(err)
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
}

// scaleWords are as frequent as words are: the n-th comes 1/n times as often as the first.
var scaleWords = makeScaleWords()

func makeScaleWords() (words []string) {
	syllables := strings.Fields("ba co den fi gra hul in jo ker lam mo net or pri qua ren sol ta ut ver win xe yo zan")
	r := rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		var w strings.Builder
		for range 1 + r.IntN(3) {
			w.WriteString(syllables[r.IntN(len(syllables))])
		}
		words = append(words, w.String())
	}
	return words
}

// scaleSubpackages is the number of packages that come of one source.
const scaleSubpackages = 4

// scaleSpec gives the i-th synthetic package. The packages of a source share version, description and changelog, as they do in life.
func scaleSpec(i int) rpmtest.Spec {
	source := i / scaleSubpackages
	r := rand.New(rand.NewPCG(uint64(source), 7))
	zipf := rand.NewZipf(r, 1.2, 3, uint64(len(scaleWords)-1))
	word := func() string { return scaleWords[zipf.Uint64()] }
	text := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(word() + " ")
		}
		return b.String()
	}
	name := fmt.Sprintf("%s%05d-%s", word(), source, word())
	s := rpmtest.Spec{
		Version: fmt.Sprintf("%d.%d.%d", r.IntN(9), r.IntN(40), r.IntN(20)), Release: fmt.Sprintf("%d.fc38", 1+r.IntN(9)),
		License: "GPL-2.0-or-later AND MIT", URL: "https://" + name + ".example.org/", Vendor: "Example Project", Packager: "Example Project",
		BuildHost: fmt.Sprintf("build-%02d.example.org", r.IntN(40)), BuildTime: 1_600_000_000 + uint32(source), SourceRPM: name + "-1.src.rpm",
		Summary: text(6), Description: text(40), Compressor: "none",
	}
	for j := range 10 {
		s.Changelog = append(s.Changelog, rpmtest.Change{
			Time: 1_600_000_000 - uint32(j)*86400*40, Author: fmt.Sprintf("%s %s <%s@example.org> - %s-%d", word(), word(), word(), s.Version, 10-j),
			Text: "- " + text(8),
		})
	}
	suffix := []string{"", "-devel", "-doc", "-libs"}[i%scaleSubpackages]
	s.Name = name + suffix
	r = rand.New(rand.NewPCG(uint64(i), 11))
	zipf = rand.NewZipf(r, 1.2, 3, uint64(len(scaleWords)-1))
	equal := func(name string) rpmtest.Dep {
		return rpmtest.Dep{Name: name, Flags: rpmtest.Equal, Version: s.Version + "-" + s.Release}
	}
	s.Provides = append(s.Provides, equal(s.Name+"(x86-64)"))
	for j := range r.IntN(5) {
		s.Provides = append(s.Provides, rpmtest.Dep{Name: fmt.Sprintf("lib%s.so.%d()(64bit)", word(), j)})
	}
	for j := range 4 + r.IntN(10) {
		s.Requires = append(s.Requires, rpmtest.Dep{Name: fmt.Sprintf("lib%s.so.%d()(64bit)", word(), j%3)})
	}
	dir := "/usr/share/doc/" + name + suffix
	for j := range 10 + r.IntN(230) {
		if r.IntN(12) == 0 {
			dir = "/usr/share/" + name + "/" + word()
		}
		s.Files = append(s.Files, rpmtest.File{
			Path: fmt.Sprintf("%s/section-%03d-%s.html", dir, j, word()), Mode: 0o100644, Flags: rpmfile.FileGhost,
		})
	}
	return s
}
