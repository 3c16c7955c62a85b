package repo

import (
	"context"
	"runtime"
	"sync"
)

// packageBatch is a batch with what the run has to know of its packages.
type packageBatch struct {
	batch
	number int
	done   []doneTask
	failed int
}

type doneTask struct {
	nevra, href string
	reused      bool
}

// tasksPerBatch keeps the cost of passing a batch on small beside the cost of its packages.
const tasksPerBatch = 32

// inOrder reads the packages with several workers and gives their batches to use in the order of the tasks.
func (c *creation) inOrder(ctx context.Context, use func(*packageBatch) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	workers := c.opts.Workers
	if procs := runtime.GOMAXPROCS(0); workers < 1 || workers > procs {
		workers = procs
	}
	numbers := make(chan int)
	results := make(chan *packageBatch)
	free := make(chan *packageBatch, 2*workers+2)
	for range cap(free) {
		free <- new(packageBatch)
	}
	total := (len(c.tasks) + tasksPerBatch - 1) / tasksPerBatch
	go func() {
		defer close(numbers)
		for i := range total {
			select {
			case numbers <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			if err := c.worker(ctx, numbers, free, results); err != nil {
				cancel(err)
			}
		})
	}
	go func() {
		wait.Wait()
		close(results)
	}()
	waiting := map[int]*packageBatch{}
	next := 0
	for b := range results {
		waiting[b.number] = b
		for b := waiting[next]; b != nil && ctx.Err() == nil; b = waiting[next] {
			delete(waiting, next)
			next++
			if err := use(b); err != nil {
				cancel(err)
				break
			}
			free <- b
		}
	}
	return context.Cause(ctx)
}

// worker turns numbers of batches into batches.
func (c *creation) worker(ctx context.Context, numbers <-chan int, free chan *packageBatch, results chan<- *packageBatch) error {
	reader, err := newRPMReader(c.opts.PkgChecksum, c.opts.ChangelogLimit, c.opts.CacheDir)
	if err != nil {
		return err
	}
	defer func() {
		if reader.cacheErr != nil {
			c.opts.warnf("cannot keep all checksums: %v", reader.cacheErr)
		}
	}()
	for {
		// The batch comes first: the one who has the lowest number then always has what it needs.
		var b *packageBatch
		select {
		case b = <-free:
		case <-ctx.Done():
			return nil
		}
		n, ok := <-numbers
		if !ok {
			free <- b
			return nil
		}
		b.users.Wait()
		b.reset()
		b.number, b.done, b.failed = n, b.done[:0], 0
		for i := n * tasksPerBatch; i < min((n+1)*tasksPerBatch, len(c.tasks)); i++ {
			if !c.skip[i] {
				c.addTask(ctx, b, &c.tasks[i], reader)
			}
		}
		select {
		case results <- b:
		case <-ctx.Done():
			return nil
		}
	}
}

// addTask puts one package into the batch.
func (c *creation) addTask(ctx context.Context, b *packageBatch, t *task, r *rpmReader) {
	p := &r.pkg
	reused, err := c.old.reuse(ctx, c, t, r, p)
	if err == nil && !reused {
		var badEpochs []string
		badEpochs, err = r.read(t.full, p)
		for _, name := range badEpochs {
			c.opts.warnf("%s: dependency %q has an epoch that is not a number, skipping it", t.full, name)
		}
		p.LocationBase = ""
	}
	if err != nil {
		b.failed++
		c.opts.failf("cannot read package: %s: %v", t.full, err)
		return
	}
	p.LocationHref = t.href
	if base := c.base(t); base != "" {
		p.LocationBase = base
	}
	if err := p.Check(); err != nil {
		b.failed++
		c.opts.failf("cannot write package: %s: %v", t.full, err)
		return
	}
	b.add(&c.layout, p)
	b.done = append(b.done, doneTask{nevra: p.NEVRA(), href: t.href, reused: reused})
}
