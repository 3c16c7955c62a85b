package repo

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// batch carries the elements of some packages, one piece of XML for each kind of file.
type batch struct {
	xml      [repodata.NumKinds][]byte
	sources  []string                 // of the packages, for zchunk files
	ends     [repodata.NumKinds][]int // of their elements in xml, likewise
	packages int
	spare    []byte
	users    sync.WaitGroup // writers that still read xml
}

func (b *batch) reset() {
	for i := range b.xml {
		b.xml[i] = b.xml[i][:0]
		b.ends[i] = b.ends[i][:0]
	}
	b.sources, b.packages = b.sources[:0], 0
}

// add appends p in the layout of l.
func (b *batch) add(l *Layout, p *repodata.Package) {
	for _, k := range l.kinds() {
		if l.Compact {
			b.spare = repodata.Append(b.spare[:0], k, p)
			b.xml[k] = append(compact(b.xml[k], b.spare), '\n')
		} else {
			b.xml[k] = repodata.Append(b.xml[k], k, p)
		}
		if l.Zck {
			b.ends[k] = append(b.ends[k], len(b.xml[k]))
		}
	}
	if l.Zck {
		b.sources = append(b.sources, strings.Clone(p.SourceRPM))
	}
	b.packages++
}

// output writes the package files of a repository into a directory, each in its own goroutine.
type output struct {
	dir    string
	layout Layout
	time   time.Time // what the files get as time of their last change
	count  int       // the number of packages in the headers
	seen   int
	files  []*packageFile
	wait   sync.WaitGroup
}

// packageFile is one file of packages while it is written.
type packageFile struct {
	kind  repodata.Kind
	comp  repodata.Compression
	path  string
	queue chan *batch
	sink  *sink
	err   error
}

// newOutput opens the package files of l in dir for count packages.
func newOutput(dir string, l Layout, count int, t time.Time) (*output, error) {
	o := &output{dir: dir, layout: l, time: t, count: count}
	for _, comp := range l.forms() {
		for _, k := range l.kinds() {
			f := &packageFile{kind: k, comp: comp, queue: make(chan *batch, 4)}
			f.path = filepath.Join(dir, k.String()+".xml"+comp.Suffix())
			var err error
			if f.sink, err = newSink(f.path, comp, &l); err != nil {
				return nil, errors.Join(err, o.abort())
			}
			o.files = append(o.files, f)
		}
	}
	for _, f := range o.files {
		o.wait.Go(func() { f.run(count) })
	}
	return o, nil
}

// add queues the batch. The caller may fill it again after b.users is done.
func (o *output) add(ctx context.Context, b *batch) error {
	o.seen += b.packages
	b.users.Add(len(o.files))
	for i, f := range o.files {
		select {
		case f.queue <- b:
		case <-ctx.Done():
			for range o.files[i:] {
				b.users.Done()
			}
			return ctx.Err()
		}
	}
	return nil
}

func (f *packageFile) run(count int) {
	f.err = f.sink.writeFirst(repodata.AppendHeader(nil, f.kind, count))
	source := ""
	for b := range f.queue {
		switch {
		case f.err != nil:
		case f.comp == repodata.Zck:
			f.err = f.writeChunks(b, &source)
		default:
			_, f.err = f.sink.Write(b.xml[f.kind])
		}
		b.users.Done()
	}
	if f.err == nil {
		_, f.err = io.WriteString(f.sink, repodata.Footer(f.kind))
	}
}

