package rpmfile

import (
	"bufio"
	"bytes"
	//lint:ignore SA1019 packages of 2001 to 2010 are signed by DSA, and still to be verified
	"crypto/dsa"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Keyring is a set of OpenPGP keys.
type Keyring struct {
	entities openpgp.EntityList
}

// maxKeyring is the largest keyring that is read, in bytes.
const maxKeyring = 64 << 20

// ReadKeyring reads public or secret keys, binary or in one or more armored blocks.
func ReadKeyring(r io.Reader) (*Keyring, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeyring+1))
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if len(data) > maxKeyring {
		return nil, fmt.Errorf("keyring: more than %d bytes", maxKeyring)
	}
	k := new(Keyring)
	if !bytes.Contains(data, []byte("-----BEGIN PGP")) {
		return k, k.add(bytes.NewReader(data))
	}
	br := bufio.NewReader(bytes.NewReader(data))
	for {
		block, err := armor.Decode(br)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("keyring: %w", err)
		}
		if err := k.add(block.Body); err != nil {
			return nil, err
		}
		if _, err := io.Copy(io.Discard, block.Body); err != nil {
			return nil, fmt.Errorf("keyring: %w", err)
		}
	}
	if len(k.entities) == 0 {
		return nil, errors.New("keyring: no keys")
	}
	return k, nil
}

func (k *Keyring) add(r io.Reader) error {
	list, err := openpgp.ReadKeyRing(r)
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	if len(list) == 0 {
		return errors.New("keyring: no keys")
	}
	k.entities = append(k.entities, list...)
	return nil
}

// Add takes over the keys of another keyring.
func (k *Keyring) Add(o *Keyring) { k.entities = append(k.entities, o.entities...) }

// IDs gives the ids of the primary keys, 16 hexadecimal digits each.
func (k *Keyring) IDs() []string {
	var ids []string
	for _, e := range k.entities {
		ids = append(ids, fmt.Sprintf("%016x", e.PrimaryKey.KeyId))
	}
	return ids
}

// WritePublic writes the public keys, armored, as rpmkeys --import takes them.
func (k *Keyring) WritePublic(w io.Writer) error {
	a, err := armor.Encode(w, openpgp.PublicKeyType, nil)
	if err != nil {
		return err
	}
	for _, e := range k.entities {
		if err := e.Serialize(a); err != nil {
			return err
		}
	}
	if err := a.Close(); err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n")
	return err
}

// find gives the entity of which id is the end of a fingerprint, in hexadecimal, and the key id of its subkey where id means
// that. An empty id takes the only entity.
func (k *Keyring) find(id string) (e *openpgp.Entity, subkey uint64, err error) {
	id = strings.TrimPrefix(strings.ToLower(id), "0x")
	if id == "" {
		if len(k.entities) != 1 {
			return nil, 0, fmt.Errorf("keyring holds %d keys: name one of them", len(k.entities))
		}
		return k.entities[0], 0, nil
	}
	means := func(key *packet.PublicKey) bool {
		// The id of a key of OpenPGP version 6 is the start of its fingerprint.
		return strings.HasSuffix(fmt.Sprintf("%x", key.Fingerprint), id) || fmt.Sprintf("%016x", key.KeyId) == id
	}
	for _, e := range k.entities {
		if means(e.PrimaryKey) {
			return e, 0, nil
		}
		for i := range e.Subkeys {
			if key := e.Subkeys[i].PublicKey; means(key) {
				return e, key.KeyId, nil
			}
		}
	}
	return nil, 0, fmt.Errorf("keyring has no key %s", id)
}

// errNoKey says that the keyring cannot judge a signature.
var errNoKey = errors.New("no such key in the keyring")

// errKey says that a key was found but may not sign.
type errKey string

func (e errKey) Error() string { return string(e) }

// check verifies a signature whose hash has taken the message.
func (k *Keyring) check(s *Signature, h hash.Hash) error {
	if s.Type != 0 {
		return fmt.Errorf("signature of type %d, not over binary data", s.Type)
	}
	if s.Hash == MD5 {
		return errKey("signatures over MD5 prove nothing")
	}
	keys := k.entities.KeysById(s.KeyID)
	if len(keys) == 0 {
		return errNoKey
	}
	var err error
	for i := range keys {
		if err = usable(&keys[i], s.Created); err != nil {
			continue
		}
		if err = s.verify(keys[i].PublicKey, h); err == nil {
			return nil
		}
	}
	return err
}

