package pristine

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"syscall"
)

// candidate is an encoder with parameters that may have made a stream. An empty
// version stands for every installed one.
type candidate struct {
	library, version, params string
	probe                    probe
}

// probe is a cheap way to rule a candidate out: an encoder that gives the bytes
// from offset at on earlier than the candidate itself does. The zero value is none.
type probe struct {
	params string
	at     int64
	plain  int64 // bytes of plain data that the bytes from at on are made of
}

// probeSize is how many bytes a probe compares, and probeFrom the size of a
// stream from which it is worth it.
const (
	probeSize = 64 << 10
	probeFrom = 1 << 20
)

// stream is one compressed stream of an archive, such as a gzip member.
type stream struct {
	head  int64 // where the bytes that no encoder makes begin
	body  int64 // where the encoder's output begins
	end   int64 // where the next stream or the end of the archive is
	tries []candidate
}

// search is one call of Find.
type search struct {
	enc     *Encoders
	data    io.ReaderAt
	size    int64
	plain   func() (io.ReadCloser, error)
	hint    Hint
	format  Format
	tried   int
	missing []string
}

func (s *search) none(reason string) error {
	return &NoEncoderError{Format: s.format, Tried: s.tried, Missing: s.missing, Reason: reason}
}

// parts finds the parts of the whole archive.
func (s *search) parts(ctx context.Context) ([]Part, error) {
	if s.format == None {
		return s.whole(ctx, stream{end: s.size, tries: []candidate{{library: "copy"}}})
	}
	first, err := s.describe(0, s.size)
	if err != nil {
		return nil, err
	}
	streams, err := s.layout()
	if err != nil {
		return nil, err
	}
	if len(streams) > 1 {
		return s.several(ctx, streams)
	}
	parts, err := s.whole(ctx, first)
	if !errors.Is(err, ErrNoEncoder) {
		return parts, err
	}
	// What cannot be told from the outside needs a look inside.
	streams, scanErr := s.scan(ctx)
	if scanErr != nil {
		return nil, scanErr
	}
	if len(streams) > 1 {
		return s.several(ctx, streams)
	}
	return nil, err
}

// describe reads the header of the stream at head, which ends at end.
func (s *search) describe(head, end int64) (stream, error) {
	var st stream
	var err error
	switch s.format {
	case Gzip:
		st, err = s.gzip(head, end)
	case Bzip2:
		st, err = s.bzip2(head, end)
	case XZ:
		st, err = s.xz(head, end)
	case LZMA:
		st, err = s.lzma(head, end)
	case Lzip:
		st, err = s.lzip(head, end)
	case Zstd:
		st, err = s.zstd(head, end)
	case Deflate:
		st = stream{body: head, tries: deflateCandidates(s.hint, 6, false)}
	default:
		err = s.none("unknown format")
	}
	st.head, st.end = head, end
	return st, err
}

// whole takes the archive for one stream that holds all of the plain data, with
// a little that no encoder makes before and after it.
func (s *search) whole(ctx context.Context, st stream) ([]Part, error) {
	part, n, err := s.find(ctx, st, s.plain)
	if err != nil {
		return nil, err
	}
	tail, err := s.tail(n)
	if err != nil {
		return nil, err
	}
	return append([]Part{part}, tail...), nil
}

// tail keeps what follows the last stream.
func (s *search) tail(off int64) ([]Part, error) {
	n := s.size - off
	if n == 0 {
		return nil, nil
	}
	if n > maxTail {
		return nil, s.none(fmt.Sprintf("%d bytes follow the compressed data", n))
	}
	raw, err := s.bytes(off, n)
	if err != nil {
		return nil, err
	}
	return []Part{{Raw: raw}}, nil
}

// span is where a stream of an archive of several lies.
type span struct{ head, end int64 }

// maxStreams bounds the streams of an archive: each takes a run of an encoder, some milliseconds at least.
const maxStreams = 1 << 16

