package repodata

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// A zchunk file is a header, which a client downloads first, and chunks that are compressed on their own, of which the client
// downloads those that it does not have. The format is that of zchunk_format.txt, version 1:
//
//	lead     "\0ZCK1", type of the checksums, size of what follows the lead, SHA-256 of the header without this field
//	preface  SHA-256 of the chunks, flags, compression
//	index    its size, type of the chunks' checksums, number of chunks, and for each: checksum, compressed size, size
//	         the first chunk is the dictionary, or empty
//	number of signatures
const (
	zckMagic      = "\x00ZCK1"
	zckSHA256     = 1
	zckSHA512Half = 3 // the first 16 bytes of SHA-512
	zckZstd       = 2
	zckSumSize    = 16
	zckMaxChunk   = 10 << 20 // bytes before compression; libzck takes no more
)

// appendZckInt appends n in the integer format of zchunk: seven bits a byte, lowest first, the last byte marked.
func appendZckInt(dst []byte, n uint64) []byte {
	for ; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n&0x7f))
	}
	return append(dst, byte(n)|0x80)
}

// ZckWriter writes a zchunk file. Chunks end where EndChunk says, and where they would become too large. The first chunk may be set
// last: it is the part of a file that says how much follows.
type ZckWriter struct {
	w       io.Writer
	spool   *os.File // the compressed chunks behind the first
	out     *bufio.Writer
	first   []byte
	pending []byte
	plain   *zstd.Encoder // without the dictionary
	zip     *zstd.Encoder
	dict    []byte
	index   []byte // of the chunks in spool
	chunks  uint64

	HeaderSize int64 // after Close
	HeaderSum  Checksum
}

// NewZckWriter writes to w. It keeps the chunks in a file without a name in dir until Close. The dictionary, as zstd --train makes it or
// any text, may be empty.
func NewZckWriter(w io.Writer, dir string, dict []byte) (*ZckWriter, error) {
	z := &ZckWriter{w: w, dict: dict}
	opts := []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true), zstd.WithWindowSize(zstdWindow),
	}
	var err error
	if z.plain, err = zstd.NewWriter(nil, opts...); err != nil {
		return nil, err
	}
	z.zip = z.plain
	if len(dict) > 0 {
		use := zstd.WithEncoderDictRaw(0, dict)
		if bytes.HasPrefix(dict, []byte(zstdDictMagic)) {
			use = zstd.WithEncoderDict(dict)
		}
		if z.zip, err = zstd.NewWriter(nil, append(opts, use)...); err != nil {
			return nil, fmt.Errorf("dictionary: %w", err)
		}
	}
	if z.spool, err = os.CreateTemp(dir, ".zck-"); err != nil {
		return nil, err
	}
	if err := os.Remove(z.spool.Name()); err != nil {
		return nil, errors.Join(err, z.spool.Close())
	}
	z.out = bufio.NewWriterSize(z.spool, 256<<10)
	return z, nil
}

// zstdDictMagic opens a dictionary that was trained; any other is plain text.
const zstdDictMagic = "\x37\xa4\x30\xec"

// SetFirst makes b the first chunk.
func (z *ZckWriter) SetFirst(b []byte) { z.first = bytes.Clone(b) }

// Write adds content to the chunk.
func (z *ZckWriter) Write(b []byte) (int, error) {
	n := len(b)
	for len(z.pending)+len(b) > zckMaxChunk {
		some := zckMaxChunk - len(z.pending)
		z.pending = append(z.pending, b[:some]...)
		b = b[some:]
		if err := z.EndChunk(); err != nil {
			return n - len(b), err
		}
	}
	z.pending = append(z.pending, b...)
	return n, nil
}

// EndChunk ends the chunk, unless it is empty.
func (z *ZckWriter) EndChunk() error {
	if len(z.pending) == 0 {
		return nil
	}
	data := z.zip.EncodeAll(z.pending, nil)
	z.index = appendZckChunk(z.index, data, len(z.pending))
	z.chunks++
	z.pending = z.pending[:0]
	_, err := z.out.Write(data)
	return err
}

// appendZckChunk appends an entry of the index.
func appendZckChunk(dst, data []byte, size int) []byte {
	var sum [sha512.Size]byte
	if len(data) > 0 {
		sum = sha512.Sum512(data)
	}
	dst = append(dst, sum[:zckSumSize]...)
	dst = appendZckInt(dst, uint64(len(data)))
	return appendZckInt(dst, uint64(size))
}

