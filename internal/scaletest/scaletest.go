// Package scaletest is for tests that work on as many packages as a distribution has, and log what each operation takes.
package scaletest

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Count gives the number of packages that WELD_SCALE asks for. Where it asks for none, the test is skipped.
func Count(t *testing.T) int {
	t.Helper()
	count, _ := strconv.Atoi(os.Getenv("WELD_SCALE"))
	if count == 0 {
		t.Skip("WELD_SCALE gives no number of packages")
	}
	return count
}

// Timed does work and logs what it took. It fails the test when that is longer than limit, unless limit is 0.
func Timed(t *testing.T, what string, limit time.Duration, work func()) {
	t.Helper()
	runtime.GC()
	began, cpu := time.Now(), usage().cpu
	work()
	took, now := time.Since(began), usage()
	t.Logf("%-34s %7.2f s, %7.2f CPU s, peak memory %d MB", what, took.Seconds(), (now.cpu - cpu).Seconds(), now.peak)
	if limit > 0 && took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
}

type used struct {
	cpu  time.Duration
	peak int64 // MB
}

func usage() (u used) {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		u = used{time.Duration(r.Utime.Nano() + r.Stime.Nano()), r.Maxrss >> 10}
	}
	return u
}

// Each calls do for the numbers below count, many at once, as those do who wait for one commit together.
func Each(t *testing.T, count int, do func(i int) error) {
	t.Helper()
	const together = 1000
	todo := make(chan int)
	var wait sync.WaitGroup
	for range together {
		wait.Go(func() {
			for i := range todo {
				if err := do(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range count {
		todo <- i
	}
	close(todo)
	wait.Wait()
}
