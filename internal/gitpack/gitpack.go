// Package gitpack writes git objects, as a stream, into one pack of a repository.
//
// Nothing of a pack can be seen in the repository before Publish: until then it is one temporary file, and Discard leaves
// no trace. Objects that the repository or the pack already holds are not written again. The pack holds whole objects,
// but for those of AddChanged; git makes deltas when it repacks. The same objects in the same order give the same file.
//
// Formats: gitformat-pack(5), version 2 of both pack and index.
package gitpack

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/klauspost/compress/zlib"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
)

// Hash is the SHA-1 name of an object.
type Hash [20]byte

// String gives the 40 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h names nothing.
func (h Hash) IsZero() bool { return h == Hash{} }

// Type is the kind of an object, with git's numbers.
type Type byte

// The kinds of objects.
const (
	Commit Type = 1
	Tree   Type = 2
	Blob   Type = 3
	Tag    Type = 4
)

func (t Type) String() string {
	switch t {
	case Commit:
		return "commit"
	case Tree:
		return "tree"
	case Blob:
		return "blob"
	case Tag:
		return "tag"
	}
	return "object of type " + strconv.Itoa(int(t))
}

// Sum names an object without storing it.
func Sum(t Type, data []byte) Hash {
	h := sha1.New()
	writeHeader(h, t, int64(len(data)))
	h.Write(data)
	return Hash(h.Sum(nil))
}

// small is the size in bytes up to which an object is named before it is compressed.
const small = 1 << 20

type slot struct {
	offset int64
	length int64 // in the pack
	crc    uint32
	typ    Type
	size   int64
}

// Writer collects objects. It is not safe for concurrent use.
type Writer struct {
	dir     string // objects/pack
	has     func(Hash) bool
	f       *os.File
	w       *bufio.Writer
	off     int64
	objects map[Hash]slot
	order   []Hash
	deltas  map[Hash]delta
	last    changed

	z    *zlib.Writer
	back reader
	sum  hash.Hash
	buf  bytes.Buffer
	body []byte
}

