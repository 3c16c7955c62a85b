package pristine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The flags of a gzip header (RFC 1952, 2.3.1).
const (
	gzipHeaderCRC = 1 << 1
	gzipExtra     = 1 << 2
	gzipName      = 1 << 3
	gzipComment   = 1 << 4
)

// gzipHeader is what the search reads from the header of a member.
type gzipHeader struct {
	len   int64
	flags byte
	mtime uint32
	xfl   byte
	os    byte
}

// parseGzip reads the member header at the beginning of b, which is cut off
// after at most maxTail bytes.
func parseGzip(b []byte) (gzipHeader, bool) {
	if len(b) < 10 || b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 || b[3]&0xe0 != 0 {
		return gzipHeader{}, false
	}
	h := gzipHeader{flags: b[3], mtime: binary.LittleEndian.Uint32(b[4:]), xfl: b[8], os: b[9]}
	n := 10
	if h.flags&gzipExtra != 0 {
		if len(b) < n+2 {
			return gzipHeader{}, false
		}
		n += 2 + int(binary.LittleEndian.Uint16(b[n:]))
	}
	for _, f := range []byte{gzipName, gzipComment} {
		if h.flags&f == 0 {
			continue
		}
		end := -1
		if n <= len(b) {
			end = bytes.IndexByte(b[n:], 0)
		}
		if end < 0 {
			return gzipHeader{}, false
		}
		n += end + 1
	}
	if h.flags&gzipHeaderCRC != 0 {
		n += 2
	}
	h.len = int64(n)
	return h, n <= len(b)
}

func (s *search) gzip(head, end int64) (stream, error) {
	b, err := s.bytes(head, min(end-head, maxTail))
	if err != nil {
		return stream{}, err
	}
	h, ok := parseGzip(b)
	if !ok {
		return stream{}, s.none("no gzip header")
	}
	return stream{body: head + h.len, tries: gzipCandidates(h, s.hint)}, nil
}

// gzipCandidates orders the encoders of deflate by what the header tells.
// zlib and GNU gzip write XFL 2 at level 9 and 4 at level 1, but rpm before
// 4.9 wrote 0 always; Go and Python write OS 255; a name or a time in the
// header is mostly GNU gzip's.
func gzipCandidates(h gzipHeader, hint Hint) []candidate {
	level := 6
	switch h.xfl {
	case 2:
		level = 9
	case 4:
		level = 1
	}
	if d := strings.IndexFunc(hint.Flags, func(r rune) bool { return r >= '1' && r <= '9' }); d >= 0 {
		level = int(hint.Flags[d] - '0')
	}
	l := deflateCandidates(hint, level, h.os == 255)
	if h.mtime == 0 && h.flags == 0 && hint.RPMVersion == "" { // npm is among those who write neither name nor time
		for _, n := range []int{9, 6} {
			l = slices.Insert(l, 2, candidate{library: "node", params: "level=" + strconv.Itoa(n)})
		}
	}
	return l
}

// deflateCandidates begins with the likeliest level and writers, then takes the
// rarer writers, then the other levels.
func deflateCandidates(hint Hint, level int, goLike bool) []candidate {
	var l []candidate
	add := func(library string, level int, more string) {
		l = append(l, candidate{library: library, params: "level=" + strconv.Itoa(level) + more})
	}
	fromRPM := hint.RPMVersion != "" || hint.Flags != ""
	switch {
	case fromRPM:
		add("zlib", level, "")
		if strings.HasPrefix(hint.RPMVersion, "4.4.") {
			add("zlib", level, " rsync=1")
		}
		add("gzip", level, "")
	case goLike:
		add("zlib", level, "")
		add("go-flate", level, "")
		add("klauspost-flate", level, "")
		add("gzip", level, "")
	default:
		add("gzip", level, "")
		add("zlib", level, "")
	}
	add("gzip", level, " rsync=1")
	add("zlib", level, " rsync=1")
	add("pgzip", level, "")
	add("pgzip", -1, "")
	for _, n := range []int{level, -1, 5, 6, 9, 1, 2, 3, 4, 7, 8} {
		for _, library := range []string{"zlib", "gzip", "go-flate", "klauspost-flate"} {
			if n < 0 && library != "go-flate" && library != "klauspost-flate" {
				continue
			}
			add(library, n, "")
		}
	}
	for _, n := range []int{level, 9, 6, 1, 5, 8, 7, 4, 3, 2} { // Perl's IO::Compress
		add("zlib", n, " mem=9")
	}
	for _, n := range []int{level, 6, 9} {
		add("gzip", n, " rsync=1")
		add("zgz", n, " rsync=1")
		add("zgz", n, " rsync=2")
		add("pgzip", n, "")
	}
	return unique(l)
}

// unique drops what stands in the list already.
func unique(l []candidate) []candidate {
	seen := map[candidate]bool{}
	kept := l[:0]
	for _, c := range l {
		if !seen[c] {
			seen[c] = true
			kept = append(kept, c)
		}
	}
	return kept
}

func (s *search) bzip2(head, end int64) (stream, error) {
	b, err := s.bytes(head, min(end-head, 4))
	if err != nil {
		return stream{}, err
	}
	if len(b) < 4 || b[3] < '1' || b[3] > '9' {
		return stream{}, s.none("no bzip2 header")
	}
	return stream{body: head, tries: []candidate{{library: "libbz2", params: fmt.Sprintf("level=%c", b[3])}}}, nil
}
