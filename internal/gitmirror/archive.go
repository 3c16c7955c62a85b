package gitmirror

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pristine"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// stored says how a source was put into the mirror.
type stored struct {
	recipe *recipe
	tree   Hash // what it unpacks to; zero for what is not an archive
	model  int  // bytes of the model of the headers
	count  int  // members
}

// storeSource puts a file under pristineRef: a tar as tree, model and encoder, everything else as it is.
func (im *Importer) storeSource(ctx context.Context, p *pristineTree, src *source, strip bool) (*stored, error) {
	if st, err := p.already(src.sha256, strip); err != nil || st != nil && !im.again(st.recipe) {
		return st, err
	}
	p.unset(src.sha256, ".blob")
	f, err := os.Open(src.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 64)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	format := pristine.Detect(head[:n])
	if isZip(head[:n]) {
		st, err := im.storeZip(ctx, p, f, src, strip)
		if err == nil || !errors.Is(err, tarmodel.ErrUnsupported) {
			return st, err
		}
		return im.keep(p, f, src, err.Error())
	}
	if ok, err := isTar(f, format); err != nil || !ok {
		return im.keep(p, f, src, "")
	}
	if format == pristine.None && strings.HasSuffix(src.name, ".gem") {
		if st, err := im.storeGem(ctx, p, f, src, strip); !errors.Is(err, tarmodel.ErrUnsupported) {
			return st, err
		}
	}
	st, err := im.storeTar(ctx, p, f, format, src, strip)
	if errors.Is(err, tarmodel.ErrUnsupported) || errors.Is(err, io.ErrUnexpectedEOF) {
		return im.keep(p, f, src, err.Error())
	}
	return st, err
}

// again reports whether an archive that was kept as it is, for want of an encoder, is to be searched once more.
func (im *Importer) again(rc *recipe) bool { return im.Force && rc.Why != "" }

// already finds what an earlier import stored of the same file, nil if there is nothing or its tree was cut otherwise.
func (p *pristineTree) already(sha string, strip bool) (*stored, error) {
	old, err := p.known(sha, strip)
	if err != nil || old == nil {
		return nil, err
	}
	st := &stored{recipe: old}
	e, ok, err := p.find(sha, ".tree")
	if ok {
		if st.tree = e.hash; old.Strip != strip {
			return nil, err
		}
	}
	return st, err
}

// keep stores a file as a blob.
func (im *Importer) keep(p *pristineTree, f *os.File, src *source, why string) (*stored, error) {
	rc := &recipe{SHA256: src.sha256, Size: src.size, Kind: "blob", Why: why}
	return &stored{recipe: rc}, p.keepWhole(rc, f)
}

// keepWhole stores a file as it is, with its recipe.
func (p *pristineTree) keepWhole(rc *recipe, f io.ReaderAt) error {
	w, err := p.r.writer()
	if err != nil {
		return err
	}
	h, err := w.AddStream(rc.Size, io.NewSectionReader(f, 0, rc.Size))
	if err != nil {
		return err
	}
	p.set(rc.SHA256, ".blob", modeRegular, h)
	return p.setRecipe(rc)
}

// isTar looks at the first header of what f decompresses to.
func isTar(f *os.File, format pristine.Format) (bool, error) {
	in, err := pristine.Decompress(bufio.NewReader(io.NewSectionReader(f, 0, 1<<62)), format)
	if err != nil {
		return false, nil
	}
	defer in.Close()
	block := make([]byte, 512)
	if _, err := io.ReadFull(in, block); err != nil {
		return false, nil
	}
	return tarmodel.IsHeader(block), nil
}