// writeChunks writes the batch in chunks, one for the packages that come of one source. The last one may go on in the next batch.
func (f *packageFile) writeChunks(b *batch, source *string) error {
	start := 0
	for i, end := range b.ends[f.kind] {
		if b.sources[i] != *source {
			*source = b.sources[i]
			if err := f.sink.zck.EndChunk(); err != nil {
				return err
			}
		}
		if _, err := f.sink.Write(b.xml[f.kind][start:end]); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// recordType gives the type of the record of the file.
func (f *packageFile) recordType() string {
	if f.comp == repodata.Zck {
		return zckType(f.kind.String())
	}
	return f.kind.String()
}

// abort closes the files and leaves them as they are.
func (o *output) abort() error {
	o.stop()
	var errs []error
	for _, f := range o.files {
		errs = append(errs, f.sink.file.Close())
	}
	return errors.Join(errs...)
}

func (o *output) stop() {
	for _, f := range o.files {
		close(f.queue)
	}
	o.wait.Wait()
}

// close finishes the files and returns their records, primary first.
func (o *output) close() ([]repodata.Record, error) {
	o.stop()
	var errs []error
	for _, f := range o.files {
		if f.err == nil {
			f.err = f.sink.Close()
		} else {
			f.sink.file.Close()
		}
		errs = append(errs, f.err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if o.seen != o.count {
		if err := o.recount(); err != nil {
			return nil, err
		}
	}
	var records []repodata.Record
	for _, f := range o.files {
		r, err := f.sink.record(f.recordType(), &o.layout, o.time)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// recount writes the files again with the number of packages that they hold: some promised ones did not come.
func (o *output) recount() error {
	for _, f := range o.files {
		o.wait.Go(func() { f.err = f.recount(o) })
	}
	o.wait.Wait()
	var errs []error
	for _, f := range o.files {
		errs = append(errs, f.err)
	}
	return errors.Join(errs...)
}

func (f *packageFile) recount(o *output) error {
	old, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer old.Close()
	r, err := repodata.NewReader(old)
	if err != nil {
		return err
	}
	defer r.Close()
	// The old file stays open under its name's former inode.
	if err := os.Remove(f.path); err != nil {
		return err
	}
	if f.sink, err = newSink(f.path, f.comp, &o.layout); err != nil {
		return err
	}
	if err := f.sink.writeFirst(repodata.AppendHeader(nil, f.kind, o.seen)); err != nil {
		return err
	}
	if err := f.copyBehind(r, len(repodata.AppendHeader(nil, f.kind, o.count))); err != nil {
		return err
	}
	return f.sink.Close()
}

// copyBehind copies what r has behind its header, chunk by chunk where there are chunks.
func (f *packageFile) copyBehind(r io.Reader, header int) error {
	chunks, ok := r.(*repodata.ZckReader)
	if !ok {
		if _, err := io.CopyN(io.Discard, r, int64(header)); err != nil {
			return err
		}
		_, err := io.Copy(f.sink, r)
		return err
	}
	_, err := chunks.Next() // the header is a chunk of its own
	for err == nil {
		var b []byte
		if b, err = chunks.Next(); err == nil {
			_, err = f.sink.Write(b)
		}
		if err == nil {
			err = f.sink.zck.EndChunk()
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// sink compresses into a file and sums up what goes in and what comes out.
type sink struct {
	path    string
	comp    repodata.Compression
	file    *os.File
	buf     *bufio.Writer
	enc     io.WriteCloser
	zck     *repodata.ZckWriter // enc, where it is one
	in, out hash.Hash
	inSize  int64
	outSize int64
	sumType string
}

func newSink(path string, c repodata.Compression, l *Layout) (*sink, error) {
	s := &sink{path: path, comp: c, sumType: l.Checksum}
	var err error
	if s.in, err = repodata.NewHash(l.Checksum); err != nil {
		return nil, err
	}
	s.out, _ = repodata.NewHash(l.Checksum)
	if s.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666); err != nil {
		return nil, err
	}
	s.buf = bufio.NewWriterSize(s.file, 256<<10)
	if c == repodata.Zck {
		err = s.openZck(l)
	} else {
		s.enc, err = repodata.NewWriter(writerFunc(s.compressed), c)
	}
	if err != nil {
		s.file.Close()
		return nil, err
	}
	return s, nil
}

func (s *sink) openZck(l *Layout) error {
	dict, err := l.zckDict(repodata.TrimSuffix(filepath.Base(s.path)))
	if err != nil {
		return err
	}
	s.zck, err = repodata.NewZckWriter(writerFunc(s.compressed), filepath.Dir(s.path), dict)
	s.enc = s.zck
	return err
}

// writeFirst takes the content that stands before all other.
func (s *sink) writeFirst(b []byte) error {
	if s.zck == nil {
		_, err := s.Write(b)
		return err
	}
	s.in.Write(b)
	s.inSize += int64(len(b))
	s.zck.SetFirst(b)
	return nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (s *sink) compressed(b []byte) (int, error) {
	s.out.Write(b)
	s.outSize += int64(len(b))
	return s.buf.Write(b)
}

// Write takes content.
func (s *sink) Write(b []byte) (int, error) {
	s.in.Write(b)
	s.inSize += int64(len(b))
	return s.enc.Write(b)
}

// Close ends the compressed stream and makes the file durable.
func (s *sink) Close() error {
	err := s.enc.Close()
	if err == nil {
		err = s.buf.Flush()
	}
	if err == nil {
		err = s.file.Sync()
	}
	return errors.Join(err, s.file.Close())
}

// record gives the file the name of l and the time t, and describes it.
func (s *sink) record(typ string, l *Layout, t time.Time) (repodata.Record, error) {
	r := repodata.Record{
		Type:      typ,
		Checksum:  repodata.Checksum{Type: repodata.ChecksumName(s.sumType), Value: hex.EncodeToString(s.out.Sum(nil))},
		Timestamp: t.Unix(),
		Size:      s.outSize,
		OpenSize:  -1,
	}
	if s.comp != repodata.None {
		r.OpenChecksum = repodata.Checksum{Type: r.Checksum.Type, Value: hex.EncodeToString(s.in.Sum(nil))}
		r.OpenSize = s.inSize
	}
	if s.zck != nil {
		r.HeaderSum, r.HeaderSize = s.zck.HeaderSum, s.zck.HeaderSize
	}
	dir, base := filepath.Split(s.path)
	err := rename(dir, base, l.fileName(base, r.Checksum), &r, t)
	return r, err
}
