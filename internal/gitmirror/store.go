package gitmirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/weld-linux/weld-bridge/internal/gitpack"
	"github.com/weld-linux/weld-bridge/internal/pristine"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// pristineRef is the branch of everything that exact re-creation needs. It only grows.
const pristineRef = "refs/srpm2git/pristine"

// recipe says how one file comes back. It is JSON beside what it refers to: sha256/ab/<sha256>.recipe, .blob (the file
// itself), .tar (the model of a tar's headers), .zip (that of a zip), .tree (what the tar unpacks to), .extra (contents outside of that tree),
// .head (of an SRPM). docs/archive-recipe.md is its reference.
type recipe struct {
	Format int    `json:"format"` // 1
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	Kind   string `json:"kind"` // blob, tar, zip, gem or srpm
	Why    string `json:"why,omitempty"`
	// Plain is the digest of the decompressed archive or payload, Encoder makes the file of it; none: it is the file.
	Plain   string           `json:"plain,omitempty"`
	Encoder *pristine.Recipe `json:"encoder,omitempty"`
	// Pieces make the cpio of an SRPM's payload, or a gem.
	Pieces []piece `json:"pieces,omitempty"`
	// Strip says that the tree leaves out the one top directory, if there is one; Top is that.
	Strip bool     `json:"strip,omitempty"`
	Top   string   `json:"top,omitempty"`
	MTime int64    `json:"mtime,omitempty"` // newest of the archive's members
	Notes []string `json:"notes,omitempty"`
}

// piece is part of an archive: bytes, then a file.
type piece struct {
	Raw  string `json:"raw,omitempty"` // base64
	File string `json:"file,omitempty"`
}

// pristineTree is the tree under pristineRef with what is being added.
type pristineTree struct {
	r       *repo
	tip     Hash // commit
	root    Hash // tree of tip
	changes map[string]entry
	old     *pristineTree // what a rebuild takes from instead of storing it again; may be nil
}

func (r *repo) openPristine() (*pristineTree, error) {
	p := &pristineTree{r: r, changes: map[string]entry{}}
	var err error
	if p.tip, err = r.ref(pristineRef); err != nil || p.tip.IsZero() {
		return p, err
	}
	c, err := r.readCommit(p.tip)
	p.root = c.tree
	return p, err
}

func pristinePath(sha, suffix string) string { return path.Join("sha256", sha[:2], sha+suffix) }

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// find gives the object stored for a digest under a suffix.
func (p *pristineTree) find(sha, suffix string) (entry, bool, error) {
	if !isSHA256(sha) {
		return entry{}, false, fmt.Errorf("%q is not a SHA-256", sha)
	}
	name := pristinePath(sha, suffix)
	if e, ok := p.changes[name]; ok {
		return e, !e.hash.IsZero(), nil
	}
	return p.r.lookup(p.root, name)
}

func (p *pristineTree) set(sha, suffix string, mode uint32, h Hash) {
	p.changes[pristinePath(sha, suffix)] = entry{mode: mode, hash: h}
}

// unset takes away what an earlier import stored under a digest.
func (p *pristineTree) unset(sha, suffix string) {
	if _, ok, err := p.find(sha, suffix); ok && err == nil {
		p.changes[pristinePath(sha, suffix)] = entry{}
	}
}

func (p *pristineTree) setBlob(sha, suffix string, data []byte) error {
	h, err := p.r.add(gitpack.Blob, data)
	p.set(sha, suffix, modeRegular, h)
	return err
}

// setRecipe stores a recipe.
func (p *pristineTree) setRecipe(rc *recipe) error {
	rc.Format = 1
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(rc); err != nil {
		return err
	}
	return p.setBlob(rc.SHA256, ".recipe", b.Bytes())
}

// recipe reads the recipe of a digest; nil when there is none.
func (p *pristineTree) recipe(sha string) (*recipe, error) {
	e, ok, err := p.find(sha, ".recipe")
	if err != nil || !ok {
		return nil, err
	}
	data, err := p.r.read(e.hash, gitpack.Blob)
	if err != nil {
		return nil, err
	}
	var rc recipe
	if err := json.Unmarshal(data, &rc); err != nil {
		return nil, fmt.Errorf("recipe of %s: %w", sha, err)
	}
	if rc.Format != 1 || rc.SHA256 != sha {
		return nil, fmt.Errorf("recipe of %s: format %d for %s", sha, rc.Format, rc.SHA256)
	}
	return &rc, nil
}

// suffixes are what may stand under the digest of one file.
var suffixes = []string{".recipe", ".blob", ".tree", ".tar", ".zip", ".extra", ".head"}

// known is the recipe of a file that is stored already, here or in what is being rebuilt; nil if there is none.
func (p *pristineTree) known(sha string, strip bool) (*recipe, error) {
	rc, err := p.recipe(sha)
	if err != nil || rc != nil || p.old == nil {
		return rc, err
	}
	if rc, err = p.old.recipe(sha); err != nil || rc == nil || rc.Strip != strip {
		return nil, err
	}
	for _, suffix := range suffixes {
		e, ok, err := p.old.find(sha, suffix)
		if err != nil {
			return nil, err
		}
		if ok {
			p.set(sha, suffix, e.mode, e.hash)
		}
	}
	if rc.Kind == "gem" {
		for _, m := range rc.Pieces {
			if m.File == "" {
				continue
			}
			if _, err := p.known(m.File, false); err != nil {
				return nil, err
			}
		}
	}
	return rc, nil
}

