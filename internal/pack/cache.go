package pack

import (
	"slices"
	"sync"
)

// cacheSize is how many bytes of decoded frames a set keeps, maxWanted how many calls of Prefer.
const (
	cacheSize = 160 << 20
	maxWanted = 8
)

// slot is a decoded frame.
type slot struct {
	*frame
	once  sync.Once
	bytes []byte
	fault error // the frame is damaged: bytes is what came out of it
}

// Prefer tells that all these objects will be read soon. Copies of them are then taken from the frames that must be decoded anyway.
func (s *Set) Prefer(keys []Key) {
	wanted := map[*frame]bool{}
	for _, k := range keys {
		if places := s.lookup(k); len(places) == 1 {
			wanted[places[0].in] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = append([]map[*frame]bool{wanted}, s.wanted[:min(len(s.wanted), maxWanted-1)]...)
}

// nearest puts the copy first whose frame is decoded already, or will be.
func (s *Set) nearest(places []place) {
	if len(places) < 2 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	better := func(good func(*frame) bool) bool {
		i := slices.IndexFunc(places, func(at place) bool { return good(at.in) })
		if i > 0 {
			places[0], places[i] = places[i], places[0]
		}
		return i >= 0
	}
	if better(func(f *frame) bool { return s.cached(f) >= 0 }) {
		return
	}
	for _, wanted := range s.wanted {
		if better(func(f *frame) bool { return wanted[f] }) {
			return
		}
	}
}

// cached gives the place of a frame in the cache, or -1.
func (s *Set) cached(f *frame) int {
	return slices.IndexFunc(s.cache, func(c *slot) bool { return c.frame == f })
}

// Decoded gives the bytes of all frames that were decoded to read objects.
func (s *Set) Decoded() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.decoded
}

// frame gives the bytes of the frame of a place. An error says that it is damaged, and comes with what could be had.
func (s *Set) frame(at place) ([]byte, error) {
	c := s.slot(at.in)
	c.once.Do(func() { c.bytes, c.fault = at.pack.load(c.frame) })
	return c.bytes, c.fault
}

// slot makes a frame the one that was used last, and lets those go that the cache has no room for.
func (s *Set) slot(f *frame) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &slot{frame: f}
	if i := s.cached(f); i >= 0 {
		c = s.cache[i]
		s.cache = slices.Delete(s.cache, i, i+1)
	} else {
		s.decoded += f.plain
	}
	s.cache = append(s.cache, c)
	total := int64(0)
	for i := len(s.cache) - 1; i >= 0; i-- {
		if total += s.cache[i].plain; total > cacheSize {
			s.cache = slices.Delete(s.cache, 0, i+1)
			break
		}
	}
	return c
}
