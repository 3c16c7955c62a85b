package content

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
)

// packedPush is what a push needs to know where the collection is a packed one there: its packs go whole, and its reference names them.
type packedPush struct {
	theirs []string // what the reference there names
	names  []string // packs of what is sent, all of them there
	packs  int      // written there
	whole  bool     // all packs of the collection there were brought here to read from
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
	case !packed && p.packed != nil || packed && p.packed == nil && p.looked:
		return fmt.Errorf("%s: collection %s has been packed or unpacked meanwhile; push it again", p.place, p.collection)
	case packed && p.packed == nil:
		p.packed = &packedPush{}
	}
	p.looked = true
	if packed {
		p.ref, p.packed.theirs, p.packed.whole = packRefFile(ref), r.packs, false
	}
	return nil
}

// readUpper brings the pack that tells what is in the packed collection there, or all packs where its reference does not say which.
func (p *Push) readUpper(ctx context.Context) error {
	names, err := p.there.packNames(ctx, foreignRef{file: p.ref, packs: p.packed.theirs})
	if err != nil {
		return err
	}
	first := names
	if len(p.packed.theirs) > 0 {
		first = names[:1]
	}
	p.packed.theirs = names
	if _, err := p.store.fetchPacks(ctx, p.there, first, false); err != nil {
		return err
	}
	if _, err := p.theirMembers(); err != nil { // the place has put its packs together
		return p.bringTheirs(ctx)
	}
	return nil
}

// bringTheirs brings the packs of the collection there, to join packages with what is in them.
func (p *Push) bringTheirs(ctx context.Context) error {
	if p.packed == nil || p.packed.whole {
		return nil
	}
	p.packed.whole = true
	_, err := p.store.fetchPacks(ctx, p.there, p.packed.theirs, false)
	return err
}

// sendPacks sends the packs of packages whole, as far as they are not there and enough of what they hold is needed.
func (p *Push) sendPacks(ctx context.Context, items []Incoming) error {
	if len(items) == 0 {
		return nil
	}
	names, err := listPacks(ctx, p.place)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, name := range names {
		there[name] = true
	}
	need := ostree.NewSet()
	for _, item := range items { // what cannot be read, Send names
		p.all.WalkTree(ctx, item.Tree, need)
	}
	for entry, tree := range p.mine {
		if p.theirs[entry] == tree && ctx.Err() == nil {
			p.all.WalkTree(ctx, tree, p.have)
		}
	}
	if err := errors.Join(ctx.Err(), p.have.Each(func(o ostree.Object) error { need.Remove(o); return nil })); err != nil {
		return err
	}
	chosen := choosePacks(p.store.packs, need, there)
	for _, held := range p.store.packs.Packs() {
		if !slices.Contains(chosen, held.Name) {
			continue
		}
		if !there[held.Name] {
			damage, err := p.sendPack(ctx, held.Name)
			if err != nil {
				return err
			}
			if damage != nil {
				p.failed = append(p.failed, fmt.Errorf("pack %s: %w; its objects go one by one", held.Name, damage))
				continue
			}
		}
		p.packed.names = append(p.packed.names, held.Name)
		held.Each(func(o pack.Object) bool {
			p.have.Add(objectOf(o.Key))
			return true
		})
	}
	return nil
}

// sendPack sends a pack whose bytes are what its name says.
func (p *Push) sendPack(ctx context.Context, name string) (damage, err error) {
	f, err := os.Open(filepath.Join(p.store.repo.Dir(), packsDir, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return err, ctx.Err()
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got+pack.Suffix != name {
		return fmt.Errorf("damaged: its SHA-256 is %s", got), nil
	}
	return nil, p.putPack(ctx, name, size, f)
}

func (p *Push) putPack(ctx context.Context, name string, size int64, f io.ReadSeeker) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := p.place.Put(ctx, packFile(name), size, f); err != nil {
		return staged("send", err)
	}
	p.packed.packs++
	p.bytes += size
	return nil
}

// upperFrame is the size in bytes from which on a frame of upper trees is ended.
const upperFrame = 4 << 20

// sendUpperPack makes a small pack of the upper trees and sends it. A collection is told by it without any other pack.
func (p *Push) sendUpperPack(ctx context.Context, upper []ostree.Object) (name string, err error) {
	dir, err := os.MkdirTemp(filepath.Join(p.store.repo.Dir(), "tmp"), "upper-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	w, err := pack.Create(dir, pack.Default())
	if err != nil {
		return "", err
	}
	defer w.Abort()
	var frame []pack.Object
	var plain bytes.Buffer
	seen := map[ostree.Object]bool{}
	end := func() error {
		if len(frame) == 0 {
			return nil
		}
		err := w.Frame(frame, plain.Bytes())
		frame = frame[:0]
		plain.Reset()
		return err
	}
	for _, o := range upper {
		if seen[o] {
			continue
		}
		seen[o] = true
		b, err := p.all.ReadMetadata(o)
		if err != nil {
			return "", err
		}
		frame = append(frame, pack.Object{Key: keyOf(o), Size: int64(len(b))})
		plain.Write(b)
		if plain.Len() > upperFrame {
			if err := end(); err != nil {
				return "", err
			}
		}
	}
	if err := end(); err != nil {
		return "", err
	}
	if name, err = w.Finish(); err != nil {
		return "", err
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if ok, err := p.place.Has(ctx, packFile(name)); ok || err != nil {
		return name, err
	}
	return name, p.putPack(ctx, name, info.Size(), f)
}

// packedRef gives what the reference there is to say.
func (p *Push) packedRef(ctx context.Context, next ostree.Checksum) ([]byte, error) {
	upper, err := upperObjects(p.all, next)
	if err != nil {
		return nil, err
	}
	first, err := p.sendUpperPack(ctx, upper)
	if err != nil {
		return nil, err
	}
	packs := slices.Concat(p.packed.theirs, p.packed.names)
	slices.Sort(packs)
	packs = slices.DeleteFunc(slices.Compact(packs), func(name string) bool { return name == first })
	return formatPackRef(next, slices.Insert(packs, 0, first)), nil
}

// move brings the upper trees of a commit there and lets the reference name it.
func (p *Push) move(ctx context.Context, next ostree.Checksum) error {
	content := []byte(next.String() + "\n")
	if p.packed == nil {
		upper, err := upperObjects(p.all, next)
		if err == nil {
			err = p.sendUpper(ctx, upper)
		}
		if err != nil {
			return err
		}
	} else {
		var err error
		if content, err = p.packedRef(ctx, next); err != nil {
			return err
		}
	}
	return p.place.Swap(ctx, p.ref, p.raw, content)
}
