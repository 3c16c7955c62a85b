package pack

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"sync"
)

// Pack is an open pack. Its methods may be called from several goroutines.
type Pack struct {
	Name  string // of its file
	Size  int64  // of its file, in bytes
	Level uint8  // of the compressor that made it; 0 when the index is damaged

	file    *os.File
	trailer trailer
	frames  []frame
	buckets []byte

	mu        sync.Mutex
	recovered []entry // sorted; not nil when the index is damaged
	fault     error   // what is wrong with the index
}

// openPack opens a pack. One whose index is damaged is read through and gets another index in memory.
func openPack(path, name string) (*Pack, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	p := &Pack{Name: name, Size: info.Size(), file: file}
	if err := p.readIndex(); err != nil {
		p.recover(err)
	}
	return p, nil
}

func (p *Pack) readIndex() error {
	if p.Size < headSize+8+trailerSize {
		return fmt.Errorf("%d bytes are no pack", p.Size)
	}
	head := make([]byte, headSize)
	end := make([]byte, trailerSize)
	if _, err := p.file.ReadAt(head, 0); err != nil {
		return err
	}
	if [12]byte(head[8:20]) != signature || head[20] != version {
		return errors.New("not a pack of version 1")
	}
	if _, err := p.file.ReadAt(end, p.Size-trailerSize); err != nil {
		return err
	}
	t, err := parseTrailer(end, p.Size)
	if err != nil {
		return err
	}
	table, err := p.at(t.table, int64(t.frames)*frameSize)
	if err != nil {
		return err
	}
	buckets, err := p.at(t.buckets(), bucketSize<<t.bits)
	if err != nil {
		return err
	}
	crc := newCRC()
	crc.Write(table)
	crc.Write(buckets)
	if crc.Sum32() != t.crc {
		return errors.New("tables are damaged")
	}
	for b := table; len(b) > 0; b = b[frameSize:] {
		f := parseFrame(b)
		if !f.fits(p.Size) {
			return fmt.Errorf("frame %d out of bounds", len(p.frames))
		}
		p.frames = append(p.frames, f)
	}
	p.trailer, p.buckets, p.Level = t, buckets, head[21]
	return nil
}

// at reads n bytes, which are known to lie within the file.
func (p *Pack) at(offset, n int64) ([]byte, error) {
	if n < 0 || offset < 0 || n > p.Size || offset > p.Size-n {
		return nil, fmt.Errorf("%d bytes at %#x: outside of the file", n, offset)
	}
	b := make([]byte, n)
	_, err := p.file.ReadAt(b, offset)
	return b, err
}

// bucket reads the entries of a bucket and verifies them.
func (p *Pack) bucket(i uint32) ([]byte, error) {
	start := uint32(0)
	if i > 0 {
		start = order.Uint32(p.buckets[(i-1)*bucketSize:])
	}
	end := order.Uint32(p.buckets[i*bucketSize:])
	if start > end || uint64(end) > p.trailer.objects {
		return nil, fmt.Errorf("bucket %d out of bounds", i)
	}
	b, err := p.at(p.trailer.entries()+int64(start)*entrySize, int64(end-start)*entrySize)
	if err != nil {
		return nil, err
	}
	if checksum(b) != order.Uint32(p.buckets[i*bucketSize+4:]) {
		return nil, fmt.Errorf("bucket %d is damaged", i)
	}
	return b, nil
}

// find gives the copies of an object, in the order of their frames.
func (p *Pack) find(k Key) (found []entry) {
	if list, ok := p.inMemory(); ok {
		i, _ := slices.BinarySearchFunc(list, k, func(e entry, k Key) int { return compareKeys(e.Key, k) })
		for ; i < len(list) && list[i].Key == k; i++ {
			found = append(found, list[i])
		}
		return found
	}
	b, err := p.bucket(bucketOf(k.Sum, p.trailer.bits))
	if err != nil {
		p.recover(err)
		return p.find(k)
	}
	n := len(b) / entrySize
	i := sort.Search(n, func(i int) bool { return bytes.Compare(b[i*entrySize:i*entrySize+32], k.Sum[:]) >= 0 })
	for ; i < n; i++ {
		e := parseEntry(b[i*entrySize:])
		if e.Sum != k.Sum {
			break
		}
		if e.Kind == k.Kind && p.valid(e) {
			found = append(found, e)
		}
	}
	return found
}

func (p *Pack) valid(e entry) bool {
	return int(e.frame) < len(p.frames) && int64(e.offset) <= p.frames[e.frame].plain && e.Size <= p.frames[e.frame].plain-int64(e.offset)
}

func (p *Pack) inMemory() ([]entry, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.recovered, p.recovered != nil
}

