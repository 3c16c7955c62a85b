package content

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// Export writes the package's file in one of its forms, see Select. When the bytes written are not those whose digest the store
// has, the error says so; what was written until then is worthless.
func (p *Package) Export(ctx context.Context, form Form, w io.Writer) (Export, error) {
	e, err := p.Select(form)
	if err != nil {
		return e, err
	}
	return e, p.WriteExport(ctx, e, w)
}

// WriteExport is Export of a form that Exports or Select gave.
func (p *Package) WriteExport(ctx context.Context, e Export, w io.Writer) error {
	parts, err := p.parts(e)
	if err != nil {
		return err
	}
	sum := sha256.New()
	size := new(counter)
	out := io.MultiWriter(w, sum, size)
	if _, err := parts.WriteTo(out); err != nil {
		return err
	}
	if err := p.makePayload(ctx, parts, out, false); err != nil {
		return fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != e.SHA256 || int64(*size) != e.Size {
		// One digest of the whole file is enough where it is right. Where it is wrong, the others say why.
		if err := p.writePayload(ctx, parts, io.Discard); err != nil {
			return fmt.Errorf("%s: %w", p.NEVRA(), err)
		}
		return fmt.Errorf("%s: export has %d bytes with SHA-256 %s, want %d with %s", p.NEVRA(), *size, got, e.Size, e.SHA256)
	}
	return nil
}

// writePayload writes the payload: the one that was kept, or one that is made again.
func (p *Package) writePayload(ctx context.Context, parts *rpmfile.Package, w io.Writer) error {
	return p.makePayload(ctx, parts, w, true)
}

// makePayload is writePayload. Without verify it leaves it to the caller to compare the digest of what is written.
func (p *Package) makePayload(ctx context.Context, parts *rpmfile.Package, w io.Writer, verify bool) error {
	recipe, err := p.Recipe()
	if err != nil {
		return err
	}
	tree, err := p.from.ReadTree(p.Tree)
	if err != nil {
		return err
	}
	if recipe.Kept != "" {
		sum, ok := tree.File(namePayload)
		if !ok {
			return fmt.Errorf("payload: %w", ErrNotFound)
		}
		f, err := p.from.OpenFile(sum)
		if err != nil {
			return fmt.Errorf("payload: %w", err)
		}
		defer f.Close()
		if !verify {
			f.LeaveUnverified()
		}
		_, err = io.Copy(w, f)
		return err
	}
	plain, err := p.plain(ctx, recipe, tree, parts, verify)
	if err != nil {
		return err
	}
	defer plain.Close()
	reproduce := recipe.Encoder.ReproduceUnproven
	if verify {
		reproduce = recipe.Encoder.Reproduce
	}
	if err := reproduce(ctx, p.store.encoders, plain, w); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	return nil
}

// plain reads the plain payload as it is put together.
func (p *Package) plain(ctx context.Context, recipe *Recipe, tree ostree.DirTree, parts *rpmfile.Package, verify bool) (io.ReadCloser, error) {
	if recipe.Archive == nil {
		return nil, errors.New("the recipe describes no archive")
	}
	files, err := parts.Files()
	if err != nil {
		return nil, err
	}
	content, _ := tree.Dir(nameFiles)
	extra, _ := tree.Dir(nameExtra)
	if err := (packTier{p.store.packs}).expect(p.from, content, extra); err != nil {
		return nil, err
	}
	return pipe(func(w io.Writer) error {
		return assemble(ctx, p.from, recipe.Archive, files, content.Tree, extra.Tree, w, verify)
	}), nil
}
