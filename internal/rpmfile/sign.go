package rpmfile

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A Signer makes detached OpenPGP signatures over binary data.
type Signer interface {
	// Sign gives the signature packet over message, binary.
	Sign(message io.Reader) ([]byte, error)
}

// SignOptions say how a package is signed. The zero value signs as rpmsign of rpm 4.18 does, without reading the payload.
type SignOptions struct {
	// Payload, when not nil, makes a signature over header and payload too, as rpm before 4.14 wants it and as is needed
	// for packages whose header has no digest of the payload. It is not for format 6.
	Payload io.Reader

	// V6 puts the signature into SigOpenPGP, which holds several, also in a package of format 4. Packages of format 6
	// always have it there.
	V6 bool

	// NoLegacy leaves the signature out of SigRSA and SigDSA where SigOpenPGP holds it, as rpmsign of rpm 6 does for packages
	// of format 6. rpm before 6, and koji, then see an unsigned package.
	NoLegacy bool

	// Keep leaves signatures by other keys where they are. The tags of format 4 hold one signature, so that another key's
	// there is an error; those of SigOpenPGP gain one.
	Keep bool
}

// ErrNeedPayload says that a package has no digest of its payload, so that only a signature over the payload covers it.
var ErrNeedPayload = errors.New("the header has no digest of the payload: a signature must cover the payload too")

// Sign makes the signature header that signs the package, with its padding: SignatureRaw of the signed package. Lead, header
// and payload stay as they are. Space that the package reserves for signatures is used up, so that the size stays, where it
// suffices. Everything in the header but the signatures is kept.
func (p *Package) Sign(s Signer, opts SignOptions) ([]byte, error) {
	format := p.Format()
	if format < 4 {
		return nil, errors.New("packages of format 3 cannot be signed")
	}
	if opts.Payload != nil && format >= 6 {
		return nil, errors.New("packages of format 6 are signed over the header alone")
	}
	covered := p.Header.Has(TagPayloadSHA256) || p.Header.Has(TagPayloadSHA512)
	if !covered && opts.Payload == nil {
		return nil, ErrNeedPayload
	}
	w := p.signatureWriter()
	if !opts.Keep {
		deleteSignatures(w)
	}
	packet, err := s.Sign(bytes.NewReader(p.Header.raw))
	if err != nil {
		return nil, err
	}
	if err := p.putSignature(w, packet, opts, format); err != nil {
		return nil, err
	}
	if opts.Payload != nil {
		if packet, err = s.Sign(io.MultiReader(bytes.NewReader(p.Header.raw), opts.Payload)); err != nil {
			return nil, err
		}
		if err := p.putLegacy(w, packet, [2]Tag{SigPGP, SigGPG}, opts.Keep); err != nil {
			return nil, err
		}
	}
	return p.finishSignature(w)
}

// Unsigned makes the signature header of the package without signatures, with its padding. Space that the package reserves
// for signatures grows by as much.
func (p *Package) Unsigned() ([]byte, error) {
	if !slices.ContainsFunc(signatureTags[:], p.Signature.Has) {
		return p.sigRaw, nil
	}
	w := p.signatureWriter()
	deleteSignatures(w)
	return p.finishSignature(w)
}

// WithSignature gives the package with another signature header, as Sign and Unsigned make them.
func (p *Package) WithSignature(raw []byte) (*Package, error) {
	return FromParts(p.LeadRaw(), raw, p.Header.raw)
}

// putSignature puts a signature over the header where packages of this format have it.
func (p *Package) putSignature(w *HeaderWriter, packet []byte, opts SignOptions, format int) error {
	sig, err := parseSignature(packet)
	if err != nil {
		return err
	}
	if opts.V6 || format >= 6 {
		var list []string
		if opts.Keep {
			old, err := p.Signatures()
			if err != nil {
				return err
			}
			for _, o := range old {
				if o.Tag == SigOpenPGP && o.KeyID != sig.KeyID {
					list = append(list, base64.StdEncoding.EncodeToString(o.Packet))
				}
			}
		}
		w.PutStrings(SigOpenPGP, append(list, base64.StdEncoding.EncodeToString(packet))...)
	}
	// rpm before 6 knows only the tags of format 4, and these hold no packets of OpenPGP version 6.
	legacy := sig.Version <= 4 && (sig.KeyAlgo == KeyRSA || sig.KeyAlgo == KeyDSA || sig.KeyAlgo == KeyECDSA || sig.KeyAlgo == KeyEdDSA)
	switch {
	case opts.NoLegacy && (opts.V6 || format >= 6):
		return nil
	case legacy:
		err = p.putLegacy(w, packet, [2]Tag{SigRSA, SigDSA}, opts.Keep)
		if err != nil && (opts.V6 || format >= 6) {
			return nil // another key's signature stays there, and ours is in SigOpenPGP
		}
		return err
	case opts.V6 || format >= 6:
		return nil
	}
	return fmt.Errorf("packages of format 4 cannot hold a %v", sig)
}

// putLegacy puts a signature into the first of tags for RSA, else into the second.
func (p *Package) putLegacy(w *HeaderWriter, packet []byte, tags [2]Tag, keep bool) error {
	sig, err := parseSignature(packet)
	if err != nil {
		return err
	}
	tag, other := tags[0], tags[1]
	if sig.KeyAlgo != KeyRSA {
		tag, other = other, tag
	}
	if keep {
		for _, t := range [...]Tag{tag, other} {
			b := p.Signature.Bytes(t)
			if b == nil {
				continue
			}
			if old, err := parseSignature(b); err != nil || old.KeyID != sig.KeyID {
				return fmt.Errorf("tag %d holds another signature already", t)
			}
		}
	}
	w.Delete(other)
	w.PutBytes(tag, packet)
	return nil
}

func deleteSignatures(w *HeaderWriter) {
	const pgp5 Tag = 1006 // obsolete
	for _, tag := range signatureTags {
		w.Delete(tag)
	}
	w.Delete(pgp5)
}

// signatureWriter takes over the entries of the package's signature header.
func (p *Package) signatureWriter() *HeaderWriter {
	w := new(HeaderWriter)
	for e := range p.Signature.Entries() {
		if e.Tag != p.Signature.region || p.Signature.region == 0 {
			w.Put(e.Tag, e.Type, e.Count, p.Signature.Data(e))
		}
	}
	return w
}

// finishSignature lays the signature header out, in the size of the package's own if reserved space allows it.
func (p *Package) finishSignature(w *HeaderWriter) ([]byte, error) {
	for _, tag := range [...]Tag{SigReserved, SigReservedSpace} {
		e, ok := p.Signature.Find(tag)
		if !ok {
			continue
		}
		w.PutBytes(tag, make([]byte, 1))
		least, err := w.Bytes(SigHeaderSignatures)
		if err != nil {
			return nil, err
		}
		n := len(p.Signature.raw) - len(least) + 1
		if n < 1 {
			n = e.Count
		}
		w.PutBytes(tag, make([]byte, n))
		break
	}
	raw, err := w.Bytes(SigHeaderSignatures)
	if err != nil {
		return nil, err
	}
	return append(raw, make([]byte, padding(len(raw)))...), nil
}
