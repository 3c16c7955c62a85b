package repodata

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strings"
)

// NewHash returns the hash of a checksum type: md5, sha (an old name of sha1), sha1, sha224, sha256, sha384, sha512.
func NewHash(typ string) (hash.Hash, error) {
	switch strings.ToLower(typ) {
	case "md5":
		return md5.New(), nil
	case "sha", "sha1":
		return sha1.New(), nil
	case "sha224":
		return sha256.New224(), nil
	case "sha256":
		return sha256.New(), nil
	case "sha384":
		return sha512.New384(), nil
	case "sha512":
		return sha512.New(), nil
	}
	return nil, fmt.Errorf("unknown checksum type %q", typ)
}

// ChecksumName returns the name under which createrepo_c writes a checksum type that NewHash knows.
func ChecksumName(typ string) string { return strings.ToLower(typ) }
