package rpmfile

import (
	"crypto"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
)

// Scope is the part of a package that a digest or a signature covers.
type Scope int

// The scopes.
const (
	ScopeHeader  Scope = iota // the header
	ScopePayload              // the payload as it is in the file
	ScopeBoth                 // header and payload
	ScopeArchive              // the payload before its compression
	ScopeFile                 // one file of the payload
)

// String names the scope.
func (s Scope) String() string {
	return [...]string{"header", "payload", "header+payload", "archive", "file"}[s]
}

// Status is the outcome of a check.
type Status int

// The outcomes.
const (
	Unsupported Status = iota // an algorithm that we do not have
	OK
	Bad
	NoKey     // a signature by a key that is not in the keyring
	Untrusted // a signature by a key that may not sign: expired, revoked
)

// String names the status as rpm does.
func (s Status) String() string {
	return [...]string{"UNSUPPORTED", "OK", "BAD", "NOKEY", "NOTTRUSTED"}[s]
}

// Check is the outcome of one check.
type Check struct {
	Scope     Scope
	Name      string     // "SHA256 digest", "size", "V4 RSA/SHA256 signature, key ID 199e2f91fd431d51"
	Tag       Tag        // that holds the digest or signature
	Signature *Signature // nil for a digest
	Status    Status
	Message   string // why it is not OK
}

// String gives the check as one line.
func (c Check) String() string {
	s := c.Scope.String() + " " + c.Name + ": " + c.Status.String()
	if c.Message != "" {
		s += " (" + c.Message + ")"
	}
	return s
}

// Result is all checks of a package.
type Result struct {
	Checks []Check
}

// Err gives an error that names the bad checks; nil when none is Bad.
func (r *Result) Err() error {
	var bad []string
	for _, c := range r.Checks {
		if c.Status == Bad {
			bad = append(bad, c.String())
		}
	}
	if bad == nil {
		return nil
	}
	return errors.New(strings.Join(bad, "; "))
}

// Signed says whether header and payload are covered by good signatures: by one over both, or by one over the header whose
// digest of the payload holds.
func (r *Result) Signed() bool {
	both := func(c *Check) bool { return c.Scope == ScopeBoth && c.Signature != nil }
	header := func(c *Check) bool { return c.Scope == ScopeHeader && c.Signature != nil }
	return r.Err() == nil && (r.ok(both) || r.ok(header) && r.ok(payloadDigest))
}

// Complete says whether header and payload are covered by good digests. rpm takes no package where they are not.
func (r *Result) Complete() bool {
	both := func(c *Check) bool { return c.Tag == SigMD5 }
	header := func(c *Check) bool { return c.Scope == ScopeHeader && c.Signature == nil }
	return r.Err() == nil && (r.ok(both) || r.ok(header) && r.ok(payloadDigest))
}

func payloadDigest(c *Check) bool { return c.Scope == ScopePayload && c.Tag != TagPayloadSize }

// ok says whether a check that is wanted is OK.
func (r *Result) ok(want func(*Check) bool) bool {
	return slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Status == OK && want(&c) })
}

// Verify reads a whole package file and checks its digests, sizes and signatures. An error means that r could not be read
// as a package; what is wrong with its content is in the result. A nil keyring knows no keys.
func Verify(r io.Reader, keys *Keyring) (*Package, *Result, error) {
	p, err := Read(r)
	if err != nil {
		return nil, nil, err
	}
	v := p.NewVerifier(keys)
	if _, err := io.Copy(v, r); err != nil {
		return nil, nil, fmt.Errorf("payload: %w", err)
	}
	return p, v.Result(), nil
}

// VerifyHeader checks what covers the header alone: its digests and the signatures over it.
func (p *Package) VerifyHeader(keys *Keyring) *Result {
	r := new(Result)
	for _, d := range p.headerDigests() {
		d.write(p.Header.raw)
		r.Checks = append(r.Checks, d.result())
	}
	list, err := p.Signatures()
	if err != nil {
		r.Checks = append(r.Checks, Check{Name: "signature", Status: Bad, Message: err.Error()})
	}
	for i := range list {
		if list[i].Scope() == ScopeHeader {
			r.Checks = append(r.Checks, keys.checkSignature(newSignatureHash(list[i], p.Header.raw)))
		}
	}
	return r
}

func (p *Package) headerDigests() []digest {
	var list []digest
	for _, row := range []struct {
		tag  Tag
		algo HashAlgo
	}{{SigSHA1, SHA1}, {SigSHA256, SHA256}, {SigSHA3, SHA3_256}} {
		if want := p.Signature.String(row.tag); want != "" {
			list = append(list, newDigest(ScopeHeader, row.algo, row.tag, want))
		}
	}
	return list
}

// A signatureHash is a signature with its hash begun, or with the reason why it could not be.
type signatureHash struct {
	sig  Signature
	hash hash.Hash
	err  error
}

func newSignatureHash(s Signature, message []byte) *signatureHash {
	h := &signatureHash{sig: s}
	if h.hash, h.err = s.newHash(); h.err == nil {
		h.hash.Write(message)
	}
	return h
}

