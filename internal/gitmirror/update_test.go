package gitmirror

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
)

// TestPushMeanwhile has somebody push between the reading of a branch and its move.
func TestPushMeanwhile(t *testing.T) {
	p := newPlace(t)
	p.mustImport(helloSRPM(t, "1.0", "1"))
	r, err := openRepo(filepath.Join(p.mirrors, "hello.git"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const branch = "refs/heads/distro"
	before, err := r.ref(branch)
	if err != nil {
		t.Fatal(err)
	}
	p.git("hello", "update-ref", branch, branch+"^")
	moves := map[string]Hash{branch: before, "refs/heads/new": before}
	if err := r.update(moves); err == nil || !strings.Contains(err.Error(), "refs/heads/distro has moved in the meantime") {
		t.Errorf("error %v", err)
	}
	if got := p.git("hello", "for-each-ref", "--format=%(refname)", "refs/heads"); got != "refs/heads/distro\nrefs/heads/upstream\n" {
		t.Errorf("moved all the same: %s", got)
	}
	r.seen = map[string]Hash{}
	if err := r.update(moves); err != nil {
		t.Error(err)
	}
}

// TestRemovedMeanwhile waits for the lock of a mirror that its holder takes away: the lock of a file without a name is worth nothing.
func TestRemovedMeanwhile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hello.git")
	first, err := lockedRepo(dir, "distro")
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		r   *repo
		err error
	}
	got := make(chan result)
	go func() {
		r, err := lockedRepo(dir, "distro")
		got <- result{r, err}
	}()
	time.Sleep(50 * time.Millisecond) // by then it waits, on most machines
	first.removeIfEmpty()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := <-got
	if second.err != nil {
		t.Fatal(second.err)
	}
	defer second.r.Close()
	if !isAt(second.r.lock, filepath.Join(dir, "srpm2git.lock")) {
		t.Error("the lock is not that of the mirror")
	}
}

// TestHalfMade finds what a crash has left of a repository.
func TestHalfMade(t *testing.T) {
	p := newPlace(t)
	old, fresh := filepath.Join(p.mirrors, newRepoPrefix+"1", "objects"), filepath.Join(p.mirrors, newRepoPrefix+"2", "objects")
	for _, dir := range []string{old, fresh} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	ago := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(filepath.Dir(old), ago, ago); err != nil {
		t.Fatal(err)
	}
	p.mustImport(helloSRPM(t, "1.0", "1"))
	if left, _ := glob(p.mirrors, newRepoPrefix+"*"); len(left) != 1 || left[0] != newRepoPrefix+"2" {
		t.Errorf("left: %q", left)
	}
}

func TestNameText(t *testing.T) {
	for name, want := range map[string]string{
		"a.patch": "a.patch", "a b": "a b", "a  b": `"a  b"`, " a": `" a"`, "a\nb": `"a\nb"`, "\xff": `"\xff"`, `"a"`: `"\"a\""`, `a"b`: `a"b`, "\u00fc": "\u00fc", "\u0085": `"\u0085"`,
	} {
		if got := nameText(name); got != want || textName(got) != name {
			t.Errorf("%q is written %s and read %q, want %s", name, got, textName(got), want)
		}
	}
	if got := textName(`"a`); got != `"a` {
		t.Errorf("read %q", got)
	}
}

func FuzzNameText(f *testing.F) {
	for _, name := range []string{"a", "a  b", "\n", "\xff", `"`, `"\x`, "\u0085"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		text := nameText(name)
		if textName(text) != name || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("%q is written %q and read %q", name, text, textName(text))
		}
	})
}

// TestOwnPiece has recipes that name themselves, as a mirror from elsewhere may.
func TestOwnPiece(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hello.git")
	r, err := lockedRepo(dir, "distro")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := r.openPristine()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"gem", "srpm"} {
		sum := sha256Hex([]byte(kind))
		if err := p.setBlob(sum, ".head", nil); err != nil {
			t.Fatal(err)
		}
		if err := p.setRecipe(&recipe{SHA256: sum, Kind: kind, Pieces: []piece{{File: sum}}}); err != nil {
			t.Fatal(err)
		}
		if err := p.write(context.Background(), nil, sum, io.Discard); err == nil || !strings.Contains(err.Error(), "too deep") {
			t.Errorf("%s: error %v", kind, err)
		}
	}
}

// TestHostileMetadata merges metadata whose trees have names that would be written elsewhere.
func TestHostileMetadata(t *testing.T) {
	for _, c := range []struct {
		name string
		e    entry
	}{
		{"..", entry{"..", modeTree, Hash{}}},
		{"../x", entry{"../x", modeRegular, Hash{}}},
		{"a/b", entry{"a/b", modeRegular, Hash{}}},
		{".git", entry{".git", modeRegular, Hash{}}},
		{"link", entry{"link", modeLink, Hash{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			there, here := newPlace(t), newPlace(t)
			there.mustImport(helloSRPM(t, "1.0", "1"))
			r, err := openRepo(filepath.Join(there.metadata, ".git"))
			if err != nil {
				t.Fatal(err)
			}
			root, err := r.rootOf(metadataBranch)
			if err != nil {
				t.Fatal(err)
			}
			old, _, err := r.lookup(root, packageDir("hello"))
			if err != nil {
				t.Fatal(err)
			}
			list, err := r.readTree(old.hash)
			if err != nil {
				t.Fatal(err)
			}
			if c.e.hash, err = r.add(gitpack.Blob, []byte("hostile\n")); err == nil && c.e.mode == modeTree {
				c.e.hash, err = r.addTree([]entry{{"x", modeRegular, c.e.hash}})
			}
			if err != nil {
				t.Fatal(err)
			}
			tree, err := r.addTree(append(list, c.e))
			if err != nil {
				t.Fatal(err)
			}
			if root, err = r.editTree(root, map[string]entry{packageDir("hello"): {mode: modeTree, hash: tree}}); err != nil {
				t.Fatal(err)
			}
			tip, err := r.addCommit(commit{tree: root})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.publish(); err != nil {
				t.Fatal(err)
			}
			if err := r.update(map[string]Hash{metadataBranch: tip}); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			m := &Merger{Mirrors: here.mirrors, Metadata: here.metadata}
			if err := m.Open([]Place{{Name: "there", Mirrors: there.mirrors, Metadata: there.metadata}}); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Merge(context.Background(), m.Reserve(), "hello"); err == nil || !strings.Contains(err.Error(), c.e.name) {
				t.Errorf("error %v, want %q in it", err, c.e.name)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			left, err := glob(filepath.Dir(here.metadata), "*")
			if d := cmp.Diff([]string{"mirrors"}, left); d != "" && len(left) > 0 || err != nil {
				t.Errorf("%v %s", err, d)
			}
		})
	}
}
