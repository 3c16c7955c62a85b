package content

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pristine"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// ErrUnchanged says that a package is already as it was to become.
var ErrUnchanged = errors.New("nothing to do")

// change makes a new tree of a package, and publishes it in the session's collection. When the package was changed meanwhile, both
// changes stay; when it was removed, it stays removed.
func (s *Session) change(
	ctx context.Context, p *Package, make func(context.Context, *ostree.Writer, *Package) (ostree.Checksum, error),
) (*Package, error) {
	changed, err := s.work(ctx, func(ctx context.Context, w *ostree.Writer) (*edit, error) {
		tree, err := make(ctx, w, &Package{Tree: p.Tree, entry: p.entry, store: p.store, from: w})
		if err != nil || tree == p.Tree {
			return nil, err
		}
		return &edit{entry: p.entry, apply: func(now ostree.Checksum) (ostree.Checksum, error) {
			switch {
			case now.IsZero():
				return now, nil
			case now == p.Tree:
				return tree, nil
			}
			return s.store.mergeTrees(w, p.entry, now, tree)
		}}, nil
	})
	if err == nil && changed == nil {
		return p, ErrUnchanged
	}
	return changed, err
}

// SignOptions say how packages are signed.
type SignOptions struct {
	Key   string // the ID of the key that will sign: a package that it has signed is left as it is; may be empty
	Force bool   // sign again
	Sign  rpmfile.SignOptions
}

// Sign adds to a package a signature header that is signed by one more key. The payload is made once to take the digest of the new
// file; it is not stored again. ErrUnchanged when the key has signed the package before.
func (s *Session) Sign(ctx context.Context, p *Package, signer rpmfile.Signer, o SignOptions) (*Package, error) {
	return s.change(ctx, p, func(ctx context.Context, w *ostree.Writer, p *Package) (ostree.Checksum, error) {
		list, err := p.Exports()
		if err != nil {
			return p.Tree, staged("read", err)
		}
		for _, e := range list {
			if !o.Force && e.signedBy(strings.ToLower(o.Key)) {
				return p.Tree, nil
			}
		}
		parts, err := p.parts(list[0])
		if err != nil {
			return p.Tree, staged("read", err)
		}
		raw, err := p.sign(ctx, parts, signer, o.Sign)
		if err != nil {
			return p.Tree, staged("sign", fmt.Errorf("%s: %w", p.NEVRA(), err))
		}
		return p.addSignature(ctx, w, parts, raw, true)
	})
}

func (p *Package) sign(ctx context.Context, parts *rpmfile.Package, signer rpmfile.Signer, o rpmfile.SignOptions) ([]byte, error) {
	raw, err := parts.Sign(signer, o)
	if !errors.Is(err, rpmfile.ErrNeedPayload) {
		return raw, err
	}
	payload := pipe(func(w io.Writer) error { return p.writePayload(ctx, parts, w) })
	defer payload.Close()
	o.Payload = payload
	return parts.Sign(signer, o)
}

// AddSignature adds a signature header that was made elsewhere: what lies between lead and header of the signed file. It is refused
// when its digests are not those of the package.
func (s *Session) AddSignature(ctx context.Context, p *Package, raw []byte) (*Package, error) {
	return s.change(ctx, p, func(ctx context.Context, w *ostree.Writer, p *Package) (ostree.Checksum, error) {
		list, err := p.Exports()
		if err != nil {
			return p.Tree, staged("read", err)
		}
		parts, err := p.parts(list[0])
		if err != nil {
			return p.Tree, staged("read", err)
		}
		return p.addSignature(ctx, w, parts, raw, false)
	})
}

// addSignature adds a signature header that was made here, or whose digests tell that it belongs to the package.
func (p *Package) addSignature(ctx context.Context, w *ostree.Writer, parts *rpmfile.Package, raw []byte, ours bool) (ostree.Checksum, error) {
	signed, err := parts.WithSignature(raw)
	if err != nil {
		return p.Tree, staged("read", fmt.Errorf("%s: %w", p.NEVRA(), err))
	}
	list, err := p.Exports()
	if err != nil {
		return p.Tree, staged("read", err)
	}
	keys := signingKeys(signed)
	e := Export{Signature: signatureName(keys, signed.SignatureRaw()), Keys: keys}
	for _, have := range list {
		if have.Signature == e.Signature && !have.Stripped {
			return p.Tree, nil
		}
	}
	e.Header, e.Payload = signed.HeaderRange()
	sum, size, result, err := p.verifyPayload(ctx, signed)
	if err == nil {
		err = result.Err()
	}
	if err == nil && !ours && !result.Complete() {
		err = errors.New("the signature header has no digests that cover header and payload")
	}
	if err != nil {
		return p.Tree, staged("verify", fmt.Errorf("%s: %w", p.NEVRA(), err))
	}
	e.Size, e.SHA256 = size, sum
	doc, err := encodeDocument(mergeExports(list, []Export{e}))
	if err != nil {
		return p.Tree, err
	}
	tree, err := p.change(w, map[string][]byte{nameExports: doc}, map[string][]byte{e.Signature: signed.SignatureRaw()})
	return tree, staged("store", err)
}

