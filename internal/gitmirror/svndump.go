package gitmirror

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// svnRecord is one record of a Subversion dump (versions 2 and 3): a revision or a change of a node in it.
type svnRecord struct {
	header    map[string]string
	props     map[string]string
	unset     []string
	hasProps  bool
	text      []byte // contents, or a delta when header["Text-delta"] is true
	hasText   bool
	textDelta bool
	propDelta bool
}

// svnDump reads a dump.
type svnDump struct {
	r *bufio.Reader
}

var errDump = errors.New("damaged Subversion dump")

// next reads the next record; io.EOF at the end.
func (d *svnDump) next() (*svnRecord, error) {
	rec := &svnRecord{header: map[string]string{}}
	for {
		line, err := d.r.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" && len(rec.header) == 0 {
			return nil, io.EOF
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errDump, err)
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			if len(rec.header) == 0 {
				continue
			}
			break
		}
		key, value, ok := strings.Cut(line, ": ")
		if !ok || len(rec.header) > 100 {
			return nil, fmt.Errorf("%w: %q", errDump, line)
		}
		rec.header[key] = value
	}
	rec.textDelta, rec.propDelta = rec.header["Text-delta"] == "true", rec.header["Prop-delta"] == "true"
	if raw, ok, err := d.block(rec.header["Prop-content-length"]); err != nil {
		return nil, err
	} else if ok {
		rec.hasProps = true
		if rec.props, rec.unset, err = parseSVNProps(raw); err != nil {
			return nil, err
		}
	}
	var err error
	rec.text, rec.hasText, err = d.block(rec.header["Text-content-length"])
	return rec, err
}

// maxSVNBlock bounds one file or property list in bytes.
const maxSVNBlock = 1 << 30

func (d *svnDump) block(length string) ([]byte, bool, error) {
	if length == "" {
		return nil, false, nil
	}
	n, err := strconv.ParseInt(length, 10, 64)
	if err != nil || n < 0 || n > maxSVNBlock {
		return nil, false, fmt.Errorf("%w: length %q", errDump, length)
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, d.r, n); err != nil {
		return nil, false, fmt.Errorf("%w: %w", errDump, err)
	}
	return b.Bytes(), true, nil
}

// parseSVNProps reads "K 3\nkey\nV 5\nvalue\n" and "D 3\nkey\n" up to PROPS-END.
func parseSVNProps(raw []byte) (props map[string]string, unset []string, err error) {
	props = map[string]string{}
	take := func() (kind byte, text string) {
		line, rest, ok := bytes.Cut(raw, []byte("\n"))
		if !ok || len(line) < 3 {
			return 0, ""
		}
		n, err := strconv.Atoi(string(line[2:]))
		if err != nil || n < 0 || n+1 > len(rest) {
			return 0, ""
		}
		text, raw = string(rest[:n]), rest[n+1:]
		return line[0], text
	}
	for len(raw) > 0 && !bytes.HasPrefix(raw, []byte("PROPS-END")) {
		switch kind, key := take(); kind {
		case 'K':
			vkind, value := take()
			if vkind != 'V' {
				return nil, nil, fmt.Errorf("%w: properties", errDump)
			}
			props[key] = value
		case 'D':
			unset = append(unset, key)
		default:
			return nil, nil, fmt.Errorf("%w: properties", errDump)
		}
	}
	return props, unset, nil
}

// svndiff applies a delta in svndiff format version 0 to a text.
func svndiff(source, delta []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(delta, []byte("SVN\x00"))
	if !ok {
		return nil, fmt.Errorf("%w: delta is not of version 0", errDump)
	}
	var out []byte
	in := &svnInts{b: rest}
	for len(in.b) > 0 {
		offset, length, target, insLen, newLen := in.next(), in.next(), in.next(), in.next(), in.next()
		if in.bad || offset > uint64(len(source)) || length > uint64(len(source))-offset || target > maxSVNBlock ||
			insLen > uint64(len(in.b)) || newLen > uint64(len(in.b))-insLen {
			return nil, fmt.Errorf("%w: delta window", errDump)
		}
		w := svnWindow{source: source[offset : offset+length], ops: svnInts{b: in.b[:insLen]}, fresh: in.b[insLen : insLen+newLen], left: target}
		in.b = in.b[insLen+newLen:]
		var err error
		if out, err = w.apply(out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// svnWindow is one window of a delta: its part of the source, its instructions, its new data, and the bytes that it still has to make.
type svnWindow struct {
	source, fresh []byte
	ops           svnInts
	left          uint64
}

// apply appends what the window makes to out.
func (w *svnWindow) apply(out []byte) ([]byte, error) {
	start := len(out)
	for len(w.ops.b) > 0 {
		op := w.ops.b[0]
		w.ops.b = w.ops.b[1:]
		n := uint64(op & 0x3f)
		if n == 0 {
			n = w.ops.next()
		}
		if n > w.left {
			return nil, fmt.Errorf("%w: delta is longer than its target", errDump)
		}
		w.left -= n
		switch op >> 6 {
		case 0:
			at := w.ops.next()
			if w.ops.bad || at > uint64(len(w.source)) || n > uint64(len(w.source))-at {
				return nil, fmt.Errorf("%w: delta copies from outside", errDump)
			}
			out = append(out, w.source[at:at+n]...)
		case 1:
			at := w.ops.next()
			if w.ops.bad || at >= uint64(len(out)-start) {
				return nil, fmt.Errorf("%w: delta copies from outside", errDump)
			}
			for i := range n { // may overlap what it writes
				out = append(out, out[uint64(start)+at+i])
			}
		case 2:
			if n > uint64(len(w.fresh)) {
				return nil, fmt.Errorf("%w: delta has no such new data", errDump)
			}
			out, w.fresh = append(out, w.fresh[:n]...), w.fresh[n:]
		default:
			return nil, fmt.Errorf("%w: delta instruction", errDump)
		}
	}
	if w.left != 0 {
		return nil, fmt.Errorf("%w: delta is shorter than its target", errDump)
	}
	return out, nil
}

// svnInts reads svndiff's integers: seven bits a byte, the high bit says that more follow.
type svnInts struct {
	b   []byte
	bad bool
}

func (s *svnInts) next() uint64 {
	var v uint64
	for i := range s.b {
		if v >= 1<<56 {
			break
		}
		v = v<<7 | uint64(s.b[i]&0x7f)
		if s.b[i]&0x80 == 0 {
			s.b = s.b[i+1:]
			return v
		}
	}
	s.b, s.bad = nil, true
	return 0
}
