package content

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

func sample(t *testing.T, name, version, word string) []byte {
	t.Helper()
	return rpmtest.Build(t, rpmtest.Spec{Name: name, Version: version, Files: []rpmtest.File{
		{Path: "/usr/bin/" + name, Mode: 0o100755, Body: []byte(word)},
		{Path: "/usr/share/common", Body: bytes.Repeat([]byte("common "), 1000)},
	}})
}

// TestDeterministic: a collection's commit depends on nothing but the packages.
func TestDeterministic(t *testing.T) {
	samples := rpmtest.Samples()
	var rpms [][]byte
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		rpms = append(rpms, rpmtest.Build(t, samples[name]))
	}
	one, two := newStore(t), newStore(t)
	importAll(t, one, "c", ImportOptions{}, rpms...)
	slices.Reverse(rpms)
	for _, rpm := range rpms { // a session each
		importAll(t, two, "c", ImportOptions{}, rpm)
	}
	a, err := one.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	b, err := two.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	if a.Commit != b.Commit {
		changes, _ := a.Diff(&Collection{store: two, shards: b.shards})
		t.Errorf("commits differ: %v", changes)
	}
}

// TestConcurrent: several sessions, a branch and gc at once lose nothing.
func TestConcurrent(t *testing.T) {
	s := newStore(t)
	var wg sync.WaitGroup
	for worker := range 4 {
		other, err := Open(s.repo.Dir(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { other.Close() })
		wg.Go(func() {
			se, err := other.Session(t.Context(), "c", 2)
			if err != nil {
				t.Error(err)
				return
			}
			var inner sync.WaitGroup
			for i := range 10 {
				rpm := sample(t, fmt.Sprintf("p%d-%d", worker, i), "1", strings.Repeat(fmt.Sprint(worker, i), 100))
				inner.Go(func() {
					if _, err := se.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{}); err != nil {
						t.Error(err)
					}
				})
			}
			inner.Wait()
			if err := se.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	stop := make(chan struct{})
	var gc sync.WaitGroup
	gc.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.GC(t.Context(), false); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	close(stop)
	gc.Wait()
	c, err := s.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Packages()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 40 {
		t.Errorf("%d packages, want 40", len(list))
	}
	for _, p := range list {
		exported(t, p, Form{})
	}
	fsck(t, s)
}

func TestDiff(t *testing.T) {
	s := newStore(t)
	importAll(t, s, "a", ImportOptions{}, sample(t, "one", "1", "x"), sample(t, "two", "1", "x"))
	if err := s.Branch(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	importAll(t, s, "b", ImportOptions{}, sample(t, "two", "2", "x"))
	importAll(t, s, "b", ImportOptions{Meta: map[string]string{"k": "v"}}, sample(t, "one", "1", "x"))
	a, _ := s.Collection("a")
	b, _ := s.Collection("b")
	changes, err := a.Diff(b)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.Old != nil, " ", c.New != nil, " ", c.entry()[:5]))
	}
	if diff := cmp.Diff([]string{"true true one-1", "false true two-2"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestDamagedStore: an export from a damaged store says so and never gives other bytes.
func TestDamagedStore(t *testing.T) {
	s := newStore(t)
	got := importAll(t, s, "c", ImportOptions{}, sample(t, "p", "1", strings.Repeat("content", 100)))[0]
	damaged := 0
	for o, err := range s.repo.Objects() {
		if err != nil {
			t.Fatal(err)
		}
		path := s.repo.Dir() + "/objects/" + o.Checksum.String()[:2] + "/" + o.Checksum.String()[2:]
		for _, ext := range []string{".filez", ".dirtree"} {
			whole, err := os.ReadFile(path + ext)
			if err != nil {
				continue
			}
			broken := bytes.Clone(whole)
			broken[len(broken)/2] ^= 0x40
			if err := os.WriteFile(path+ext, broken, 0o666); err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if _, err := got.Package.Export(t.Context(), Form{}, &b); err != nil {
				damaged++
			} else if b.Len() == 0 {
				t.Errorf("%s: nothing exported and no error", o)
			}
			if err := os.WriteFile(path+ext, whole, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	if damaged < 6 {
		t.Errorf("only %d damaged objects were noticed", damaged)
	}
	exported(t, got.Package, Form{})
}

func TestRefuses(t *testing.T) {
	s := newStore(t)
	se, err := s.Session(t.Context(), "c", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer se.Close()
	whole := sample(t, "p", "1", "x")
	cases := map[string][]byte{
		"empty":     nil,
		"text":      bytes.Repeat([]byte("text"), 1000),
		"truncated": whole[:len(whole)-1],
		"longer":    append(bytes.Clone(whole), 0),
		"odd name":  rpmtest.Build(t, rpmtest.Spec{Name: "a/../b"}),
		"long name": rpmtest.Build(t, rpmtest.Spec{Name: strings.Repeat("n", 300)}),
	}
	for name, rpm := range cases {
		_, err := se.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{})
		var stage *StageError
		if !errors.As(err, &stage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Collection("c"); !errors.Is(err, ErrNotFound) {
		t.Errorf("something was published: %v", err)
	}
}

func TestSessionAfterClose(t *testing.T) {
	s := newStore(t)
	se, err := s.Session(t.Context(), "c", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := se.Close(); err != nil {
		t.Fatal(err)
	}
	rpm := sample(t, "p", "1", "x")
	if _, err := se.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{}); err == nil {
		t.Error("a closed session took a package")
	}
	if _, err := s.Session(t.Context(), "", 1); err == nil {
		t.Error("a collection without a name")
	}
}

// TestUnlikeLeads: what differs in anything but the signatures is another package.
func TestUnlikeLeads(t *testing.T) {
	s := newStore(t)
	one := sample(t, "p", "1", "x")
	two := bytes.Clone(one)
	two[70] ^= 1 // in the lead's name
	for i, got := range importAll(t, s, "c", ImportOptions{}, one, two) {
		if out := exported(t, got.Package, Form{}); !bytes.Equal(out, [][]byte{one, two}[i]) {
			t.Errorf("package %d came out differently", i)
		}
	}
}
