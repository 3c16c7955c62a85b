package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/content"
)

const (
	keepGenerations = 5         // that are always served
	keepAge         = time.Hour // while which a generation is served in any case
	maxGenerations  = 64
)

// served is a collection as one profile shows it: its present generation, and those that clients may still be reading.
type served struct {
	store      *content.Store
	collection string
	opts       PublishOptions
	dir        string                     // of the metadata files; ends in a slash
	lock       *os.File                   // on dir, which no other server uses meanwhile
	built      func(time.Duration, error) // told of each making of a generation
	log        func(string)               // told of what went wrong

	building sync.Mutex // held while a generation is made
	failed   attempt    // guarded by building
	mu       sync.RWMutex
	gens     []*liveGeneration // newest first
}

// liveGeneration is a generation that is served.
type liveGeneration struct {
	*Generation
	collection *content.Collection
	files      map[string]bool    // names within repodata
	packages   map[string]*member // by location
	since      time.Time          // when it was first served
}

// attempt is a failed making of a generation.
type attempt struct {
	commit string
	when   time.Time
}

// retryAfter is how long a generation that could not be made is not tried again, while an older one is there to be shown.
const retryAfter = 10 * time.Second

func newServed(store *content.Store, name string, opts PublishOptions, dir string) (*served, error) {
	dir, lock, err := claimDir(dir)
	if err != nil {
		return nil, err
	}
	return &served{
		store: store, collection: name, opts: opts, dir: normalDir(dir), lock: lock,
		built: func(time.Duration, error) {}, log: func(string) {},
	}, nil
}

// claimDir locks dir, or where another server has that, one with a number behind the name: each would remove the files of the other.
// What a killed server has left half made is removed.
func claimDir(base string) (dir string, lock *os.File, err error) {
	const most = 100
	for i := 0; ; i++ {
		if dir = base; i > 0 {
			dir = fmt.Sprintf("%s-%d", base, i)
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return "", nil, err
		}
		lock, err = lockIn(dir)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) || i == most {
			break
		}
	}
	if err != nil {
		return "", nil, err
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), ".") {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return "", nil, errors.Join(err, lock.Close())
	}
	return dir, lock, nil
}

// current returns the generation of the collection as it is now, which is made when the collection has changed. When that fails, the
// last one stays on show.
func (s *served) current(ctx context.Context) (*liveGeneration, error) {
	c, err := s.store.Collection(s.collection)
	if err != nil {
		return nil, err
	}
	if gen := s.newest(); gen != nil && gen.Commit == c.Commit.String() {
		return gen, nil
	}
	s.building.Lock()
	defer s.building.Unlock()
	if gen := s.newest(); gen != nil && gen.Commit == c.Commit.String() {
		return gen, nil
	}
	last := s.newest()
	if last != nil && s.failed.commit == c.Commit.String() && time.Since(s.failed.when) < retryAfter {
		return last, nil
	}
	gen, err := s.make(ctx)
	if err != nil && last != nil && ctx.Err() == nil {
		s.failed = attempt{c.Commit.String(), time.Now()}
		s.log(fmt.Sprintf("%s: generation %.12s stays on show: %v", s.collection, last.ID, err))
		return last, nil
	}
	return gen, err
}

// make makes the generation of the present state. s.building is held.
func (s *served) make(ctx context.Context) (*liveGeneration, error) {
	release, err := s.store.Lock(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	// The collection may have changed again while another request was waited for.
	c, err := s.store.Collection(s.collection)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	gen, err := generate(context.WithoutCancel(ctx), c, s.dir, &s.opts)
	s.built(time.Since(start), err)
	if err != nil {
		return nil, err
	}
	return s.show(c, gen), nil
}

// newest returns the generation that was shown last, or nil.
func (s *served) newest() *liveGeneration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.gens) == 0 {
		return nil
	}
	return s.gens[0]
}

// show puts gen in front and lets go of those that nobody can still be reading.
func (s *served) show(c *content.Collection, gen *Generation) *liveGeneration {
	live := &liveGeneration{
		Generation: gen, collection: c, files: map[string]bool{}, packages: make(map[string]*member, len(gen.members)),
		since: time.Now(),
	}
	for _, name := range gen.Files() {
		live.files[name] = true
	}
	for i := range gen.members {
		live.packages[gen.members[i].href] = &gen.members[i]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gens = slices.DeleteFunc(s.gens, func(g *liveGeneration) bool { return g.ID == gen.ID })
	s.gens = slices.Insert(s.gens, 0, live)
	for len(s.gens) > keepGenerations {
		// A generation is on show until the next one comes.
		if len(s.gens) <= maxGenerations && time.Since(s.gens[len(s.gens)-2].since) < keepAge {
			break
		}
		s.gens = s.gens[:len(s.gens)-1]
	}
	if err := s.prune(); err != nil {
		s.log(fmt.Sprintf("%s: old metadata files stay: %v", s.collection, err))
	}
	return live
}

// prune records which files are served and removes the others. Files of the last run that this one has not shown yet
// stay as long as their generation is listed.
func (s *served) prune() error {
	var list []pastGeneration
	keep := map[string]bool{generationsFile: true, lockName: true}
	add := func(past pastGeneration) {
		list = append(list, past)
		for _, name := range past.Files {
			keep[name] = true
		}
	}
	for _, g := range s.gens {
		add(pastGeneration{ID: g.ID, Commit: g.Commit, Packages: g.Packages, Files: g.Files()})
	}
	for _, past := range readGenerations(s.dir) {
		known := slices.ContainsFunc(list, func(g pastGeneration) bool { return g.ID == past.ID })
		if !known && len(list) < keepGenerations {
			add(past)
		}
	}
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(s.dir+generationsFile, b, 0o666); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() && !keep[e.Name()] {
			if err := os.Remove(filepath.Join(s.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// find returns the generation with the given ID, or nil.
func (s *served) find(id string) *liveGeneration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.gens {
		if g.ID == id {
			return g
		}
	}
	return nil
}

// generations returns all that are served, newest first.
func (s *served) generations() []*liveGeneration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.gens)
}

// member returns the package at a location, in the newest generation that has it.
func (s *served) member(href string) *member {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.gens {
		if m := g.packages[href]; m != nil {
			return m
		}
	}
	return nil
}

// hasFile reports whether a metadata file of that name is served.
func (s *served) hasFile(name string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if slices.ContainsFunc(s.gens, func(g *liveGeneration) bool { return g.files[name] }) {
		return true
	}
	// Files of generations that an earlier run of the server showed.
	return name != generationsFile && filepath.Base(name) == name && name[0] != '.' && isFile(s.dir+name)
}