// several finds an encoder for each stream, in what the stream itself holds,
// and then makes sure that all of them together hold the plain data.
func (s *search) several(ctx context.Context, spans []span) ([]Part, error) {
	if len(spans) > maxStreams {
		return nil, s.none(fmt.Sprintf("more than %d streams", maxStreams))
	}
	var parts []Part
	end := int64(0)
	for _, sp := range spans {
		st, err := s.describe(sp.head, sp.end)
		if err != nil {
			return nil, err
		}
		// What made the stream before has probably made this one.
		if n := len(parts); n > 0 {
			last := parts[n-1]
			st.tries = unique(append([]candidate{{library: last.Encoder, version: last.Version, params: last.Params}}, st.tries...))
		}
		s.tried = 0
		var part Part
		part, end, err = s.find(ctx, st, func() (io.ReadCloser, error) {
			return Decompress(io.NewSectionReader(s.data, sp.head, sp.end-sp.head), s.format)
		})
		if err != nil {
			return nil, err
		}
		if end != sp.end && sp != spans[len(spans)-1] {
			return nil, s.none("a stream is followed by other bytes")
		}
		if parts = appendPart(parts, part); len(parts) >= maxParts {
			return nil, s.none(fmt.Sprintf("more than %d streams", maxParts))
		}
	}
	tail, err := s.tail(end)
	if err != nil {
		return nil, err
	}
	if err := s.samePlain(end); err != nil {
		return nil, err
	}
	return append(parts, tail...), nil
}

// appendPart counts a part that repeats the one before.
func appendPart(parts []Part, p Part) []Part {
	if n := len(parts); n > 0 {
		last := &parts[n-1]
		if p.Plain > 0 && bytes.Equal(last.Raw, p.Raw) && last.Encoder == p.Encoder && last.Version == p.Version && last.Params == p.Params && last.Plain == p.Plain {
			last.Repeat++
			return parts
		}
	}
	return append(parts, p)
}

// samePlain fails unless the first end bytes of the archive decompress to the
// plain data.
func (s *search) samePlain(end int64) error {
	z, err := Decompress(io.NewSectionReader(s.data, 0, end), s.format)
	if err != nil {
		return s.none(err.Error())
	}
	defer z.Close()
	r, err := s.plain()
	if err != nil {
		return fmt.Errorf("plain data: %w", err)
	}
	defer r.Close()
	m := &matcher{r: bufio.NewReaderSize(r, 64<<10)}
	if _, err := io.Copy(m, z); err != nil {
		return s.none("the archive does not hold the plain data")
	}
	if n, _ := m.r.Read(make([]byte, 1)); n > 0 {
		return s.none("the archive does not hold all of the plain data")
	}
	return nil
}

// find tries the candidates of a stream on the plain data that open opens. It
// returns the part and where in the archive it ends.
func (s *search) find(ctx context.Context, st stream, open func() (io.ReadCloser, error)) (Part, int64, error) {
	if st.body-st.head > maxTail {
		return Part{}, 0, s.none(fmt.Sprintf("%d bytes stand before the compressed data", st.body-st.head))
	}
	raw, err := s.bytes(st.head, st.body-st.head)
	if err != nil {
		return Part{}, 0, err
	}
	limit := s.hint.MaxTries
	if limit <= 0 {
		limit = 256
	}
	failed := ""
	for _, c := range s.installed(ctx, st.tries) {
		if s.tried >= limit {
			break
		}
		if ok, err := s.probe(ctx, st, c, open); err != nil {
			return Part{}, 0, err
		} else if !ok {
			continue
		}
		s.tried++
		plain, end, err := s.try(ctx, st, c, open)
		if err == nil {
			return Part{Raw: raw, Encoder: c.library, Version: s.enc.recorded(ctx, c.library, c.version), Params: c.params, Plain: plain}, end, nil
		}
		switch {
		case errors.Is(err, errDiffers):
		case errors.Is(err, errEncoder):
			failed = cmp.Or(failed, err.Error())
		case errors.Is(err, errLimit):
			return Part{}, 0, s.none(fmt.Sprintf("the plain data is above the limit of %d bytes", s.hint.MaxPlain))
		default:
			return Part{}, 0, err
		}
	}
	return Part{}, 0, s.none(failed)
}

