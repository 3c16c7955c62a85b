package repo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weld-linux/weld-bridge/internal/content"
)

// ServerOptions say what a server shows and how much it keeps.
type ServerOptions struct {
	Publish   PublishOptions // for every collection; CacheDir is set by the server
	Dir       string         // for metadata, frames and package files
	CacheSize int64          // bytes of package files to keep
	Log       func(string)   // told of what went wrong on this side; may be nil
}

// Server serves the collections of a store as repositories:
//
//	/COLLECTION/repodata/…          metadata; repomd.xml always shows the present state
//	/COLLECTION/Packages/x/…        package files, made when they are asked for
//	/COLLECTION/gen/ID/…            the same for one generation, which never changes
//	/COLLECTION/metalink, mirrorlist
//	/COLLECTION/                    a page for people
//	/@PROFILE/COLLECTION/…          all of that for another family of clients
//	/metrics
type Server struct {
	store    *content.Store
	opts     ServerOptions
	packages *packageCache
	metrics  metrics

	mu    sync.Mutex
	repos map[string]*served // by profile and collection
	seen  clientMemory
}

// NewServer makes a server for store.
func NewServer(store *content.Store, opts ServerOptions) (*Server, error) {
	if opts.Log == nil {
		opts.Log = func(string) {}
	}
	cache, err := newPackageCache(filepath.Join(opts.Dir, "packages"), opts.CacheSize, 2*runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	return &Server{store: store, opts: opts, packages: cache, repos: map[string]*served{}}, nil
}

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	writeTimeout  = time.Minute // for each piece of a response
	maxHeaderSize = 64 << 10    // bytes
	maxConns      = 4096
	stopTimeout   = 30 * time.Second
)

// Serve answers requests on l until ctx ends; then it lets those under way finish.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderSize,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, &clientMemory{limit: maxPerConn})
		},
		ErrorLog: nil,
	}
	defer s.release()
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(limitConns(l, maxConns)) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off after %v", stopTimeout), srv.Close())
	}
	return nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.metrics.inFlight.Add(1)
	defer s.metrics.inFlight.Add(-1)
	out := newResponse(w)
	kind := "other"
	defer func() {
		s.metrics.request(kind, out.status())
		s.metrics.bytes.Add(out.written)
	}()
	out.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Body != nil && r.Body != http.NoBody {
		// Nobody reads it, and net/http would wait for it to come, as long as the client likes.
		out.Header().Set("Connection", "close")
		_ = out.control.SetReadDeadline(time.Now())
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		out.Header().Set("Allow", "GET, HEAD")
		http.Error(out, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	var err error
	kind, err = s.route(out, r)
	if err != nil {
		s.fail(out, r, err)
	}
}

// fail answers with what err is about.
func (s *Server) fail(w *response, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody listens
	}
	code, text := http.StatusInternalServerError, "internal error"
	switch {
	case errors.Is(err, content.ErrNotFound), errors.Is(err, os.ErrNotExist), errors.Is(err, errNoPage):
		code, text = http.StatusNotFound, "not found"
	default:
		s.opts.Log(fmt.Sprintf("%s %s: %v", r.Method, r.URL.EscapedPath(), err))
	}
	if w.code != 0 {
		// A part of the answer is gone already: end it so that the client sees that something is missing.
		panic(http.ErrAbortHandler)
	}
	for _, name := range []string{"Content-Length", "ETag", "Last-Modified"} {
		w.Header().Del(name)
	}
	w.Header().Set("Cache-Control", "no-cache")
	http.Error(w, text, code)
}

var errNoPage = errors.New("no such page")

// route finds what a path names and returns the kind of request for the metrics.
func (s *Server) route(w *response, r *http.Request) (string, error) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	switch path {
	case "":
		return "page", s.indexPage(w, r)
	case "metrics":
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		s.metrics.write(w, s.packages)
		return "other", nil
	case "robots.txt", "favicon.ico":
		return "other", errNoPage
	}
	if slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return part == ".." || part == "." }) {
		return "other", errNoPage
	}
	profile := s.opts.Publish.Profile
	prefix := "/"
	if rest, ok := strings.CutPrefix(path, "@"); ok {
		name, rest, _ := strings.Cut(rest, "/")
		p, err := FindProfile(name)
		if err != nil {
			return "other", errNoPage
		}
		p.ChangelogLimit = profile.ChangelogLimit
		profile, path, prefix = p, rest, "/@"+name+"/"
	}
	name, rest, err := s.collectionOf(path)
	if err != nil {
		return "other", err
	}
	repo, err := s.served(profile, name)
	if err != nil {
		return "other", err
	}
	v := &view{server: s, repo: repo, root: prefix + name}
	if rest == "" && !strings.HasSuffix(r.URL.Path, "/") {
		http.Redirect(w, r, (&urlPath{v.root + "/"}).String(), http.StatusMovedPermanently)
		return "page", nil
	}
	return v.route(w, r, rest)
}

// collectionOf splits a path into the name of a collection, which may hold slashes, and what follows it.
func (s *Server) collectionOf(path string) (name, rest string, err error) {
	names, err := s.store.Collections()
	if err != nil {
		return "", "", err
	}
	for _, n := range names {
		if len(n) > len(name) && (path == n || strings.HasPrefix(path, n+"/")) {
			name = n
		}
	}
	if name == "" {
		return "", "", errNoPage
	}
	return name, strings.TrimPrefix(path[len(name):], "/"), nil
}

// served returns the repository of a collection.
func (s *Server) served(p Profile, name string) (*served, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := p.Name + "/" + name
	if r := s.repos[key]; r != nil {
		return r, nil
	}
	opts := s.opts.Publish
	opts.Profile = p
	opts.CacheDir = filepath.Join(s.opts.Dir, "frames")
	r, err := newServed(s.store, name, opts, filepath.Join(s.opts.Dir, "metadata", p.Name, digest([]byte(name))[:16]))
	if err != nil {
		return nil, err
	}
	r.built, r.log = s.metrics.built, s.opts.Log
	s.repos[key] = r
	return r, nil
}

// release gives up the directories of the metadata.
func (s *Server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.repos {
		r.lock.Close()
	}
	clear(s.repos)
}
