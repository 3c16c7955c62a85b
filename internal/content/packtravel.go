package content

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/remote"
)

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
	if from.store == nil {
		return s.placePacks(ctx, from, there, theirs, ours, !live)
	}
	if live {
		return nil, nil
	}
	missing, _, err := s.Compare(ctx, from, theirs, ours)
	if err != nil {
		return nil, err
	}
	need, err := s.lacking(ctx, from, there.commit, missing)
	if err != nil {
		return nil, err
	}
	chosen := choosePacks(from.store.packs, need, nil)
	if faults, err = s.fetchPacks(ctx, from, namesOf(chosen), true); err != nil || need.Len() == 0 {
		return faults, err
	}
	for _, p := range from.store.packs.Packs() { // what it had may be what is needed still
		if p.Faulty() && !slices.Contains(chosen, p) {
			faults = append(faults, fmt.Errorf("%s: pack %s: its index is damaged", from, p.Name))
		}
	}
	return faults, nil
}

// placePacks brings packs of a place: first the one that tells what there is, and the others when something of it is missing here.
func (s *Store) placePacks(ctx context.Context, from *Foreign, there foreignRef, theirs, ours string, install bool) ([]error, error) {
	names, err := from.packsOf(ctx, there)
	if err != nil {
		return nil, err
	}
	if here := (packTier{s.packs}); !slices.Contains(from.tiers, here) {
		from.tiers = append(from.tiers, here)
	}
	first := min(len(names), 1)
	faults, err := s.fetchPacks(ctx, from, names[:first], install)
	if err != nil {
		return faults, err
	}
	if missing, _, err := s.Compare(ctx, from, theirs, ours); err == nil && len(missing) == 0 || ctx.Err() != nil {
		return faults, ctx.Err()
	}
	more, err := s.fetchPacks(ctx, from, names[first:], install)
	return append(faults, more...), err
}

// packsOf gives the packs of a packed collection of a place: those that its reference names, else all that there are.
func (f *Foreign) packsOf(ctx context.Context, r foreignRef) ([]string, error) {
	if len(r.packs) > 0 {
		return r.packs, nil
	}
	names, err := listPacks(ctx, f.place)
	if errors.Is(err, remote.ErrReadOnly) {
		return nil, fmt.Errorf("%s: the reference %s names no packs, and a web server does not tell what there is: run rpmstore pack on the store there", f, r.file)
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

// lacking gives what packages and the upper trees of a collection of another store of this machine reach and no tier here has. What cannot be read
// there is left to those who take it.
func (s *Store) lacking(ctx context.Context, from *Foreign, commit ostree.Checksum, missing []Incoming) (*ostree.Set, error) {
	need := ostree.NewSet()
	for _, p := range missing {
		from.objects.WalkTree(ctx, p.Tree, need)
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

// choosePacks gives the packs to bring for what is needed, and takes what these hold out of need. Those that are there
// already come first and always; then the one that has most of it. One of which little is needed is not worth bringing: its objects go alone.
func choosePacks(set *pack.Set, need *ostree.Set, there []string) []*pack.Pack {
	packs := set.Packs()
	rank := map[*pack.Pack]int64{}
	for _, p := range packs {
		if slices.Contains(there, p.Name) {
			rank[p] = math.MaxInt64
		} else {
			_, _, size := liveObjects(p, need)
			rank[p] = size.live
		}
	}
	slices.SortStableFunc(packs, func(a, b *pack.Pack) int { return cmp.Compare(rank[b], rank[a]) })
	return slices.DeleteFunc(packs, func(p *pack.Pack) bool {
		live, _, size := liveObjects(p, need)
		if live == 0 || rank[p] < math.MaxInt64 && (size.live*3 < size.all || !isPackName(p.Name)) {
			return true
		}
		p.Each(func(o pack.Object) bool {
			need.Remove(objectOf(o.Key))
			return true
		})
		return false
	})
}

// newPackDir makes a directory for packs that do not have their place yet. What a crash leaves of it, GC removes.
func (s *Store) newPackDir() (string, error) {
	dir := filepath.Join(s.repo.Dir(), packsDir)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	return os.MkdirTemp(dir, "new-")
}

// fetchPacks brings packs that are not here. With install they become packs of the store when they are sound; the others are read through
// from alone, and verified object by object. Damage is given as faults. The caller has a lock.
func (s *Store) fetchPacks(ctx context.Context, from *Foreign, names []string, install bool) (faults []error, err error) {
	here := namesOf(s.packs.Packs())
	for _, set := range from.sets {
		here = append(here, namesOf(set.Packs())...)
	}
	for _, name := range names {
		if slices.Contains(here, name) {
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
	dir, err := s.newPackDir()
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
	packs := filepath.Dir(dir)
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
	file := &failing{w: out}
	_, damage = copyNamed(file, in, name)
	err = errors.Join(file.err, out.Sync())
	if damage == nil { // another attempt writes a damaged one anew
		err = errors.Join(err, out.Chmod(0o444))
	}
	return damage, errors.Join(err, out.Close())
}

// copyNamed copies a pack, and compares its bytes with its name.
func copyNamed(w io.Writer, r io.Reader, name string) (size int64, err error) {
	sum := sha256.New()
	if size, err = io.Copy(io.MultiWriter(w, sum), r); err != nil {
		return size, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got+pack.Suffix != name {
		err = fmt.Errorf("damaged: its SHA-256 is %s", got)
	}
	return size, err
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

// packSource reads what packs of a place hold, as far as they were brought, and else its loose objects.
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

// readInPlace reads the packs of a place that is a directory where they are.
func (f *Foreign) readInPlace(dir string) error {
	set, err := pack.OpenSet(filepath.Join(dir, packsDir))
	if err == nil {
		f.tiers, f.sets = append(f.tiers, packTier{set}), append(f.sets, set)
	}
	return err
}

// closePacks ends the use of packs that serve this store alone.
func (f *Foreign) closePacks() (err error) {
	for _, set := range f.sets {
		err = errors.Join(err, set.Close())
	}
	f.tiers, f.sets = nil, nil
	return err
}
