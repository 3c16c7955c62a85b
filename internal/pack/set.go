package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// cacheSize is how many bytes of decoded frames a set keeps, maxWanted how many calls of Prefer.
const (
	cacheSize = 160 << 20
	maxWanted = 8
)

// Set is the packs of a directory. Packs that others add or remove show when an object is not found. Its methods may be
// called from several goroutines.
type Set struct {
	dir string

	mu    sync.Mutex
	packs []*Pack
	seen  time.Time // modification time of the directory
	gone  []*Pack   // removed by others, perhaps still read
	cache []*slot   // the one used last is last

	wanted  []map[frameAt]bool // by Prefer, the last call first
	decoded int64
}

// slot is a decoded frame.
type slot struct {
	frameAt
	once  sync.Once
	plain []byte
	fault error // the frame is damaged: plain is what came out of it
}

// OpenSet opens the packs in dir, which may be missing. A file that is no pack at all is a pack without objects, see Pack.Faulty.
func OpenSet(dir string) (*Set, error) {
	s := &Set{dir: dir}
	return s, s.Refresh()
}

// Refresh looks for packs that others have added or removed.
func (s *Set) Refresh() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refresh()
}

func (s *Set) refresh() error {
	info, err := os.Stat(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	known := map[string]*Pack{}
	for _, p := range s.packs {
		known[p.Name] = p
	}
	var packs []*Pack
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), Suffix) {
			continue
		}
		p := known[n.Name()]
		if delete(known, n.Name()); p == nil {
			if p, err = openPack(filepath.Join(s.dir, n.Name()), n.Name()); errors.Is(err, fs.ErrNotExist) {
				continue
			} else if err != nil {
				return err
			}
		}
		packs = append(packs, p)
	}
	for _, p := range known {
		s.gone = append(s.gone, p)
	}
	s.packs, s.seen = packs, info.ModTime()
	return nil
}

// Close ends the use of the set.
func (s *Set) Close() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range append(s.packs, s.gone...) {
		err = errors.Join(err, p.file.Close())
	}
	s.packs, s.gone, s.cache = nil, nil, nil
	return err
}

// Packs gives the packs, sorted by name.
func (s *Set) Packs() []*Pack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.packs)
}

// lookup gives the places of an object.
func (s *Set) lookup(k Key) (packs []*Pack, entries []entry) {
	for again := range 2 {
		for _, p := range s.Packs() {
			for _, e := range p.find(k) {
				packs, entries = append(packs, p), append(entries, e)
			}
		}
		if len(packs) > 0 || again > 0 {
			break
		}
		info, err := os.Stat(s.dir)
		s.mu.Lock()
		if err != nil || info.ModTime().Equal(s.seen) || s.refresh() != nil {
			s.mu.Unlock()
			break
		}
		s.mu.Unlock()
	}
	return packs, entries
}

// Has tells whether a pack has the object.
func (s *Set) Has(k Key) bool {
	packs, _ := s.lookup(k)
	return len(packs) > 0
}

// StoredSize gives the object's part of the bytes that its pack takes.
func (s *Set) StoredSize(k Key) (int64, error) {
	packs, entries := s.lookup(k)
	if len(packs) == 0 {
		return 0, fmt.Errorf("object %s: %w", k, ErrNotFound)
	}
	e := entries[0]
	f := packs[0].frames[e.frame]
	return entrySize + int64(float64(e.Size)/float64(max(f.plain, 1))*float64(f.stored)), nil
}

// Open gives the bytes of an object, and how many they are. What comes from an undamaged frame of many objects is right as far as the disk can be
// trusted; where the frame is damaged the object is verified first, and taken from another frame or pack if there is one. Large objects are
// not verified: whoever needs it compares the digest.
func (s *Set) Open(k Key) (r io.ReadCloser, size int64, err error) {
	packs, entries := s.lookup(k)
	s.nearest(packs, entries)
	err = fmt.Errorf("object %s: %w", k, ErrNotFound)
	for i, p := range packs {
		if r, size, err = s.open(p, entries[i]); err == nil {
			return r, size, nil
		}
	}
	return nil, 0, err
}

