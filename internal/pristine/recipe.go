package pristine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"
)

// Recipe says how plain data becomes one archive. It marshals to JSON of a few
// hundred bytes; equal searches give equal recipes. The zero value is invalid.
type Recipe struct {
	Format Format `json:"format"`
	Size   int64  `json:"size"`   // of the archive, in bytes
	SHA256 string `json:"sha256"` // of the archive, in lower case hex
	Parts  []Part `json:"parts"`
}

// Part is one piece of an archive: bytes kept as they are, then the output of
// an encoder, then what the format puts after it (for gzip CRC and length).
type Part struct {
	Raw     []byte `json:"raw,omitempty"`     // header or trailing bytes, at most 64 KiB
	Encoder string `json:"encoder,omitempty"` // library, such as "libzstd"; "" when the part is only Raw
	Version string `json:"version,omitempty"` // of the library; "" where every version does, see anyVersion
	Params  string `json:"params,omitempty"`  // "level=19 workers=1"
	Plain   int64  `json:"plain,omitempty"`   // bytes of plain data that go into the encoder
	Repeat  int    `json:"repeat,omitempty"`  // further parts of the same kind that follow, each with its own plain data
}

// String says in a few words what makes the archive: "libzstd 1.5.5 level=19".
func (r Recipe) String() string {
	var words []string
	for _, p := range r.Parts {
		if p.Encoder == "" {
			continue
		}
		w := strings.TrimSpace(p.Encoder + " " + p.Version + " " + p.Params)
		if len(words) == 0 || words[len(words)-1] != w {
			words = append(words, w)
		}
	}
	if len(words) > 3 {
		words = append(words[:3], "...")
	}
	return strings.Join(words, ", ")
}

// PlainSize is the number of bytes of plain data that the recipe needs.
func (r Recipe) PlainSize() int64 {
	var n int64
	for _, p := range r.Parts {
		n += p.Plain * int64(p.Repeat+1)
	}
	return n
}

const (
	maxParts  = 1 << 12
	maxRepeat = 1 << 24
	maxPlain  = 1 << 50 // so that maxParts of them fit into an int64
)

// Check says what is wrong with a recipe that did not come from Find.
func (r Recipe) Check() error {
	if r.Size < 0 {
		return fmt.Errorf("recipe: size %d", r.Size)
	}
	if b, err := hex.DecodeString(r.SHA256); err != nil || len(b) != sha256.Size {
		return fmt.Errorf("recipe: %q is not a SHA-256", r.SHA256)
	}
	if !r.Format.known() {
		return fmt.Errorf("recipe: unknown format %q", string(r.Format))
	}
	if len(r.Parts) > maxParts {
		return fmt.Errorf("recipe: %d parts", len(r.Parts))
	}
	for i, p := range r.Parts {
		if err := p.check(); err != nil {
			return fmt.Errorf("recipe: part %d: %w", i, err)
		}
	}
	return nil
}

func (p Part) check() error {
	switch {
	case len(p.Raw) > maxTail:
		return fmt.Errorf("%d raw bytes, at most %d", len(p.Raw), maxTail)
	case p.Plain < 0:
		return fmt.Errorf("%d plain bytes", p.Plain)
	case p.Repeat < 0 || p.Repeat > maxRepeat || p.Repeat > 0 && p.Plain == 0:
		return fmt.Errorf("repeated %d times", p.Repeat)
	case p.Plain > maxPlain/int64(p.Repeat+1):
		return fmt.Errorf("%d plain bytes repeated %d times", p.Plain, p.Repeat)
	case p.Encoder == "" && (p.Plain != 0 || p.Params != "" || p.Repeat != 0):
		return errors.New("no encoder")
	}
	_, err := parseParams(p.Params)
	return err
}

// Reproduce writes the archive that the recipe describes to w, from the plain
// data. It returns an error when what it wrote is not exactly that archive: a
// MissingEncoderError when an encoder is not installed. Before any other error
// than that, part of the archive may have been written.
func (r Recipe) Reproduce(ctx context.Context, e *Encoders, plain io.Reader, w io.Writer) error {
	return r.reproduce(ctx, e, plain, &proof{w: w, left: r.Size, hash: sha256.New()})
}

// ReproduceUnproven is Reproduce for a caller who compares a digest of all that is written: only the size is held against the recipe.
// When the digest is wrong, Reproduce says why.
func (r Recipe) ReproduceUnproven(ctx context.Context, e *Encoders, plain io.Reader, w io.Writer) error {
	return r.reproduce(ctx, e, plain, &proof{w: w, left: r.Size})
}

