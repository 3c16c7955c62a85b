package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// smallSRPM writes a source RPM of another package than hello.
func smallSRPM(t *testing.T, name, version string) string {
	t.Helper()
	spec := fmt.Sprintf("Name: %s\nVersion: %s\nRelease: 1\nSummary: Small\nLicense: MIT\nSource0: %s.txt\n%%description\nSmall.\n", name, version, name)
	return writeSRPM(t, rpmtest.Spec{Name: name, Version: version, Release: "1", Summary: "Small", Description: "Small.", License: "MIT"},
		[]file{{name + ".txt", name + " " + version + "\n"}, {name + ".spec", spec}})
}

// whole is snapshot, and the history of the metadata.
func (p *place) whole() string {
	p.t.Helper()
	return p.snapshot() + p.git("", "rev-parse", "main") + p.git("", "--work-tree="+p.metadata, "status", "--porcelain")
}

// TestHistory has the imports of one run end in any order, and a run that is cut short: the history is the same.
func TestHistory(t *testing.T) {
	var paths []string
	for i := range 35 {
		paths = append(paths, smallSRPM(t, fmt.Sprintf("p%03d", i), "1"))
		if i%7 == 0 {
			paths = append(paths, smallSRPM(t, fmt.Sprintf("p%03d", i), "2"))
		}
	}
	want := newPlace(t)
	want.mustImport(paths...)
	p := newPlace(t)
	rnd := rand.New(rand.NewSource(8))
	for round := range 2 {
		im := p.importer()
		if err := im.Open(); err != nil {
			t.Fatal(err)
		}
		im.meta.group = 5 // the other has one group
		for range paths {
			im.Reserve()
		}
		order := rnd.Perm(len(paths))
		if round == 0 {
			order = order[:len(order)*3/4]
		}
		importAll(t, im, paths, order)
		if round == 1 {
			if err := im.Close(); err != nil {
				t.Fatal(err)
			}
		} // else it is as after a crash
	}
	if d := cmp.Diff(want.whole(), p.whole()); d != "" {
		t.Error(d)
	}
	p.git("", "fsck", "--strict")
}

// importAll imports by two at once, the versions of a package one after the other, in the order given but for that.
func importAll(t *testing.T, im *Importer, paths []string, order []int) {
	queue := make(chan []int)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for places := range queue {
				for _, place := range places {
					if _, err := im.ImportAt(context.Background(), place, paths[place]); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for _, place := range order {
		switch base := filepath.Base(paths[place]); {
		case strings.Contains(base, "-2-"): // goes with the first
		case place+1 < len(paths) && strings.Contains(filepath.Base(paths[place+1]), "-2-"):
			queue <- []int{place, place + 1}
		default:
			queue <- []int{place}
		}
	}
	close(queue)
	wg.Wait()
}

// merge merges other places into p; each error is for the package that stands before it.
func (p *place) merge(prove bool, from ...*place) map[string]error {
	p.t.Helper()
	m := &Merger{Mirrors: p.mirrors, Metadata: p.metadata, Prove: prove}
	var places []Place
	for i, f := range from {
		places = append(places, Place{fmt.Sprintf("shard-%d", i), f.mirrors, f.metadata})
	}
	if err := m.Open(places); err != nil {
		p.t.Fatal(err)
	}
	failed := map[string]error{}
	for _, name := range m.Names() {
		if _, err := m.Merge(context.Background(), m.Reserve(), name); err != nil {
			failed[name] = err
		}
	}
	if err := m.Close(); err != nil {
		p.t.Fatal(err)
	}
	return failed
}

func (p *place) mustMerge(from ...*place) {
	p.t.Helper()
	for name, err := range p.merge(true, from...) {
		p.t.Fatalf("%s: %v", name, err)
	}
}

// shards imports to n places by the name of the package.
func shards(t *testing.T, n int, paths []string) []*place {
	var all []*place
	for i := range n {
		p := newPlace(t)
		p.mustImport(slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
			name, _, _ := strings.Cut(filepath.Base(path), "-")
			sum := 0
			for _, c := range []byte(name) {
				sum += int(c)
			}
			return sum%n != i
		})...)
		all = append(all, p)
	}
	return all
}

func TestMerge(t *testing.T) {
	paths := []string{helloSRPM(t, "1.0", "1"), helloSRPM(t, "1.1", "1")}
	for i := range 9 {
		paths = append(paths, smallSRPM(t, fmt.Sprintf("p%d", i), "1"), smallSRPM(t, fmt.Sprintf("p%d", i), "2"))
	}
	want := newPlace(t)
	want.mustImport(paths...)
	four := shards(t, 4, paths)
	p := newPlace(t)
	for _, order := range [][]int{{0, 1, 2, 3}, {2, 0, 3, 1}} {
		p = newPlace(t)
		var from []*place
		for _, i := range order {
			from = append(from, four[i])
		}
		p.mustMerge(from...)
		if d := cmp.Diff(want.whole(), p.whole()); d != "" {
			t.Fatal(d)
		}
	}
	p.git("hello", "fsck", "--strict")
	wantSame(t, p.export("hello-1.0-1.weld1"), paths[0])

	p.mustMerge(four...) // nothing is new
	if d := cmp.Diff(want.whole(), p.whole()); d != "" {
		t.Fatal(d)
	}
	next := smallSRPM(t, "p3", "3")
	want.mustImport(next)
	for _, f := range four {
		if strings.Contains(f.snapshot(), "p3\n") {
			f.mustImport(next)
		}
	}
	p.mustMerge(four...)
	if d := cmp.Diff(want.whole(), p.whole()); d != "" {
		t.Fatal(d)
	}
}

