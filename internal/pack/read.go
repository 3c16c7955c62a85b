package pack

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
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
	frames  []*frame
	buckets []byte

	mu        sync.Mutex
	recovered *contents // when the index is damaged
	fault     error     // what is wrong with the index
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
	head, err := p.at(0, headSize)
	if err != nil {
		return err
	}
	if [12]byte(head[8:20]) != signature || head[20] != version {
		return errors.New("not a pack of version 1")
	}
	end, err := p.at(p.Size-trailerSize, trailerSize)
	if err != nil {
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
	if p.frames, err = parseFrames(table, t.table); err != nil {
		return err
	}
	p.trailer, p.buckets, p.Level = t, buckets, head[21]
	return nil
}

// parseFrames reads the table of the frames, which lie one after the other before the index.
func parseFrames(table []byte, index int64) (frames []*frame, err error) {
	start := int64(headSize)
	for ; len(table) > 0; table = table[frameSize:] {
		f := parseFrame(table)
		f.number = uint32(len(frames))
		if !f.fits(start, index) {
			return nil, fmt.Errorf("frame %d out of bounds", f.number)
		}
		frames = append(frames, f)
		start = f.offset + f.stored
	}
	return frames, nil
}

// at reads n bytes of the file.
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
	var b []byte
	c := p.inMemory()
	if c == nil {
		var err error
		if b, err = p.bucket(bucketOf(k.Sum, p.trailer.bits)); err != nil {
			c = p.recover(err)
		}
	}
	if c != nil {
		return c.find(k)
	}
	n := len(b) / entrySize
	i := sort.Search(n, func(i int) bool { return bytes.Compare(b[i*entrySize:i*entrySize+32], k.Sum[:]) >= 0 })
	for ; i < n && bytes.Equal(b[i*entrySize:i*entrySize+32], k.Sum[:]); i++ {
		if e, ok := parseEntry(b[i*entrySize:], p.frames); ok && e.Kind == k.Kind {
			found = append(found, e)
		}
	}
	return found
}

// each visits the objects, sorted by digest. An object with copies comes with each of them.
func (p *Pack) each(visit func(entry) bool) bool {
	c := p.inMemory()
	var left []entry
	if c != nil {
		left = c.entries
	}
	for i := uint32(0); c == nil && i < 1<<p.trailer.bits; i++ {
		b, err := p.bucket(i)
		if err != nil {
			c = p.recover(err)
			from, _ := slices.BinarySearchFunc(c.entries, i, func(e entry, i uint32) int {
				return cmp.Compare(bucketOf(e.Sum, p.trailer.bits), i)
			})
			left = c.entries[from:]
			break
		}
		for ; len(b) > 0; b = b[entrySize:] {
			if e, ok := parseEntry(b, p.frames); ok && !visit(e) {
				return false
			}
		}
	}
	return !slices.ContainsFunc(left, func(e entry) bool { return !visit(e) })
}

// Each visits the objects of the pack, sorted by digest, until visit is false. An object with copies comes once.
func (p *Pack) Each(visit func(Object) bool) bool {
	var last Key
	return p.each(func(e entry) bool {
		if e.Key == last {
			return true
		}
		last = e.Key
		return visit(e.Object)
	})
}

// Objects gives the number of objects in the pack, copies counted.
func (p *Pack) Objects() int {
	if c := p.inMemory(); c != nil {
		return len(c.entries)
	}
	return int(p.trailer.objects)
}

// Has tells whether the pack has the object.
func (p *Pack) Has(k Key) bool { return len(p.find(k)) > 0 }

// load decodes a frame that is not large. An error comes with what could be had.
func (p *Pack) load(f *frame) ([]byte, error) {
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
	return salvage(bytes.NewReader(stored), f.plain), fmt.Errorf("frame %d at %#x is damaged", f.number, f.offset)
}
