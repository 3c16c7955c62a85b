package main

import (
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
	From   string `toml:"from"`
}

// lookasidePath is Fedora's layout, with the digest that sources.lock has.
const lookasidePath = "/{name}/{file}/sha256/{sha256}/{file}"

var errAbsent = errors.New("not there")

// fetch brings the sources that are missing. Without a sources.lock there is nothing to bring.
func (c *checkout) fetch(ctx context.Context) error {
	l, err := readLock(filepath.Join(c.dir, "sources.lock"))
	if err != nil || l == nil {
		return err
	}
	// A cache that says nothing must not hold a builder.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var missing []lockedFile
	for _, f := range l.Source {
		if f.Kind == "spec" {
			continue
		}
		// What is there was committed: an edited one is meant to go into the next source package.
		if _, err := os.Lstat(filepath.Join(c.dir, f.Name)); err == nil {
			continue
		}
		if err := c.fromLookaside(ctx, client, l.Name, f); errors.Is(err, errAbsent) {
			missing = append(missing, f)
		} else if err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if c.Mirrors == "" {
		return fmt.Errorf("%s: in no lookaside cache, and no mirrors are named (%d caches asked)", missing[0].Name, len(c.Lookaside))
	}
	return c.fromMirror(ctx, l.Name, missing)
}

func readLock(path string) (*lock, error) {
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	data, err := readBounded(path)
	if err != nil {
		return nil, err
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
	for _, f := range l.Source {
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

// fromLookaside takes one file out of the first cache that has it.
func (c *checkout) fromLookaside(ctx context.Context, client *http.Client, name string, f lockedFile) error {
	for _, cache := range c.Lookaside {
		if !strings.Contains(cache, "{") {
			cache = strings.TrimRight(cache, "/") + lookasidePath
		}
		from, err := openSource(ctx, client, cache, name, f)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		err = c.place(from, f)
		from.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", cache, err)
		}
		return nil
	}
	return errAbsent
}

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
