package content

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// ImportOptions say how a package is imported.
type ImportOptions struct {
	Defer   bool              // keep the payload and leave the search for its encoder to Compact
	Force   bool              // take a known package apart again
	Replace bool              // take other packages of the same name-[epoch:]version-release.arch out of the collection
	Meta    map[string]string // notes that are kept with the package
}

// Imported says what an import did.
type Imported struct {
	NEVRA   string
	Package *Package
	SHA256  string // of the file
	Size    int64  // of the file, in bytes
	Known   bool   // the store had this file already
	Kept    string // why the payload is kept as it is; empty when it is regenerated
	Detail  string // the encoder, or what the search for it said
}

// StageError says at which stage of an import a package was refused.
type StageError struct {
	Stage string // read, verify, store, prove, publish
	Err   error
}

// Error gives the error's text without the stage.
func (e *StageError) Error() string { return e.Err.Error() }

// Unwrap gives the error.
func (e *StageError) Unwrap() error { return e.Err }

func staged(stage string, err error) error {
	if err == nil {
		return nil
	}
	return &StageError{stage, err}
}

// Import puts the package file of size bytes at src into the collection and returns when it is published. It is
// refused, and nothing is published, when it is not a whole and undamaged package, or when the store could not give these very
// bytes back.
func (s *Session) Import(ctx context.Context, src io.ReaderAt, size int64, o ImportOptions) (*Imported, error) {
	var done Imported
	p, err := s.work(ctx, func(ctx context.Context, w *ostree.Writer) (*edit, error) {
		imp := &importer{store: s.store, w: w, src: src, size: size, o: o}
		if err := imp.run(ctx); err != nil {
			return nil, err
		}
		done = imp.result
		entry, tree := imp.entry, imp.tree // and nothing else: many wait to be published, and headers are large
		return &edit{entry: entry, replace: o.Replace, apply: func(now ostree.Checksum) (ostree.Checksum, error) {
			return s.store.mergeTrees(w, entry, now, tree)
		}}, nil
	})
	if err != nil {
		return nil, err
	}
	done.Package = p
	return &done, nil
}

// importer takes one package in.
type importer struct {
	store  *Store
	w      *ostree.Writer
	src    io.ReaderAt
	size   int64
	o      ImportOptions
	pkg    *rpmfile.Package
	digest [32]byte // of the file

	entry  string
	tree   ostree.Checksum
	result Imported
}

func (i *importer) run(ctx context.Context) error {
	sum := sha256.New()
	if n, err := io.Copy(sum, i.section(0)); err != nil {
		return staged("read", err)
	} else if n != i.size {
		return staged("read", errChanging)
	}
	i.digest = [32]byte(sum.Sum(nil))
	i.result.SHA256, i.result.Size = hex.EncodeToString(i.digest[:]), i.size
	if !i.o.Force {
		known, err := i.known(ctx)
		if known || err != nil {
			return err
		}
	}
	pkg, err := rpmfile.Read(bufio.NewReaderSize(i.section(0), 64<<10))
	if err != nil {
		return staged("read", err)
	}
	i.pkg = pkg
	return i.takeIn(ctx)
}

func (i *importer) section(from int64) *io.SectionReader {
	return io.NewSectionReader(i.src, from, i.size-from)
}

// known looks the file up, and adds the notes that came along this time.
func (i *importer) known(ctx context.Context) (bool, error) {
	tree, entry, ok := i.store.index.export(i.digest)
	if !ok || !i.store.isWhole(ctx, tree) {
		return false, nil
	}
	p := &Package{Tree: tree, entry: entry, store: i.store, from: i.w}
	r, err := p.Recipe()
	if err != nil || !p.imported(i.result.SHA256) {
		return false, nil // then it is taken apart again
	}
	if len(i.o.Meta) > 0 {
		if tree, err = i.store.addMeta(i.w, p, i.o.Meta); err != nil {
			return false, staged("store", err)
		}
	}
	i.tree, i.entry = tree, entry
	i.result.NEVRA, i.result.Known = p.NEVRA(), true
	i.result.setPayload(r)
	return true, nil
}

// imported tells whether the file of this digest was imported as it is, and not made by signing or by leaving a signature out.
func (p *Package) imported(sha256 string) bool {
	list, _ := p.Exports()
	return slices.ContainsFunc(list, func(e Export) bool { return e.SHA256 == sha256 && e.Imported })
}

func (r *Imported) setPayload(recipe *Recipe) {
	r.Kept, r.Detail = recipe.Kept, recipe.Detail
	if recipe.Encoder != nil {
		r.Detail = recipe.Encoder.String()
	}
}

