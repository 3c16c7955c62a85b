package pack

import (
	"bytes"
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

// Set is the packs of a directory. Packs that others add or remove show when an object is not found. Its methods may be
// called from several goroutines.
type Set struct {
	dir string

	mu    sync.Mutex
	packs []*Pack
	seen  time.Time // modification time of the directory

	cache   []*slot           // the one used last is last
	wanted  []map[*frame]bool // by Prefer, the last call first
	decoded int64
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
	// One that has gone may be read still: its file is closed when nobody knows it any more.
	s.packs, s.seen = packs, info.ModTime()
	return nil
}

// Close ends the use of the set.
func (s *Set) Close() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.packs {
		err = errors.Join(err, p.file.Close())
	}
	s.packs, s.cache = nil, nil
	return err
}

// Packs gives the packs, sorted by name.
func (s *Set) Packs() []*Pack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.packs)
}

// place is where a copy of an object lies.
type place struct {
	pack *Pack
	entry
}

// lookup gives the places of an object.
func (s *Set) lookup(k Key) (places []place) {
	for again := range 2 {
		for _, p := range s.Packs() {
			for _, e := range p.find(k) {
				places = append(places, place{p, e})
			}
		}
		if len(places) > 0 || again > 0 || !s.moved() {
			break
		}
	}
	return places
}

// moved looks for other packs when the directory has changed, and tells whether it has.
func (s *Set) moved() bool {
	info, err := os.Stat(s.dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	return err == nil && !info.ModTime().Equal(s.seen) && s.refresh() == nil
}

// Has tells whether a pack has the object.
func (s *Set) Has(k Key) bool { return len(s.lookup(k)) > 0 }

// Place is where a copy of an object lies.
type Place struct {
	Pack  string
	Frame uint32 // its number in the pack
	Plain int64  // bytes of the frame
	Size  int64  // bytes of the object in it
}

// Places gives where the copies of an object lie.
func (s *Set) Places(k Key) (list []Place) {
	for _, at := range s.lookup(k) {
		list = append(list, Place{at.pack.Name, at.in.number, at.in.plain, at.Size})
	}
	return list
}

// StoredSize gives the object's part of the bytes that its pack takes.
func (s *Set) StoredSize(k Key) (int64, error) {
	places := s.lookup(k)
	if len(places) == 0 {
		return 0, fmt.Errorf("object %s: %w", k, ErrNotFound)
	}
	e := places[0]
	return entrySize + int64(float64(e.Size)/float64(max(e.in.plain, 1))*float64(e.in.stored)), nil
}

// Open gives the bytes of an object, and how many they are. What comes from an undamaged frame of many objects is right as far as the disk can be
// trusted; where the frame is damaged the object is verified first, and taken from another frame or pack if there is one. Large objects are
// not verified: whoever needs it compares the digest.
func (s *Set) Open(k Key) (r io.ReadCloser, size int64, err error) {
	places := s.lookup(k)
	s.nearest(places)
	err = fmt.Errorf("object %s: %w", k, ErrNotFound)
	for _, at := range places {
		if r, size, err = s.open(at); err == nil {
			return r, size, nil
		}
	}
	return nil, 0, err
}

func (s *Set) open(at place) (io.ReadCloser, int64, error) {
	if f := at.in; f.large() {
		z, err := newStream(io.NewSectionReader(at.pack.file, f.offset, f.stored))
		if err != nil || at.Coding != Plain {
			return nil, 0, &DamagedError{at.pack.Name, at.Key, errors.Join(err, errDiffers)}
		}
		return z.IOReadCloser(), at.Size, nil
	}
	plain, fault := s.frame(at)
	b, err := at.from(plain, fault != nil)
	if err != nil {
		return nil, 0, &DamagedError{at.pack.Name, at.Key, errors.Join(fault, err)}
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
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
