// Package bulk runs one function over many items: bounded, in parallel, each item failing alone.
//
// Results are handed on in the order of the items, whatever the order in which they end, so that
// two runs over the same items report the same. A panic in one item is that item's failure.
package bulk

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"
	"sync"
	"time"
)

// Item is one thing to work on.
type Item struct {
	Input  string // what reports call it, usually its path
	Group  string // what a shard keeps together, usually the package's name; Input when empty
	Memory int64  // bytes that working on it may take, by a careful guess; 0: not worth counting
	Value  any    // the caller's own
	Err    error  // why it cannot be worked on, when that is known before; it fails with it
}

// Result says how one item ended. It is what a report has as one line.
type Result struct {
	Tool    string         `json:"tool,omitempty"` // the command that worked on it, as reports have it
	Input   string         `json:"input"`
	OK      bool           `json:"ok"`
	Skipped bool           `json:"skipped,omitempty"` // done by an earlier run
	Stage   string         `json:"stage,omitempty"`   // where it failed: read, parse, convert, prove, write …
	Class   string         `json:"class,omitempty"`   // the kind of failure, the same for all failures of one cause
	Message string         `json:"message,omitempty"`
	Seconds float64        `json:"seconds"`           // of wall time at work, see Working; to the millisecond
	Figures map[string]any `json:"figures,omitempty"` // the tool's own
}

// Failed is the result of an item that ended with err at a stage.
func Failed(stage, class string, err error) Result {
	return Result{Stage: stage, Class: class, Message: err.Error()}
}

// Summary counts how the items of a run ended.
type Summary struct {
	Total, Done, Skipped, Failed int
	NotStarted                   int // left over when the run was interrupted
}

// Count adds one result.
func (s *Summary) Count(r Result) {
	s.Total++
	switch {
	case !r.OK:
		s.Failed++
	case r.Skipped:
		s.Skipped++
	default:
		s.Done++
	}
}

// Options bound a run. The zero value uses all processors and sets no limits.
type Options struct {
	Jobs    int           // items at once; at most 0: the number of processors
	Timeout time.Duration // for one item; 0: none
	Memory  int64         // bytes for all items under way: one waits for its room, and fails when it needs more; 0: no limit
	Started func(Item)    // called as an item is begun, from several goroutines; may be nil
	Ended   func(Result)  // called once an item has ended, in the order of ending, never twice at once; may be nil
	Report  func(Result) error
}

// ahead bounds how far work may run in front of the oldest item that has not ended.
const ahead = 4096

// Run calls work for every item and gives each result to o.Report in the items' order.
// When ctx ends, no further item is begun, and those under way are waited for: their own context lives on.
// The error is that of o.Report, or the cause of an interruption; failed items are no error.
func Run(ctx context.Context, items []Item, o Options, work func(context.Context, Item) Result) (Summary, error) {
	jobs := o.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	r := &run{items: items, options: o, results: make(map[int]Result)}
	r.room = sync.NewCond(&r.mu)
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.stopped = true
		r.room.Broadcast()
	})
	defer stop()
	r.stopped = ctx.Err() != nil

	var wg sync.WaitGroup
	for range min(jobs, len(items)) {
		wg.Go(func() {
			for {
				i, ok := r.take()
				if !ok {
					return
				}
				if o.Started != nil {
					o.Started(items[i])
				}
				r.end(i, r.work(context.WithoutCancel(ctx), items[i], work))
			}
		})
	}
	wg.Wait()
	r.summary.Total = len(items)
	r.summary.NotStarted = len(items) - r.next
	if r.err == nil && r.summary.NotStarted > 0 {
		r.err = context.Cause(ctx)
	}
	return r.summary, r.err
}

type run struct {
	items   []Item
	options Options

	mu       sync.Mutex
	room     *sync.Cond
	next     int   // first item not begun
	memory   int64 // bytes that items under way may take
	reported int   // first item not reported
	results  map[int]Result
	summary  Summary
	stopped  bool
	err      error
}

