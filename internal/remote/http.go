package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// web is a static web server.
type web struct {
	base   *url.URL
	client *http.Client
}

func openHTTP(u *url.URL, o Options) *web { return &web{u, &http.Client{Transport: transport(o)}} }

// transport keeps as many connections open as there are requests at once.
func transport(o Options) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, max(o.Parallel, 1)
	t.ResponseHeaderTimeout = 2 * time.Minute
	t.DisableCompression = true
	return t
}

func (w *web) String() string { return w.base.Redacted() }

// attempts is how often a request is made that fails in a way that may pass.
const attempts = 4

func (w *web) do(ctx context.Context, method, name string) (*http.Response, error) {
	if err := clean(name); err != nil {
		return nil, err
	}
	for i := 1; ; i++ {
		req, err := http.NewRequestWithContext(ctx, method, w.base.JoinPath((&url.URL{Path: name}).EscapedPath()).String(), nil)
		if err != nil {
			return nil, err
		}
		resp, err := w.client.Do(req)
		if err == nil && resp.StatusCode == http.StatusOK {
			return resp, nil
		}
		passing := err != nil
		if err == nil {
			resp.Body.Close()
			err = fmt.Errorf("%s: %s", req.URL.Redacted(), resp.Status)
			switch code := resp.StatusCode; {
			case code == http.StatusNotFound || code == http.StatusGone || code == http.StatusForbidden:
				return nil, fmt.Errorf("%w: %w", err, ErrNotFound)
			case code >= 500 || code == http.StatusTooManyRequests:
				passing = true
			}
		}
		if !passing || i == attempts || ctx.Err() != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(i*i) * 200 * time.Millisecond):
		}
	}
}

func (w *web) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	resp, err := w.do(ctx, http.MethodGet, name)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (w *web) Has(ctx context.Context, name string) (bool, error) {
	resp, err := w.do(ctx, http.MethodHead, name)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, resp.Body.Close()
}

func (w *web) List(context.Context, string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("", fmt.Errorf("%s: %w", w, ErrReadOnly)) }
}

func (w *web) Put(context.Context, string, int64, io.ReadSeeker) error {
	return fmt.Errorf("%s: %w", w, ErrReadOnly)
}

func (w *web) Swap(context.Context, string, []byte, []byte) error {
	return fmt.Errorf("%s: %w", w, ErrReadOnly)
}

func (w *web) Hold(context.Context) (func(), error) { return func() {}, nil }
