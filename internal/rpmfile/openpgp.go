package rpmfile

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Signature is an OpenPGP signature in a signature header.
type Signature struct {
	Tag     Tag    // SigRSA, SigDSA, SigOpenPGP over the header; SigPGP, SigGPG over header and payload
	Packet  []byte // the signature packet, binary
	Version int    // of the packet: 3, 4 or 6
	Type    int    // 0 for binary data
	KeyAlgo KeyAlgo
	Hash    HashAlgo
	Created time.Time
	KeyID   uint64 // of the issuer; 0 where the packet does not tell

	body []byte // of the packet
}

// KeyAlgo is the algorithm of a key by its OpenPGP number.
type KeyAlgo int

// The algorithms of keys that sign packages.
const (
	KeyRSA     KeyAlgo = 1
	KeyDSA     KeyAlgo = 17
	KeyECDSA   KeyAlgo = 19
	KeyEdDSA   KeyAlgo = 22
	KeyEd25519 KeyAlgo = 27
	KeyEd448   KeyAlgo = 28
)

// String gives the algorithm's usual name.
func (a KeyAlgo) String() string {
	switch a {
	case KeyRSA, 3:
		return "RSA"
	case KeyDSA:
		return "DSA"
	case KeyECDSA:
		return "ECDSA"
	case KeyEdDSA:
		return "EdDSA"
	case KeyEd25519:
		return "Ed25519"
	case KeyEd448:
		return "Ed448"
	}
	return fmt.Sprintf("algorithm %d", int(a))
}

// Scope gives what the signature covers.
func (s *Signature) Scope() Scope {
	if s.Tag == SigPGP || s.Tag == SigGPG {
		return ScopeBoth
	}
	return ScopeHeader
}

// String gives version, algorithms and key, as rpm prints them.
func (s *Signature) String() string {
	return fmt.Sprintf("V%d %v/%v signature, key ID %016x", s.Version, s.KeyAlgo, s.Hash, s.KeyID)
}

// signatureTags are the tags that hold signatures, in koji's order.
var signatureTags = [...]Tag{SigGPG, SigPGP, SigDSA, SigRSA, SigOpenPGP}

// Signatures gives the package's signatures. One that cannot be read is an error.
func (p *Package) Signatures() ([]Signature, error) {
	var list []Signature
	for _, tag := range signatureTags {
		packets := [][]byte{p.Signature.Bytes(tag)}
		if tag == SigOpenPGP {
			packets = packets[:0]
			for i, text := range p.Signature.EachString(tag) {
				b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
				if err != nil {
					return nil, fmt.Errorf("signature %d of tag %d: %w", i, tag, err)
				}
				packets = append(packets, b)
			}
		}
		for _, packet := range packets {
			if len(packet) == 0 {
				continue
			}
			s, err := parseSignature(packet)
			if err != nil {
				return nil, fmt.Errorf("signature of tag %d: %w", tag, err)
			}
			s.Tag = tag
			list = append(list, *s)
		}
	}
	return list, nil
}

// KojiKeyID gives the key under which koji files the package: the last four bytes of the issuer of the first signature of
// GPG, PGP, DSA, RSA, as 8 hexadecimal digits in lower case; empty for an unsigned package. A package that has only
// signatures of format v6, which koji does not look at, is filed under the first of them.
func (p *Package) KojiKeyID() (string, error) {
	list, err := p.Signatures()
	if err != nil || len(list) == 0 {
		return "", err
	}
	return fmt.Sprintf("%08x", uint32(list[0].KeyID)), nil
}

var errPacket = errors.New("not an OpenPGP signature packet")

