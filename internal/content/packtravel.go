package content

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/remote"
)

// packFile is the name of a pack below a store.
func packFile(name string) string { return packsDir + "/" + name }

// packRefFile is the name of the reference of a packed collection below a store.
func packRefFile(ref string) string { return packsDir + "/" + packRefs + "/" + url.PathEscape(ref) }

// isPackName tells whether a file can be a pack.
func isPackName(name string) bool {
	digits, ok := strings.CutSuffix(name, pack.Suffix)
	sum, err := ostree.ParseChecksum(digits)
	return ok && err == nil && sum.String() == digits
}

// parsePackRef reads the reference of a packed collection: its commit, and where a push has written it the packs, the one with the upper
// trees first.
func parsePackRef(b []byte) (commit ostree.Checksum, packs []string, err error) {
	first, rest, ok := strings.Cut(string(b), "\n")
	if !ok || rest != "" && !strings.HasSuffix(rest, "\n") {
		return commit, nil, errors.New("not a reference")
	}
	if commit, err = ostree.ParseChecksum(first); err != nil {
		return commit, nil, err
	}
	for name := range strings.Lines(rest) {
		name = strings.TrimSuffix(name, "\n")
		if !isPackName(name) {
			return commit, nil, fmt.Errorf("%q is not the name of a pack", name)
		}
		packs = append(packs, name)
	}
	return commit, packs, nil
}

func formatPackRef(commit ostree.Checksum, packs []string) []byte {
	return []byte(strings.Join(append([]string{commit.String()}, packs...), "\n") + "\n")
}

// packedSession lets a collection that is no live one be a packed one, for as long as the store is open: what is put into it need not be
// loose as far as packs have it.
func (s *Store) packedSession(ref string) { s.becoming.Store(ref, true) }

func (s *Store) becomesPacked(ref string) bool {
	_, ok := s.becoming.Load(ref)
	return ok
}