// verifyPayload makes the payload, and gives digest and size of the whole file and the outcome for the digests in it.
func (p *Package) verifyPayload(ctx context.Context, parts *rpmfile.Package) (sha string, size int64, r *rpmfile.Result, err error) {
	verifier := parts.NewVerifier(nil)
	sum := sha256.New()
	n := new(counter)
	whole := io.MultiWriter(sum, n)
	if _, err := parts.WriteTo(whole); err != nil {
		return "", 0, nil, err
	}
	if err := p.writePayload(ctx, parts, io.MultiWriter(whole, verifier)); err != nil {
		return "", 0, nil, err
	}
	return hex.EncodeToString(sum.Sum(nil)), int64(*n), verifier.Result(), nil
}

// Compact makes the search for the encoder that Import has deferred. With again, it is made once more where it found nothing,
// because there are more encoders now. ErrUnchanged when there is nothing to search for.
func (s *Session) Compact(ctx context.Context, p *Package, again bool) (*Package, error) {
	return s.change(ctx, p, func(ctx context.Context, w *ostree.Writer, p *Package) (ostree.Checksum, error) {
		r, err := p.Recipe()
		if err != nil {
			return p.Tree, staged("read", err)
		}
		if r.Archive == nil || r.Kept != KeptDeferred && !(again && r.Kept == KeptNoEncoder) {
			return p.Tree, nil
		}
		return p.compact(ctx, w, r)
	})
}

func (p *Package) compact(ctx context.Context, w *ostree.Writer, r *Recipe) (ostree.Checksum, error) {
	list, err := p.Exports()
	if err != nil {
		return p.Tree, staged("read", err)
	}
	parts, err := p.parts(list[0])
	if err != nil {
		return p.Tree, staged("read", err)
	}
	files, err := parts.Files()
	if err != nil {
		return p.Tree, staged("read", err)
	}
	payload, err := p.spool(ctx, w, parts)
	if err != nil {
		return p.Tree, staged("read", err)
	}
	defer payload.Close()
	tree, err := p.from.ReadTree(p.Tree)
	if err != nil {
		return p.Tree, staged("read", err)
	}
	content, _ := tree.Dir(nameFiles)
	extra, _ := tree.Dir(nameExtra)
	t := &packageTree{recipe: r, contentTree: content.Tree, extraTree: extra.Tree}
	r.Kept, r.Detail = "", ""
	if err := t.search(ctx, w, p.store.encoders, parts, files, payload, r.Size); err != nil {
		return p.Tree, staged("prove", fmt.Errorf("%s: %w", p.NEVRA(), err))
	}
	doc, err := encodeDocument(r)
	if err != nil {
		return p.Tree, err
	}
	change := map[string][]byte{nameRecipe: doc}
	if r.Kept == "" {
		change[namePayload] = nil
	}
	next, err := p.change(w, change, nil)
	return next, staged("store", err)
}

