package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/weld-linux/weld-bridge/internal/tomlguard"
)

// lock is the part of sources.lock that says what each source is; docs/git-mirror.md has the format.
type lock struct {
	Format int          `toml:"format"`
	Name   string       `toml:"name"`
	Source []lockedFile `toml:"source"`
}

type lockedFile struct {
	Name   string `toml:"name"`
	Kind   string `toml:"kind"`
	SHA256 string `toml:"sha256"`
	Size   int64  `toml:"size"`
	MTime  int64  `toml:"mtime"`
}

// lookasidePath is Fedora's layout, with the digest that sources.lock has.
const lookasidePath = "/{name}/{file}/sha256/{sha256}/{file}"

// maxSilence is how long a cache may say nothing: it must not hold a builder.
const maxSilence = time.Minute

var errAbsent = errors.New("not there")

// fetch brings the sources that are missing. Without a sources.lock there is nothing to bring.
func (c *checkout) fetch(ctx context.Context) error {
	l, err := readLock(filepath.Join(c.dir, "sources.lock"))
	if err != nil || l == nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var missing []lockedFile
	var why error // of the first that no cache gave
	for _, f := range l.Source {
		if f.Kind == "spec" {
			continue
		}
		// What is there was committed: an edited one is meant to go into the next source package.
		if _, err := os.Lstat(filepath.Join(c.dir, f.Name)); err == nil {
			continue
		}
		if err := c.fromLookaside(ctx, client, l.Name, f); err != nil {
			missing = append(missing, f)
			why = cmp.Or(why, err)
		}
	}
	switch {
	case len(missing) == 0:
		return nil
	case c.Mirrors != "" && ctx.Err() == nil:
		err := c.fromMirror(ctx, l.Name, missing)
		if err != nil && !errors.Is(why, errAbsent) {
			err = fmt.Errorf("%w; %w", why, err)
		}
		return err
	case errors.Is(why, errAbsent):
		return fmt.Errorf("%s: in no lookaside cache, and no mirrors are named (%d caches asked)", missing[0].Name, len(c.Lookaside))
	}
	return why
}

func readLock(path string) (*lock, error) {
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	data, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	if err := tomlguard.Check(string(data)); err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	var l lock
	if _, err := toml.Decode(string(data), &l); err != nil {
		return nil, fmt.Errorf("%s: %s", path, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if l.Format != 1 {
		return nil, fmt.Errorf("%s: format %d, want 1", path, l.Format)
	}
	if !plainName(l.Name) {
		return nil, fmt.Errorf("%s: %q is no name of a package", path, l.Name)
	}
	seen := map[string]bool{}
	for _, f := range l.Source {
		if seen[f.Name] {
			return nil, fmt.Errorf("%s: source %q: stands twice", path, f.Name)
		}
		seen[f.Name] = true
		sum, err := hex.DecodeString(f.SHA256)
		if !plainName(f.Name) || err != nil || len(sum) != sha256.Size || f.Size < 0 {
			return nil, fmt.Errorf("%s: source %q: not a file name, a SHA-256 and a size", path, f.Name)
		}
	}
	return &l, nil
}

// plainName says whether a name is one file in one directory, and no option of a program.
func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00\n") && !strings.HasPrefix(name, "-")
}

// fromLookaside takes one file out of the first cache that gives it. A cache that is out of order, or has other bytes, is
// passed over; what was wrong is the error when no other one gives the file, else it is errAbsent.
func (c *checkout) fromLookaside(ctx context.Context, client *http.Client, name string, f lockedFile) error {
	result := errAbsent
	for _, cache := range c.Lookaside {
		if !strings.Contains(cache, "{") {
			cache = strings.TrimRight(cache, "/") + lookasidePath
		}
		err := c.fromCache(ctx, client, cache, name, f)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errAbsent) && errors.Is(result, errAbsent):
			result = fmt.Errorf("%s: %w", cache, err)
		}
	}
	return result
}

