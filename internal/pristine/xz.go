package pristine

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

// xzHeader is what the search reads from the beginning of an .xz stream
// (The .xz File Format, 2.1.1 and 3.1).
type xzHeader struct {
	check    byte
	blockLen int  // bytes of the first block header, 0 when there is no block
	sized    bool // the block header carries sizes, as the multi-threaded encoder writes it
	filters  string
	dict     uint32
	lc, lp   int
	pb       int
}

const lzma2ID = 0x21

// xzHeaderMax is enough for the stream header, a block header and the beginning of a chunk.
const xzHeaderMax = 12 + 1024 + 16

func parseXZ(b []byte) (xzHeader, error) {
	h := xzHeader{lc: 3, pb: 2}
	if len(b) < 12 || string(b[:6]) != "\xfd7zXZ\x00" || b[6] != 0 {
		return h, fmt.Errorf("no xz header")
	}
	h.check = b[7]
	b = b[12:]
	if len(b) == 0 || b[0] == 0 {
		return h, nil
	}
	size := (int(b[0]) + 1) * 4
	h.blockLen = size
	if len(b) < size {
		return h, fmt.Errorf("truncated xz block header")
	}
	flags, p := b[1], b[2:size-4]
	for _, present := range []bool{flags&0x40 != 0, flags&0x80 != 0} {
		if present {
			h.sized = true
			if _, p = cutVLI(p); p == nil {
				return h, fmt.Errorf("malformed xz block header")
			}
		}
	}
	for range int(flags&3) + 1 {
		var err error
		if p, err = h.filter(p); err != nil {
			return h, err
		}
	}
	h.chunk(b[size:])
	return h, nil
}

// cutVLI reads a variable-length integer; the rest is nil when there is none.
func cutVLI(p []byte) (uint64, []byte) {
	v, n := binary.Uvarint(p)
	if n <= 0 {
		return 0, nil
	}
	return v, p[n:]
}

func (h *xzHeader) filter(p []byte) ([]byte, error) {
	id, p := cutVLI(p)
	n, p := cutVLI(p)
	if p == nil || uint64(len(p)) < n {
		return nil, fmt.Errorf("malformed xz filter")
	}
	props := p[:n]
	switch {
	case id == lzma2ID && n == 1 && props[0] < 40:
		h.dict = (2 | uint32(props[0])&1) << (props[0]/2 + 11)
	case id == 3 && n == 1:
		h.filters += fmt.Sprintf(" delta=%d", int(props[0])+1)
	case id >= 4 && id <= 11 && n == 0:
		h.filters += fmt.Sprintf(" bcj=%d", id)
	default:
		return nil, fmt.Errorf("xz filter %#x is not known", id)
	}
	return p[n:], nil
}

// chunk reads lc, lp and pb from the first LZMA2 chunk, when it has properties.
func (h *xzHeader) chunk(b []byte) {
	if len(b) < 6 || b[0] < 0xc0 || b[5] >= 9*5*5 {
		return
	}
	h.lc, h.lp, h.pb = splitProps(b[5])
}

// splitProps takes the properties byte of LZMA apart.
func splitProps(b byte) (lc, lp, pb int) {
	return int(b % 9), int(b / 9 % 5), int(b / 45)
}

func (s *search) xz(head, end int64) (stream, error) {
	b, err := s.bytes(head, min(end-head, xzHeaderMax))
	if err != nil {
		return stream{}, err
	}
	h, err := parseXZ(b)
	if err != nil {
		return stream{}, s.none(err.Error())
	}
	var l []candidate
	check := fmt.Sprintf(" check=%d", h.check)
	if h.blockLen == 0 {
		return stream{body: head, tries: []candidate{{library: "liblzma", params: "preset=6" + check}}}, nil
	}
	block, first := "", int64(math.MaxInt64)
	if x, err := s.xzIndex(end); err == nil && x.start == head {
		block, first = x.blockParam(h), x.first
	}
	for _, p := range lzmaPresets(h.dict, s.hint, h.lc, h.lp, h.pb) {
		c := candidate{library: "liblzma", params: p + check + h.filters + block}
		if h.sized {
			// The output of a thread shows only when its block is complete, the
			// LZMA2 data inside of it at once.
			c.params += " mt=1"
			c.probe = probe{"format=2 " + p + h.filters, 12 + int64(h.blockLen), first}
		}
		l = append(l, c)
	}
	if old := oldFastMode(h, block, check); old != nil {
		at := len(l)
		if strings.HasPrefix(s.hint.RPMVersion, "4.12") {
			at = min(at, 1)
		}
		l = slices.Insert(l, at, old...)
	}
	return stream{body: head, tries: l}, nil
}

