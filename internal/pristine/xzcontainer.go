package pristine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"slices"
)

// bareLZMA2 is a helper that writes LZMA2 data only. It puts an .xz stream of
// one block without sizes around it, as xz does without threads.
type bareLZMA2 struct{ *helper }

// xzCheck makes the check of that ID over the plain data (The .xz File Format, 2.1.1.2).
func xzCheck(id int64) (hash.Hash, error) {
	switch id {
	case 1:
		return crc32.NewIEEE(), nil
	case 4:
		return crc64.New(crc64.MakeTable(crc64.ECMA)), nil
	case 10:
		return sha256.New(), nil
	}
	return nil, fmt.Errorf("xz check %d is not known", id)
}

func (b *bareLZMA2) encode(ctx context.Context, params []param, threads int, in io.Reader, out io.Writer) error {
	preset, id := int64(-1), int64(0)
	bare := []param{{"format", 2}}
	for _, p := range params {
		switch p.name {
		case "check":
			id = p.value
			continue
		case "preset":
			preset = p.value
		}
		bare = append(bare, p)
	}
	check, err := xzCheck(id)
	if err != nil {
		return err
	}
	if preset < 0 || preset >= int64(len(presetDict)) {
		return fmt.Errorf("%s: no preset", b.lib)
	}
	z := &xzStream{w: out, check: check, id: byte(id)}
	if err := z.begin(presetDict[preset]); err != nil {
		return err
	}
	plain := &counter{r: io.TeeReader(in, check)}
	if err := b.helper.encode(ctx, bare, threads, plain, z); err != nil {
		return err
	}
	return z.end(plain.n)
}

// xzStream writes a stream of one block; what is written to it is the block's data.
type xzStream struct {
	w     io.Writer
	n     int64
	check hash.Hash
	id    byte
}

func (z *xzStream) Write(b []byte) (int, error) {
	n, err := z.w.Write(b)
	z.n += int64(n)
	return n, err
}

// withCRC puts the CRC32 of b behind it.
func withCRC(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// xzBlockHeader is the length of the block header that begin writes.
const xzBlockHeader = 12

func (z *xzStream) begin(dict uint32) error {
	// Sizes of 2^n and 2^n+2^(n-1) are numbered from 4 KiB on.
	size := byte(0)
	for size < 40 && (2|uint32(size)&1)<<(size/2+11) < dict {
		size++
	}
	head := append([]byte("\xfd7zXZ\x00"), withCRC([]byte{0, z.id})...)
	head = append(head, withCRC([]byte{xzBlockHeader/4 - 1, 0, lzma2ID, 1, size, 0, 0, 0})...)
	_, err := z.w.Write(head)
	return err
}

func (z *xzStream) end(plain int64) error {
	sum := z.check.Sum(nil)
	if z.id != 10 {
		slices.Reverse(sum) // CRCs are stored little-endian
	}
	tail := append(make([]byte, -z.n&3), sum...)
	index := binary.AppendUvarint([]byte{0, 1}, uint64(xzBlockHeader+z.n+int64(len(sum))))
	index = binary.AppendUvarint(index, uint64(plain))
	index = withCRC(append(index, make([]byte, -len(index)&3)...))
	tail = append(tail, index...)
	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, 0, z.id)
	tail = binary.LittleEndian.AppendUint32(tail, crc32.ChecksumIEEE(footer))
	tail = append(append(tail, footer...), "YZ"...)
	_, err := z.w.Write(tail)
	return err
}