// checkSignature gives the outcome for a signature whose hash has taken the message.
func (k *Keyring) checkSignature(s *signatureHash) Check {
	c := Check{Scope: s.sig.Scope(), Name: s.sig.String(), Tag: s.sig.Tag, Signature: &s.sig, Status: OK}
	err := s.err
	if err == nil {
		if err = errNoKey; k != nil {
			err = k.check(&s.sig, s.hash)
		}
	}
	var key errKey
	var unsupported pgperrors.UnsupportedError
	switch {
	case err == nil:
		return c
	case errors.Is(err, errNoKey):
		c.Status = NoKey
	case errors.As(err, &key):
		c.Status = Untrusted
	case errors.Is(err, errHash), errors.As(err, &unsupported):
		c.Status = Unsupported
	default:
		c.Status = Bad
	}
	c.Message = err.Error()
	return c
}

// A Verifier checks a package while its payload is written to it.
type Verifier struct {
	p       *Package
	keys    *Keyring
	digests []digest
	legacy  []*signatureHash // over header and payload
	size    uint64
}

// NewVerifier begins the checks of the package; the payload as it is in the file is then written to the verifier.
func (p *Package) NewVerifier(keys *Keyring) *Verifier {
	v := &Verifier{p: p, keys: keys, digests: p.payloadDigests()}
	if want := p.Signature.Bytes(SigMD5); want != nil {
		d := digest{check: Check{Scope: ScopeBoth, Name: "MD5 digest", Tag: SigMD5}, want: hex.EncodeToString(want), hash: md5.New()}
		d.write(p.Header.raw)
		v.digests = append(v.digests, d)
	}
	list, _ := p.Signatures() // an error is in VerifyHeader's result
	for _, s := range list {
		if s.Scope() == ScopeBoth {
			v.legacy = append(v.legacy, newSignatureHash(s, p.Header.raw))
		}
	}
	return v
}

// Quick leaves out the MD5 over header and payload, which costs more than all else, where the header has a digest of the
// payload: what the MD5 covers is then covered by stronger ones. It is called before the first Write.
func (v *Verifier) Quick() *Verifier {
	strong := slices.ContainsFunc(v.digests, func(d digest) bool { return d.check.Scope == ScopePayload && d.hash != nil })
	if header := v.p.headerDigests(); strong && len(header) > 0 {
		v.digests = slices.DeleteFunc(v.digests, func(d digest) bool { return d.check.Tag == SigMD5 })
	}
	return v
}

func (p *Package) payloadDigests() []digest {
	var list []digest
	h := p.Header
	if want := h.String(TagPayloadSHA256); want != "" {
		algo := SHA256
		if n, ok := h.Uint(TagPayloadSHA256Algo); ok {
			algo = HashAlgo(n)
		}
		list = append(list, newDigest(ScopePayload, algo, TagPayloadSHA256, want))
	}
	if want := h.String(TagPayloadSHA512); want != "" {
		list = append(list, newDigest(ScopePayload, SHA512, TagPayloadSHA512, want))
	}
	if want := h.String(TagPayloadSHA3); want != "" {
		list = append(list, newDigest(ScopePayload, SHA3_256, TagPayloadSHA3, want))
	}
	return list
}

// Write takes payload bytes. It never fails.
func (v *Verifier) Write(b []byte) (int, error) {
	v.size += uint64(len(b))
	for i := range v.digests {
		v.digests[i].write(b)
	}
	for _, l := range v.legacy {
		if l.err == nil {
			l.hash.Write(b)
		}
	}
	return len(b), nil
}

// Result gives the outcome when the whole payload has been written. It may be asked for once.
func (v *Verifier) Result() *Result {
	r := v.p.VerifyHeader(v.keys)
	for i := range v.digests {
		r.Checks = append(r.Checks, v.digests[i].result())
	}
	for _, l := range v.legacy {
		r.Checks = append(r.Checks, v.keys.checkSignature(l))
	}
	if want, ok := v.p.Signature.UintAny(SigLongSize, SigSize); ok {
		r.Checks = append(r.Checks, sizeCheck(ScopeBoth, SigSize, want, uint64(len(v.p.Header.raw))+v.size))
	}
	if want, ok := v.p.Header.Uint(TagPayloadSize); ok {
		r.Checks = append(r.Checks, sizeCheck(ScopePayload, TagPayloadSize, want, v.size))
	}
	return r
}

func sizeCheck(scope Scope, tag Tag, want, got uint64) Check {
	c := Check{Scope: scope, Name: "size", Tag: tag, Status: OK}
	if want != got {
		c.Status = Bad
		c.Message = fmt.Sprintf("expected %d bytes, has %d", want, got)
	}
	return c
}

// v3Hash gives Go's number of the hash algorithms that RSA signatures of version 3 use.
var v3Hash = map[HashAlgo]crypto.Hash{
	MD5: crypto.MD5, SHA1: crypto.SHA1, SHA224: crypto.SHA224, SHA256: crypto.SHA256, SHA384: crypto.SHA384, SHA512: crypto.SHA512,
}
