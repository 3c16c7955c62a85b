package content

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/remote"
)

// packedPush is what a push needs to know where the collection is a packed one there: its packs go whole, and its reference names them.
type packedPush struct {
	listed  []string // what the reference there names, or all that there is where it names none
	stale   string   // of these, the one of the upper trees alone
	sent    []string // packs of what is pushed, all of them there
	written int      // packs that were not there
	brought bool     // the packs there were brought here to read from
}

// lookPacked decides whether the collection is, or becomes, a packed one there.
func (p *Push) lookPacked(r foreignRef) error {
	ref, err := collectionRef(p.collection)
	if err != nil {
		return err
	}
	packed := r.packed
	if r.raw == nil {
		if packed, err = p.store.isPacked(ref); err != nil {
			return err
		}
	}
	switch {
	case p.looked && packed != (p.packed != nil):
		return fmt.Errorf("%s: collection %s has been packed or unpacked meanwhile; push it again", p.place, p.collection)
	case packed && p.packed == nil:
		p.packed = &packedPush{}
	}
	p.looked = true
	if packed {
		p.ref, p.packed.listed, p.packed.brought = packRefFile(ref), r.packs, false
	}
	return nil
}

// onlyOne makes sure, after a collection was made, that nobody has made the other kind of it at the same moment.
func (p *Push) onlyOne(ctx context.Context) error {
	ref, err := collectionRef(p.collection)
	if err != nil {
		return err
	}
	other := packRefFile(ref)
	if p.packed != nil {
		if other, err = ostree.RefPath(ref); err != nil {
			return err
		}
	}
	b, err := remote.Read(ctx, p.place, other)
	if err == nil && b != nil {
		err = fmt.Errorf("%s: collection %s was made there live and packed at the same moment, and the live one counts: push the packed one again", p.place, p.collection)
	}
	return err
}

// readUpper brings the pack that tells what is in the packed collection there, and the others where that one does not tell it.
func (p *Push) readUpper(ctx context.Context) (err error) {
	if p.packed.listed, err = p.there.packsOf(ctx, foreignRef{file: p.ref, packs: p.packed.listed}); err != nil {
		return err
	}
	if err := p.bring(ctx, p.packed.listed[:min(len(p.packed.listed), 1)]); err != nil {
		return err
	}
	if _, err := p.theirMembers(); err != nil {
		return p.bringTheirs(ctx)
	}
	return nil
}

// bringTheirs brings all packs of the collection there, to read what is in them.
func (p *Push) bringTheirs(ctx context.Context) error {
	if p.packed == nil || p.packed.brought {
		return nil
	}
	p.packed.brought = true
	return p.bring(ctx, p.packed.listed)
}

func (p *Push) bring(ctx context.Context, names []string) error {
	faults, err := p.store.fetchPacks(ctx, p.there, names, false)
	p.failed = append(p.failed, faults...)
	return err
}

// findStale looks whether the first of the packs there holds upper trees alone: the one that this push makes takes its place.
func (p *Push) findStale(upper []ostree.Object) {
	keys := map[pack.Key]bool{}
	for _, o := range upper {
		keys[keyOf(o)] = true
	}
	p.packed.stale = ""
	for _, set := range p.there.sets {
		for _, held := range set.Packs() {
			if slices.Index(p.packed.listed, held.Name) == 0 && held.Each(func(o pack.Object) bool { return keys[o.Key] }) {
				p.packed.stale = held.Name
			}
		}
	}
}

