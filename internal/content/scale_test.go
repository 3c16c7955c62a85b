package content

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestScale works on a distribution of WELD_SCALE synthetic packages and logs what each operation takes.
func TestScale(t *testing.T) {
	count, _ := strconv.Atoi(os.Getenv("WELD_SCALE"))
	if count == 0 {
		t.Skip("WELD_SCALE gives no number of packages")
	}
	s := newStore(t)
	timed := func(what string, limit time.Duration, work func()) {
		began, cpu := time.Now(), cpuTime()
		work()
		took := time.Since(began)
		t.Logf("%-10s %8.2f s, %7.2f CPU s, peak memory %d MB", what, took.Seconds(), (cpuTime() - cpu).Seconds(), peakMemory())
		if limit > 0 && took > limit {
			t.Errorf("%s took %v, want at most %v", what, took, limit)
		}
	}
	timed("import", 0, func() { importSynthetic(t, s, count) })
	var c *Collection
	timed("list", 0, func() {
		var err error
		if c, err = s.Collection("c"); err != nil {
			t.Fatal(err)
		}
		list, err := c.Packages()
		if err != nil || len(list) != count {
			t.Fatalf("%d packages, %v", len(list), err)
		}
	})
	timed("branch", time.Second, func() {
		if err := s.Branch(t.Context(), "c", "d"); err != nil {
			t.Fatal(err)
		}
	})
	timed("replace", time.Second, func() {
		rpm := synthetic(t, 7, "different")
		importAll(t, s, "d", ImportOptions{Defer: true, Replace: true}, rpm)
	})
	timed("diff", time.Second, func() {
		d, err := s.Collection("d")
		if err != nil {
			t.Fatal(err)
		}
		if changes, err := c.Diff(d); err != nil || len(changes) != 2 {
			t.Fatalf("%d changes, %v", len(changes), err)
		}
	})
	timed("reindex", time.Minute, func() {
		if n, err := s.Reindex(); err != nil || n != count+1 {
			t.Fatalf("%d packages, %v", n, err)
		}
	})
	timed("gc", 0, func() {
		if _, err := s.GC(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	})
	timed("headers", 0, func() {
		list, _ := c.Packages()
		for _, p := range list {
			if _, err := p.Header(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// importSynthetic imports in batches, each of which is published together.
func importSynthetic(t *testing.T, s *Store, count int) {
	t.Helper()
	se, err := s.Session(t.Context(), "c", runtime.GOMAXPROCS(0))
	if err != nil {
		t.Fatal(err)
	}
	todo := make(chan int)
	var wg sync.WaitGroup
	for range 2000 {
		wg.Go(func() {
			for i := range todo {
				rpm := synthetic(t, i, "body")
				if _, err := se.Import(t.Context(), bytes.NewReader(rpm), int64(len(rpm)), ImportOptions{Defer: true}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range count {
		todo <- i
	}
	close(todo)
	wg.Wait()
	if err := se.Close(); err != nil {
		t.Fatal(err)
	}
}

func synthetic(t *testing.T, i int, word string) []byte {
	name := fmt.Sprintf("package-%05d", i)
	spec := rpmtest.Spec{Name: name, Compressor: "none"}
	for j := range 3 {
		spec.Files = append(spec.Files, rpmtest.File{Path: fmt.Sprintf("/usr/share/%s/%d", name, j), Body: []byte(name + word)})
	}
	b, err := rpmtest.Encode(spec)
	if err != nil {
		t.Error(err)
	}
	return b
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// peakMemory is in MB.
func peakMemory() int64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return r.Maxrss >> 10
}
