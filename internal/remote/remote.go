// Package remote reads and writes the files of a repository where it is shared: a directory, an S3-compatible bucket, or a
// static web server, which is read only.
//
// A Place knows names and bytes, nothing of what they mean. A file appears whole or not at all, and Swap changes one by compare
// and swap, so that of two who move a reference at once one is told. Whoever reads verifies: a Place vouches for nothing.
package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"path"
	"strings"
)

// ErrNotFound says that there is no file of a name.
var ErrNotFound = errors.New("not found")

// ErrMoved says that a file is not what the caller of Swap took it for.
var ErrMoved = errors.New("somebody else has changed it")

// ErrReadOnly says that a place cannot be written to, or not be listed.
var ErrReadOnly = errors.New("a web server can only be read from, file by file")

// Place holds files by names with slashes. Its methods may be called from several goroutines.
type Place interface {
	// Open reads a file; errors.Is(err, ErrNotFound) when there is none.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Has tells whether there is a file.
	Has(ctx context.Context, name string) (bool, error)
	// List gives the names of the files below a prefix that ends in a slash.
	List(ctx context.Context, prefix string) iter.Seq2[string, error]
	// Put writes a file of size bytes, whole or not at all.
	Put(ctx context.Context, name string, size int64, content io.ReadSeeker) error
	// Swap replaces a small file whose content is old; nil stands for a file that is not there. Else it fails with ErrMoved.
	Swap(ctx context.Context, name string, old, content []byte) error
	// Hold keeps whoever removes files from doing so, where that can be had, until release is called.
	Hold(ctx context.Context) (release func(), err error)
	// String names the place to people.
	String() string
}

// Options say how a bucket is reached. Empty fields are taken from the environment, as the AWS tools do.
type Options struct {
	Endpoint string // http(s)://host:port of an S3-compatible server; AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL; else Amazon's
	Region   string // AWS_REGION, AWS_DEFAULT_REGION
	Getenv   func(string) string
	Parallel int // connections that are kept open; at least 1
}

// Open opens a place: s3://BUCKET/PREFIX, http://… or https://…, or a directory, which need not exist yet.
func Open(where string, o Options) (Place, error) {
	scheme, _, ok := strings.Cut(where, "://")
	if !ok {
		return openDir(where), nil
	}
	u, err := url.Parse(where)
	if err != nil {
		return nil, err
	}
	switch scheme {
	case "s3":
		return openS3(u, o)
	case "http", "https":
		return openHTTP(u, o), nil
	case "file":
		return openDir(u.Path), nil
	}
	return nil, fmt.Errorf("%s: want s3://BUCKET/PREFIX, http(s)://… or a directory", where)
}

// Directory gives the directory that a place is; false for another place.
func Directory(p Place) (dir string, ok bool) {
	d, ok := p.(*dirPlace)
	if !ok {
		return "", false
	}
	return d.root, true
}

// maxSmall is the size in bytes of the largest file that Read reads.
const maxSmall = 1 << 20

// Read reads a small file whole; nil when there is none.
func Read(ctx context.Context, p Place, name string) ([]byte, error) {
	in, err := p.Open(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return readSmall(in, name)
}

func readSmall(in io.Reader, name string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(in, maxSmall+1))
	if err == nil && len(b) > maxSmall {
		err = fmt.Errorf("%s: more than %d bytes", name, maxSmall)
	}
	if b == nil {
		b = []byte{}
	}
	return b, err
}

// same compares contents where nil stands for a file that is not there.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// clean refuses names that lead elsewhere.
func clean(name string) error {
	if name == "" || name != path.Clean(name) || name[0] == '/' || name == ".." || strings.HasPrefix(name, "../") {
		return fmt.Errorf("%q is not the name of a file in a repository", name)
	}
	return nil
}
