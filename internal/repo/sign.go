package repo

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Signer signs repomd.xml.
type Signer struct {
	entity *openpgp.Entity
	public []byte
}

// maxKeyFile bounds the size of a key file in bytes.
const maxKeyFile = 1 << 20

// LoadSigner reads an armored OpenPGP private key, which the passphrase unlocks where it is locked.
func LoadSigner(path string, passphrase []byte) (*Signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxKeyFile {
		return nil, fmt.Errorf("%s: too large for a key", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := NewSigner(b, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// NewSigner takes an armored OpenPGP private key, which the passphrase unlocks where it is locked.
func NewSigner(armored, passphrase []byte) (*Signer, error) {
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	if err != nil {
		return nil, err
	}
	for _, e := range keys {
		if e.PrivateKey == nil {
			continue
		}
		if err := unlock(e, passphrase); err != nil {
			return nil, err
		}
		public, err := armorPublic(e)
		return &Signer{entity: e, public: public}, err
	}
	return nil, errors.New("no private key")
}

// unlock decrypts the private keys of e.
func unlock(e *openpgp.Entity, passphrase []byte) error {
	locked := e.PrivateKey.Encrypted
	for _, sub := range e.Subkeys {
		locked = locked || sub.PrivateKey != nil && sub.PrivateKey.Encrypted
	}
	switch {
	case !locked:
		return nil
	case len(passphrase) == 0:
		return fmt.Errorf("key %016x is locked by a passphrase", e.PrimaryKey.KeyId)
	}
	if err := e.DecryptPrivateKeys(passphrase); err != nil {
		return fmt.Errorf("key %016x: %w", e.PrimaryKey.KeyId, err)
	}
	return nil
}

func armorPublic(e *openpgp.Entity) ([]byte, error) {
	var buf bytes.Buffer
	w, err := armor.Encode(&buf, openpgp.PublicKeyType, nil)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(e.Serialize(w), w.Close()); err != nil {
		return nil, err
	}
	buf.WriteByte('\n')
	return buf.Bytes(), nil
}

// PublicKey returns the armored public key.
func (s *Signer) PublicKey() []byte { return s.public }

// KeyID returns the 16 hex digits of the key's ID.
func (s *Signer) KeyID() string { return fmt.Sprintf("%016x", s.entity.PrimaryKey.KeyId) }

// Sign returns an armored detached signature over data. It says that it was made at t, or when the key was made if that
// is later: the same data, time and key give the same signature for all kinds of keys but ECDSA and DSA.
func (s *Signer) Sign(data []byte, t time.Time) ([]byte, error) {
	for _, sub := range s.entity.Subkeys {
		if sub.PublicKey.CreationTime.After(t) {
			t = sub.PublicKey.CreationTime
		}
	}
	if made := s.entity.PrimaryKey.CreationTime; made.After(t) {
		t = made
	}
	salted := false
	config := &packet.Config{
		DefaultHash: crypto.SHA256, Time: func() time.Time { return t },
		NonDeterministicSignaturesViaNotation: &salted,
	}
	var out bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&out, s.entity, bytes.NewReader(data), config); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// Verify reports whether signature is one of the signer's key over data.
func (s *Signer) Verify(data, signature []byte, t time.Time) error {
	config := &packet.Config{Time: func() time.Time { return t }}
	_, err := openpgp.CheckArmoredDetachedSignature(openpgp.EntityList{s.entity}, bytes.NewReader(data), bytes.NewReader(signature), config)
	return err
}