// oldFastMode are the presets whose output liblzma 5.2.0 alone makes different,
// as Fedora 22 (rpm 4.12) used it.
func oldFastMode(h xzHeader, block, check string) []candidate {
	if h.sized || h.filters != "" || block != "" || h.lc != 3 || h.lp != 0 || h.pb != 2 {
		return nil
	}
	var l []candidate
	for n, dict := range presetDict[:4] {
		if dict == h.dict {
			l = append(l, candidate{library: "lzma2", version: "5.2.0", params: fmt.Sprintf("preset=%d", n) + check})
		}
	}
	return l
}

// presetDict is the dictionary size of liblzma's presets 0 to 9.
var presetDict = []uint32{256 << 10, 1 << 20, 2 << 20, 4 << 20, 4 << 20, 8 << 20, 8 << 20, 16 << 20, 32 << 20, 64 << 20}

// oldPreset is what liblzma 4.999 had at the presets that rpm 4.8 used: fast
// mode, hash chains of four bytes.
const oldPreset = "preset=2 dict=524288 mode=1 mf=4 nice=32 depth=16"

// lzmaPresets lists the presets that have this dictionary, the likeliest first.
func lzmaPresets(dict uint32, hint Hint, lc, lp, pb int) []string {
	var l []string
	override := ""
	if lc != 3 || lp != 0 || pb != 2 {
		override = fmt.Sprintf(" lc=%d lp=%d pb=%d", lc, lp, pb)
	}
	if dict == 512<<10 {
		l = append(l, oldPreset+override)
	}
	digit := -1
	if d := strings.IndexFunc(hint.Flags, func(r rune) bool { return r >= '0' && r <= '9' }); d >= 0 {
		digit = int(hint.Flags[d] - '0')
	}
	// Most tarballs are made with xz -e, by automake; no RPM is.
	modes := []string{" extreme=1", ""}
	if hint.Flags != "" || hint.RPMVersion != "" {
		modes = []string{"", " extreme=1"}
	}
	order := []int{digit, 6, 9, 2, 3, 7, 8, 5, 4, 1, 0}
	for _, n := range order {
		if n < 0 || presetDict[n] != dict {
			continue
		}
		for _, m := range modes {
			l = append(l, fmt.Sprintf("preset=%d", n)+m+override)
		}
	}
	if !slices.Contains(presetDict, dict) {
		for _, n := range []int{9, 6, 3, 2, 1, 0} {
			for _, m := range modes {
				l = append(l, fmt.Sprintf("preset=%d dict=%d", n, dict)+m+override)
			}
		}
	}
	return slices.Compact(l)
}

func (s *search) lzma(head, end int64) (stream, error) {
	b, err := s.bytes(head, min(end-head, 13))
	if err != nil {
		return stream{}, err
	}
	if !isLZMA(b) {
		return stream{}, s.none("no lzma header")
	}
	if binary.LittleEndian.Uint64(b[5:]) != ^uint64(0) {
		return stream{}, s.none("the header carries the uncompressed size, which liblzma does not write")
	}
	lc, lp, pb := splitProps(b[0])
	var l []candidate
	for _, p := range lzmaPresets(binary.LittleEndian.Uint32(b[1:]), s.hint, lc, lp, pb) {
		l = append(l, candidate{library: "liblzma", params: "format=1 " + p})
	}
	return stream{body: head, tries: l}, nil
}
