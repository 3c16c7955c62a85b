package pristine

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// zstdHeader is a frame header (RFC 8878, 3.1.1.1).
type zstdHeader struct {
	len      int64
	checksum bool
	single   bool
	window   int   // log2 of the window, when not single and a power of two; else 0
	content  int64 // -1 when unknown
}

const zstdMagic = 0xFD2FB528

func isSkippable(magic uint32) bool { return magic&^0xf == 0x184D2A50 }

func parseZstd(b []byte) (zstdHeader, bool) {
	h := zstdHeader{content: -1}
	if len(b) < 6 || binary.LittleEndian.Uint32(b) != zstdMagic {
		return h, false
	}
	d, n := b[4], 5
	h.checksum, h.single = d&4 != 0, d&0x20 != 0
	if !h.single {
		if w := b[n]; w&7 == 0 {
			h.window = int(w>>3) + 10
		}
		n++
	}
	n += []int{0, 1, 2, 4}[d&3]
	size := []int{0, 2, 4, 8}[d>>6]
	if h.single && size == 0 {
		size = 1
	}
	if len(b) < n+size {
		return h, false
	}
	var v [8]byte
	copy(v[:], b[n:n+size])
	if size > 0 {
		h.content = int64(binary.LittleEndian.Uint64(v[:]))
	}
	if size == 2 {
		h.content += 256
	}
	h.len = int64(n + size)
	return h, h.content >= -1
}

func (s *search) zstd(head, end int64) (stream, error) {
	for body := head; ; {
		b, err := s.bytes(body, min(end-body, 18))
		if err != nil {
			return stream{}, err
		}
		if len(b) >= 8 && isSkippable(binary.LittleEndian.Uint32(b)) {
			body += 8 + int64(binary.LittleEndian.Uint32(b[4:]))
			if body > min(head+maxTail, end) {
				return stream{}, s.none("skippable frames stand before the data")
			}
			continue
		}
		h, ok := parseZstd(b)
		if !ok {
			return stream{}, s.none("no zstd frame header")
		}
		return stream{body: body, tries: zstdCandidates(h, s.hint)}, nil
	}
}

// zstdParams are libzstd's parameters that a caller can choose.
type zstdParams struct {
	level   int
	threads bool
	long    int // window log of long distance matching, or 0
}

// parseZstdFlags reads rpm's flags such as "19", "7T8" and "19L27T0".
func parseZstdFlags(flags string) (p zstdParams, ok bool) {
	flags, _, _ = strings.Cut(strings.TrimPrefix(flags, "w"), ".")
	for flags != "" {
		letter := byte(0)
		if flags[0] == 'T' || flags[0] == 'L' {
			letter, flags = flags[0], flags[1:]
		}
		n := len(flags) - len(strings.TrimLeft(flags, "0123456789"))
		v, err := strconv.Atoi(flags[:n])
		switch {
		case letter == 'T':
			p.threads = true
		case letter == 'L' && n == 0:
			p.long = 27
		case err != nil:
			return p, false
		case letter == 'L':
			p.long = min(max(v, 10), 31)
		default:
			p.level, ok = min(v, 22), true
		}
		flags = flags[n:]
	}
	return p, ok
}

func (p zstdParams) String() string {
	s := "level=" + strconv.Itoa(p.level)
	if p.threads {
		s += " workers=1"
	}
	if p.long != 0 {
		s += fmt.Sprintf(" long=1 window=%d", p.long)
	}
	return s
}

// zstdVersions are the versions of libzstd whose output differs on real data,
// with the time of release. Each stands for its neighbours: 1.4.4 for 1.4.1 to
// 1.4.5, 1.4.8 for 1.4.7 to 1.4.10, 1.5.2 for 1.5.1.
var zstdVersions = []struct {
	version string
	since   string // when the first version of the family came out
}{
	{"1.4.4", "2019-07"},
	{"1.4.8", "2020-12"},
	{"1.5.0", "2021-05"},
	{"1.5.2", "2021-12"},
	{"1.5.4", "2023-02"},
	{"1.5.5", "2023-04"},
	{"1.5.6", "2024-03"},
	{"1.5.7", "2025-02"},
}