// Close writes the file. It does not close what it writes to.
func (z *ZckWriter) Close() (err error) {
	defer func() { err = errors.Join(err, z.spool.Close()) }()
	if err := errors.Join(z.EndChunk(), z.out.Flush()); err != nil {
		return err
	}
	var dict, first []byte
	if len(z.dict) > 0 {
		dict = z.plain.EncodeAll(z.dict, nil)
	}
	entries := appendZckChunk(nil, dict, len(z.dict))
	count := z.chunks + 1
	if len(z.first) > 0 {
		first = z.zip.EncodeAll(z.first, nil)
		entries = appendZckChunk(entries, first, len(z.first))
		count++
	}
	data := sha256.New()
	data.Write(dict)
	data.Write(first)
	if err := z.copySpool(data); err != nil {
		return err
	}
	if _, err := z.w.Write(z.header(data.Sum(nil), count, append(entries, z.index...))); err != nil {
		return err
	}
	for _, b := range [][]byte{dict, first} {
		if _, err := z.w.Write(b); err != nil {
			return err
		}
	}
	return z.copySpool(z.w)
}

func (z *ZckWriter) copySpool(to io.Writer) error {
	if _, err := z.spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{z.spool}, make([]byte, 256<<10))
	return err
}

// header gives all that stands before the chunks.
func (z *ZckWriter) header(dataSum []byte, count uint64, entries []byte) []byte {
	index := appendZckInt(nil, zckSHA512Half)
	index = appendZckInt(index, count)
	index = append(index, entries...)
	rest := append([]byte(nil), dataSum...)
	rest = appendZckInt(rest, 0) // no flags
	rest = appendZckInt(rest, zckZstd)
	rest = appendZckInt(rest, uint64(len(index)))
	rest = append(rest, index...)
	rest = appendZckInt(rest, 0) // no signatures
	lead := appendZckInt([]byte(zckMagic), zckSHA256)
	lead = appendZckInt(lead, uint64(len(rest)))
	h := sha256.New()
	h.Write(lead)
	h.Write(rest)
	sum := h.Sum(nil)
	z.HeaderSum = Checksum{Type: "sha256", Value: hex.EncodeToString(sum)}
	header := append(append(lead, sum...), rest...)
	z.HeaderSize = int64(len(header))
	return header
}

// ZckReader reads a zchunk file chunk by chunk, and checks all its checksums.
type ZckReader struct {
	r      *bufio.Reader
	unzip  *zstd.Decoder
	chunks []zckChunk
	next   int
	data   hash.Hash
	want   []byte // of data
	chunk  []byte // what Read has not given yet

	HeaderSize int64
	HeaderSum  Checksum
}

type zckChunk struct {
	sum        [zckSumSize]byte
	size, open uint64
}

var errZck = errors.New("malformed zchunk file")

// maxZckHeader bounds the header in bytes: some millions of chunks.
const maxZckHeader = 256 << 20

// NewZckReader reads the header of r and the dictionary. Files with streams, detached headers or other checksums than libzck's defaults
// are refused.
func NewZckReader(r io.Reader) (*ZckReader, error) {
	z := &ZckReader{r: bufio.NewReaderSize(r, 256<<10), data: sha256.New()}
	body, err := z.readHeader()
	if err != nil {
		return nil, err
	}
	if err := z.readIndex(body); err != nil {
		return nil, err
	}
	opts := []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFragment), zstd.WithDecoderMaxWindow(maxWindow)}
	if z.unzip, err = zstd.NewReader(nil, opts...); err != nil {
		return nil, err
	}
	dict, err := z.Next()
	if err != nil || len(dict) == 0 {
		return z, err
	}
	use := zstd.WithDecoderDictRaw(0, bytes.Clone(dict))
	if bytes.HasPrefix(dict, []byte(zstdDictMagic)) {
		use = zstd.WithDecoderDicts(bytes.Clone(dict))
	}
	if z.unzip, err = zstd.NewReader(nil, append(opts, use)...); err != nil {
		return nil, fmt.Errorf("%w: dictionary: %w", errZck, err)
	}
	return z, nil
}