// fromCache takes one file out of a cache.
func (c *checkout) fromCache(ctx context.Context, client *http.Client, cache, name string, f lockedFile) error {
	limit := cmp.Or(c.silence, maxSilence)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silence := time.AfterFunc(limit, func() { stop(fmt.Errorf("silent for %v", limit)) })
	defer silence.Stop()
	from, err := openSource(ctx, client, cache, name, f)
	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	defer from.Close()
	err = c.place(readerFunc(func(b []byte) (int, error) {
		silence.Reset(limit)
		return from.Read(b)
	}), f)
	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	return nil
}

// readerFunc is a function that reads.
type readerFunc func([]byte) (int, error)

// Read calls the function.
func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func openSource(ctx context.Context, client *http.Client, cache, name string, f lockedFile) (io.ReadCloser, error) {
	fill := func(escape func(string) string) string {
		return strings.NewReplacer("{name}", escape(name), "{file}", escape(f.Name), "{sha256}", f.SHA256).Replace(cache)
	}
	if !strings.HasPrefix(cache, "http://") && !strings.HasPrefix(cache, "https://") {
		file, err := os.Open(strings.TrimPrefix(fill(func(s string) string { return s }), "file://"))
		if errors.Is(err, os.ErrNotExist) {
			return nil, errAbsent
		}
		return file, err
	}
	address := fill(url.PathEscape)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.Body, nil
	case http.StatusNotFound, http.StatusGone:
		resp.Body.Close()
		return nil, errAbsent
	}
	resp.Body.Close()
	return nil, fmt.Errorf("%s: %s", address, resp.Status)
}

// place writes a source once its size and digest hold, with the time that sources.lock says.
func (c *checkout) place(from io.Reader, f lockedFile) error {
	tmp, err := os.CreateTemp(c.dir, ".toml2spec-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(tmp, sum), io.LimitReader(from, f.Size+1))
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != f.Size || got != strings.ToLower(f.SHA256) {
		return fmt.Errorf("%s: not the %d bytes with SHA-256 %s that sources.lock says", f.Name, f.Size, f.SHA256)
	}
	if err := errors.Join(tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	when := time.Unix(f.MTime, 0)
	if err := os.Chtimes(tmp.Name(), when, when); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), filepath.Join(c.dir, f.Name))
}

// fromMirror lets srpm2git make the sources out of the package's git mirror again.
func (c *checkout) fromMirror(ctx context.Context, name string, missing []lockedFile) error {
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return err
	}
	metadata := filepath.Dir(filepath.Dir(dir))
	if filepath.Join(metadata, "packages", name) != dir {
		return fmt.Errorf("%s: the git mirror needs the whole metadata repository, of which this is no packages/%s", c.dir, name)
	}
	tmp, err := os.MkdirTemp(c.dir, ".toml2spec-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	mirrors := c.Mirrors
	if strings.Contains(mirrors, "://") {
		address := strings.TrimRight(mirrors, "/") + "/" + name + ".git"
		mirrors = filepath.Join(tmp, "mirrors")
		if err := runProgram(ctx, "git", "clone", "-q", "--mirror", "--", address, filepath.Join(mirrors, name+".git")); err != nil {
			return err
		}
	}
	sources := filepath.Join(tmp, "sources")
	if err := runProgram(ctx, "srpm2git", "sources", "--mirrors", mirrors, "--metadata", metadata, "-o", sources, name); err != nil {
		return err
	}
	for _, f := range missing {
		from, err := os.Open(filepath.Join(sources, f.Name))
		if err != nil {
			return err
		}
		err = c.place(from, f)
		from.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", c.Mirrors, err)
		}
	}
	return nil
}

// runProgram runs a program that stands beside this one or on the PATH.
func runProgram(ctx context.Context, name string, args ...string) error {
	path := name
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), name)
		if _, err := os.Stat(beside); err == nil {
			path = beside
		}
	}
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%s %s: %w: %s", name, args[0], err, said)
	}
	return nil
}
