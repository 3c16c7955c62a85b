// Package rpmfile reads, checks, signs and writes RPM package files.
//
// A package file is a lead of 96 bytes, a signature header padded to a multiple of 8, a main header and a payload. Read
// takes the first three from a stream and leaves it at the first byte of the payload; Parse does the same over bytes in
// memory, without copying them. Nothing is normalised: every byte before the payload is kept, in its order, and WriteTo
// gives back what was read.
//
// The formats v3 (OLDFILENAMES, no regions), v4 and v6 are read under rpm's own rules: at most 65,535 tags and 256 MiB
// of data in a header, 32 tags and 64 MiB in a signature header, entries aligned, typed, inside the data, and not
// overlapping. A header is checked when it is read, so that its getters need not fail. What a header claims is never
// allocated before it was read.
//
// Bytes and strings that the getters return share memory with the header; they must not be changed.
package rpmfile

import (
	"errors"
	"fmt"
	"io"
)

// Package is all of an RPM file but its payload.
type Package struct {
	Lead      Lead
	Signature *Header
	Header    *Header

	sigRaw []byte // the signature header with its padding
}

// Read reads lead, signature header and header from r, and leaves r at the first byte of the payload.
// A file that ends early gives an error that wraps io.ErrUnexpectedEOF.
func Read(r io.Reader) (*Package, error) {
	p := new(Package)
	if _, err := io.ReadFull(r, p.Lead.raw[:]); err != nil {
		return nil, fmt.Errorf("lead at 0x0: %w", noEOF(err))
	}
	if err := p.Lead.check(); err != nil {
		return nil, err
	}
	raw, size, err := readHeader(r, LeadSize, signatureKind)
	if err != nil {
		return nil, err
	}
	if err := p.setSignature(raw, size); err != nil {
		return nil, err
	}
	start := int64(LeadSize + len(p.sigRaw))
	if raw, size, err = readHeader(r, start, mainKind); err != nil {
		return nil, err
	}
	if p.Header, err = newHeader(raw[:size], start, mainKind); err != nil {
		return nil, err
	}
	return p, nil
}

// Parse is Read over the first bytes of a package file. The package shares memory with b, which may be longer or shorter
// than the file. When b ends before the payload begins, the error wraps io.ErrUnexpectedEOF.
func Parse(b []byte) (*Package, error) {
	p := new(Package)
	if copy(p.Lead.raw[:], b) < LeadSize {
		return nil, fmt.Errorf("lead at 0x0: %w", io.ErrUnexpectedEOF)
	}
	if err := p.Lead.check(); err != nil {
		return nil, err
	}
	raw, size, err := sliceHeader(b[LeadSize:], LeadSize, signatureKind)
	if err != nil {
		return nil, err
	}
	if err := p.setSignature(raw, size); err != nil {
		return nil, err
	}
	start := LeadSize + len(p.sigRaw)
	if raw, size, err = sliceHeader(b[start:], int64(start), mainKind); err != nil {
		return nil, err
	}
	if p.Header, err = newHeader(raw[:size], int64(start), mainKind); err != nil {
		return nil, err
	}
	return p, nil
}

// FromParts puts a package together from the bytes that LeadRaw, SignatureRaw and Header.Raw gave.
func FromParts(lead, signature, header []byte) (*Package, error) {
	p := new(Package)
	if len(lead) != LeadSize {
		return nil, fmt.Errorf("lead at 0x0: %d bytes where there are always %d", len(lead), LeadSize)
	}
	copy(p.Lead.raw[:], lead)
	if err := p.Lead.check(); err != nil {
		return nil, err
	}
	raw, size, err := sliceHeader(signature, LeadSize, signatureKind)
	if err != nil {
		return nil, err
	}
	if len(raw) != len(signature) {
		return nil, fmt.Errorf("signature header at 0x%x: %d bytes follow it", LeadSize, len(signature)-len(raw))
	}
	if err := p.setSignature(raw, size); err != nil {
		return nil, err
	}
	start := int64(LeadSize + len(raw))
	if raw, size, err = sliceHeader(header, start, mainKind); err != nil {
		return nil, err
	}
	if size != len(header) {
		return nil, fmt.Errorf("header at 0x%x: %d bytes follow it", start, len(header)-size)
	}
	if p.Header, err = newHeader(raw, start, mainKind); err != nil {
		return nil, err
	}
	return p, nil
}

// setSignature takes the signature header of size bytes and the padding that follows it.
func (p *Package) setSignature(raw []byte, size int) (err error) {
	p.sigRaw = raw
	p.Signature, err = newHeader(raw[:size:size], LeadSize, signatureKind)
	return err
}

// LeadRaw gives the 96 bytes of the lead.
func (p *Package) LeadRaw() []byte { return p.Lead.raw[:] }

// SignatureRaw gives the signature header with its padding: what lies between lead and header.
func (p *Package) SignatureRaw() []byte { return p.sigRaw }

// HeaderRange gives the offsets in the file of the header's first byte and of the payload's first byte.
func (p *Package) HeaderRange() (start, end int64) {
	start = int64(LeadSize + len(p.sigRaw))
	return start, start + int64(len(p.Header.raw))
}

// WriteTo writes lead, signature header with padding, and header: the file as far as the payload.
func (p *Package) WriteTo(w io.Writer) (n int64, err error) {
	for _, b := range [...][]byte{p.LeadRaw(), p.sigRaw, p.Header.raw} {
		m, err := w.Write(b)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// IsSource says whether the package holds sources. rpm's rule: binary packages, and only these, name their source RPM.
func (p *Package) IsSource() bool {
	return p.Header.Has(TagSourcePackage) || !p.Header.Has(TagSourceRPM)
}

// Format gives the package format: 3, 4 or 6.
func (p *Package) Format() int {
	switch {
	case p.Header.Has(TagRPMFormat):
		n, _ := p.Header.Int(TagRPMFormat)
		return int(n)
	case p.Header.region == 0:
		return 3
	}
	return 4
}

// noEOF turns the end of the input, which is never where a package may end, into io.ErrUnexpectedEOF.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