// spool lays the payload down as a file that ends with it.
func (p *Package) spool(ctx context.Context, w *ostree.Writer, parts *rpmfile.Package) (*os.File, error) {
	f, err := w.TempFile()
	if err != nil {
		return nil, err
	}
	if err := p.writePayload(ctx, parts, f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Checked is the outcome of Check for one form of a package.
type Checked struct {
	Export
	Result *rpmfile.Result // of its digests and signatures
	Err    error           // set when its bytes are not what they should be
}

// Check makes the payload once and compares every form of the package with its digest; it also verifies the digests and, by
// the keys of a keyring, the signatures in them. An error is one of the whole package.
func (p *Package) Check(ctx context.Context, keys *rpmfile.Keyring) ([]Checked, error) {
	list, err := p.Exports()
	if err != nil {
		return nil, err
	}
	checked := make([]Checked, len(list))
	verifiers := make([]*rpmfile.Verifier, len(list))
	sums := make([]hash.Hash, len(list))
	var sinks []io.Writer
	var parts *rpmfile.Package
	for i, e := range list {
		if parts, err = p.parts(e); err != nil {
			return nil, err
		}
		start, payload := parts.HeaderRange()
		if start != e.Header || payload != e.Payload {
			return nil, fmt.Errorf("%s: exports: header at %d to %d, said to be at %d to %d", p.NEVRA(), start, payload, e.Header, e.Payload)
		}
		checked[i].Export = e
		verifiers[i], sums[i] = parts.NewVerifier(keys), sha256.New()
		if _, err := parts.WriteTo(sums[i]); err != nil {
			return nil, err
		}
		sinks = append(sinks, verifiers[i], sums[i])
	}
	size := new(counter)
	body := sha256.New()
	body.Write(parts.LeadRaw())
	body.Write(parts.Header.Raw())
	if err := p.writePayload(ctx, parts, io.MultiWriter(append(sinks, size, body)...)); err != nil {
		return nil, fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	if nevra := parts.NEVRA().String(); nevra != p.NEVRA() {
		return nil, fmt.Errorf("%s: header of %q", p.NEVRA(), nevra)
	}
	if id := body.Sum(nil); !strings.HasPrefix(hex.EncodeToString(id), p.ShortID()) {
		return nil, fmt.Errorf("%s: lead, header and payload have SHA-256 %x", p.NEVRA(), id)
	}
	for i := range checked {
		c := &checked[i]
		c.Result = verifiers[i].Result()
		want, _ := hex.DecodeString(c.SHA256)
		if got := sums[i].Sum(nil); !bytes.Equal(got, want) || c.Payload+int64(*size) != c.Size {
			c.Err = fmt.Errorf("%s: %s: %d bytes with SHA-256 %x, want %d with %s", p.NEVRA(), c.Signature, c.Payload+int64(*size), got, c.Size, c.SHA256)
		}
	}
	return checked, nil
}

// search looks for the encoder of the payload of size bytes at src. The plain payload that it is given is put together from what
// is stored, so that what it finds proves the whole way back.
func (t *packageTree) search(
	ctx context.Context, from objects, encoders *pristine.Encoders, pkg *rpmfile.Package, files []rpmfile.File, src io.ReaderAt, size int64,
) error {
	info := pkg.Payload()
	if info.Compressor == "gzip" && !isGzip(src) {
		info.Compressor = string(pristine.None) // rpm says so of payloads without compression
	}
	built, _ := pkg.Header.Int(rpmfile.TagBuildTime)
	hint := pristine.Hint{
		Compressor: info.Compressor, Flags: info.Flags, RPMVersion: pkg.Header.String(rpmfile.TagRPMVersion),
		BuildTime: built, PlainSize: t.recipe.Archive.Size,
	}
	var broken error
	plain := func() (io.ReadCloser, error) {
		return pipe(func(w io.Writer) error {
			err := t.assemble(ctx, from, files, w)
			if err != nil && !errors.Is(err, io.ErrClosedPipe) {
				broken = err
			}
			return err
		}), nil
	}
	found, err := pristine.Find(ctx, encoders, src, size, plain, hint)
	switch {
	case broken != nil:
		return broken
	case errors.Is(err, pristine.ErrNoEncoder):
		t.recipe.Kept, t.recipe.Detail = KeptNoEncoder, err.Error()
		// Nothing has compared the archive yet.
		return t.assemble(ctx, from, files, io.Discard)
	case err != nil:
		return err
	}
	t.recipe.Encoder = &found
	return nil
}

// assemble puts the plain payload together and compares it with its digest.
func (t *packageTree) assemble(ctx context.Context, from objects, files []rpmfile.File, w io.Writer) error {
	return assemble(ctx, from, t.recipe.Archive, files, t.contentTree, t.extraTree, w, true)
}

func isGzip(src io.ReaderAt) bool {
	var magic [2]byte
	_, err := src.ReadAt(magic[:], 0)
	return err == nil && magic == [2]byte{0x1f, 0x8b}
}

// Replace puts into the session's collection what was made of the same package in another one.
func (s *Session) Replace(ctx context.Context, p, with *Package) (*Package, error) {
	if p.entry != with.entry {
		return nil, fmt.Errorf("%s is not %s", with.entry, p.entry)
	}
	return s.change(ctx, p, func(ctx context.Context, _ *ostree.Writer, _ *Package) (ostree.Checksum, error) {
		if !s.store.isWhole(ctx, with.Tree) { // it has left the other collection, and gc came by
			return p.Tree, staged("read", fmt.Errorf("%s: %w", with.NEVRA(), ErrNotFound))
		}
		return with.Tree, nil
	})
}