// sendPacks sends the packs of packages whole, as far as they are not there and enough of what they hold is needed. It gives the number of
// objects that are in none of them.
func (p *Push) sendPacks(ctx context.Context, items []Incoming) (rest int, err error) {
	if len(items) == 0 {
		return 0, nil
	}
	there, err := listPacks(ctx, p.place)
	if err != nil {
		return 0, err
	}
	need := ostree.NewSet()
	var read []Incoming
	for _, item := range items {
		if p.all.WalkTree(ctx, item.Tree, need) == nil { // else Send names it
			read = append(read, item)
		}
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for _, chosen := range choosePacks(p.store.packs, need, there) {
		if !slices.Contains(there, chosen.Name) {
			damage, err := p.sendPack(ctx, filepath.Join(p.store.repo.Dir(), packsDir), chosen.Name)
			if err != nil {
				return 0, err
			}
			if damage != nil {
				p.failed = append(p.failed, fmt.Errorf("pack %s: %w; its objects go one by one", chosen.Name, damage))
				rest += chosen.Objects()
				continue
			}
		}
		p.packed.sent = append(p.packed.sent, chosen.Name)
		chosen.Each(func(o pack.Object) bool {
			p.have.Add(objectOf(o.Key))
			return true
		})
	}
	if rest += need.Len(); rest == 0 {
		for _, item := range read {
			p.sent[item.Entry] = true
		}
	}
	return rest, nil
}

// sendPack sends a pack whose bytes are what its name says.
func (p *Push) sendPack(ctx context.Context, dir, name string) (damage, err error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, damage := copyNamed(io.Discard, f, name)
	if damage != nil {
		return damage, ctx.Err()
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if err := p.place.Put(ctx, packFile(name), size, f); err != nil {
		return nil, staged("send", err)
	}
	p.packed.written++
	p.bytes += size
	return nil, nil
}

// upperFrame is the size in bytes from which on a frame of upper trees is ended.
const upperFrame = 4 << 20

// sendUpperPack makes a small pack of the upper trees and sends it. A collection is told by it without any other pack.
func (p *Push) sendUpperPack(ctx context.Context, upper []ostree.Object) (name string, err error) {
	dir, err := p.store.newPackDir()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if name, err = p.packUpper(dir, upper); err != nil {
		return "", err
	}
	if ok, err := p.place.Has(ctx, packFile(name)); ok || err != nil {
		return name, err
	}
	damage, err := p.sendPack(ctx, dir, name)
	return name, errors.Join(damage, err)
}

func (p *Push) packUpper(dir string, upper []ostree.Object) (name string, err error) {
	w, err := pack.Create(dir, pack.Default())
	if err != nil {
		return "", err
	}
	defer w.Abort()
	var frame []pack.Object
	var plain bytes.Buffer
	seen := ostree.NewSet()
	for i, o := range upper {
		if seen.Add(o) {
			b, err := p.all.ReadMetadata(o)
			if err != nil {
				return "", err
			}
			frame = append(frame, pack.Object{Key: keyOf(o), Size: int64(len(b))})
			plain.Write(b)
		}
		if len(frame) > 0 && (plain.Len() > upperFrame || i == len(upper)-1) {
			if err := w.Frame(frame, plain.Bytes()); err != nil {
				return "", err
			}
			frame = frame[:0]
			plain.Reset()
		}
	}
	return w.Finish()
}

// packedRef brings the upper trees there and gives what the reference there is to say.
func (p *Push) packedRef(ctx context.Context, next ostree.Checksum, upper []ostree.Object) ([]byte, error) {
	// Of many who push at once most would send in vain.
	if now, err := remote.Read(ctx, p.place, p.ref); err != nil {
		return nil, err
	} else if !bytes.Equal(now, p.raw) {
		return nil, fmt.Errorf("%s/%s: %w", p.place, p.ref, remote.ErrMoved)
	}
	first, err := p.sendUpperPack(ctx, upper)
	if err != nil {
		return nil, err
	}
	packs := slices.Concat(p.packed.listed, p.packed.sent)
	slices.Sort(packs)
	packs = slices.DeleteFunc(slices.Compact(packs), func(name string) bool { return name == first || name == p.packed.stale })
	return packRef{next, slices.Insert(packs, 0, first)}.bytes(), nil
}

// move brings the upper trees of a commit there and lets the reference name it.
func (p *Push) move(ctx context.Context, next ostree.Checksum) error {
	upper, err := upperObjects(p.all, next)
	if err != nil {
		return err
	}
	content := []byte(next.String() + "\n")
	if p.packed == nil {
		err = parallel(ctx, requests, upper, p.send)
	} else {
		content, err = p.packedRef(ctx, next, upper)
	}
	if err != nil {
		return err
	}
	if err := p.place.Swap(ctx, p.ref, p.raw, content); err != nil || p.raw != nil {
		return err
	}
	return p.onlyOne(ctx)
}
