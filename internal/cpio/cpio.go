// Package cpio reads and writes the cpio archives of RPM payloads: newc (magic 070701), newc with a checksum (070702), and
// rpm's stripped form (07070X), whose records hold only the index of a file in the package's header.
//
// The reader accounts for every byte: an archive is the concatenation of each entry's Pad, Raw and content, then the same of
// the trailer, then what Rest reads. An entry whose Canonical says true is written again by Writer to the same bytes.
// Numbers are hexadecimal digits of either case, names are at most 4096 bytes with their NUL, as in rpm.
package cpio

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Format is the form of a record.
type Format int

// The forms of a record.
const (
	Newc     Format = iota // 070701
	CRC                    // 070702, with a checksum of the content
	Stripped               // 07070X, index only
)

const (
	magicSize    = 6
	newcSize     = magicSize + 13*8
	strippedSize = magicSize + 8
	maxName      = 4096
	trailerName  = "TRAILER!!!"
	endIndex     = 0xffffffff // ends an archive of stripped records
)

var magics = [...]string{Newc: "070701", CRC: "070702", Stripped: "07070X"}

// ErrFormat is in every error that comes from what an archive holds.
var ErrFormat = errors.New("bad cpio archive")

// Entry is one record of an archive.
type Entry struct {
	Format Format
	Index  uint32 // Stripped: of the file in the package's header; everything below is then zero but Size

	Name                 string
	Inode                uint32
	Mode                 uint32
	UID, GID             uint32
	NLink                uint32
	MTime                uint32
	DevMajor, DevMinor   uint32
	RDevMajor, RDevMinor uint32
	Check                uint32

	Size int64 // of the content in bytes; in a Stripped record, what the sizes function said

	Offset int64  // of Raw in the archive
	Pad    []byte // between the content before and Raw
	Raw    []byte // magic, numbers, name with NUL, and padding to 4
}

// Canonical says whether Pad and Raw are what Writer makes of the entry.
func (e *Entry) Canonical() bool {
	for _, b := range e.Pad {
		if b != 0 {
			return false
		}
	}
	raw, err := e.appendRaw(nil)
	return err == nil && string(raw) == string(e.Raw)
}

// appendRaw appends the record as rpm writes it.
func (e *Entry) appendRaw(b []byte) ([]byte, error) {
	b = append(b, magics[e.Format]...)
	if e.Format == Stripped {
		return append(appendHex(b, e.Index), 0, 0), nil
	}
	if len(e.Name) >= maxName {
		return nil, fmt.Errorf("cpio: name of %d bytes is too long", len(e.Name))
	}
	if e.Size < 0 || e.Size > 0xffffffff {
		return nil, fmt.Errorf("cpio: %q: %d bytes do not fit into a newc record", e.Name, e.Size)
	}
	for _, n := range e.numbers() {
		b = appendHex(b, *n)
	}
	binarySize(b[len(b)-newcSize:], uint32(e.Size), uint32(len(e.Name)+1))
	b = append(append(b, e.Name...), 0)
	return append(b, zeros[:pad4(int64(newcSize+len(e.Name)+1))]...), nil
}

// The places of the two numbers of a newc record that numbers leaves out.
const (
	sizeField = magicSize + 6*8
	nameField = magicSize + 11*8
)

// binarySize puts the sizes of content and name into a record.
func binarySize(raw []byte, size, name uint32) {
	appendHex(raw[:sizeField], size)
	appendHex(raw[:nameField], name)
}

// numbers gives the numbers of a newc record in their order. Those of the two sizes are place holders.
func (e *Entry) numbers() [13]*uint32 {
	var size, name uint32
	return [13]*uint32{
		&e.Inode, &e.Mode, &e.UID, &e.GID, &e.NLink, &e.MTime, &size,
		&e.DevMajor, &e.DevMinor, &e.RDevMajor, &e.RDevMinor, &name, &e.Check,
	}
}

var zeros [4]byte

// pad4 is the number of bytes from n to the next multiple of 4.
func pad4(n int64) int64 { return -n & 3 }

func appendHex(b []byte, n uint32) []byte {
	var raw [4]byte
	binary.BigEndian.PutUint32(raw[:], n)
	return hex.AppendEncode(b, raw[:])
}

func parseHex(b []byte) (uint32, bool) {
	var raw [4]byte
	if _, err := hex.Decode(raw[:], b[:8]); err != nil {
		return 0, false
	}
	return binary.BigEndian.Uint32(raw[:]), true
}

// eofInside turns the end of the input inside a record into an error of the format.
func eofInside(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", ErrFormat, io.ErrUnexpectedEOF)
	}
	return err
}
