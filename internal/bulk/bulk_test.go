package bulk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func numbered(n int) []Item {
	items := make([]Item, n)
	for i := range items {
		items[i] = Item{Input: fmt.Sprintf("item-%05d", i), Value: i}
	}
	return items
}

func TestRunReportsInOrder(t *testing.T) {
	items := numbered(3 * ahead)
	var got []string
	summary, err := Run(t.Context(), items, Options{
		Jobs:   8,
		Report: func(r Result) error { got = append(got, r.Input); return nil },
	}, func(_ context.Context, it Item) Result {
		if it.Value == 0 { // the first one ends last, within what may run ahead
			time.Sleep(10 * time.Millisecond)
		}
		return Result{OK: true, Skipped: it.Value.(int)%2 == 1}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, it := range items {
		if got[i] != it.Input {
			t.Fatalf("result %d is of %s", i, got[i])
		}
	}
	want := Summary{Total: len(items), Done: len(items) / 2, Skipped: len(items) / 2}
	if diff := cmp.Diff(want, summary); diff != "" {
		t.Error(diff)
	}
}

func TestRunItemsFailAlone(t *testing.T) {
	var got []Result
	summary, err := Run(t.Context(), numbered(4), Options{
		Jobs: 1, Timeout: 20 * time.Millisecond,
		Report: func(r Result) error { got = append(got, r); return nil },
	}, func(ctx context.Context, it Item) Result {
		switch it.Value {
		case 1:
			panic("odd")
		case 2:
			<-ctx.Done()
			return Failed("read", "io", ctx.Err())
		case 3:
			return Failed("parse", "syntax", errors.New("line 3: no"))
		}
		return Result{OK: true}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Result{
		{Input: "item-00000", OK: true},
		{Input: "item-00001", Stage: "internal", Class: "panic", Message: "internal fault: odd"},
		{Input: "item-00002", Stage: "read", Class: "timeout", Message: "took longer than 20ms"},
		{Input: "item-00003", Stage: "parse", Class: "syntax", Message: "line 3: no"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Result{}, "Seconds")); diff != "" {
		t.Error(diff)
	}
	if got[2].Seconds < 0.02 {
		t.Errorf("an item that ran into its limit of 20 ms took %v s", got[2].Seconds)
	}
	if diff := cmp.Diff(Summary{Total: 4, Done: 1, Failed: 3}, summary); diff != "" {
		t.Error(diff)
	}
}

func TestWorking(t *testing.T) {
	const little, much = 5 * time.Millisecond, 200 * time.Millisecond
	_, err := Run(t.Context(), numbered(1), Options{Report: func(r Result) error {
		if r.Seconds < little.Seconds() || r.Seconds > much.Seconds() {
			t.Errorf("%v s, of which it has worked %v", r.Seconds, little)
		}
		return nil
	}}, func(ctx context.Context, _ Item) Result {
		time.Sleep(much)
		stop := Working(ctx)
		time.Sleep(little)
		stop()
		time.Sleep(much)
		return Result{OK: true}
	})
	if err != nil {
		t.Fatal(err)
	}
	Working(t.Context())()
}

func TestRunInterruptedFinishesWhatIsUnderWay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var ended atomic.Int32
	summary, err := Run(ctx, numbered(100), Options{Jobs: 2}, func(ctx context.Context, it Item) Result {
		cancel()
		time.Sleep(5 * time.Millisecond)
		if ctx.Err() != nil {
			t.Error("an item under way was interrupted")
		}
		ended.Add(1)
		return Result{OK: true}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if n := int(ended.Load()); n > 2 || n != summary.Done || summary.NotStarted != 100-n {
		t.Errorf("%d ended, summary %+v", n, summary)
	}
}

func TestRunStopsWhenReportFails(t *testing.T) {
	full := errors.New("disk full")
	_, err := Run(t.Context(), numbered(100), Options{Report: func(Result) error { return full }},
		func(context.Context, Item) Result { return Result{OK: true} })
	if !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
}

func TestRunKeepsToMemory(t *testing.T) {
	items := numbered(50)
	for i := range items {
		items[i].Memory = int64(1 + i%4)
	}
	items[7].Memory = 11
	var under, most atomic.Int64
	var failed []string
	_, err := Run(t.Context(), items, Options{
		Jobs: 8, Memory: 10,
		Report: func(r Result) error {
			if !r.OK {
				failed = append(failed, r.Input+" "+r.Class)
			}
			return nil
		},
	}, func(_ context.Context, it Item) Result {
		now := under.Add(it.Memory)
		defer under.Add(-it.Memory)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		time.Sleep(time.Millisecond)
		return Result{OK: true}
	})
	if err != nil {
		t.Fatal(err)
	}
	if most.Load() > 10 || most.Load() < 5 {
		t.Errorf("items under way took %d of 10", most.Load())
	}
	if diff := cmp.Diff([]string{"item-00007 memory"}, failed); diff != "" {
		t.Error(diff)
	}
}

func TestShard(t *testing.T) {
	items := numbered(1000)
	for i := range items {
		items[i].Group = fmt.Sprint("package-", i/3)
	}
	seen := make(map[string]string)
	total := 0
	for i := 1; i <= 4; i++ {
		sh, err := ParseShard(fmt.Sprintf("%d/4", i))
		if err != nil {
			t.Fatal(err)
		}
		part := sh.Select(items)
		if len(part) < 150 {
			t.Errorf("shard %d has only %d of 1000", i, len(part))
		}
		total += len(part)
		for _, it := range part {
			if other, ok := seen[it.Group]; ok && other != fmt.Sprint(i) {
				t.Errorf("%s is in shards %s and %d", it.Group, other, i)
			}
			seen[it.Group] = fmt.Sprint(i)
		}
	}
	if total != len(items) {
		t.Errorf("the shards have %d items together", total)
	}
	for _, bad := range []string{"0/4", "5/4", "1", "a/b", "1/2/3", "-1/2", "1/2x"} {
		if _, err := ParseShard(bad); err == nil {
			t.Errorf("ParseShard(%q) gives no error", bad)
		}
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	one, two := Key("input", "options"), Key("inpu", "toptions")
	if one == two {
		t.Fatal("keys run together")
	}
	figures := map[string]any{"bytes": 12.0, "why": "a \"line\"\nand another"}
	j := openJournal(t, path)
	mark(t, j, one, figures)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// A crash in the middle of a line.
	if err := os.WriteFile(path, append(data, `{"key":"`+two[:20]...), 0o600); err != nil {
		t.Fatal(err)
	}
	j = openJournal(t, path)
	if _, ok := j.Done(two); ok {
		t.Error("half a line was taken for a key")
	}
	other := openJournal(t, path) // another process
	mark(t, other, two, nil)
	mark(t, j, Key("three"), figures)
	j.Close()
	other.Close()

	j = openJournal(t, path)
	defer j.Close()
	got, ok := j.Done(one)
	if diff := cmp.Diff(figures, got); !ok || diff != "" {
		t.Error(ok, diff)
	}
	for _, key := range []string{two, Key("three")} {
		if _, ok := j.Done(key); !ok {
			t.Error("a key was lost")
		}
	}
	var none *Journal
	if _, ok := none.Done(one); ok || none.Mark(one, nil) != nil || none.Close() != nil {
		t.Error("no journal knows something")
	}
}

func openJournal(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func mark(t *testing.T, j *Journal, key string, figures map[string]any) {
	t.Helper()
	if err := j.Mark(key, figures); err != nil {
		t.Fatal(err)
	}
}