// readHeader reads lead and header, and gives what follows the checksum of the header.
func (z *ZckReader) readHeader() ([]byte, error) {
	lead := make([]byte, len(zckMagic), 32)
	if _, err := io.ReadFull(z.r, lead); err != nil || string(lead) != zckMagic {
		return nil, fmt.Errorf("%w: no lead", errZck)
	}
	number := func() (n uint64) {
		for shift := 0; shift < 63; shift += 7 {
			b, err := z.r.ReadByte()
			if err != nil {
				return maxZckHeader + 1
			}
			lead = append(lead, b)
			n |= uint64(b&0x7f) << shift
			if b&0x80 != 0 {
				return n
			}
		}
		return maxZckHeader + 1
	}
	typ, size := number(), number()
	if typ != zckSHA256 || size > maxZckHeader {
		return nil, fmt.Errorf("%w: checksum type %d, header of %d bytes", errZck, typ, size)
	}
	var b bytes.Buffer // grows with what is there, not with what is promised
	if n, err := io.CopyN(&b, z.r, int64(size)+sha256.Size); err != nil {
		return nil, fmt.Errorf("%w: header ends after %d bytes", errZck, n)
	}
	sum, body := b.Bytes()[:sha256.Size], b.Bytes()[sha256.Size:]
	h := sha256.New()
	h.Write(lead)
	h.Write(body)
	if !bytes.Equal(h.Sum(nil), sum) {
		return nil, fmt.Errorf("%w: checksum of the header", errZck)
	}
	z.HeaderSize = int64(len(lead) + b.Len())
	z.HeaderSum = Checksum{Type: "sha256", Value: hex.EncodeToString(sum)}
	return body, nil
}

func (z *ZckReader) readIndex(body []byte) error {
	bad := false
	number := func() (n uint64) {
		for i, c := range body {
			n |= uint64(c&0x7f) << (7 * i)
			if c&0x80 != 0 {
				body = body[i+1:]
				return n
			}
			if i == 8 {
				break
			}
		}
		bad, body = true, nil
		return 0
	}
	if len(body) < sha256.Size {
		return fmt.Errorf("%w: short header", errZck)
	}
	z.want, body = body[:sha256.Size], body[sha256.Size:]
	flags, comp := number(), number()
	number() // size of the index
	typ, count := number(), number()
	if bad || flags != 0 || comp != zckZstd || typ != zckSHA512Half {
		return fmt.Errorf("%w: flags %d, compression %d and chunk checksum type %d are not supported", errZck, flags, comp, typ)
	}
	if count == 0 || count > uint64(len(body)/(zckSumSize+2)) {
		return fmt.Errorf("%w: %d chunks", errZck, count)
	}
	z.chunks = make([]zckChunk, count)
	for i := range z.chunks {
		c := &z.chunks[i]
		if len(body) < zckSumSize {
			bad = true
			break
		}
		body = body[copy(c.sum[:], body):]
		c.size, c.open = number(), number()
		bad = bad || c.size > maxFragment || c.open > maxFragment
	}
	if bad {
		return fmt.Errorf("%w: damaged index", errZck)
	}
	return nil
}

// Next gives the content of the next chunk, which is valid until the next call, and io.EOF behind the last one.
func (z *ZckReader) Next() ([]byte, error) {
	if z.next == len(z.chunks) {
		if z.want != nil && !bytes.Equal(z.data.Sum(nil), z.want) {
			return nil, fmt.Errorf("%w: checksum of the chunks", errZck)
		}
		return nil, io.EOF
	}
	c := &z.chunks[z.next]
	z.next++
	if c.size == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, z.r, int64(c.size)); err != nil {
		return nil, fmt.Errorf("%w: chunk %d: %w", errZck, z.next-1, io.ErrUnexpectedEOF)
	}
	z.data.Write(b.Bytes())
	if sum := sha512.Sum512(b.Bytes()); !bytes.Equal(sum[:zckSumSize], c.sum[:]) {
		return nil, fmt.Errorf("%w: checksum of chunk %d", errZck, z.next-1)
	}
	plain, err := z.unzip.DecodeAll(b.Bytes(), nil)
	if err != nil || uint64(len(plain)) != c.open {
		return nil, fmt.Errorf("%w: chunk %d does not uncompress to its %d bytes", errZck, z.next-1, c.open)
	}
	return plain, nil
}

// Read gives the content of the chunks.
func (z *ZckReader) Read(b []byte) (int, error) {
	for len(z.chunk) == 0 {
		var err error
		if z.chunk, err = z.Next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, z.chunk)
	z.chunk = z.chunk[n:]
	return n, nil
}
