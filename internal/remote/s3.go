package remote

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// bucket is a prefix of a bucket of an S3-compatible server.
type bucket struct {
	client       *minio.Client
	name, prefix string
}

func openS3(u *url.URL, o Options) (*bucket, error) {
	if u.Host == "" {
		return nil, fmt.Errorf("%s: no bucket: want s3://BUCKET/PREFIX", u)
	}
	getenv := o.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	first := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	endpoint := first(o.Endpoint, getenv("AWS_ENDPOINT_URL_S3"), getenv("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com")
	server, err := url.Parse(endpoint)
	if err != nil || server.Host == "" || server.Scheme != "http" && server.Scheme != "https" {
		return nil, fmt.Errorf("endpoint %q: want http(s)://HOST", endpoint)
	}
	region := first(o.Region, getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"), "us-east-1")
	client, err := minio.New(server.Host, &minio.Options{
		Creds: credentialsFrom(getenv), Secure: server.Scheme == "https", Region: region, Transport: transport(o),
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", endpoint, err)
	}
	return &bucket{client, u.Host, strings.Trim(u.Path, "/")}, nil
}

// credentialsFrom takes AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, then the shared credentials file, then the machine's role.
func credentialsFrom(getenv func(string) string) *credentials.Credentials {
	if id := getenv("AWS_ACCESS_KEY_ID"); id != "" {
		return credentials.NewStaticV4(id, getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN"))
	}
	if getenv("AWS_SHARED_CREDENTIALS_FILE") != "" || getenv("AWS_PROFILE") != "" {
		return credentials.NewFileAWSCredentials(getenv("AWS_SHARED_CREDENTIALS_FILE"), getenv("AWS_PROFILE"))
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.FileAWSCredentials{},
		&credentials.IAM{Client: &http.Client{Transport: http.DefaultTransport}},
	})
}

func (b *bucket) String() string { return "s3://" + path.Join(b.name, b.prefix) }

func (b *bucket) key(name string) string { return path.Join(b.prefix, name) }

// explain adds the place, and tells files that are not there.
func (b *bucket) explain(name string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	switch resp := minio.ToErrorResponse(err); {
	case resp.Code == minio.NoSuchKey || resp.StatusCode == http.StatusNotFound && resp.Code != minio.NoSuchBucket:
		return fmt.Errorf("%s/%s: %w", b, name, ErrNotFound)
	case resp.Code == minio.NoSuchBucket:
		return fmt.Errorf("%s: there is no such bucket", b)
	}
	return fmt.Errorf("%s/%s: %w", b, name, err)
}

// attempt calls do again while the server says that it could not make out the request: some say so when they end a connection that was idle
// for too long in the moment in which it is used again.
func attempt(do func() error) (err error) {
	for range 3 {
		err = do()
		if resp := minio.ToErrorResponse(err); err == nil || resp.StatusCode != http.StatusBadRequest || resp.Code != "BadRequest" {
			break
		}
	}
	return err
}

func (b *bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	in, _, err := b.open(ctx, name)
	return in, err
}

func (b *bucket) open(ctx context.Context, name string) (io.ReadCloser, string, error) {
	if err := clean(name); err != nil {
		return nil, "", err
	}
	core := minio.Core{Client: b.client}
	var in io.ReadCloser
	var info minio.ObjectInfo
	err := attempt(func() (err error) {
		in, info, _, err = core.GetObject(ctx, b.name, b.key(name), minio.GetObjectOptions{})
		return err
	})
	if err != nil {
		return nil, "", b.explain(name, err)
	}
	return in, info.ETag, nil
}

func (b *bucket) Has(ctx context.Context, name string) (bool, error) {
	err := b.explain(name, attempt(func() error {
		_, err := b.client.StatObject(ctx, b.name, b.key(name), minio.StatObjectOptions{})
		return err
	}))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		options := minio.ListObjectsOptions{Prefix: b.key(prefix) + "/", Recursive: true}
		for o := range b.client.ListObjectsIter(ctx, b.name, options) {
			if o.Err != nil {
				yield("", b.explain(prefix, o.Err))
				return
			}
			name := strings.TrimPrefix(strings.TrimPrefix(o.Key, b.prefix), "/")
			if !yield(name, nil) {
				return
			}
		}
	}
}

func (b *bucket) Put(ctx context.Context, name string, size int64, content io.ReadSeeker) error {
	return b.put(ctx, name, size, content, minio.PutObjectOptions{})
}

func (b *bucket) put(ctx context.Context, name string, size int64, content io.ReadSeeker, o minio.PutObjectOptions) error {
	if err := clean(name); err != nil {
		return err
	}
	o.ContentType = "application/octet-stream"
	return b.explain(name, attempt(func() error {
		if _, err := content.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := b.client.PutObject(ctx, b.name, b.key(name), content, size, o)
		return err
	}))
}

func (b *bucket) Swap(ctx context.Context, name string, old, content []byte) error {
	var o minio.PutObjectOptions
	now, etag, err := b.state(ctx, name)
	switch {
	case errors.Is(err, ErrNotFound):
		if old != nil {
			return fmt.Errorf("%s/%s: %w", b, name, ErrMoved)
		}
		o.SetMatchETagExcept("*")
	case err != nil:
		return err
	default:
		if !same(now, old) {
			return fmt.Errorf("%s/%s: %w", b, name, ErrMoved)
		}
		o.SetMatchETag(etag)
	}
	err = b.put(ctx, name, int64(len(content)), bytes.NewReader(content), o)
	resp := minio.ErrorResponse{}
	if errors.As(err, &resp) && (resp.StatusCode == http.StatusPreconditionFailed || resp.StatusCode == http.StatusConflict) {
		return b.settled(ctx, name, content)
	}
	return err
}

// state reads a file and the tag of this very content. A server may answer with the content of one moment and the tag of the next, so a
// tag that may be the MD5 of the content, and is not, is asked for again.
func (b *bucket) state(ctx context.Context, name string) (content []byte, etag string, err error) {
	last := ""
	for range 10 {
		var in io.ReadCloser
		if in, etag, err = b.open(ctx, name); err != nil {
			return nil, "", err
		}
		content, err = readSmall(in, name)
		if in.Close(); err != nil {
			return nil, "", b.explain(name, err)
		}
		etag = strings.Trim(etag, `"`)
		sum := md5.Sum(content)
		seen := etag + string(content)
		if len(etag) != 2*len(sum) || etag == hex.EncodeToString(sum[:]) || seen == last {
			break
		}
		last = seen
	}
	return content, etag, nil
}

// settled looks after a request that was refused: it may be our own that the client has sent again.
func (b *bucket) settled(ctx context.Context, name string, content []byte) error {
	now, err := Read(ctx, b, name)
	if err != nil || same(now, content) {
		return err
	}
	return fmt.Errorf("%s/%s: %w", b, name, ErrMoved)
}

func (b *bucket) Hold(context.Context) (func(), error) { return func() {}, nil }