// installed gives each candidate its version and drops what is not installed.
func (s *search) installed(ctx context.Context, tries []candidate) []candidate {
	var found []candidate
	for _, c := range tries {
		versions := s.enc.versions(ctx, c.library)
		switch {
		case c.version == "" && len(versions) > 0:
			for _, v := range versions {
				c.version = v
				found = append(found, c)
			}
		case slices.Contains(versions, c.version):
			found = append(found, c)
		default:
			name := c.library
			if c.version != "" {
				name += " " + c.version
			}
			if !slices.Contains(s.missing, name) {
				s.missing = append(s.missing, name)
			}
		}
	}
	return found
}

// try runs one candidate against the archive. It fails with errDiffers, at the
// first block that differs, or returns the size of the plain data and where in
// the archive the stream ends.
func (s *search) try(ctx context.Context, st stream, c candidate, open func() (io.ReadCloser, error)) (plain, end int64, err error) {
	enc, _, err := s.enc.lookup(ctx, c.library, c.version)
	if err != nil {
		return 0, 0, err
	}
	r, err := open()
	if err != nil {
		return 0, 0, fmt.Errorf("plain data: %w", err)
	}
	defer r.Close()
	in := &counter{r: r, format: s.format, crc: newCRC(), limit: s.hint.MaxPlain}
	out := &matcher{r: bufio.NewReaderSize(io.NewSectionReader(s.data, st.body, st.end-st.body), 64<<10)}
	if err := encodeWith(ctx, enc, c.params, s.enc.threads, in, out); err != nil {
		switch {
		case in.err != nil:
			return 0, 0, in.err
		case out.err != nil:
			return 0, 0, out.err
		case ctx.Err() != nil:
			return 0, 0, ctx.Err()
		case killed(err):
			return 0, 0, err
		}
		return 0, 0, fmt.Errorf("%w: %w", errEncoder, err)
	}
	if err := in.atEnd(); err != nil {
		return 0, 0, err
	}
	if _, err := out.Write(in.trailer()); err != nil {
		return 0, 0, err
	}
	return in.n, st.body + out.n, nil
}

// killed reports whether somebody else ended an encoder: that says nothing about its output.
func killed(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && slices.Contains([]syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}, status.Signal())
}

// probe reports whether a candidate can be the one.
func (s *search) probe(ctx context.Context, st stream, c candidate, open func() (io.ReadCloser, error)) (bool, error) {
	if c.probe.params == "" || st.end-st.body < probeFrom {
		return true, nil
	}
	st.body, st.end = st.body+c.probe.at, st.body+c.probe.at+probeSize
	c.params = c.probe.params
	s.tried++
	_, _, err := s.try(ctx, st, c, func() (io.ReadCloser, error) {
		r, err := open()
		return limited{io.LimitReader(r, c.probe.plain), r}, err
	})
	if errors.Is(err, errDiffers) || errors.Is(err, errEncoder) {
		return errors.Is(err, errEnough), nil
	}
	return err == nil, err
}

// limited closes what it reads a part of.
type limited struct {
	io.Reader
	io.Closer
}

func (s *search) bytes(off, n int64) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	b := make([]byte, n)
	if _, err := s.data.ReadAt(b, off); err != nil && err != io.EOF {
		return nil, fmt.Errorf("compressed data: %w", err)
	}
	return b, nil
}

var (
	// errLimit ends a search in plain data that is larger than the caller allows.
	errLimit = errors.New("the plain data is above the limit")
	// errEnough is errDiffers for output that goes on where what it was compared with ends.
	errEnough = fmt.Errorf("%w: it is longer", errDiffers)
	// errEncoder marks an encoder that failed by itself: it is not the one.
	errEncoder = errors.New("encoder")
)

// matcher compares what is written to it with r.
type matcher struct {
	r   io.Reader
	n   int64
	buf []byte
	err error // what Write failed with
}

func (m *matcher) Write(b []byte) (int, error) {
	if cap(m.buf) < len(b) {
		m.buf = make([]byte, len(b))
	}
	want := m.buf[:len(b)]
	n, err := io.ReadFull(m.r, want)
	switch {
	case err != nil && err != io.EOF && err != io.ErrUnexpectedEOF:
		m.err = fmt.Errorf("compressed data: %w", err)
	case !bytes.Equal(b[:n], want[:n]):
		m.err = errDiffers
	case n < len(b):
		m.err = errEnough
	}
	if m.err != nil {
		return 0, m.err
	}
	m.n += int64(len(b))
	return len(b), nil
}
