package rpmfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// LeadSize is the size of the lead in bytes.
const LeadSize = 96

// leadMagic opens every package file.
const leadMagic = 0xedabeedb

// ErrNotRPM says that the input does not begin like a package file.
var ErrNotRPM = errors.New("not an RPM package")

// Lead is the fixed first part of a package file. Only its magic still means something to rpm; the rest is kept as it is.
type Lead struct {
	raw [LeadSize]byte
}

// Major is the format version that the lead tells: 3, or 4 in packages of format v6 and of rpm 2's successors.
func (l *Lead) Major() int { return int(l.raw[4]) }

// Type is 0 for a binary package and 1 for a source package.
func (l *Lead) Type() int { return int(binary.BigEndian.Uint16(l.raw[6:])) }

// ArchNum is rpm's historic number of the architecture.
func (l *Lead) ArchNum() int { return int(binary.BigEndian.Uint16(l.raw[8:])) }

// OSNum is rpm's historic number of the operating system.
func (l *Lead) OSNum() int { return int(binary.BigEndian.Uint16(l.raw[76:])) }

// Name is the package's name as the lead holds it: name-version-release, cut off at 65 bytes.
func (l *Lead) Name() string {
	name, _, _ := bytes.Cut(l.raw[10:76], []byte{0})
	return string(name)
}

// check applies rpm's own tests.
func (l *Lead) check() error {
	const signatureTypeHeader = 5
	if binary.BigEndian.Uint32(l.raw[:]) != leadMagic {
		return fmt.Errorf("lead at 0x0: %w", ErrNotRPM)
	}
	if sigType := binary.BigEndian.Uint16(l.raw[78:]); sigType != signatureTypeHeader {
		return fmt.Errorf("lead at 0x4e: signature type %d is not supported", sigType)
	}
	if major := l.Major(); major != 3 && major != 4 {
		return fmt.Errorf("lead at 0x4: package version %d is not supported", major)
	}
	return nil
}