// TestMergeVersions has the versions of one package in two places, after git has packed one of them in its way.
func TestMergeVersions(t *testing.T) {
	one, two, three := helloSRPM(t, "1.0", "1"), helloSRPM(t, "1.1", "1"), helloSRPM(t, "1.2", "1")
	want, a, b := newPlace(t), newPlace(t), newPlace(t)
	want.mustImport(one, two, three)
	a.mustImport(one, three)
	a.git("hello", "gc", "--quiet")
	b.mustImport(two)
	for _, from := range [][]*place{{a, b}, {b, a}} {
		p := newPlace(t)
		p.mustMerge(from...)
		if d := cmp.Diff(want.snapshot(), p.snapshot()); d != "" {
			t.Error(d)
		}
		wantSame(t, p.export("hello-1.1-1.weld1"), two)
		p.mustMerge(from...)
		if d := cmp.Diff(want.snapshot(), p.snapshot()); d != "" {
			t.Error(d)
		}
	}
}

// TestMergePulled has a mirror that was pulled and never imported.
func TestMergePulled(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, file{"hello-1.0.tar.gz", string(helloTar(t, "1.0"))})
	there, here := newPlace(t), newPlace(t)
	there.upstream("kind = \"tarball\"\nurl = \"file://" + dir + "/hello-{version}.tar.gz\"\nversion = \"1.0\"\n")
	there.pull("1 1.0")
	there.mustImport(smallSRPM(t, "other", "1"))
	here.mustMerge(there)
	if d := cmp.Diff(there.snapshot(), here.snapshot()); d != "" {
		t.Error(d)
	}
}

// TestMergeRefuses has what cannot be merged: it is named, and the rest comes.
func TestMergeRefuses(t *testing.T) {
	one := helloSRPM(t, "1.0", "1")
	for _, c := range []struct {
		name, class, message string
		spoil                func(here, there *place)
	}{
		{"another file", "conflict", "was imported from another file", func(here, _ *place) {
			here.mustImport(helloSRPM(t, "1.0", "1", file{"hello.conf", "greeting = no\n"}))
		}},
		{"work of people on both sides", "conflict", "no import made", func(here, there *place) {
			here.mustImport(one)
			for i, p := range []*place{here, there} {
				p.work(func(dir string) {
					replaceIn(t, filepath.Join(dir, "README"), "hello", fmt.Sprintf("HELLO %d", i))
					run(t, dir, "git", "commit", "--quiet", "-a", "-m", "Work of a person")
				})
			}
		}},
		{"metadata changed on both sides", "conflict", "packages/hello was changed on both sides", func(here, there *place) {
			here.mustImport(one)
			for i, p := range []*place{here, there} {
				put(t, filepath.Join(p.metadata, "packages", "hello"), file{"README.md", fmt.Sprint(i)})
				run(t, p.metadata, "git", "add", ".")
				run(t, p.metadata, "git", "commit", "--quiet", "-m", "Say more")
			}
		}},
		{"metadata not committed here", "edited", "was edited and not committed", func(here, there *place) {
			here.mustImport(one)
			there.mustImport(helloSRPM(t, "1.1", "1"))
			put(t, filepath.Join(here.metadata, "packages", "hello"), file{"hello.conf", "edited"})
		}},
		{"an import that was cut short", "incomplete", "run it again", func(_, there *place) {
			im := there.importer()
			if err := im.Open(); err != nil {
				t.Fatal(err)
			}
			if _, err := im.Import(context.Background(), helloSRPM(t, "1.1", "1")); err != nil {
				t.Fatal(err)
			}
		}},
		{"damaged object", "damaged", "", func(_, there *place) {
			packs, _ := glob(there.mirrors, "hello.git/objects/pack/*.pack")
			path := filepath.Join(there.mirrors, packs[0])
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/3] ^= 1
			if err := errors.Join(os.Remove(path), os.WriteFile(path, data, 0o444)); err != nil {
				t.Fatal(err)
			}
		}},
		{"a pack is gone", "damaged", "not found", func(_, there *place) {
			packs, _ := glob(there.mirrors, "hello.git/objects/pack/*")
			for _, name := range packs {
				if err := os.Remove(filepath.Join(there.mirrors, name)); err != nil {
					t.Fatal(err)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			here, there := newPlace(t), newPlace(t)
			there.mustImport(one, smallSRPM(t, "other", "1"))
			c.spoil(here, there)
			before := ""
			if _, err := os.Stat(here.mirrors); err == nil {
				before = here.git("hello", "for-each-ref")
			}
			failed := here.merge(false, there)
			var e *Error
			if err := failed["hello"]; !errors.As(err, &e) || e.Class != c.class || !strings.Contains(err.Error(), c.message) {
				t.Errorf("error %v", err)
			}
			if err := failed["other"]; err != nil {
				t.Error(err)
			}
			here.git("other", "fsck", "--strict")
			here.export("other")
			if before == "" {
				if _, err := os.Stat(filepath.Join(here.mirrors, "hello.git")); err == nil {
					t.Error("a mirror of what could not be merged")
				}
			} else if d := cmp.Diff(before, here.git("hello", "for-each-ref")); d != "" {
				t.Error(d)
			}
		})
	}
}
