package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
)

// watchOptions are the flags of import that keep a collection current.
type watchOptions struct {
	on     bool
	rescan time.Duration
	settle time.Duration
	then   string
}

func (o *watchOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.on, "watch", false, "stay, and import packages as they arrive, until interrupted")
	f.DurationVar(&o.rescan, "rescan", 5*time.Minute, "with --watch: look through everything this often, whatever the kernel tells")
	f.DurationVar(&o.settle, "settle", 2*time.Second, "with --watch: a file is finished when it has not changed for this long")
	f.StringVar(&o.then, "then", "", "with --watch: run `CMD` by the shell when the collection has changed, as to publish it (WELD_STORE and WELD_COLLECTION are set)")
}

// stamp is what tells that a file has changed.
type stamp struct {
	size  int64
	mtime time.Time
	inode uint64
}

// watcher keeps a collection current with directories.
type watcher struct {
	o       *importOptions
	cmd     *cobra.Command
	store   *content.Store
	dirs    []string
	notify  *fsnotify.Watcher // nil: rescans have to do
	seen    map[string]stamp  // as it was looked at last
	still   map[string]time.Time
	done    map[string]stamp     // imported or refused as it was then
	again   map[string]time.Time // not before then: what failed for a reason that may pass
	began   bool                 // a report is there
	changed bool
	short   bool // not every directory is watched
}

// runWatch imports what is there, and then what comes, until the command is interrupted.
func (o *importOptions) runWatch(cmd *cobra.Command, store *content.Store, dirs []string) error {
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return cli.Usagef("--watch %s: want a directory", dir)
		}
	}
	if cmd.Flags().Changed("report-html") {
		return cli.Usagef("--watch has no end to write a page at: give --report, and make the page of it by rpmstore report")
	}
	if o.watch.rescan <= 0 || o.watch.settle <= 0 {
		return cli.Usagef("--rescan and --settle: want more than 0")
	}
	w := &watcher{
		o: o, cmd: cmd, store: store, dirs: dirs,
		seen: map[string]stamp{}, still: map[string]time.Time{}, done: map[string]stamp{}, again: map[string]time.Time{}, changed: true,
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		w.say("inotify: %v; only rescans find new packages", err)
	} else {
		defer notify.Close()
		w.notify = notify
	}
	return w.loop(cmd.Context())
}

func (w *watcher) say(format string, args ...any) {
	fmt.Fprintf(w.cmd.ErrOrStderr(), "rpmstore: "+format+"\n", args...)
}

// loop looks at once, when something happens, while files settle, and now and then in any case.
func (w *watcher) loop(ctx context.Context) error {
	var events chan fsnotify.Event
	var faults chan error
	if w.notify != nil {
		events, faults = w.notify.Events, w.notify.Errors
	}
	next := time.NewTimer(0)
	defer next.Stop()
	pause := min(w.o.watch.settle, time.Second)
	soon := true // a stream of events does not put the next look off
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-events:
			if !soon {
				next.Reset(pause)
			}
			soon = true
			continue
		case err := <-faults: // events were lost
			w.say("inotify: %v", err)
			next.Reset(pause)
			continue
		case <-next.C:
		}
		ready, waiting := w.scan()
		if err := w.take(ready); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if w.changed {
			w.changed = !w.then(ctx)
		}
		if next.Reset(w.o.watch.rescan); waiting {
			next.Reset(pause)
		}
		soon = waiting
	}
}

// scan looks through the directories: files that are finished and not done, and whether there are some that still change.
func (w *watcher) scan() (ready []string, waiting bool) {
	now := time.Now()
	present := map[string]bool{}
	for _, dir := range w.dirs {
		err := filepath.WalkDir(dir+string(filepath.Separator), func(path string, d fs.DirEntry, err error) error { // dir may be a link
			if err != nil {
				return nil // gone, or not ours to read: the next look tells
			}
			if d.IsDir() {
				if w.notify != nil {
					if err := w.notify.Add(path); err != nil {
						if !w.short {
							w.say("inotify: %s: %v; rescans find what comes there", path, err)
						}
						w.short = true
					}
				}
				return nil
			}
			if !isRPM(d.Name()) || d.Name()[0] == '.' {
				return nil
			}
			info, err := os.Stat(path) // links to files count
			if err != nil || !info.Mode().IsRegular() {
				return nil
			}
			present[path] = true
			is := stamp{info.Size(), info.ModTime(), inode(info)}
			switch {
			case w.done[path] == is, now.Before(w.again[path]):
			case w.seen[path] != is:
				w.seen[path], w.still[path] = is, now
				// What has rested for long needs no second look.
				if waiting = waiting || now.Sub(info.ModTime()) < w.o.watch.settle; now.Sub(info.ModTime()) >= w.o.watch.settle {
					ready = append(ready, path)
				}
			case now.Sub(w.still[path]) >= w.o.watch.settle:
				ready = append(ready, path)
			default:
				waiting = true
			}
			return nil
		})
		if err != nil {
			w.say("%v", err)
		}
	}
	for path := range w.seen {
		if !present[path] {
			delete(w.seen, path)
			delete(w.still, path)
			delete(w.done, path)
			delete(w.again, path)
		}
	}
	return ready, waiting
}

// take imports files that are finished. One that is refused is tried again when it changes; one that could not be read or
// stored, after a while.
func (w *watcher) take(ready []string) error {
	if len(ready) == 0 {
		return nil
	}
	items := make([]bulk.Item, 0, len(ready))
	for _, path := range ready {
		items = append(items, bulk.Item{Input: path})
		w.done[path] = w.seen[path]
	}
	b := w.o.bulk
	b.Many, b.Append, w.began = true, w.began, true
	var mu sync.Mutex
	err := runSession(w.cmd, &b, w.store, w.o.into, items, func(ctx context.Context, se *content.Session, item bulk.Item) bulk.Result {
		r := importFile(ctx, se, item.Input, w.o.opts)
		if refused := r.Class == "read" || r.Class == "verify"; !r.OK && !refused && ctx.Err() == nil {
			mu.Lock()
			defer mu.Unlock()
			delete(w.done, item.Input)
			w.again[item.Input] = time.Now().Add(w.o.watch.rescan)
		}
		return r
	})
	w.changed = true
	if errors.Is(err, cli.ErrSomeFailed) || w.cmd.Context().Err() != nil {
		return nil
	}
	return err
}

// then runs the command that follows a change, and tells whether it has succeeded.
func (w *watcher) then(ctx context.Context) bool {
	if w.o.watch.then == "" {
		return true
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", w.o.watch.then)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Stdout, cmd.Stderr = w.cmd.ErrOrStderr(), w.cmd.ErrOrStderr()
	cmd.Env = append(os.Environ(), "WELD_STORE="+w.store.Repo().Dir(), "WELD_COLLECTION="+w.o.into)
	if err := cmd.Run(); err != nil {
		w.say("%s: %v; it is run again at the next look", w.o.watch.then, err)
		return false
	}
	return true
}

// inode tells a file that was renamed into place from the one that was there before.
func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}
