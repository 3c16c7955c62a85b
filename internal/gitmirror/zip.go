package gitmirror

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

func isZip(head []byte) bool { return bytes.HasPrefix(head, []byte("PK\x03\x04")) }

const maxZipMembers = 1 << 20

// storeZip takes a zip apart: its tree, a model of everything between the members, and the encoders of the members. Where
// that does not give the file back, the file is kept beside the tree.
func (im *Importer) storeZip(ctx context.Context, p *pristineTree, f *os.File, src *source, strip bool) (*stored, error) {
	z, err := zip.NewReader(f, src.size)
	if err != nil {
		return nil, fmt.Errorf("%w: zip: %w", tarmodel.ErrUnsupported, err)
	}
	if len(z.File) > maxZipMembers {
		return nil, fmt.Errorf("zip has more than %d members", maxZipMembers)
	}
	rc := &recipe{SHA256: src.sha256, Size: src.size, Kind: "zip", Strip: strip}
	st := &stored{recipe: rc, count: len(z.File)}
	list, contents, err := unzip(p.r, z, rc)
	if err != nil {
		return nil, err
	}
	if list, err = p.r.withoutRefused(list, rc); err != nil {
		return nil, err
	}
	if st.tree, err = p.r.buildTree(list); err != nil {
		return nil, err
	}
	p.set(src.sha256, ".tree", modeTree, st.tree)
	search := &zipSearch{im: im, p: p, f: f, size: src.size, contents: contents}
	model, err := search.model(ctx, z, list)
	if err == nil {
		err = search.prove(ctx, model, st.tree, src.sha256)
	}
	if errors.Is(err, errNoZipModel) {
		rc.Kind, rc.Why = "blob", "zip: "+err.Error()
		return st, p.keepWhole(rc, f)
	}
	if err != nil {
		return nil, err
	}
	st.model = len(model)
	if err := p.setBlob(src.sha256, ".zip", model); err != nil {
		return nil, err
	}
	if err := p.setExtra(src.sha256, search.extra); err != nil {
		return nil, err
	}
	return st, p.setRecipe(rc)
}

// unzip stores the contents of a zip and lists the files of its tree. What it notes of them goes into rc.
func unzip(r *repo, z *zip.Reader, rc *recipe) ([]entry, map[*zip.File]Hash, error) {
	w, err := r.writer()
	if err != nil {
		return nil, nil, err
	}
	if rc.Strip {
		rc.Top = zipTop(z)
	}
	files := map[string]entry{}
	contents := map[*zip.File]Hash{}
	left := inflateLimit(rc.Size)
	for _, m := range z.File {
		rc.MTime = max(rc.MTime, m.Modified.Unix())
		if strings.HasSuffix(m.Name, "/") {
			continue
		}
		if left -= int64(min(m.UncompressedSize64, 1<<62)); left < 0 {
			return nil, nil, fmt.Errorf("zip unpacks to more than %d bytes, %w", inflateLimit(rc.Size), errTooMuch)
		}
		e, err := addZipMember(w, m)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: zip: %w", tarmodel.ErrUnsupported, err)
		}
		contents[m] = e.hash
		name := m.Name
		if rc.Top != "" {
			name = strings.TrimPrefix(name, rc.Top+"/")
		}
		if why := tarmodel.Unsafe(name); why != "" {
			rc.note("%q: %s, kept out of the tree", m.Name, why)
			continue
		}
		if _, twice := files[name]; twice {
			rc.note("%q: stands in the archive more than once, the last one counts", m.Name)
		}
		files[name] = e
	}
	list := withoutBlocked(files)
	if n := len(files) - len(list); n > 0 {
		rc.note("%d names lie below a name that is not a directory; they are kept out of the tree", n)
	}
	return list, contents, nil
}

// maxNotes bounds the notes of a hostile archive.
const maxNotes = 20

func (rc *recipe) note(format string, args ...any) {
	switch {
	case len(rc.Notes) < maxNotes:
		rc.Notes = append(rc.Notes, fmt.Sprintf(format, args...))
	case len(rc.Notes) == maxNotes:
		rc.Notes = append(rc.Notes, "and more of the kind")
	}
}

// withoutRefused leaves out what git, or a clone of the tree, would stumble over.
func (r *repo) withoutRefused(list []entry, rc *recipe) ([]entry, error) {
	var kept []entry
	for _, e := range list {
		why, err := r.refused(e)
		if err != nil {
			return nil, err
		}
		if why != "" {
			rc.note("%q: %s, kept out of the tree", e.name, why)
			continue
		}
		kept = append(kept, e)
	}
	return kept, nil
}

// refused says why a file or a link, whose name is safe, may not stand in a tree; "" if it may.
func (r *repo) refused(e entry) (string, error) {
	if e.mode != modeLink && !tarmodel.IsGitFile(e.name) {
		return "", nil
	}
	data, err := r.read(e.hash, gitpack.Blob)
	if err == nil && e.mode == modeLink {
		return tarmodel.UnsafeLink(e.name, string(data)), nil
	}
	return refusedFile(e.name, data), err
}

// zipTop is the one directory that holds everything, "" if there is none.
func zipTop(z *zip.Reader) string {
	top := ""
	for _, m := range z.File {
		first, _, deeper := strings.Cut(m.Name, "/")
		if !deeper || top != "" && top != first {
			return ""
		}
		top = first
	}
	return top
}

func addZipMember(w interface {
	AddStream(size int64, r io.Reader) (Hash, error)
}, m *zip.File,
) (entry, error) {
	in, err := m.Open()
	if err != nil {
		return entry{}, err
	}
	defer in.Close()
	e := entry{mode: modeRegular}
	switch mode := m.Mode(); {
	case mode&os.ModeSymlink != 0:
		e.mode = modeLink
	case mode&0o111 != 0:
		e.mode = modeExec
	}
	e.hash, err = w.AddStream(int64(m.UncompressedSize64), in)
	return e, err
}

// withoutBlocked lists files by path, without those whose parent is a file.
func withoutBlocked(files map[string]entry) []entry {
	var list []entry
	for path, e := range files {
		blocked := false
		for i := range path {
			if path[i] == '/' {
				_, is := files[path[:i]]
				blocked = blocked || is
			}
		}
		if !blocked {
			list = append(list, entry{path, e.mode, e.hash})
		}
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return list
}