func (s *Set) open(p *Pack, e entry) (io.ReadCloser, int64, error) {
	f := p.frames[e.frame]
	if f.plain > MaxFrame {
		z, err := newStream(io.NewSectionReader(p.file, f.offset, f.stored))
		if err != nil {
			return nil, 0, &DamagedError{p.Name, e.Key, err}
		}
		return z.IOReadCloser(), e.Size, nil
	}
	c := s.frame(p, e.frame)
	b, err := e.from(c.plain, c.fault != nil)
	if err != nil {
		return nil, 0, &DamagedError{p.Name, e.Key, errors.Join(c.fault, err)}
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}

// from takes the object out of its frame.
func (e entry) from(plain []byte, verify bool) ([]byte, error) {
	end := int64(e.offset) + e.Size
	if end > int64(len(plain)) {
		return nil, errDiffers
	}
	b := plain[e.offset:end]
	switch {
	case verify:
		return e.verified(b)
	case e.Apart:
		return Together(b)
	}
	return b, nil
}

// frameAt names a frame.
type frameAt struct {
	pack   *Pack
	number uint32
}

// Prefer tells that all these objects will be read soon. Copies of them are then taken from the frames that must be decoded anyway.
func (s *Set) Prefer(keys []Key) {
	wanted := map[frameAt]bool{}
	for _, k := range keys {
		if packs, entries := s.lookup(k); len(packs) == 1 {
			wanted[frameAt{packs[0], entries[0].frame}] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = append([]map[frameAt]bool{wanted}, s.wanted[:min(len(s.wanted), maxWanted-1)]...)
}

// nearest puts the copy first whose frame is decoded already, or will be.
func (s *Set) nearest(packs []*Pack, entries []entry) {
	if len(packs) < 2 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	choose := func(good func(frameAt) bool) bool {
		for i, p := range packs {
			if good(frameAt{p, entries[i].frame}) {
				packs[0], packs[i] = packs[i], packs[0]
				entries[0], entries[i] = entries[i], entries[0]
				return true
			}
		}
		return false
	}
	if choose(func(at frameAt) bool {
		return slices.ContainsFunc(s.cache, func(c *slot) bool { return c.frameAt == at })
	}) {
		return
	}
	for _, wanted := range s.wanted {
		if choose(func(at frameAt) bool { return wanted[at] }) {
			return
		}
	}
}

// Decoded gives the bytes of all frames that were decoded to read objects.
func (s *Set) Decoded() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.decoded
}

// frame gives a decoded frame.
func (s *Set) frame(p *Pack, number uint32) *slot {
	s.mu.Lock()
	var c *slot
	at := frameAt{p, number}
	if i := slices.IndexFunc(s.cache, func(c *slot) bool { return c.frameAt == at }); i >= 0 {
		c = s.cache[i]
		s.cache = slices.Delete(s.cache, i, i+1)
	} else {
		c = &slot{frameAt: at}
		s.decoded += p.frames[number].plain
	}
	s.cache = append(s.cache, c)
	total := int64(0)
	for i := len(s.cache) - 1; i >= 0; i-- {
		old := s.cache[i]
		if total += old.pack.frames[old.number].plain; total > cacheSize && i < len(s.cache)-1 {
			s.cache = slices.Delete(s.cache, 0, i+1)
			break
		}
	}
	s.mu.Unlock()
	c.once.Do(func() { c.plain, c.fault = p.load(number) })
	return c
}

// Objects gives the number of objects in the pack.
func (p *Pack) Objects() int {
	if list, ok := p.inMemory(); ok {
		return len(list)
	}
	return int(p.trailer.objects)
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

// Verify reads the whole pack. Each fault goes to fault, a DamagedError; the number of objects read is given.
func (p *Pack) Verify(ctx context.Context, fault func(error)) (objects int, err error) {
	p.verifyIndex(fault)
	byFrame := make([][]entry, len(p.frames))
	p.each(func(e entry) bool {
		byFrame[e.frame] = append(byFrame[e.frame], e)
		return true
	})
	for number, entries := range byFrame {
		if err := ctx.Err(); err != nil {
			return objects, err
		}
		slices.SortFunc(entries, func(a, b entry) int { return int(a.offset) - int(b.offset) })
		objects += len(entries)
		p.verifyFrame(uint32(number), entries, fault)
	}
	return objects, nil
}

func (p *Pack) verifyIndex(fault func(error)) {
	if _, ok := p.inMemory(); !ok {
		for i := range uint32(1) << p.trailer.bits {
			if _, err := p.bucket(i); err != nil {
				p.recover(err)
				break
			}
		}
	}
	if p.fault != nil {
		fault(p.fault)
	}
}

func (p *Pack) verifyFrame(number uint32, entries []entry, fault func(error)) {
	f := p.frames[number]
	if f.plain > MaxFrame {
		sum := sha256.New()
		z, err := newStream(io.NewSectionReader(p.file, f.offset, f.stored))
		if err == nil {
			_, err = io.Copy(sum, z)
			z.Close()
		}
		for _, e := range entries {
			if err != nil || [32]byte(sum.Sum(nil)) != e.Sum {
				fault(&DamagedError{p.Name, e.Key, errors.Join(err, errDiffers)})
			}
		}
		return
	}
	plain, err := p.load(number)
	for _, e := range entries {
		if _, wrong := e.from(plain, true); wrong != nil {
			fault(&DamagedError{p.Name, e.Key, errors.Join(err, wrong)})
		}
	}
}

// Remove removes packs from the directory. Whoever reads them has them open and goes on.
func (s *Set) Remove(packs []*Pack) error {
	for _, p := range packs {
		if err := os.Remove(filepath.Join(s.dir, p.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return s.Refresh()
}

// Hold keeps the packs that there are for as long as the set is open: to others they are Held, who are not to remove them.
func (s *Set) Hold() error {
	for _, p := range s.Packs() {
		if err := unix.Flock(int(p.file.Fd()), unix.LOCK_SH); err != nil {
			return fmt.Errorf("hold %s: %w", p.Name, err)
		}
	}
	return nil
}

// Held tells whether somebody holds a pack.
func (s *Set) Held(p *Pack) bool {
	f, err := os.Open(filepath.Join(s.dir, p.Name))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// HasOutside tells whether another pack than those excepted has the object.
func (s *Set) HasOutside(k Key, except map[string]bool) bool {
	packs, _ := s.lookup(k)
	return slices.ContainsFunc(packs, func(p *Pack) bool { return !except[p.Name] })
}

// Place is where a copy of an object lies.
type Place struct {
	Pack  string
	Frame uint32
	Plain int64 // bytes of the frame
	Size  int64 // bytes of the object in it
}

// Places gives where the copies of an object lie.
func (s *Set) Places(k Key) (list []Place) {
	packs, entries := s.lookup(k)
	for i, e := range entries {
		list = append(list, Place{packs[i].Name, e.frame, packs[i].frames[e.frame].plain, e.Size})
	}
	return list
}

// Has tells whether the pack has the object.
func (p *Pack) Has(k Key) bool { return len(p.find(k)) > 0 }

// Faulty tells whether the index of the pack is damaged.
func (p *Pack) Faulty() bool {
	_, ok := p.inMemory()
	return ok
}
