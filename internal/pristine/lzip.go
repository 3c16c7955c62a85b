package pristine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/ulikunitz/xz/lzma"
)

// A member of an lzip file: "LZIP", the version 1, the dictionary size in one byte, LZMA data with an end marker (lc 3, lp 0, pb 2), and
// 20 bytes: CRC-32 and size of the plain data, size of the member.
const (
	lzipMagic   = "LZIP\x01"
	lzipHead    = 6
	lzipTrailer = 20
)

var errLzip = errors.New("lzip: damaged member")

// lzipDict reads the dictionary size of a header: a power of two, less some sixteenths of it.
func lzipDict(coded byte) uint32 {
	size := uint32(1) << (coded & 0x1f)
	return size - size/16*uint32(coded>>5)
}

// lzipReader decompresses members one after the other.
type lzipReader struct {
	r     *bufio.Reader
	plain io.Reader // of the member at hand, nil between two
	crc   uint32
	n     uint64
	first bool
}

func newLzipReader(r io.Reader) (*lzipReader, error) {
	z := &lzipReader{r: bufio.NewReaderSize(r, 64<<10), first: true}
	return z, z.member()
}

// member begins the next member. At the end of the file, plain stays nil.
func (z *lzipReader) member() error {
	head := make([]byte, lzipHead)
	if _, err := io.ReadFull(z.r, head); errors.Is(err, io.EOF) && !z.first {
		return io.EOF
	} else if err != nil {
		return fmt.Errorf("lzip: %w", unexpected(err))
	}
	dict := lzipDict(head[5])
	if !bytes.HasPrefix(head, []byte(lzipMagic)) || dict < 1<<12 {
		return errors.New("lzip: no member where one should begin")
	}
	// The header of an .lzma file, with the size left open.
	alone := append([]byte{3 + 9*(0+5*2)}, binary.LittleEndian.AppendUint32(nil, dict)...)
	alone = append(alone, bytes.Repeat([]byte{0xff}, 8)...)
	plain, err := lzma.ReaderConfig{DictCap: maxWindow}.NewReader(&prefixed{alone, z.r})
	if err != nil {
		return fmt.Errorf("lzip: %w", unexpected(err))
	}
	z.plain, z.crc, z.n, z.first = plain, 0, 0, false
	return nil
}

func (z *lzipReader) Read(b []byte) (int, error) {
	for {
		if z.plain == nil {
			if err := z.member(); err != nil {
				return 0, err
			}
		}
		n, err := z.plain.Read(b)
		z.crc = crc32.Update(z.crc, crc32.IEEETable, b[:n])
		z.n += uint64(n)
		if errors.Is(err, io.EOF) {
			z.plain, err = nil, z.trailer()
		} else if err != nil {
			err = fmt.Errorf("lzip: %w", unexpected(err))
		}
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
	}
}

// trailer checks what stands behind the data of a member.
func (z *lzipReader) trailer() error {
	var t [lzipTrailer]byte
	if _, err := io.ReadFull(z.r, t[:]); err != nil {
		return fmt.Errorf("lzip: %w", unexpected(err))
	}
	if binary.LittleEndian.Uint32(t[:]) != z.crc || binary.LittleEndian.Uint64(t[4:]) != z.n {
		return errLzip
	}
	return nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// prefixed gives some bytes before what it reads, and never reads ahead.
type prefixed struct {
	head []byte
	r    *bufio.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) == 0 {
		return p.r.Read(b)
	}
	n := copy(b, p.head)
	p.head = p.head[n:]
	return n, nil
}

func (p *prefixed) ReadByte() (byte, error) {
	if len(p.head) == 0 {
		return p.r.ReadByte()
	}
	c := p.head[0]
	p.head = p.head[1:]
	return c, nil
}

// lzipLayout walks over the members from the last to the first, as each ends in its size.
func (s *search) lzipLayout() ([]span, error) {
	var spans []span
	for end := s.size; end > 0; {
		if end < lzipHead+lzipTrailer || len(spans) >= maxStreams {
			return nil, nil
		}
		b, err := s.bytes(end-8, 8)
		if err != nil {
			return nil, err
		}
		size := binary.LittleEndian.Uint64(b)
		if size < lzipHead+lzipTrailer || size > uint64(end) {
			return nil, nil // something follows the last member
		}
		spans = append(spans, span{end - int64(size), end})
		end -= int64(size)
	}
	slices.Reverse(spans)
	return spans, nil
}

// lzipDicts are the dictionary sizes of lzip's levels. That of a smaller file is cut down to its size.
var lzipDicts = []uint32{1 << 16, 1 << 20, 3 << 19, 1 << 21, 3 << 20, 1 << 22, 1 << 23, 1 << 24, 3 << 23, 1 << 25}

func (s *search) lzip(head, end int64) (stream, error) {
	b, err := s.bytes(head, min(end-head, lzipHead))
	if err != nil {
		return stream{}, err
	}
	if len(b) < lzipHead || !bytes.HasPrefix(b, []byte(lzipMagic)) {
		return stream{}, s.none("no lzip header")
	}
	dict := lzipDict(b[5])
	st := stream{body: head}
	add := func(level int) {
		c := candidate{library: "lzip", params: fmt.Sprintf("level=%d", level)}
		if !slices.Contains(st.tries, c) {
			st.tries = append(st.tries, c)
		}
	}
	if i := slices.Index(lzipDicts, dict); i >= 0 {
		add(i)
	}
	for _, level := range []int{9, 6, 8, 7, 5, 4, 3, 2, 1, 0} {
		if lzipDicts[level] > dict {
			add(level)
		}
	}
	return st, nil
}