// need is find for what must be there.
func (p *pristineTree) need(sha, suffix string) (Hash, error) {
	e, ok, err := p.find(sha, suffix)
	if err == nil && !ok {
		err = fmt.Errorf("%s%s is not under %s; was it fetched?", sha, suffix, pristineRef)
	}
	return e.hash, err
}

// commit stores the changed tree as the next commit of the chain; without changes the tip stays.
func (p *pristineTree) commit(subject string, date int64) (Hash, error) {
	if len(p.changes) == 0 {
		return p.tip, nil
	}
	root, err := p.r.editTree(p.root, p.changes)
	if err != nil || root == p.root {
		return p.tip, err
	}
	c := commit{tree: root, date: date, message: subject + "\n"}
	if !p.tip.IsZero() {
		c.parents = []Hash{p.tip}
	}
	return p.r.addCommit(c)
}

// contents reads git blobs for tarmodel.
type contents struct{ r *repo }

func (c contents) Open(h tarmodel.Hash) (int64, io.ReadCloser, error) {
	return c.r.open(Hash(h), gitpack.Blob)
}

// write writes the file of a digest to w and checks what it wrote.
func (p *pristineTree) write(ctx context.Context, enc *pristine.Encoders, sha string, w io.Writer) error {
	return p.writeBelow(ctx, enc, sha, w, 0)
}

// maxNested bounds files that are pieces of files: a member of a gem of a source RPM. A recipe from elsewhere may name itself.
const maxNested = 3

func (p *pristineTree) writeBelow(ctx context.Context, enc *pristine.Encoders, sha string, w io.Writer, depth int) error {
	if depth > maxNested {
		return fmt.Errorf("recipe of %s: too deep", sha)
	}
	rc, err := p.recipe(sha)
	if err != nil {
		return err
	}
	if rc == nil {
		return fmt.Errorf("nothing is known of the file with SHA-256 %s", sha)
	}
	h := sha256.New()
	out := io.MultiWriter(w, h)
	switch {
	case rc.Kind == "blob":
		err = p.writeBlob(sha, out)
	case rc.Kind == "tar" && rc.Encoder == nil:
		err = p.writeTar(sha, out)
	case rc.Kind == "tar":
		err = p.encode(ctx, enc, rc, out, func(w io.Writer) error { return p.writeTar(sha, w) })
	case rc.Kind == "zip":
		err = p.writeZip(ctx, enc, sha, out)
	case rc.Kind == "gem":
		err = p.writePieces(ctx, enc, rc, out, depth)
	case rc.Kind == "srpm":
		var head Hash
		if head, err = p.need(sha, ".head"); err != nil {
			return err
		}
		if err = p.copyBlob(head, out); err == nil {
			err = p.encode(ctx, enc, rc, out, func(w io.Writer) error { return p.writePieces(ctx, enc, rc, w, depth) })
		}
	default:
		err = fmt.Errorf("recipe of %s: unknown kind %q", sha, rc.Kind)
	}
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sha {
		return fmt.Errorf("what came back has SHA-256 %s, not %s", got, sha)
	}
	return nil
}

// encode writes what the recipe's encoder makes of what plain writes; without an encoder, the plain data.
func (p *pristineTree) encode(ctx context.Context, enc *pristine.Encoders, rc *recipe, w io.Writer, plain func(io.Writer) error) error {
	if rc.Encoder == nil {
		return plain(w)
	}
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := plain(pw)
		pw.CloseWithError(err)
		done <- err
	}()
	err := rc.Encoder.Reproduce(ctx, enc, pr, w)
	pr.CloseWithError(err)
	if plainErr := <-done; plainErr != nil && (err == nil || errors.Is(err, plainErr)) {
		return plainErr
	}
	return err
}

func (p *pristineTree) writeBlob(sha string, w io.Writer) error {
	h, err := p.need(sha, ".blob")
	if err != nil {
		return err
	}
	return p.copyBlob(h, w)
}

func (p *pristineTree) copyBlob(h Hash, w io.Writer) error {
	_, in, err := p.r.open(h, gitpack.Blob)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(w, in)
	return err
}

func (p *pristineTree) writeTar(sha string, w io.Writer) error {
	model, err := p.need(sha, ".tar")
	if err != nil {
		return err
	}
	tree, err := p.need(sha, ".tree")
	if err != nil {
		return err
	}
	data, err := p.r.read(model, gitpack.Blob)
	if err != nil {
		return err
	}
	return p.r.joinTar(data, tree, w)
}

// joinTar makes a tar of its model and its tree.
func (r *repo) joinTar(model []byte, root Hash, w io.Writer) error {
	files, err := r.listTree(root)
	if err != nil {
		return err
	}
	return tarmodel.Join(model, toTar(files), contents{r}, w)
}

func (p *pristineTree) writePieces(ctx context.Context, enc *pristine.Encoders, rc *recipe, w io.Writer, depth int) error {
	for _, part := range rc.Pieces {
		raw, err := base64.StdEncoding.DecodeString(part.Raw)
		if err != nil {
			return fmt.Errorf("recipe of %s: %w", rc.SHA256, err)
		}
		if _, err := w.Write(raw); err != nil {
			return err
		}
		if part.File == "" {
			continue
		}
		if err := p.writeBelow(ctx, enc, part.File, w, depth+1); err != nil {
			return fmt.Errorf("file %s: %w", part.File, err)
		}
	}
	return nil
}