// rpmZstd says which of them an rpm used until a month; "" stands for ever.
// Distributions move on to newer libraries under the same rpm, and builders
// that copy from each other do so at about the same time.
var rpmZstd = []struct{ rpm, until, version string }{
	{"6.", "", "1.5.7"},
	{"4.20", "2025-03", "1.5.6"},
	{"4.20", "", "1.5.7"},
	{"4.19", "", "1.5.5"},
	{"4.18", "2023-02", "1.5.2"},
	{"4.18", "", "1.5.5"},
	{"4.17", "2022-02", "1.5.0"},
	{"4.17", "2023-04", "1.5.2"},
	{"4.17", "", "1.5.5"},
	{"4.16", "2021-03", "1.4.4"},
	{"4.16", "2021-08", "1.4.8"},
	{"4.16", "2022-02", "1.5.0"},
	{"4.16", "2024-06", "1.5.2"},
	{"4.16", "", "1.5.5"},
	{"4.15", "2021-03", "1.4.4"},
	{"4.15", "", "1.4.8"},
	{"4.14", "2021-03", "1.4.4"},
	{"4.14", "", "1.4.8"},
}

// likelyZstd is the index in zstdVersions of the version to try first.
func likelyZstd(hint Hint) int {
	month := ""
	if hint.BuildTime > 0 {
		month = time.Unix(hint.BuildTime, 0).UTC().Format("2006-01")
	}
	for _, r := range rpmZstd {
		if strings.HasPrefix(hint.RPMVersion, r.rpm) && (month < r.until || r.until == "") {
			return zstdIndex(r.version)
		}
	}
	if month == "" {
		return zstdIndex("1.5.5")
	}
	// Distributions follow a quarter of a year later.
	month = time.Unix(hint.BuildTime, 0).UTC().AddDate(0, -3, 0).Format("2006-01")
	best := 0
	for i, v := range zstdVersions {
		if v.since <= month {
			best = i
		}
	}
	return best
}

func zstdIndex(version string) int {
	for i, v := range zstdVersions {
		if v.version == version {
			return i
		}
	}
	return 0
}

// zstdOrder lists the versions, the likeliest first, then the nearest in time.
func zstdOrder(hint Hint) []string {
	best := likelyZstd(hint)
	order := make([]int, len(zstdVersions))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(max(a-best, best-a), max(b-best, best-b))
	})
	versions := make([]string, len(order))
	for i, o := range order {
		versions[i] = zstdVersions[o].version
	}
	return versions
}

// zstdCandidates lists what may have made a frame with this header.
func zstdCandidates(h zstdHeader, hint Hint) []candidate {
	more := ""
	if h.checksum {
		more += " checksum=1"
	}
	if h.content >= 0 {
		more += fmt.Sprintf(" pledge=%d", h.content)
	}
	var l []candidate
	if p, ok := parseZstdFlags(hint.Flags); ok {
		other := p
		other.threads = !p.threads
		for _, p := range []zstdParams{p, other} {
			for _, v := range zstdOrder(hint) {
				l = append(l, candidate{library: "libzstd", version: v, params: p.String() + more})
			}
		}
		return append(l, goZstd(h)...)
	}
	// zstd --long makes large windows at every level.
	long := 0
	if h.window >= 24 {
		long = h.window
	}
	for _, p := range zstdLevels(h, long) {
		for _, p.threads = range []bool{true, false} {
			for _, v := range zstdOrder(hint) {
				l = append(l, candidate{library: "libzstd", version: v, params: p.String() + more})
			}
		}
	}
	return append(goZstd(h), l...)
}

// goZstd are the four levels of the Go encoder, which always writes a window
// or a single segment, and a checksum unless told otherwise.
func goZstd(h zstdHeader) []candidate {
	var l []candidate
	checksum := ""
	if h.checksum {
		checksum = " checksum=1"
	}
	for _, level := range []int{2, 1, 3, 4} {
		l = append(l, candidate{library: "klauspost-zstd", params: fmt.Sprintf("level=%d", level) + checksum})
	}
	return l
}

// levelsOfWindow lists the levels that have a window of 2^n bytes for data of
// unknown size, the commonest first.
var levelsOfWindow = map[int][]int{
	19: {1, -1, -5},
	20: {2},
	21: {3, 7, 6, 5, 4, 8},
	22: {9, 12, 15, 10, 11, 13, 14, 16, 8},
	23: {19, 18, 17, 16},
	25: {20},
	26: {21},
	27: {22},
}

// zstdLevels lists the levels that may have made a frame with this header.
func zstdLevels(h zstdHeader, long int) []zstdParams {
	levels := []int{3, 19, 22, 9, 6, 1, 10, 15, 18, 7, 12, 5, 20, 21, 2, 4, 8, 11, 13, 14, 16, 17}
	var l []zstdParams
	if long != 0 {
		for _, n := range levels {
			l = append(l, zstdParams{level: n, long: long})
		}
	}
	if w, ok := levelsOfWindow[h.window]; ok && !h.single && (h.content < 0 || h.window > bits.Len64(uint64(h.content))) {
		levels = w
	}
	for _, n := range levels {
		l = append(l, zstdParams{level: n})
	}
	return l
}