// takeIn verifies the package, stores its parts, finds the encoder and proves that the file can be made again.
func (i *importer) takeIn(ctx context.Context) error {
	files, err := i.pkg.Files()
	if err != nil {
		return staged("read", err)
	}
	_, start := i.pkg.HeaderRange()
	x := i.newExports()
	archive, content, extra, err := i.readPayload(ctx, start, files, x)
	var none errNoArchive
	if err != nil && !errors.As(err, &none) {
		return err
	}
	recipe := &Recipe{Version: 1, ID: x.id(), Size: i.size - start, Archive: archive}
	i.result.NEVRA = i.pkg.NEVRA().String()
	if i.entry, err = entryName(i.result.NEVRA, [32]byte(x.body.Sum(nil))); err != nil {
		return staged("read", err)
	}
	t := &packageTree{content: content, extra: extra, recipe: recipe, exports: x.exports(), meta: i.o.Meta}
	switch {
	case none.reason != "":
		recipe.Kept, recipe.Detail = KeptNoArchive, none.reason
	case i.o.Defer:
		recipe.Kept = KeptDeferred
	default:
		if err := t.writeContent(i.w); err != nil {
			return staged("store", err)
		}
		if err := t.search(ctx, i.w, i.store.encoders, i.pkg, files, i.section(start), i.size-start); err != nil {
			return staged("prove", err)
		}
	}
	if recipe.Encoder != nil && recipe.Encoder.SHA256 != hex.EncodeToString(x.payload.Sum(nil)) {
		return staged("read", errChanging)
	}
	i.result.setPayload(recipe)
	return i.keepRest(t, start, ostree.Checksum(x.kept.Sum(nil)))
}

// errChanging says that the file is not what it was when it was verified.
var errChanging = errors.New("the file has changed while it was read")

// readPayload reads the payload once: it is verified, hashed for each export, and taken apart.
func (i *importer) readPayload(ctx context.Context, start int64, files []rpmfile.File, x *exporter) (a *Archive, content, extra *node, err error) {
	verifier := i.pkg.NewVerifier(nil)
	payload := io.TeeReader(i.section(start), io.MultiWriter(verifier, x))
	info := i.pkg.Payload()
	var takeErr error
	if info.Format != "cpio" {
		takeErr = noArchive("payload format %q", info.Format)
	} else {
		a, content, extra, takeErr = i.takePlain(ctx, payload, info, files)
	}
	if _, err := io.Copy(io.Discard, payload); err != nil {
		return nil, nil, nil, staged("read", err)
	}
	if err := badChecks(verifier.Result()); err != nil {
		_, start := i.pkg.HeaderRange()
		return nil, nil, nil, staged("verify", fmt.Errorf("payload at %#x: %w", start, err))
	}
	if [32]byte(x.whole.Sum(nil)) != i.digest {
		return nil, nil, nil, staged("read", errChanging)
	}
	return a, content, extra, takeErr
}

// badChecks gives what is wrong with a package. Where its size is, its digests are bad too and say nothing more.
func badChecks(r *rpmfile.Result) error {
	for _, c := range r.Checks {
		if c.Status == rpmfile.Bad && c.Name == "size" {
			return errors.New(c.String())
		}
	}
	return r.Err()
}

func (i *importer) takePlain(ctx context.Context, payload io.Reader, info rpmfile.PayloadInfo, files []rpmfile.File) (*Archive, *node, *node, error) {
	plain, err := rpmfile.Decompress(payload, info.Compressor)
	if err != nil {
		return nil, nil, nil, errNoArchive{err.Error()}
	}
	defer plain.Close()
	src := &errReader{ctx: ctx, r: plain}
	a, content, extra, err := takeApart(i.w, files, src)
	if ctx.Err() != nil {
		return nil, nil, nil, staged("read", context.Cause(ctx))
	}
	if src.err != nil {
		return nil, nil, nil, errNoArchive{src.err.Error()}
	}
	var none errNoArchive
	if err != nil && !errors.As(err, &none) {
		return nil, nil, nil, staged("store", err)
	}
	return a, content, extra, err
}

// errReader keeps the error of a reader, so that it can be told from one of a writer. It ends with its context: a small payload may
// hold any amount of zeros.
type errReader struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (e *errReader) Read(b []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := e.r.Read(b)
	if err != nil && err != io.EOF {
		e.err = err
	}
	return n, err
}

// pipe turns what writes into what is read.
func pipe(write func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil { // a fault in one package, as in the caller's goroutine
				w.CloseWithError(fmt.Errorf("internal fault: %v", p))
			}
		}()
		w.CloseWithError(write(w))
	}()
	return &pipeReader{r, done}
}

// pipeReader waits on Close until the writing side has ended.
type pipeReader struct {
	*io.PipeReader
	done chan struct{}
}

func (p *pipeReader) Close() error {
	err := p.PipeReader.Close()
	<-p.done
	return err
}

// keepRest writes the rest of the package's tree, with the payload, which is that object, where it is kept.
func (i *importer) keepRest(t *packageTree, start int64, payload ostree.Checksum) (err error) {
	if t.recipe.Kept != "" {
		if t.payload, err = i.w.PutStored(plainFile, i.size-start, i.section(start)); err != nil {
			return staged("store", err)
		}
		if t.payload != payload {
			return staged("read", errChanging)
		}
	}
	t.header, t.lead = i.pkg.Header.Raw(), i.pkg.LeadRaw()
	t.signatures = map[string][]byte{t.exports.Exports[0].Signature: i.pkg.SignatureRaw()}
	i.tree, err = t.write(i.w)
	return staged("store", err)
}