// parseSignature reads what the package says of its signer, by RFC 4880 and RFC 9580. go-crypto checks the rest.
func parseSignature(packet []byte) (*Signature, error) {
	body, err := packetBody(packet)
	if err != nil {
		return nil, err
	}
	s := &Signature{Packet: packet, body: body}
	if len(body) < 1 {
		return nil, errPacket
	}
	switch s.Version = int(body[0]); s.Version {
	case 3:
		if len(body) < 19 || body[1] != 5 {
			return nil, errPacket
		}
		s.Type = int(body[2])
		s.Created = time.Unix(int64(binary.BigEndian.Uint32(body[3:])), 0).UTC()
		s.KeyID = binary.BigEndian.Uint64(body[7:])
		s.KeyAlgo, s.Hash = KeyAlgo(body[15]), HashAlgo(body[16])
		return s, nil
	case 4, 6:
		if len(body) < 4 {
			return nil, errPacket
		}
		s.Type, s.KeyAlgo, s.Hash = int(body[1]), KeyAlgo(body[2]), HashAlgo(body[3])
		rest, ok := body[4:], true
		for _, hashed := range []bool{true, false} {
			if rest, ok = s.subpackets(rest, hashed); !ok {
				return nil, errPacket
			}
		}
		return s, nil
	}
	return nil, fmt.Errorf("OpenPGP signature of version %d is not supported", s.Version)
}

// packetBody gives the body of the one signature packet that b holds.
func packetBody(b []byte) ([]byte, error) {
	const tagSignature = 2
	if len(b) < 2 || b[0]&0x80 == 0 {
		return nil, errPacket
	}
	var tag byte
	var size, head int
	if b[0]&0x40 == 0 {
		tag = b[0] >> 2 & 15
		n := 1 << (b[0] & 3)
		if n > 4 || len(b) < 1+n {
			return nil, errPacket
		}
		for _, c := range b[1 : 1+n] {
			size = size<<8 | int(c)
		}
		head = 1 + n
	} else {
		tag = b[0] & 63
		var ok bool
		if size, head, ok = newLength(b[1:], 224); !ok {
			return nil, errPacket
		}
		head++
	}
	if tag != tagSignature || size > len(b)-head {
		return nil, errPacket
	}
	return b[head : head+size], nil
}

// newLength reads a length of one, two or five bytes; two-byte lengths begin below limit.
func newLength(b []byte, limit byte) (size, n int, ok bool) {
	switch {
	case len(b) >= 1 && b[0] < 192:
		return int(b[0]), 1, true
	case len(b) >= 2 && b[0] >= 192 && b[0] < limit:
		return (int(b[0])-192)<<8 + int(b[1]) + 192, 2, true
	case len(b) >= 5 && b[0] == 255:
		return int(binary.BigEndian.Uint32(b[1:])), 5, true
	}
	return 0, 0, false
}

// subpackets reads one area of subpackets, and gives what follows it.
func (s *Signature) subpackets(b []byte, hashed bool) (rest []byte, ok bool) {
	n := 2
	if s.Version == 6 {
		n = 4
	}
	if len(b) < n {
		return nil, false
	}
	size := 0
	for _, c := range b[:n] {
		size = size<<8 | int(c)
	}
	if size > len(b)-n {
		return nil, false
	}
	area, rest := b[n:n+size], b[n+size:]
	for len(area) > 0 {
		length, n, ok := newLength(area, 255)
		if !ok || length == 0 || length > len(area)-n {
			return nil, false
		}
		s.subpacket(area[n]&0x7f, area[n+1:n+length], hashed)
		area = area[n+length:]
	}
	return rest, true
}

// subpacket takes what a subpacket tells. The time counts only where the signature covers it: keys are judged by it.
func (s *Signature) subpacket(kind byte, b []byte, hashed bool) {
	const created, issuer, fingerprint = 2, 16, 33
	switch {
	case kind == created && len(b) == 4 && hashed:
		s.Created = time.Unix(int64(binary.BigEndian.Uint32(b)), 0).UTC()
	case kind == issuer && len(b) == 8:
		s.KeyID = binary.BigEndian.Uint64(b)
	case kind == fingerprint && s.KeyID == 0 && len(b) == 21 && b[0] == 4:
		s.KeyID = binary.BigEndian.Uint64(b[13:])
	case kind == fingerprint && s.KeyID == 0 && len(b) == 33 && b[0] == 6:
		s.KeyID = binary.BigEndian.Uint64(b[1:])
	}
}
