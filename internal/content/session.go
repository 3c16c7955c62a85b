package content

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/ostree"
)

// A session's changes of its collection are published together: what costs is bringing objects to the disk and writing the shards.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = 30 * time.Second
	maxPending = 4096
)

// leastHold is how long a session works at least before it makes room for whoever wants to remove objects.
const leastHold = 3 * time.Second

// Session puts packages into one collection. Work on packages goes on in parallel; finished ones wait and are
// published together, after at most half a minute, and as soon as nothing else is under way. To keep the
// processors busy, call it from many more goroutines than Jobs.
type Session struct {
	store      *Store
	collection string
	ref        string
	jobs       chan struct{}
	stop       <-chan struct{}

	mu      sync.Mutex
	cond    *sync.Cond
	w       *ostree.Writer // nil while nothing is under way: then whoever wants to remove objects need not wait
	began   time.Time      // when the writer did
	active  int            // packages between begin and the answer to their edit
	pending []pendingEdit
	since   time.Time // when the first of pending came
	pause   time.Duration
	busy    bool // a publication is under way
	closed  bool
	timer   *time.Timer
}

type pendingEdit struct {
	*edit
	done func(error)
}

// ErrStopped says that a package was not begun because the session takes no more.
var ErrStopped = errors.New("interrupted before it was begun")

// Session begins to put packages into a collection, which is made when the first is published. At most jobs packages are worked on at
// once. When ctx ends it takes no more packages; those under way are published.
func (s *Store) Session(ctx context.Context, collection string, jobs int) (*Session, error) {
	ref, err := collectionRef(collection)
	if err != nil {
		return nil, err
	}
	w, err := s.write(ctx, ref) // a store that cannot be written to is told before the first package
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, err
	}
	se := &Session{store: s, collection: collection, ref: ref, jobs: make(chan struct{}, max(jobs, 1)), stop: ctx.Done(), pause: firstPause}
	se.cond = sync.NewCond(&se.mu)
	return se, nil
}

// Close ends the session. What has been promised is published.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for s.active > 0 || s.busy {
		s.cond.Wait()
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	return s.rest()
}

// slot waits until a package may be worked on; leave, which may be called again, lets the next one. The time that ctx gives counts from
// then on.
func (s *Session) slot(ctx context.Context) (work context.Context, leave func(), err error) {
	deadline, limited := ctx.Deadline()
	limit := time.Until(deadline)
	patient := ctx
	if limited {
		patient = context.WithoutCancel(ctx)
	}
	select { // before the slots, of which one may be free
	case <-s.stop:
		return nil, nil, ErrStopped
	default:
	}
	select {
	case s.jobs <- struct{}{}:
	case <-s.stop:
		return nil, nil, ErrStopped
	case <-patient.Done():
		return nil, nil, ctx.Err()
	}
	stop := bulk.Working(ctx)
	free := sync.OnceFunc(func() { stop(); <-s.jobs })
	if !limited {
		return ctx, free, nil
	}
	work, cancel := context.WithTimeout(patient, limit)
	return work, func() { cancel(); free() }, nil
}

// work lets prepare make an edit of one package in a slot, publishes it and gives the package that came of it; nil when prepare gives no edit.
func (s *Session) work(ctx context.Context, prepare func(context.Context, *ostree.Writer) (*edit, error)) (*Package, error) {
	ctx, leave, err := s.slot(ctx)
	if err != nil {
		return nil, staged("begin", err)
	}
	defer leave()
	w, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer s.end()
	e, err := prepare(ctx, w)
	leave()
	if e == nil || err != nil {
		return nil, err
	}
	if err := s.publish(e); err != nil {
		return nil, staged("publish", err)
	}
	return &Package{Tree: e.final, entry: e.entry, store: s.store, from: s.store.objects}, nil
}

// begin enters a package and gives the writer for its objects; end must follow.
func (s *Session) begin(ctx context.Context) (*ostree.Writer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// When somebody waits for the exclusive lock, no more packages are taken until those under way are published.
	for s.w != nil && time.Since(s.began) > leastHold && s.store.repo.Contended() {
		s.kick()
		s.cond.Wait()
	}
	if s.closed {
		return nil, fmt.Errorf("import into %s: the session is closed", s.collection)
	}
	if s.w == nil {
		// The time of one package does not limit the wait for gc, which all of them share.
		w, err := s.store.write(context.WithoutCancel(ctx), s.ref)
		if err != nil {
			return nil, staged("begin", err)
		}
		s.w, s.began = w, time.Now()
	}
	s.active++
	return s.w, nil
}

// end leaves a package. Without an edit it came to nothing.
func (s *Session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	s.kick()
	s.rest()
	s.cond.Broadcast()
}

// rest gives the writer up, and with it the shared lock, when nothing is under way.
func (s *Session) rest() error {
	if s.w == nil || s.active > 0 || s.busy {
		return nil
	}
	w := s.w
	s.w = nil
	return w.Close()
}

// publish waits until an edit is part of the collection.
func (s *Session) publish(e *edit) error {
	answer := make(chan error, 1)
	s.mu.Lock()
	if len(s.pending) == 0 {
		s.since = time.Now()
	}
	s.pending = append(s.pending, pendingEdit{e, func(err error) { answer <- err }})
	s.kick()
	s.mu.Unlock()
	return <-answer
}

// kick starts a publication when it is time: all that is under way waits for it, much waits, or something has waited long.
func (s *Session) kick() {
	if s.busy || len(s.pending) == 0 {
		return
	}
	wait := s.pause - time.Since(s.since)
	if len(s.pending) < s.active && len(s.pending) < maxPending && wait > 0 {
		if s.timer != nil {
			s.timer.Stop()
		}
		s.timer = time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.kick()
		})
		return
	}
	if wait <= 0 {
		s.pause = min(s.pause*3/2, lastPause)
	}
	list := s.pending
	s.pending, s.busy = nil, true
	go s.flush(list)
}

func (s *Session) flush(list []pendingEdit) {
	edits := make([]*edit, len(list))
	for i, p := range list {
		edits[i] = p.edit
	}
	// A publication that has begun is finished.
	failed, err := s.store.update(context.Background(), s.w, s.collection, true, edits)
	if err == nil {
		s.store.indexEdits(s.ref, edits, failed)
	}
	for i, p := range list {
		if err != nil {
			p.done(err)
		} else {
			p.done(failed[i])
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	s.kick()
	s.rest()
	s.cond.Broadcast()
}
