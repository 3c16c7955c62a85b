package pack

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
)

// contents is what is in a pack whose index is damaged.
type contents struct {
	frames  []*frame
	entries []entry // sorted
}

func (c *contents) find(k Key) (found []entry) {
	i, _ := slices.BinarySearchFunc(c.entries, k, func(e entry, k Key) int { return compareKeys(e.Key, k) })
	for ; i < len(c.entries) && c.entries[i].Key == k; i++ {
		found = append(found, c.entries[i])
	}
	return found
}

// inMemory gives the index that replaces a damaged one, or nil.
func (p *Pack) inMemory() *contents {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.recovered
}

// Faulty tells whether the index of the pack is damaged.
func (p *Pack) Faulty() bool { return p.inMemory() != nil }

// leastObject is how many bytes of a pack an object takes at least, more or less: the digest that names it stands in some tree.
const leastObject = 16

// recover makes the index from the lists before the frames and from what the frames hold. The memory for it, and what is read in vain, are
// bounded by the size of the file.
func (p *Pack) recover(why error) *contents {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.recovered != nil {
		return p.recovered
	}
	p.fault = &DamagedError{Pack: p.Name, Err: why}
	c := &contents{}
	room := p.Size / leastObject // for objects
	tries := 2*p.Size + 1<<20    // bytes to look at where a list might be and is none
	for at := int64(0); tries > 0; {
		magic, size := p.skippable(at)
		switch magic {
		case magicHead, magicIndex:
			at += 8 + size
			continue
		case magicList:
		default:
			if at = p.resync(at + 1); at == p.Size {
				tries = 0
			}
			continue
		}
		f, objects := p.list(at+8, size, room)
		if f == nil {
			tries -= size + resyncStep
			at = p.resync(at + 1)
			continue
		}
		room -= int64(len(objects))
		f.number = uint32(len(c.frames))
		c.frames = append(c.frames, f)
		c.entries = append(c.entries, p.digest(f, objects)...)
		at = f.offset + f.stored
	}
	slices.SortFunc(c.entries, entry.compare)
	p.recovered = c
	return c
}

// skippable gives the head of a skippable frame, and zeros where none lies in the file.
func (p *Pack) skippable(at int64) (magic uint32, size int64) {
	head, err := p.at(at, 8)
	if err != nil {
		return 0, 0
	}
	if size = int64(order.Uint32(head[4:])); size > p.Size-at-8 {
		return 0, 0
	}
	return order.Uint32(head), size
}

// resyncStep is what resync reads at first.
const resyncStep = 4 << 10

// resync gives the place where the next list may be, or the end.
func (p *Pack) resync(at int64) int64 {
	magic := order.AppendUint32(nil, magicList)
	for step := int64(resyncStep); at < p.Size; step = min(2*step, 1<<20) {
		b, err := p.at(at, min(step, p.Size-at))
		if err != nil {
			break
		}
		if i := bytes.Index(b, magic); i >= 0 {
			return at + int64(i)
		}
		at += max(int64(len(b)-len(magic))+1, 1)
	}
	return p.Size
}

// list reads the list of at most room objects in size bytes, and where the frame is that follows it. It gives nil when it is damaged.
func (p *Pack) list(at, size, room int64) (*frame, []Object) {
	b, err := p.at(at, size)
	if err != nil || size < 4 || checksum(b[:size-4]) != order.Uint32(b[size-4:]) {
		return nil, nil
	}
	z, err := newStream(bytes.NewReader(b[:size-4]))
	if err != nil {
		return nil, nil
	}
	defer z.Close()
	if b, err = io.ReadAll(io.LimitReader(z, frameSize+8*min(room, maxObjects))); err != nil || len(b) < frameSize {
		return nil, nil
	}
	f := parseFrame(b)
	f.offset = at + size
	b = b[frameSize:]
	if !f.fits(f.offset, p.Size) || uint64(len(b)) != 8*uint64(f.count) {
		return nil, nil
	}
	objects := make([]Object, f.count)
	left := f.plain
	for i := range objects {
		objects[i].setWord(order.Uint64(b[8*i:]))
		if left -= objects[i].Size; left < 0 {
			return nil, nil
		}
	}
	return f, objects
}

// digest names the objects of a frame by what they are, up to where the frame is damaged.
func (p *Pack) digest(f *frame, objects []Object) (entries []entry) {
	z, err := newStream(io.NewSectionReader(p.file, f.offset, f.stored))
	if err != nil {
		return nil
	}
	defer z.Close()
	offset := int64(0)
	for _, o := range objects {
		if o.Sum, err = sumOf(o, z); err != nil {
			return entries
		}
		entries = append(entries, entry{o, f, uint32(offset)})
		offset += o.Size
	}
	return entries
}

// sumOf reads an object from a frame.
func sumOf(o Object, r io.Reader) (sum [32]byte, err error) {
	if o.Coding == Plain {
		h := sha256.New()
		_, err = io.CopyN(h, r, o.Size)
		return [32]byte(h.Sum(nil)), err
	}
	if o.Size > MaxFrame {
		return sum, errors.New("too large for its coding")
	}
	b := bytes.NewBuffer(nil)
	if _, err := io.CopyN(b, r, o.Size); err != nil {
		return sum, err
	}
	whole, err := o.Coding.decode(b.Bytes())
	return sha256.Sum256(whole), err
}