// TakePacks brings the packs of a collection of another store that hold what is missing here, verified, and whole when most of what is in them is missing.
// Compare and Take then find in them what they need. Where the collection here is a live one, packs of places that cannot be read object by
// object serve as a source only. The packs that are damaged or gone are given as faults: what they hold comes object by object from
// wherever it can be had.
func (s *Store) TakePacks(ctx context.Context, from *Foreign, theirs, ours string) (faults []error, err error) {
	there, err := from.state(ctx, theirs)
	if err != nil || !there.packed {
		return nil, err
	}
	release, err := s.repo.LockShared(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := s.packs.Refresh(); err != nil {
		return nil, err
	}
	ref, err := collectionRef(ours)
	if err != nil {
		return nil, err
	}
	now, err := s.ref(ref)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	packed, err := s.isPacked(ref)
	if err != nil || now == there.commit {
		return nil, err
	}
	live := !now.IsZero() && !packed
	if !live {
		s.packedSession(ref)
	}
	if err := s.packs.Hold(); err != nil {
		return nil, err
	}
	if from.store != nil {
		if live {
			return nil, nil
		}
		need, err := s.lacking(ctx, from, there.commit, now)
		if err != nil {
			return nil, err
		}
		return s.fetchPacks(ctx, from, choosePacks(from.store.packs, need, nil), true)
	}
	return s.placePacks(ctx, from, there, theirs, ours, !live)
}

// placePacks brings packs of a place: first the one that tells what there is, and the others when something of it is missing here.
func (s *Store) placePacks(ctx context.Context, from *Foreign, there foreignRef, theirs, ours string, install bool) ([]error, error) {
	names, err := from.packNames(ctx, there)
	if err != nil {
		return nil, err
	}
	from.tiers = append(from.tiers, packTier{s.packs})
	first := min(len(names), 1)
	faults, err := s.fetchPacks(ctx, from, names[:first], install)
	if err != nil {
		return faults, err
	}
	if more, _, err := s.Compare(ctx, from, theirs, ours); err == nil && len(more) == 0 || ctx.Err() != nil {
		return faults, ctx.Err()
	}
	more, err := s.fetchPacks(ctx, from, names[first:], install)
	return append(faults, more...), err
}

// packNames gives the packs of a packed collection of a place: those that its reference names, else all that there are.
func (f *Foreign) packNames(ctx context.Context, there foreignRef) ([]string, error) {
	if len(there.packs) > 0 {
		return there.packs, nil
	}
	names, err := listPacks(ctx, f.place)
	if errors.Is(err, remote.ErrReadOnly) {
		return nil, fmt.Errorf("%s: the reference %s does not name its packs, and a web server does not tell what there is: push the collection there", f, there.file)
	}
	return names, err
}

func listPacks(ctx context.Context, place remote.Place) (names []string, err error) {
	for file, err := range place.List(ctx, packsDir+"/") {
		if err != nil {
			return nil, err
		}
		if name, ok := strings.CutPrefix(file, packsDir+"/"); ok && isPackName(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// lacking gives what a collection of another store of this machine reaches and no pack here has. What cannot be read there is left to
// those who take it.
func (s *Store) lacking(ctx context.Context, from *Foreign, commit, now ostree.Checksum) (*ostree.Set, error) {
	need := ostree.NewSet()
	there, err := readShards(from.objects, commit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	here, err := readShards(s.objects, now)
	if err != nil {
		return nil, err
	}
	for _, d := range there.Dirs {
		mine, _ := here.Dir(d.Name)
		if mine.Tree != d.Tree {
			from.objects.WalkTree(ctx, d.Tree, need)
		}
	}
	upper, err := upperObjects(from.objects, commit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	for _, o := range upper { // after the walks, which end at what is known
		need.Add(o)
	}
	lacking := ostree.NewSet()
	err = need.Each(func(o ostree.Object) error {
		if !s.packs.Has(keyOf(o)) && !s.repo.Has(o) {
			lacking.Add(o)
		}
		return ctx.Err()
	})
	return lacking, err
}

// choosePacks gives the names of the packs to bring for what is needed, and takes what these hold out of need. Packs that are there
// already come first and always. One of which little is needed is not worth bringing: its objects go alone.
func choosePacks(set *pack.Set, need *ostree.Set, there map[string]bool) (names []string) {
	type candidate struct {
		*pack.Pack
		bytes int64
		there bool
	}
	var list []candidate
	for _, p := range set.Packs() {
		if _, _, size := liveObjects(p, need); size.live > 0 {
			list = append(list, candidate{p, size.live, there[p.Name]})
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		if a.there != b.there {
			return map[bool]int{true: -1, false: 1}[a.there]
		}
		return cmp.Compare(b.bytes, a.bytes)
	})
	for _, c := range list {
		live, _, size := liveObjects(c.Pack, need)
		if live == 0 || !c.there && (size.live*3 < size.all || !isPackName(c.Name)) {
			continue
		}
		names = append(names, c.Name)
		c.Each(func(o pack.Object) bool {
			need.Remove(objectOf(o.Key))
			return true
		})
	}
	return names
}

// fetchPacks brings packs that are not here. With install they become packs of the store when they are sound; the others are read through
// from alone, and verified object by object. Damage is given as faults. The caller has a lock.
func (s *Store) fetchPacks(ctx context.Context, from *Foreign, names []string, install bool) (faults []error, err error) {
	here := map[string]bool{}
	for _, p := range s.packs.Packs() {
		here[p.Name] = true
	}
	if err := os.MkdirAll(filepath.Join(s.repo.Dir(), packsDir), 0o777); err != nil {
		return nil, err
	}
	for _, name := range names {
		if here[name] {
			continue
		}
		damage, err := s.fetchPack(ctx, from, name, install)
		if err != nil {
			return faults, err
		}
		if damage != nil {
			faults = append(faults, fmt.Errorf("%s: pack %s: %w", from, name, damage))
		}
	}
	return faults, errors.Join(s.packs.Refresh(), s.packs.Hold())
}

// fetchPack brings one pack. It gets its place when it is verified and on the disk.
func (s *Store) fetchPack(ctx context.Context, from *Foreign, name string, install bool) (damage, err error) {
	packs := filepath.Join(s.repo.Dir(), packsDir)
	dir, err := os.MkdirTemp(packs, "new-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, name)
	for range fetchAttempts {
		if damage, err = from.copyPack(ctx, name, path); err != nil || damage == nil || errors.Is(damage, ErrNotFound) {
			break
		}
	}
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	set, err := pack.OpenSet(dir)
	if err != nil {
		return nil, err
	}
	for _, p := range set.Packs() {
		_, err = p.Verify(ctx, func(fault error) { damage = cmp.Or(damage, fault) })
	}
	if damage != nil || err != nil || !install {
		from.tiers, from.sets = append(from.tiers, packTier{set}), append(from.sets, set)
		return damage, err
	}
	if err := errors.Join(set.Close(), os.Rename(path, filepath.Join(packs, name))); err != nil {
		return nil, err
	}
	return nil, atomicfile.SyncDir(packs)
}

// copyPack lays a pack of the other store down as a file and brings it to the disk. What is wrong with the pack is damage, what is wrong here an error.
func (f *Foreign) copyPack(ctx context.Context, name, path string) (damage, err error) {
	in, damage := f.openPack(ctx, name)
	if damage != nil {
		return damage, nil
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	file := &failing{w: out}
	_, damage = io.Copy(io.MultiWriter(file, sum), in)
	if err := errors.Join(file.err, out.Sync(), out.Chmod(0o444), out.Close()); err != nil {
		return nil, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); damage == nil && got+pack.Suffix != name {
		damage = fmt.Errorf("damaged: its SHA-256 is %s", got)
	}
	if damage != nil { // another attempt may write it anew
		return damage, os.Chmod(path, 0o644)
	}
	return nil, nil
}

func (f *Foreign) openPack(ctx context.Context, name string) (in io.ReadCloser, err error) {
	if f.store != nil {
		return os.Open(filepath.Join(f.store.repo.Dir(), packsDir, name))
	}
	in, err = f.place.Open(ctx, packFile(name))
	if errors.Is(err, remote.ErrNotFound) {
		err = fmt.Errorf("%w: %w", err, ErrNotFound)
	}
	return in, err
}

// failing remembers that writing has failed.
type failing struct {
	w   io.Writer
	err error
}

func (f *failing) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	f.err = cmp.Or(f.err, err)
	return n, err
}

// fromPacks copies an object that a pack has; false where none has it whole.
func (f *Foreign) fromPacks(w *ostree.Writer, o ostree.Object) bool {
	return slices.ContainsFunc(f.tiers, func(t packTier) bool { return t.Has(o) && w.PutObject(t, o) == nil })
}

// packSource reads what packs of a place hold, as far as they were brought.
type packSource struct{ f *Foreign }

func (p packSource) sources() ostree.Sources {
	sources := make(ostree.Sources, 0, len(p.f.tiers)+1)
	for _, t := range p.f.tiers {
		sources = append(sources, t)
	}
	return append(sources, p.f.loose)
}

func (p packSource) OpenFile(sum ostree.Checksum) (*ostree.File, error) {
	return p.sources().OpenFile(sum)
}

func (p packSource) ReadMetadata(o ostree.Object) ([]byte, error) { return p.sources().ReadMetadata(o) }

// closePacks ends the use of packs that serve this store alone.
func (f *Foreign) closePacks() (err error) {
	for _, set := range f.sets {
		err = errors.Join(err, set.Close())
	}
	f.tiers, f.sets = nil, nil
	return err
}

// relist lets the references that name their packs name those that stay when some go.
func (s *Store) relist(gone []*pack.Pack) error {
	refs, err := s.allPackRefs()
	if err != nil {
		return err
	}
	for ref, commit := range refs {
		raw, err := os.ReadFile(s.packRefPath(ref))
		if err != nil {
			return err
		}
		if _, list, err := parsePackRef(raw); err != nil || len(list) == 0 {
			continue
		}
		var names []string
		for _, p := range s.packs.Packs() {
			if !slices.ContainsFunc(gone, func(q *pack.Pack) bool { return p.Name == q.Name }) {
				names = append(names, p.Name)
			}
		}
		if next := formatPackRef(commit, names); !bytes.Equal(next, raw) {
			if err := atomicfile.Write(s.packRefPath(ref), next, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