func (r *run) take() (int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.stopped && r.err == nil && r.next < len(r.items) && (r.next-r.reported >= ahead || r.full()) {
		r.room.Wait()
	}
	if r.stopped || r.err != nil || r.next == len(r.items) {
		return 0, false
	}
	r.memory += r.items[r.next].Memory
	r.next++
	return r.next - 1, true
}

// full says whether the next item has to wait for memory. One that would wait for ever does not: it fails.
func (r *run) full() bool {
	need := r.items[r.next].Memory
	return r.options.Memory > 0 && need <= r.options.Memory && r.memory+need > r.options.Memory
}

func (r *run) end(i int, res Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Count(res)
	if r.options.Ended != nil {
		r.options.Ended(res)
	}
	r.memory -= r.items[i].Memory
	r.results[i] = res
	for {
		res, ok := r.results[r.reported]
		if !ok {
			break
		}
		delete(r.results, r.reported)
		r.reported++
		if r.options.Report != nil && r.err == nil {
			r.err = r.options.Report(res)
		}
	}
	r.room.Broadcast()
}

func (r *run) work(ctx context.Context, item Item, work func(context.Context, Item) Result) (res Result) {
	if limit := r.options.Timeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("took longer than %v", limit))
		defer cancel()
	}
	clock := &clock{begun: time.Now()}
	ctx = context.WithValue(ctx, clockKey{}, clock)
	defer func() {
		if p := recover(); p != nil {
			res = Result{Stage: "internal", Class: "panic", Message: fmt.Sprint("internal fault: ", p)}
		}
		if !res.OK && ctx.Err() != nil {
			res.Class, res.Message = "timeout", context.Cause(ctx).Error()
		}
		if res.Input == "" {
			res.Input = item.Input
		}
		res.Seconds = clock.seconds()
	}()
	if item.Err != nil {
		return Failed("read", "input", item.Err)
	}
	if limit := r.options.Memory; limit > 0 && item.Memory > limit {
		return Failed("begin", "memory", fmt.Errorf("may take %d MiB of memory where all items have %d", item.Memory>>20, limit>>20))
	}
	return work(ctx, item)
}

// clock measures how long an item is worked on.
type clock struct{ begun, ended time.Time }

type clockKey struct{}

// Working says that what an item has done since it was begun, or since the last call, was waiting for others, and stop that from then on it
// waits again. ctx is the item's; elsewhere it does nothing. Both are called by the item's own goroutine.
func Working(ctx context.Context) (stop func()) {
	c, ok := ctx.Value(clockKey{}).(*clock)
	if !ok {
		return func() {}
	}
	c.begun, c.ended = time.Now(), time.Time{}
	return func() { c.ended = time.Now() }
}

func (c *clock) seconds() float64 {
	ended := c.ended
	if ended.IsZero() {
		ended = time.Now()
	}
	return ended.Sub(c.begun).Round(time.Millisecond).Seconds()
}

// Shard is one part of N, counted from 1. The zero value takes everything.
type Shard struct{ I, N int }

// ParseShard reads "i/n" with 1 <= i <= n.
func ParseShard(s string) (Shard, error) {
	if s == "" {
		return Shard{}, nil
	}
	var sh Shard
	var rest string
	if n, _ := fmt.Sscanf(s, "%d/%d%s", &sh.I, &sh.N, &rest); n != 2 || sh.I < 1 || sh.I > sh.N {
		return Shard{}, errors.New("want i/n with 1 <= i <= n, as in 2/8")
	}
	return sh, nil
}

// Has says whether a group falls into the shard. It depends on nothing but the name, so that all
// versions of a package stay together on every machine.
func (s Shard) Has(group string) bool {
	if s.N <= 1 {
		return true
	}
	h := fnv.New64a()
	h.Write([]byte(group))
	return int(h.Sum64()%uint64(s.N)) == s.I-1
}

// Select keeps the items of the shard, in their order.
func (s Shard) Select(items []Item) []Item {
	if s.N <= 1 {
		return items
	}
	var kept []Item
	for _, it := range items {
		group := it.Group
		if group == "" {
			group = it.Input
		}
		if s.Has(group) {
			kept = append(kept, it)
		}
	}
	return kept
}
