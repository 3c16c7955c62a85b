// Package pristine re-creates compressed archives byte for byte.
//
// Given a compressed archive and what it decompresses to, [Find] looks for the
// encoder (library, version, parameters) that turns the plain data into these
// very bytes, and returns a small [Recipe]; [Recipe.Reproduce] turns the plain
// data into the archive again. A recipe carries the size and SHA-256 of the
// archive, so that Reproduce either writes exactly the archive or returns an
// error: never other bytes and success.
//
// Encoders are Go packages in this process, small helper programs around the C
// libraries (one for each library version that is needed), and a few programs
// of the distribution. [OpenEncoders] finds the programs. Which of them are
// there decides what Find can find, never whether a result is right.
//
// Everything streams: memory does not grow with the archive.
// The recipe's form and the encoders are described in docs/pristine.md.
package pristine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrNoEncoder is what errors.Is finds when no encoder gives the bytes of an
// archive. The archive must then be kept as it is.
var ErrNoEncoder = errors.New("no encoder gives these bytes")

// NoEncoderError says what a search without result has tried. It is ErrNoEncoder.
type NoEncoderError struct {
	Format  Format
	Tried   int      // encoders that ran
	Missing []string // encoders that were candidates but are not installed, as "libzstd 1.5.6"
	Reason  string   // why nothing was tried, or ""
}

func (e *NoEncoderError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Format, ErrNoEncoder)
	switch {
	case e.Reason != "":
		fmt.Fprintf(&b, ": %s", e.Reason)
	case e.Tried > 0:
		fmt.Fprintf(&b, ": %d tried", e.Tried)
	}
	if len(e.Missing) > 0 {
		fmt.Fprintf(&b, "; not installed: %s", strings.Join(e.Missing, ", "))
	}
	return b.String()
}

// Is reports whether target is ErrNoEncoder.
func (e *NoEncoderError) Is(target error) bool { return target == ErrNoEncoder }

// MissingEncoderError says that a recipe needs an encoder that is not there.
type MissingEncoderError struct {
	Library string
	Version string
	Other   string // the version of the same library that was tried and gave other bytes, or ""
}

func (e *MissingEncoderError) Error() string {
	switch {
	case e.Version == "" && e.Other != "":
		return fmt.Sprintf("encoder %s: version %s, which is installed, gives other bytes", e.Library, e.Other)
	case e.Version == "":
		return fmt.Sprintf("encoder %s is not installed (%s)", e.Library, where(e.Library, e.Version))
	case e.Other != "":
		return fmt.Sprintf("encoder %s %s is not installed (%s) and version %s gives other bytes", e.Library, e.Version, where(e.Library, e.Version), e.Other)
	}
	return fmt.Sprintf("encoder %s %s is not installed (%s)", e.Library, e.Version, where(e.Library, e.Version))
}

// Hint is what the caller knows about the origin of an archive. All of it is
// optional and none of it is believed: hints order the search.
type Hint struct {
	Compressor string // RPM's PAYLOADCOMPRESSOR or a Format; "" detects the format from the first bytes
	Flags      string // RPM's PAYLOADFLAGS: "19", "19T0", "7L27T8", "w9.gzdio"
	RPMVersion string // RPM's RPMVERSION; "" says that no rpm wrote the archive
	BuildTime  int64  // seconds since 1970 when the archive was written, or 0
	PlainSize  int64  // size of the plain data in bytes, or 0
	MaxPlain   int64  // do not search for plain data of more bytes than this; 0: no limit
	MaxTries   int    // encoders to try at most; 0: 256
}

// maxTail bounds what a recipe keeps verbatim around the compressed data, in bytes.
const maxTail = 64 << 10

// Find looks for the encoder that turns the plain data into the size bytes of
// compressed. plain opens the plain data from its start, as often as needed.
// The recipe is proven: the encoder did give every byte. When there is none the
// error is ErrNoEncoder; every other error is one of reading or of ctx.
func Find(ctx context.Context, e *Encoders, compressed io.ReaderAt, size int64, plain func() (io.ReadCloser, error), hint Hint) (Recipe, error) {
	head := make([]byte, min(size, 64))
	if _, err := compressed.ReadAt(head, 0); err != nil && err != io.EOF {
		return Recipe{}, fmt.Errorf("compressed data: %w", err)
	}
	s := &search{enc: e, data: compressed, size: size, plain: plain, hint: hint}
	s.format = Format(hint.Compressor)
	if s.format == "" {
		s.format = Detect(head)
	}
	if hint.MaxPlain > 0 && hint.PlainSize > hint.MaxPlain {
		return Recipe{}, s.none(fmt.Sprintf("%d bytes of plain data are above the limit of %d", hint.PlainSize, hint.MaxPlain))
	}
	parts, err := s.parts(ctx)
	if err != nil {
		return Recipe{}, err
	}
	r := Recipe{Format: s.format, Size: size, Parts: parts}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(compressed, 0, size)); err != nil {
		return Recipe{}, fmt.Errorf("compressed data: %w", err)
	}
	r.SHA256 = hex.EncodeToString(h.Sum(nil))
	return r, nil
}