// each visits the objects, sorted by digest.
func (p *Pack) each(visit func(entry) bool) bool {
	if list, ok := p.inMemory(); ok {
		return !slices.ContainsFunc(list, func(e entry) bool { return !visit(e) })
	}
	for i := range uint32(1) << p.trailer.bits {
		b, err := p.bucket(i)
		if err != nil {
			p.recover(err)
			return p.each(visit) // from the start: whoever asks for damage does so before
		}
		for ; len(b) > 0; b = b[entrySize:] {
			if e := parseEntry(b); p.valid(e) && !visit(e) {
				return false
			}
		}
	}
	return true
}

// recover makes the index from the lists before the frames and from what the frames hold.
func (p *Pack) recover(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.recovered != nil {
		return
	}
	p.fault = &DamagedError{Pack: p.Name, Err: why}
	var frames []frame
	list := []entry{}
	for at := int64(0); at+8 <= p.Size; {
		f, objects, next := p.listAt(at)
		if next <= at {
			at = p.resync(at + 1)
			continue
		}
		if at = next; objects == nil {
			continue
		}
		list = append(list, p.digest(uint32(len(frames)), f, objects)...)
		frames = append(frames, f)
	}
	slices.SortFunc(list, entry.compare)
	p.frames, p.recovered = frames, list
}

// resync gives the place of the next list, or the end.
func (p *Pack) resync(at int64) int64 {
	magic := order.AppendUint32(nil, magicList)
	chunk := make([]byte, 1<<20)
	for at < p.Size {
		n, err := p.file.ReadAt(chunk, at)
		if i := bytes.Index(chunk[:n], magic); i >= 0 {
			return at + int64(i)
		}
		if err != nil {
			break
		}
		at += int64(n) - 3
	}
	return p.Size
}

// listAt reads a skippable frame. next is where the following one begins; no objects: it was another than a list.
func (p *Pack) listAt(at int64) (f frame, objects []Object, next int64) {
	head, err := p.at(at, 8)
	if err != nil {
		return f, nil, 0
	}
	size := int64(order.Uint32(head[4:]))
	switch order.Uint32(head) {
	case magicHead, magicIndex:
		if size > p.Size-at-8 {
			return f, nil, 0
		}
		return f, nil, at + 8 + size
	case magicList:
	default:
		return f, nil, 0
	}
	b, err := p.at(at+8, size)
	if err != nil || size < 4 || checksum(b[:size-4]) != order.Uint32(b[size-4:]) {
		return f, nil, 0
	}
	if b, err = decodeLimited(b[:size-4]); err != nil || len(b) < frameSize {
		return f, nil, 0
	}
	f = parseFrame(b)
	f.offset = at + 8 + size
	b = b[frameSize:]
	if !f.fits(p.Size) || uint64(len(b)) != 8*uint64(f.count) {
		return f, nil, 0
	}
	left := f.plain
	for ; len(b) > 0; b = b[8:] {
		var o Object
		o.setWord(order.Uint64(b))
		if left -= o.Size; left < 0 {
			return f, nil, 0
		}
		objects = append(objects, o)
	}
	return f, objects, f.offset + f.stored
}

// decodeLimited decodes the list of a frame.
func decodeLimited(b []byte) ([]byte, error) {
	z, err := newStream(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return io.ReadAll(io.LimitReader(z, frameSize+8*maxCount))
}

// digest names the objects of a frame by what they are.
func (p *Pack) digest(number uint32, f frame, objects []Object) (list []entry) {
	z, err := newStream(io.NewSectionReader(p.file, f.offset, f.stored))
	if err != nil {
		return nil
	}
	defer z.Close()
	offset := int64(0)
	for _, o := range objects {
		if o.Sum, err = sumOf(o, z); err != nil {
			return list
		}
		list = append(list, entry{o, number, uint32(offset)})
		offset += o.Size
	}
	return list
}

// sumOf reads an object from a frame.
func sumOf(o Object, r io.Reader) (sum [32]byte, err error) {
	if o.Apart {
		b := make([]byte, min(o.Size, maxApart+1<<20))
		if _, err := io.ReadFull(r, b); err != nil {
			return sum, err
		}
		b, err := Together(b)
		return sha256.Sum256(b), err
	}
	h := sha256.New()
	_, err = io.CopyN(h, r, o.Size)
	return [32]byte(h.Sum(nil)), err
}

// load decodes a frame. An error comes with what could be had.
func (p *Pack) load(number uint32) ([]byte, error) {
	f := p.frames[number]
	stored, err := p.at(f.offset, f.stored)
	if err != nil {
		return nil, err
	}
	if checksum(stored) == f.crc {
		b, err := decodeAll(nil, stored, f.plain)
		if err == nil {
			return b, nil
		}
	}
	return salvage(bytes.NewReader(stored), f.plain), fmt.Errorf("frame %d at %#x is damaged", number, f.offset)
}