// storeTar takes a tar apart and proves that it comes back.
func (im *Importer) storeTar(ctx context.Context, p *pristineTree, f *os.File, format pristine.Format, src *source, strip bool) (*stored, error) {
	plain := func() (io.ReadCloser, error) {
		return pristine.Decompress(bufio.NewReaderSize(io.NewSectionReader(f, 0, src.size), 1<<18), format)
	}
	a, sum, size, err := splitTar(ctx, p.r, plain, format, src)
	if err != nil {
		return nil, err
	}
	tree, err := a.Tree(strip)
	if err != nil {
		return nil, err
	}
	if err := p.r.dropRefused(tree); err != nil {
		return nil, err
	}
	rc := &recipe{SHA256: src.sha256, Size: src.size, Kind: "tar", Plain: sum, Strip: strip, Top: tree.Top(), MTime: a.NewestMTime(), Notes: tree.Notes}
	st := &stored{recipe: rc, count: len(a.Entries)}
	if st.tree, err = p.r.buildTree(fromTar(tree.Files)); err != nil {
		return nil, err
	}
	model := a.Recipe(tree)
	st.model = len(model)
	proof := sha256.New()
	if err := p.r.joinTar(model, st.tree, proof); err != nil {
		return nil, fmt.Errorf("proof of the tar: %w", err)
	}
	if hex.EncodeToString(proof.Sum(nil)) != sum {
		return nil, fmt.Errorf("%w: the model gives other bytes", tarmodel.ErrUnsupported)
	}
	if err := im.findEncoder(ctx, f, format, rc, plain, size); err != nil {
		return nil, err
	}
	p.set(src.sha256, ".tree", modeTree, st.tree)
	if rc.Kind == "blob" {
		return st, p.keepWhole(rc, f)
	}
	if err := p.setBlob(src.sha256, ".tar", model); err != nil {
		return nil, err
	}
	if err := p.setExtra(src.sha256, tree.Extra); err != nil {
		return nil, err
	}
	return st, p.setRecipe(rc)
}

// splitTar stores the members of a tar. It returns the digest and size of the tar too.
func splitTar(ctx context.Context, r *repo, plain func() (io.ReadCloser, error), format pristine.Format, src *source) (a *tarmodel.Archive, sum string, size int64, err error) {
	w, err := r.writer()
	if err != nil {
		return nil, "", 0, err
	}
	in, err := plain()
	if err != nil {
		return nil, "", 0, err
	}
	defer in.Close()
	digest := sha256.New()
	limit := inflateLimit(src.size)
	counter := &countReader{r: ctxReader{ctx, in}, left: limit}
	tee := io.TeeReader(counter, digest)
	if format == pristine.None {
		tee = counter // its digest is that of the file
	}
	if a, err = tarmodel.Split(tee, blobSink{w}, tarmodel.Limits{Bytes: limit}); err != nil {
		return nil, "", 0, err
	}
	if format == pristine.None {
		return a, src.sha256, counter.n, nil
	}
	return a, hex.EncodeToString(digest.Sum(nil)), counter.n, nil
}

// findEncoder looks for what compressed the archive. Without an encoder, the recipe becomes one of kind blob.
func (im *Importer) findEncoder(ctx context.Context, f *os.File, format pristine.Format, rc *recipe, plain func() (io.ReadCloser, error), size int64) error {
	if format == pristine.None {
		return nil
	}
	found, err := pristine.Find(ctx, im.Encoders, f, rc.Size, plain, pristine.Hint{PlainSize: size, MaxPlain: im.MaxSearch})
	if errors.Is(err, pristine.ErrNoEncoder) {
		rc.Kind, rc.Why = "blob", err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	rc.Encoder = &found
	return nil
}

// setExtra keeps contents alive that no file of the tree holds.
func (p *pristineTree) setExtra(sha string, extra []tarmodel.Hash) error {
	if len(extra) == 0 {
		return nil
	}
	var list []entry
	for _, h := range extra {
		list = append(list, entry{Hash(h).String(), modeRegular, Hash(h)})
	}
	h, err := p.r.addTree(list)
	p.set(sha, ".extra", modeTree, h)
	return err
}

// blobSink stores the members of a tar.
type blobSink struct {
	w interface {
		AddStream(size int64, r io.Reader) (Hash, error)
	}
}

func (s blobSink) Blob(size int64, r io.Reader) (tarmodel.Hash, error) {
	h, err := s.w.AddStream(size, r)
	return tarmodel.Hash(h), err
}
