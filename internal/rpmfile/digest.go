package rpmfile

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
)

// HashAlgo is a hash algorithm by its OpenPGP number, which rpm uses for the digests of files and payloads.
type HashAlgo int

// The hash algorithms.
const (
	MD5      HashAlgo = 1
	SHA1     HashAlgo = 2
	SHA256   HashAlgo = 8
	SHA384   HashAlgo = 9
	SHA512   HashAlgo = 10
	SHA224   HashAlgo = 11
	SHA3_256 HashAlgo = 12
	SHA3_512 HashAlgo = 14
)

// New gives a new hash of the algorithm, or nil for one that is not known.
func (a HashAlgo) New() hash.Hash {
	switch a {
	case MD5:
		return md5.New()
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	case SHA384:
		return sha512.New384()
	case SHA512:
		return sha512.New()
	case SHA224:
		return sha256.New224()
	case SHA3_256:
		return sha3.New256()
	case SHA3_512:
		return sha3.New512()
	}
	return nil
}

// String gives the algorithm's usual name.
func (a HashAlgo) String() string {
	switch a {
	case MD5:
		return "MD5"
	case SHA1:
		return "SHA1"
	case SHA256:
		return "SHA256"
	case SHA384:
		return "SHA384"
	case SHA512:
		return "SHA512"
	case SHA224:
		return "SHA224"
	case SHA3_256:
		return "SHA3-256"
	case SHA3_512:
		return "SHA3-512"
	}
	return fmt.Sprintf("hash %d", int(a))
}

// FileDigestAlgo gives the algorithm of the digests of files; MD5 where the header does not say.
func (p *Package) FileDigestAlgo() HashAlgo {
	if n, ok := p.Header.Uint(TagFileDigestAlgo); ok {
		return HashAlgo(n)
	}
	return MD5
}

// A digest is a hash that runs over a part of the package, and the value that it must come to.
type digest struct {
	check Check
	want  string // hexadecimal
	hash  hash.Hash
}

// newDigest begins a check of what the header tells in hexadecimal.
func newDigest(scope Scope, algo HashAlgo, tag Tag, want string) digest {
	d := digest{check: Check{Scope: scope, Name: algo.String() + " digest", Tag: tag}, want: want, hash: algo.New()}
	if d.hash == nil {
		d.check.Status = Unsupported
	}
	return d
}

// write adds content, where the algorithm is known.
func (d *digest) write(b []byte) {
	if d.hash != nil {
		d.hash.Write(b)
	}
}

// result compares.
func (d *digest) result() Check {
	c := d.check
	if d.hash == nil {
		return c
	}
	got := hex.EncodeToString(d.hash.Sum(nil))
	if got == d.want {
		c.Status = OK
		return c
	}
	c.Status = Bad
	c.Message = fmt.Sprintf("expected %s, is %s", d.want, got)
	return c
}
