package rpmfile

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// KeySigner signs by a secret key in memory. The same key, time and message give the same signature.
type KeySigner struct {
	key  openpgp.Key
	time time.Time
}

// NewSigner gives a signer for a secret key of the keyring: of which id is the end of the fingerprint or of its subkey's,
// in hexadecimal, or the only one for an empty id. passphrase unlocks it where it is locked. Signatures are dated at.
func (k *Keyring) NewSigner(id string, passphrase []byte, at time.Time) (*KeySigner, error) {
	e, subkey, err := k.find(id)
	if err != nil {
		return nil, err
	}
	key, ok := e.SigningKeyById(at, subkey) // 0 is any
	if !ok || key.PrivateKey == nil || key.PrivateKey.Dummy() {
		return nil, fmt.Errorf("keyring has no secret key %s that signs", id)
	}
	if key.PrivateKey.Encrypted {
		if len(passphrase) == 0 {
			return nil, fmt.Errorf("key %016x is locked by a passphrase", key.PublicKey.KeyId)
		}
		unlocked := *key.PrivateKey // the keyring's stays locked
		if err := unlocked.Decrypt(passphrase); err != nil {
			return nil, fmt.Errorf("key %016x: %w", key.PublicKey.KeyId, err)
		}
		key.PrivateKey = &unlocked
	}
	return &KeySigner{key, at}, nil
}

// At gives a signer by the same key, unlocked as it is, that dates its signatures otherwise.
func (s *KeySigner) At(at time.Time) *KeySigner { return &KeySigner{s.key, at} }

// Usable says why the key may not sign at the time of the signer; nil when it may.
func (s *KeySigner) Usable() error {
	if err := usable(&s.key, s.time); err != nil {
		return fmt.Errorf("key %016x at %s: %w", s.KeyID(), s.time.UTC().Format(time.DateTime), err)
	}
	return nil
}

// KeyID gives the id of the key that signs.
func (s *KeySigner) KeyID() uint64 { return s.key.PublicKey.KeyId }

// Sign implements Signer, with SHA256, or SHA512 for keys that demand it.
func (s *KeySigner) Sign(message io.Reader) ([]byte, error) {
	sig := &packet.Signature{
		Version:           s.key.PublicKey.Version,
		SigType:           packet.SigTypeBinary,
		PubKeyAlgo:        s.key.PublicKey.PubKeyAlgo,
		Hash:              crypto.SHA256,
		CreationTime:      s.time,
		IssuerKeyId:       &s.key.PublicKey.KeyId,
		IssuerFingerprint: s.key.PublicKey.Fingerprint,
	}
	if bits, err := s.key.PublicKey.BitLength(); err == nil && bits > 256 && sig.PubKeyAlgo != packet.PubKeyAlgoRSA {
		sig.Hash = crypto.SHA512
	}
	plain := false // go-crypto would add random salt to signatures of version 4
	config := &packet.Config{NonDeterministicSignaturesViaNotation: &plain}
	h, err := sig.PrepareSign(config)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if _, err := io.Copy(h, message); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := sig.Sign(h, s.key.PrivateKey, config); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	var out bytes.Buffer
	if err := sig.Serialize(&out); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return out.Bytes(), nil
}

// GPGSigner signs by running gpg, which asks its agent for the passphrase.
type GPGSigner struct {
	Context context.Context // nil is context.Background
	KeyID   string          // as gpg --local-user takes it
	Program string          // "gpg" when empty
	Home    string          // of gpg; its own default when empty
}

// Sign implements Signer.
func (s *GPGSigner) Sign(message io.Reader) ([]byte, error) {
	out, err := s.run(message, "--detach-sign", "--local-user", s.KeyID, "--digest-algo", "sha256", "--no-armor", "--output", "-", "-")
	if err != nil {
		return nil, err
	}
	if _, err := parseSignature(out); err != nil {
		return nil, fmt.Errorf("gpg: %w", err)
	}
	return out, nil
}

// Public gives the public key of the signer.
func (s *GPGSigner) Public() (*Keyring, error) {
	out, err := s.run(nil, "--export", s.KeyID)
	if err != nil {
		return nil, err
	}
	if len(out) == 0 { // of which gpg only warns
		return nil, fmt.Errorf("gpg: no key %q", s.KeyID)
	}
	return ReadKeyring(bytes.NewReader(out))
}

func (s *GPGSigner) run(stdin io.Reader, args ...string) ([]byte, error) {
	program, ctx := s.Program, s.Context
	if program == "" {
		program = "gpg"
	}
	if ctx == nil {
		ctx = context.Background()
	}
	if strings.HasPrefix(s.KeyID, "-") || s.KeyID == "" {
		return nil, fmt.Errorf("gpg: bad key id %q", s.KeyID)
	}
	base := []string{"--batch", "--no-tty", "--quiet"}
	if s.Home != "" {
		base = append(base, "--homedir", s.Home)
	}
	cmd := exec.CommandContext(ctx, program, append(base, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		if line == "" {
			return nil, fmt.Errorf("gpg: %w", err)
		}
		return nil, fmt.Errorf("gpg: %w: %s", err, line)
	}
	return stdout.Bytes(), nil
}

// GenerateKey makes a new key that signs and certifies: "rsa" (4096 bits unless bits says otherwise), or "ed25519".
func GenerateKey(name, email, algo string, bits int, at time.Time) (*Keyring, error) {
	config := &packet.Config{Time: func() time.Time { return at }, DefaultHash: crypto.SHA256}
	switch algo {
	case "rsa":
		if bits == 0 {
			bits = 4096
		}
		config.Algorithm, config.RSABits = packet.PubKeyAlgoRSA, bits
	case "ed25519":
		config.Algorithm, config.Curve = packet.PubKeyAlgoEdDSA, packet.Curve25519
	default:
		return nil, fmt.Errorf("key algorithm %q is not supported", algo)
	}
	e, err := openpgp.NewEntity(name, "", email, config)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	e.Subkeys = nil // encryption only
	return &Keyring{openpgp.EntityList{e}}, nil
}

// WriteSecret writes the secret keys, armored and without a passphrase.
func (k *Keyring) WriteSecret(w io.Writer) error {
	a, err := armor.Encode(w, openpgp.PrivateKeyType, nil)
	if err != nil {
		return err
	}
	for _, e := range k.entities {
		if e.PrivateKey == nil {
			return errors.New("keyring holds a key without its secret")
		}
		if err := e.SerializePrivateWithoutSigning(a, nil); err != nil {
			return err
		}
	}
	if err := a.Close(); err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n")
	return err
}