func (r Recipe) reproduce(ctx context.Context, e *Encoders, plain io.Reader, out *proof) error {
	if err := r.Check(); err != nil {
		return err
	}
	encoders := make([]encoder, len(r.Parts))
	var other *MissingEncoderError
	for i, p := range r.Parts {
		if p.Encoder == "" {
			continue
		}
		enc, exact, err := e.lookup(ctx, p.Encoder, p.Version)
		if err != nil {
			return err
		}
		if encoders[i] = enc; !exact || p.Version == "" {
			other = &MissingEncoderError{Library: p.Encoder, Version: p.Version, Other: enc.version()}
		}
	}
	err := r.write(ctx, encoders, e.threads, plain, out)
	if err == nil || errors.Is(err, errDiffers) {
		if err = out.check(r); err != nil && other != nil {
			err = other
		}
	}
	return err
}

func (r Recipe) write(ctx context.Context, encoders []encoder, threads int, plain io.Reader, out io.Writer) error {
	for i, p := range r.Parts {
		for range p.Repeat + 1 {
			if _, err := out.Write(p.Raw); err != nil {
				return err
			}
			if p.Encoder == "" {
				continue
			}
			in := &counter{r: io.LimitReader(plain, p.Plain), format: r.Format, crc: newCRC()}
			if err := encodeWith(ctx, encoders[i], p.Params, threads, in, out); err != nil {
				return cmp.Or(in.err, err)
			}
			if in.n != p.Plain && in.ended {
				return fmt.Errorf("plain data ends after %d of %d bytes of part %d", in.n, p.Plain, i)
			}
			if in.n != p.Plain {
				return fmt.Errorf("%s %s has read only %d of %d bytes", p.Encoder, p.Version, in.n, p.Plain)
			}
			if _, err := out.Write(in.trailer()); err != nil {
				return err
			}
		}
	}
	var one [1]byte
	if n, err := io.ReadFull(plain, one[:]); n != 0 {
		return fmt.Errorf("plain data goes on after the %d bytes of the recipe", r.PlainSize())
	} else if err != io.EOF {
		return fmt.Errorf("plain data: %w", err)
	}
	return nil
}

// proof passes an archive on and holds it against its size and digest. It
// writes nothing beyond the size.
type proof struct {
	w    io.Writer
	left int64
	hash hash.Hash // nil: the caller compares
}

func (p *proof) Write(b []byte) (int, error) {
	if int64(len(b)) > p.left {
		return 0, errDiffers
	}
	p.left -= int64(len(b))
	if p.hash != nil {
		p.hash.Write(b)
	}
	return p.w.Write(b)
}

func (p *proof) check(r Recipe) error {
	if p.left != 0 {
		return fmt.Errorf("%s: %s gives not the %d bytes recorded", r.Format, r, r.Size)
	}
	if p.hash == nil {
		return nil
	}
	if got := hex.EncodeToString(p.hash.Sum(nil)); got != r.SHA256 {
		return fmt.Errorf("%s: %s gives SHA-256 %s, recorded is %s", r.Format, r, got, r.SHA256)
	}
	return nil
}

// counter counts what is read and sums it up for a format that wants that.
type counter struct {
	r      io.Reader
	format Format
	n      int64
	crc    hash.Hash32
	limit  int64 // 0: none
	err    error // what Read failed with, other than io.EOF
	ended  bool  // Read has returned io.EOF
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	c.ended = err == io.EOF
	if err != nil && err != io.EOF {
		err = fmt.Errorf("plain data: %w", err)
		c.err = err
	}
	if c.limit > 0 && c.n > c.limit {
		c.err = errLimit
		return 0, errLimit
	}
	if c.format == Gzip {
		c.crc.Write(b[:n])
	}
	return n, err
}

// atEnd fails when an encoder has left plain data over.
func (c *counter) atEnd() error {
	var one [1]byte
	switch n, err := io.ReadFull(c, one[:]); {
	case n > 0:
		return fmt.Errorf("%w: plain data is left over", errDiffers)
	case err != io.EOF:
		return err
	}
	return nil
}

// trailer is what the format puts after the encoder's output (RFC 1952, 2.3.1).
func (c *counter) trailer() []byte {
	if c.format != Gzip {
		return nil
	}
	var b [8]byte
	putLE32(b[:4], c.crc.Sum32())
	putLE32(b[4:], uint32(c.n))
	return b[:]
}

func newCRC() hash.Hash32 { return crc32.NewIEEE() }