// NewWriter begins a pack below objects, a repository's object directory. has tells what the repository holds; it may be nil.
func NewWriter(objects string, has func(Hash) bool) (*Writer, error) {
	dir := filepath.Join(objects, "pack")
	f, err := os.CreateTemp(dir, "tmp_pack_")
	if err != nil {
		return nil, err
	}
	z, err := zlib.NewWriterLevel(nil, zlib.DefaultCompression)
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	if has == nil {
		has = func(Hash) bool { return false }
	}
	w := &Writer{dir: dir, has: has, f: f, w: bufio.NewWriterSize(f, 1<<20), objects: map[Hash]slot{}, deltas: map[Hash]delta{}, z: z, sum: sha1.New()}
	w.write([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x00"))
	return w, nil
}

// write appends to the file; bufio keeps the first error for Flush.
func (w *Writer) write(b []byte) {
	_, _ = w.w.Write(b)
	w.off += int64(len(b))
}

func writeHeader(h hash.Hash, t Type, size int64) {
	b := append([]byte(t.String()), ' ')
	b = append(strconv.AppendInt(b, size, 10), 0)
	h.Write(b)
}

// Add stores an object and returns its name.
func (w *Writer) Add(t Type, data []byte) (Hash, error) {
	h := w.name(t, data)
	if w.Has(h) {
		return h, nil
	}
	w.buf.Reset()
	appendEntry(&w.buf, t, int64(len(data)))
	return h, w.finish(h, t, int64(len(data)), data)
}

// name is Sum with the Writer's own state.
func (w *Writer) name(t Type, data []byte) (h Hash) {
	w.sum.Reset()
	writeHeader(w.sum, t, int64(len(data)))
	w.sum.Write(data)
	w.sum.Sum(h[:0])
	return h
}

// finish writes an entry whose head stands in w.buf and whose body is to be compressed.
func (w *Writer) finish(h Hash, t Type, size int64, body []byte) error {
	start := w.off
	w.z.Reset(&w.buf)
	if _, err := w.z.Write(body); err != nil {
		return err
	}
	if err := w.z.Close(); err != nil {
		return err
	}
	w.write(w.buf.Bytes())
	w.put(h, slot{start, w.off - start, crc32.ChecksumIEEE(w.buf.Bytes()), t, size})
	return nil
}

func (w *Writer) put(h Hash, s slot) {
	w.objects[h] = s
	w.order = append(w.order, h)
}

// AddStream stores a blob of size bytes, all of which it reads from r.
func (w *Writer) AddStream(size int64, r io.Reader) (Hash, error) {
	if size <= small {
		if cap(w.body) < int(size) {
			w.body = make([]byte, max(size, 64<<10))
		}
		if _, err := io.ReadFull(r, w.body[:size]); err != nil {
			return Hash{}, shortRead(err)
		}
		return w.Add(Blob, w.body[:size])
	}
	start := w.off
	w.buf.Reset()
	appendEntry(&w.buf, Blob, size)
	crc := crc32.NewIEEE()
	out := writerFunc(func(b []byte) (int, error) {
		crc.Write(b)
		w.write(b)
		return len(b), nil
	})
	_, _ = out.Write(w.buf.Bytes())
	w.sum.Reset()
	writeHeader(w.sum, Blob, size)
	w.z.Reset(out)
	n, err := io.Copy(io.MultiWriter(w.sum, w.z), io.LimitReader(r, size))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = w.z.Close()
	}
	h := Hash(w.sum.Sum(nil))
	if err == nil && !w.Has(h) {
		w.put(h, slot{start, w.off - start, crc.Sum32(), Blob, size})
		return h, nil
	}
	return h, errors.Join(err, w.rewind(start))
}

// rewind takes back what was written from start on.
func (w *Writer) rewind(start int64) error {
	if err := w.w.Flush(); err != nil {
		return err
	}
	if err := w.f.Truncate(start); err != nil {
		return err
	}
	w.off = start
	w.back.forget()
	_, err := w.f.Seek(start, io.SeekStart)
	return err
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// appendEntry writes the type and size that begin an object in a pack.
func appendEntry(b *bytes.Buffer, t Type, size int64) {
	c := byte(t)<<4 | byte(size&15) // t may be ofsDelta
	for size >>= 4; size > 0; size >>= 7 {
		b.WriteByte(c | 0x80)
		c = byte(size & 0x7f)
	}
	b.WriteByte(c)
}

// Has reports whether the pack or the repository holds an object.
func (w *Writer) Has(h Hash) bool {
	_, ok := w.objects[h]
	return ok || w.has(h)
}

// Len is the number of objects in the pack, Size its length in bytes so far.
func (w *Writer) Len() int { return len(w.order) }

// Size is the length of the pack so far, in bytes.
func (w *Writer) Size() int64 { return w.off }

// Open reads an object back from the pack; ok is false when the pack does not hold it.
// The reader is valid until the next call of Open.
func (w *Writer) Open(h Hash) (t Type, size int64, r io.Reader, ok bool, err error) {
	s, ok := w.objects[h]
	if !ok {
		return 0, 0, nil, false, nil
	}
	if _, ok := w.deltas[h]; ok {
		data, err := w.rebuild(h)
		return s.typ, s.size, bytes.NewReader(data), true, err
	}
	r, err = w.inflate(s, headSize(s.size))
	return s.typ, s.size, r, true, err
}

// headSize is the length of what appendEntry writes.
func headSize(size int64) int64 {
	n := int64(1)
	for size >>= 4; size > 0; size >>= 7 {
		n++
	}
	return n
}

// inflate reads what stands compressed behind the head of an entry.
func (w *Writer) inflate(s slot, head int64) (io.Reader, error) {
	if s.offset+s.length > w.off-int64(w.w.Buffered()) {
		if err := w.w.Flush(); err != nil {
			return nil, err
		}
	}
	err := w.back.reset(w.f, s.offset+head, s.length-head)
	return w.back.z, err
}

// Discard ends a pack that is not to be. After Publish it does nothing.
func (w *Writer) Discard() {
	if w.f != nil {
		w.f.Close()
		os.Remove(w.f.Name())
		w.f = nil
	}
}

// Publish makes the objects part of the repository, durably. A pack without objects leaves nothing.
func (w *Writer) Publish() error {
	if len(w.order) == 0 {
		w.Discard()
		return nil
	}
	sum, err := w.seal()
	if err != nil {
		return fmt.Errorf("%s: %w", w.f.Name(), err)
	}
	base := filepath.Join(w.dir, "pack-"+sum.String())
	if err := os.Chmod(w.f.Name(), 0o444); err != nil {
		return err
	}
	if err := w.f.Close(); err != nil {
		return err
	}
	name := w.f.Name()
	w.f = nil
	// The index first: git passes over one that has no pack, but go-git fails at a pack that has no index.
	err = atomicfile.WriteFrom(base+".idx", 0o444, func(out io.Writer) error { return w.index(out, sum) })
	if err == nil {
		err = os.Rename(name, base+".pack")
	}
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return atomicfile.SyncDir(w.dir)
}

// seal writes the count and the trailer and makes the file durable.
func (w *Writer) seal() (sum Hash, err error) {
	if err := w.w.Flush(); err != nil {
		return sum, err
	}
	var count [4]byte
	binary.BigEndian.PutUint32(count[:], uint32(len(w.order)))
	if _, err := w.f.WriteAt(count[:], 8); err != nil {
		return sum, err
	}
	h := sha1.New()
	if _, err := io.Copy(h, io.NewSectionReader(w.f, 0, w.off)); err != nil {
		return sum, err
	}
	sum = Hash(h.Sum(nil))
	if _, err := w.f.WriteAt(sum[:], w.off); err != nil {
		return sum, err
	}
	return sum, w.f.Sync()
}

func (w *Writer) index(out io.Writer, sum Hash) error {
	var iw idxfile.Writer
	if err := iw.OnHeader(uint32(len(w.order))); err != nil {
		return err
	}
	for _, h := range w.order {
		s := w.objects[h]
		iw.Add(plumbing.Hash(h), uint64(s.offset), s.crc)
	}
	if err := iw.OnFooter(plumbing.Hash(sum)); err != nil {
		return err
	}
	idx, err := iw.Index()
	if err != nil {
		return err
	}
	_, err = idxfile.NewEncoder(out).Encode(idx)
	return err
}

func shortRead(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
