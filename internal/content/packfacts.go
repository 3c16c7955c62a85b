package content

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
)

// factsName is the file below packs/ that says what was found out about them.
const factsName = "facts"

// packFacts are facts about packs and commits, neither of which ever change, so that what was packed is not looked at again. They may be
// lost, and say nothing when one of the packs is gone.
type packFacts struct {
	Version int                        `json:"version"`
	Packs   []string                   `json:"packs"` // sorted
	Whole   map[string]ostree.Checksum `json:"whole"` // by reference: a commit that is in these packs with all that it reaches
	Tidy    string                     `json:"tidy"`  // digest of the packed references at which GC leaves just these packs as they are; empty: not known
	Kept    int                        `json:"kept"`  // objects that it then keeps in them
}

func (s *Store) factsPath() string { return filepath.Join(s.repo.Dir(), packsDir, factsName) }

// packFacts gives what is known about the packs that there are.
func (s *Store) packFacts() packFacts {
	var f packFacts
	b, err := os.ReadFile(s.factsPath())
	if err != nil || decodeDocument(b, &f) != nil || f.Version != 1 {
		return packFacts{}
	}
	good, _ := s.goodPacks()
	for _, name := range f.Packs {
		if _, ok := slices.BinarySearch(good, name); !ok {
			return packFacts{}
		}
	}
	return f
}

// goodPacks gives the names of the packs whose index is not damaged, sorted, and tells whether these are all.
func (s *Store) goodPacks() (names []string, all bool) {
	packs := s.packs.Packs()
	for _, p := range packs {
		if !p.Faulty() {
			names = append(names, p.Name)
		}
	}
	return names, len(names) == len(packs)
}

// setPackFacts notes facts; those without a pack are forgotten. The caller has the exclusive lock.
func (s *Store) setPackFacts(f packFacts) error {
	if len(f.Packs) == 0 {
		if err := os.Remove(s.factsPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	f.Version = 1
	b, err := encodeDocument(f)
	if err != nil {
		return err
	}
	return atomicfile.Write(s.factsPath(), b, 0o644)
}

// notePacked notes that commits are in packs with all that they reach.
func (s *Store) notePacked(commits map[string]ostree.Checksum, packs []string) error {
	old := s.packFacts()
	if good, _ := s.goodPacks(); !containsAll(good, packs) { // others have changed them since
		return nil
	}
	if maps.Equal(old.Whole, commits) && slices.Equal(old.Packs, packs) {
		return nil
	}
	f := packFacts{Packs: slices.Compact(slices.Sorted(slices.Values(slices.Concat(old.Packs, packs)))), Whole: map[string]ostree.Checksum{}}
	refs, err := s.allPackRefs()
	if err != nil {
		return err
	}
	for ref := range refs {
		if commit, ok := old.Whole[ref]; ok {
			f.Whole[ref] = commit
		}
		if commit, ok := commits[ref]; ok {
			f.Whole[ref] = commit
		}
	}
	return s.setPackFacts(f)
}

func containsAll(sorted, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		_, ok := slices.BinarySearch(sorted, name)
		return !ok
	})
}

// noteTidied notes how GC leaves the packs of which old was known: refs are the packed references, whole tells that all that these reach is in
// packs, tidy that nothing is to be done.
func (s *Store) noteTidied(old packFacts, refs map[string]ostree.Checksum, whole, tidy bool, kept int) error {
	names, all := s.goodPacks()
	f := packFacts{Packs: names, Whole: old.Whole}
	if whole {
		f.Whole = refs
	}
	maps.DeleteFunc(f.Whole, func(ref string, commit ostree.Checksum) bool {
		now, ok := refs[ref]
		return !ok || !tidy && now != commit // what no reference reaches may have left the packs
	})
	if tidy && all {
		f.Tidy, f.Kept = digestRefs(refs), kept
	}
	return s.setPackFacts(f)
}

// tidyAt tells whether GC is known to leave all packs as they are.
func (s *Store) tidyAt(f packFacts, refs map[string]ostree.Checksum) bool {
	names, all := s.goodPacks()
	return all && f.Tidy != "" && f.Tidy == digestRefs(refs) && slices.Equal(f.Packs, names) &&
		!slices.ContainsFunc(s.packs.Packs(), s.packs.Held)
}

func digestRefs(refs map[string]ostree.Checksum) string {
	h := sha256.New()
	for _, ref := range slices.Sorted(maps.Keys(refs)) {
		fmt.Fprintf(h, "%q %s\n", ref, refs[ref])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// wholePackages gives the trees of the packages that are in packs with all that they reach, as far as that is known.
func (s *Store) wholePackages() *ostree.Set {
	trees := ostree.NewSet()
	for ref, commit := range s.packFacts().Whole {
		c, err := s.collectionAt(ref, commit)
		if err != nil {
			continue
		}
		list, err := c.Packages()
		if err != nil {
			continue
		}
		for _, p := range list {
			trees.Add(p.object())
		}
	}
	return trees
}

// object names the package's tree.
func (p *Package) object() ostree.Object {
	return ostree.Object{Type: ostree.TypeDirTree, Checksum: p.Tree}
}

// inPackOrder sorts packages by where their trees lie, so that each frame with trees is decoded once when they are gone through.
func (s *Store) inPackOrder(packages []*Package) []*Package {
	if len(s.packs.Packs()) == 0 {
		return packages
	}
	type placed struct {
		*Package
		pack.Place
	}
	list := make([]placed, len(packages))
	for i, p := range packages {
		list[i].Package = p
		if places := s.packs.Places(keyOf(p.object())); len(places) > 0 {
			list[i].Place = places[0]
		}
	}
	slices.SortStableFunc(list, func(a, b placed) int {
		return cmp.Or(strings.Compare(a.Pack, b.Pack), cmp.Compare(a.Frame, b.Frame))
	})
	sorted := make([]*Package, len(list))
	for i, p := range list {
		sorted[i] = p.Package
	}
	return sorted
}
