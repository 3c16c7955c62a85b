package repo

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// view is a collection at the address it was asked for.
type view struct {
	server *Server
	repo   *served
	root   string // "/COLLECTION" or "/@PROFILE/COLLECTION"
}

// urlPath prints a path with the escapes that URLs want.
type urlPath struct{ path string }

func (u *urlPath) String() string { return (&url.URL{Path: u.path}).EscapedPath() }

const (
	cacheForever = "public, max-age=31536000, immutable"
	cacheNever   = "no-cache"
	cacheShort   = "public, max-age=60" // what bears a name that may get other content
)

// route answers for what follows the name of the collection.
func (v *view) route(w *response, r *http.Request, rest string) (string, error) {
	switch {
	case strings.HasPrefix(rest, RepodataDir+"/"):
		return "repodata", v.metadata(w, r, rest[len(RepodataDir)+1:], nil)
	case strings.HasPrefix(rest, PackagesDir+"/"):
		return "package", v.packageFile(w, r, rest, v.repo.member, cacheShort)
	case strings.HasPrefix(rest, "gen/"):
		return v.generation(w, r, rest[len("gen/"):])
	case rest == "metalink":
		return "repodata", v.metalink(w, r)
	case rest == "mirrorlist":
		return "repodata", v.mirrorlist(w, r)
	}
	return "page", v.page(w, r, rest)
}

// generation answers for one generation.
func (v *view) generation(w *response, r *http.Request, rest string) (string, error) {
	id, rest, _ := strings.Cut(rest, "/")
	gen := v.repo.find(id)
	if gen == nil {
		// The first request after a start may be for the present one.
		now, err := v.repo.current(r.Context())
		if err != nil || now.ID != id {
			return "other", cmp.Or(err, errNoPage)
		}
		gen = now
	}
	switch {
	case strings.HasPrefix(rest, RepodataDir+"/"):
		return "repodata", v.metadata(w, r, rest[len(RepodataDir)+1:], gen)
	case strings.HasPrefix(rest, PackagesDir+"/"):
		return "package", v.packageFile(w, r, rest, func(href string) *member { return gen.packages[href] }, cacheForever)
	}
	return "other", errNoPage
}

// metadata serves a file of repodata; gen is nil where the present state is meant.
func (v *view) metadata(w *response, r *http.Request, name string, gen *liveGeneration) error {
	fixed := gen != nil
	if which, ok := halves[name]; ok {
		if !fixed {
			var err error
			if gen, err = v.matching(r, which); err != nil {
				return err
			}
		}
		data, typ := gen.Repomd, "application/xml"
		if which == theSignature {
			data, typ = gen.Signature, "application/pgp-signature"
		}
		return v.document(w, r, gen, data, typ, fixed)
	}
	if name == "repomd.xml.key" {
		gen, err := v.repo.current(r.Context())
		if err != nil {
			return err
		}
		return v.document(w, r, gen, gen.Key, "application/pgp-keys", false)
	}
	if !v.repo.hasFile(name) {
		// The first request after a start may be for a file.
		if _, err := v.repo.current(r.Context()); err != nil {
			return err
		}
		if !v.repo.hasFile(name) {
			return errNoPage
		}
	}
	f, err := os.Open(filepath.Join(v.repo.dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", cacheForever)
	sum, _, _ := strings.Cut(name, "-")
	h.Set("ETag", strconv.Quote(sum))
	http.ServeContent(w, r, "", info.ModTime(), f)
	return nil
}

var halves = map[string]half{"repomd.xml": theRepomd, "repomd.xml.asc": theSignature}

// matching returns the generation that which half is wanted of: that of the half which the client has, or else the
// present one.
func (v *view) matching(r *http.Request, which half) (*liveGeneration, error) {
	if id := v.server.pair(r, v.root, which); id != "" {
		if gen := v.repo.find(id); gen != nil {
			return gen, nil
		}
	}
	gen, err := v.repo.current(r.Context())
	if err == nil {
		v.server.remember(r, v.root, which, gen.ID)
	}
	return gen, err
}

// document serves one of the small files that belong together.
func (v *view) document(w *response, r *http.Request, gen *liveGeneration, data []byte, typ string, fixed bool) error {
	if data == nil {
		return errNoPage // not signed
	}
	h := w.Header()
	h.Set("Content-Type", typ)
	h.Set("Cache-Control", cacheNever)
	if fixed {
		h.Set("Cache-Control", cacheForever)
	}
	h.Set("ETag", strconv.Quote(digest(data)))
	h.Set("X-Repository-Generation", gen.ID)
	// What shows the present state has no time: two states may have one, and with it a client that asks by time keeps the old state.
	var modified time.Time
	if fixed {
		modified = gen.Time
	}
	http.ServeContent(w, r, "", modified, bytes.NewReader(data))
	return nil
}

// packageFile serves the package at a location, from the cache or while it is made.
func (v *view) packageFile(w *response, r *http.Request, href string, find func(string) *member, caching string) error {
	m := find(href)
	if m == nil {
		if _, err := v.repo.current(r.Context()); err != nil {
			return err
		}
		if m = find(href); m == nil {
			return errNoPage
		}
	}
	e, err := m.pkg.Select(v.repo.opts.Form)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-rpm")
	h.Set("Cache-Control", caching)
	h.Set("ETag", strconv.Quote(e.SHA256))
	packages := v.server.packages
	if file := packages.cached(e.SHA256); file != nil {
		defer file.Close()
		http.ServeContent(w, r, "", time.Time{}, file)
		return nil
	}
	watched := &watchedReader{ReadSeekCloser: &lazyFile{size: e.Size, open: func() (io.ReadSeekCloser, error) {
		return packages.open(r.Context(), v.repo.store, m.pkg, e, r.Header.Get("Range") != "")
	}}}
	defer watched.Close()
	http.ServeContent(w, r, "", time.Time{}, watched)
	if watched.err != nil {
		return fmt.Errorf("%s: %w", path.Base(href), watched.err)
	}
	return nil
}