// usable says whether a key may have made a signature at that time.
func usable(key *openpgp.Key, at time.Time) error {
	primary, _ := key.Entity.PrimarySelfSignature()
	switch {
	case key.Revoked(at) || key.Entity.Revoked(at):
		return errKey("key is revoked")
	case primary == nil:
		return errKey("primary key is not bound by a self-signature")
	case key.Entity.PrimaryKey.KeyExpired(primary, at):
		return errKey("primary key had expired")
	case at.Before(key.PublicKey.CreationTime):
		return errKey("signature is older than its key")
	case key.SelfSignature == nil:
		return errKey("key is not bound by a self-signature")
	case key.PublicKey.KeyExpired(key.SelfSignature, at):
		return errKey("key had expired")
	case key.SelfSignature.FlagsValid && !key.SelfSignature.FlagSign:
		return errKey("key is not for signing")
	}
	return nil
}

// errHash says that a signature uses a hash that we do not have.
var errHash = errors.New("hash algorithm is not supported")

// newHash begins the hash of the signature; the message is written to it.
func (s *Signature) newHash() (hash.Hash, error) {
	if s.Version < 6 {
		if h := s.Hash.New(); h != nil {
			return h, nil
		}
		return nil, errHash
	}
	sig, err := s.parse()
	if err != nil {
		return nil, err
	}
	return sig.PrepareVerify()
}

// parse reads the packet by go-crypto.
func (s *Signature) parse() (*packet.Signature, error) {
	p, err := packet.Read(bytes.NewReader(s.Packet))
	if err != nil {
		return nil, err
	}
	sig, ok := p.(*packet.Signature)
	if !ok {
		return nil, errPacket
	}
	return sig, nil
}

// verify checks the signature by one key. It leaves h as it is.
func (s *Signature) verify(key *packet.PublicKey, h hash.Hash) error {
	cloner, ok := h.(hash.Cloner)
	if !ok {
		return errHash
	}
	h, err := cloner.Clone()
	if err != nil {
		return err
	}
	if s.Version == 3 {
		return s.verifyV3(key, h)
	}
	sig, err := s.parse()
	if err != nil {
		return err
	}
	return key.VerifySignature(h, sig)
}

// verifyV3 checks a signature of version 3, which go-crypto no longer reads: RSA or DSA over the message and five bytes of
// the packet.
func (s *Signature) verifyV3(key *packet.PublicKey, h hash.Hash) error {
	h.Write(s.body[2:7])
	sum := h.Sum(nil)
	if !bytes.Equal(sum[:2], s.body[17:19]) {
		return errors.New("hash does not match")
	}
	rest := s.body[19:]
	mpi := func() *big.Int {
		if len(rest) < 2 {
			return new(big.Int)
		}
		n := (int(binary.BigEndian.Uint16(rest)) + 7) / 8
		b := rest[2:min(2+n, len(rest))]
		rest = rest[2+len(b):]
		return new(big.Int).SetBytes(b)
	}
	switch pub := key.PublicKey.(type) {
	case *rsa.PublicKey:
		if v3Hash[s.Hash] == 0 { // which would stand for a message that is not hashed
			return errHash
		}
		m := mpi()
		if m.BitLen() > pub.N.BitLen() {
			return rsa.ErrVerification
		}
		return rsa.VerifyPKCS1v15(pub, v3Hash[s.Hash], sum, m.FillBytes(make([]byte, pub.Size())))
	case *dsa.PublicKey:
		sum = sum[:min(len(sum), (pub.Q.BitLen()+7)/8)]
		if r, t := mpi(), mpi(); !dsa.Verify(pub, sum, r, t) {
			return errors.New("DSA verification failure")
		}
		return nil
	}
	return fmt.Errorf("%v key with a signature of version 3", KeyAlgo(key.PubKeyAlgo))
}
