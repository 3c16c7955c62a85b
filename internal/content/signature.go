package content

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// unknownKey stands for a signature that does not tell its key.
const unknownKey = "unknown"

// signingKeys gives the IDs of the keys that signed, sorted, each once.
func signingKeys(p *rpmfile.Package) []string {
	list, err := p.Signatures()
	if err != nil {
		return []string{unknownKey}
	}
	var keys []string
	for _, s := range list {
		key := unknownKey
		if s.KeyID != 0 {
			key = fmt.Sprintf("%016x", s.KeyID)
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// signatureName names a signature header below signatures/: its keys, and its digest to tell two of one key apart.
func signatureName(keys []string, raw []byte) string {
	name := strings.Join(keys, "+")
	if name == "" {
		name = "unsigned"
	}
	if len(name) > 100 { // more keys than a file name should hold
		name = name[:100]
	}
	sum := sha256.Sum256(raw)
	return name + "-" + hex.EncodeToString(sum[:6])
}

// stripSignature gives the package without its signatures.
func stripSignature(p *rpmfile.Package) (*rpmfile.Package, error) {
	raw, err := p.Unsigned()
	if err != nil {
		return nil, fmt.Errorf("leave signatures out: %w", err)
	}
	return p.WithSignature(raw)
}
