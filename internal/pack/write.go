package pack

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Compressor makes frames.
type Compressor struct {
	Level uint8 // stands in the head of a pack, so that what is packed again is packed alike; 0: Default

	// Compress writes r, which has size bytes, to w as one zstd frame with a window of at most MaxWindow. The same bytes must
	// always give the same frame.
	Compress func(w io.Writer, r io.Reader, size int64) error
}

// Default is the compressor that needs no helper. It is for one writer at a time.
func Default() Compressor {
	var z *zstd.Encoder // the last one: it takes far more memory than most frames
	last := 0
	return Compressor{Compress: func(w io.Writer, r io.Reader, size int64) (err error) {
		window := 1 << 20
		for int64(window) < size && window < MaxWindow {
			window <<= 1
		}
		if window == last {
			z.Reset(w)
		} else if z, err = zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(window),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true)); err != nil {
			return err
		}
		last = window
		if _, err := io.Copy(z, r); err != nil {
			return errors.Join(err, z.Close())
		}
		return z.Close()
	}}
}

// Writer writes one pack.
type Writer struct {
	dir      string
	file     *os.File
	out      *bufio.Writer
	sum      hash.Hash
	offset   int64
	compress Compressor
	frames   []*frame
	entries  []entry
	stored   bytes.Buffer
	again    []byte
}

// Create begins a pack in dir. Abort or Finish ends it.
func Create(dir string, c Compressor) (*Writer, error) {
	file, err := os.CreateTemp(dir, "new-")
	if err != nil {
		return nil, err
	}
	w := &Writer{dir: dir, file: file, sum: sha256.New(), compress: c}
	w.out = bufio.NewWriterSize(io.MultiWriter(file, w.sum), 1<<20)
	head := append(signature[:], version, c.Level, 0, 0)
	return w, w.skippable(magicHead, head)
}

// Write takes bytes of the pack; it is for the compressor.
func (w *Writer) Write(b []byte) (int, error) {
	n, err := w.out.Write(b)
	w.offset += int64(n)
	return n, err
}

func (w *Writer) skippable(magic uint32, b []byte) error {
	if int64(len(b)) > 1<<32-1 {
		return fmt.Errorf("pack: %d bytes of index: too many", len(b))
	}
	head := order.AppendUint32(order.AppendUint32(nil, magic), uint32(len(b)))
	_, err := w.Write(append(head, b...))
	return err
}

// Objects gives the number of objects written.
func (w *Writer) Objects() int { return len(w.entries) }

// Size gives the bytes written.
func (w *Writer) Size() int64 { return w.offset }

// Frames gives the number of frames written.
func (w *Writer) Frames() int { return len(w.frames) }

// Frame writes a frame of objects with at most MaxFrame bytes, which stand in plain one after the other. Bytes that are not what the
// objects' names say are an error, and so is a frame that does not give them back.
func (w *Writer) Frame(objects []Object, plain []byte) error {
	f := &frame{count: uint32(len(objects)), plain: int64(len(plain))}
	if len(objects) == 0 || f.large() {
		return fmt.Errorf("pack: frame of %d objects with %d bytes", len(objects), f.plain)
	}
	rest := plain
	for _, o := range objects {
		if o.Size < 0 || o.Size > int64(len(rest)) {
			return fmt.Errorf("pack: object %s: %d bytes of %d", o.Key, o.Size, len(rest))
		}
		if _, err := o.verified(rest[:o.Size]); err != nil {
			return fmt.Errorf("pack: object %s: %w", o.Key, err)
		}
		rest = rest[o.Size:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("pack: frame with %d bytes of no object", len(rest))
	}
	w.stored.Reset()
	if err := w.compress.Compress(&w.stored, bytes.NewReader(plain), f.plain); err != nil {
		return fmt.Errorf("pack: compress: %w", err)
	}
	var err error
	if w.again, err = decodeAll(w.again[:0], w.stored.Bytes(), f.plain); err != nil || !bytes.Equal(w.again, plain) {
		return fmt.Errorf("pack: the compressed frame does not give its %d bytes back: %w", f.plain, errors.Join(err, errDiffers))
	}
	f.crc = checksum(w.stored.Bytes())
	return w.frame(objects, f, &w.stored, int64(w.stored.Len()))
}

// Large writes an object of any size as a frame of its own, which is made in a file.
func (w *Writer) Large(o Object, content io.Reader) error {
	f := &frame{count: 1, plain: o.Size}
	if o.Coding != Plain || !f.large() {
		return fmt.Errorf("pack: object %s: %d bytes are not many", o.Key, o.Size)
	}
	temp, err := os.CreateTemp(w.dir, "new-")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	defer temp.Close()
	sum := sha256.New()
	if err := w.compress.Compress(temp, io.TeeReader(io.LimitReader(content, f.plain), sum), f.plain); err != nil {
		return fmt.Errorf("pack: compress: %w", err)
	}
	size, err := temp.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	again := sha256.New()
	crc := newCRC()
	z, err := newStream(io.TeeReader(io.NewSectionReader(temp, 0, size), crc))
	if err != nil {
		return err
	}
	defer z.Close()
	n, err := io.Copy(again, z)
	if err != nil || n != f.plain || [32]byte(sum.Sum(nil)) != o.Sum || [32]byte(again.Sum(nil)) != o.Sum {
		return fmt.Errorf("pack: object %s: %w", o.Key, errors.Join(err, errDiffers))
	}
	f.crc = crc.Sum32()
	return w.frame([]Object{o}, f, io.NewSectionReader(temp, 0, size), size)
}

// frame writes the list of a frame's objects, and the frame.
func (w *Writer) frame(objects []Object, f *frame, r io.Reader, size int64) error {
	if len(w.entries)+len(objects) > maxObjects {
		return fmt.Errorf("pack: more than %d objects", maxObjects)
	}
	f.number, f.stored = uint32(len(w.frames)), size
	list := f.append(nil) // the offset is not known yet, and is told by the place
	offset := int64(0)
	for _, o := range objects {
		if o.Size > maxSize || o.Kind >= 1<<kindBits {
			return fmt.Errorf("pack: object %s: %d bytes", o.Key, o.Size)
		}
		list = order.AppendUint64(list, o.word())
		w.entries = append(w.entries, entry{Object: o, in: f, offset: uint32(offset)})
		offset += o.Size
	}
	packed, err := compressList(list)
	if err != nil {
		return err
	}
	if err := w.skippable(magicList, order.AppendUint32(packed, checksum(packed))); err != nil {
		return err
	}
	f.offset = w.offset
	w.frames = append(w.frames, f)
	_, err = io.Copy(w, r)
	return err
}

func compressList(list []byte) ([]byte, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(list, nil), z.Close()
}

// Finish ends the pack, brings it to the disk and gives it its name, which it returns.
func (w *Writer) Finish() (name string, err error) {
	defer func() {
		if err != nil {
			w.Abort()
		}
	}()
	slices.SortFunc(w.entries, entry.compare)
	for i := range w.entries {
		if i > 0 && w.entries[i].compare(w.entries[i-1]) == 0 {
			return "", fmt.Errorf("pack: object %s twice in a frame", w.entries[i].Key)
		}
	}
	if err := w.skippable(magicIndex, w.index()); err != nil {
		return "", err
	}
	if err := errors.Join(w.out.Flush(), w.file.Chmod(0o444), w.file.Sync()); err != nil {
		return "", err
	}
	name = hex.EncodeToString(w.sum.Sum(nil)) + Suffix
	if err := errors.Join(w.file.Close(), os.Rename(w.file.Name(), filepath.Join(w.dir, name))); err != nil {
		return "", err
	}
	d, err := os.Open(w.dir)
	if err != nil {
		return "", err
	}
	return name, errors.Join(d.Sync(), d.Close())
}

// index gives frame table, entries, buckets, and the trailer.
func (w *Writer) index() []byte {
	t := trailer{
		frames: uint64(len(w.frames)), objects: uint64(len(w.entries)), bits: bucketBits(len(w.entries)), table: w.offset + 8,
	}
	b := make([]byte, 0, t.size()+trailerSize)
	for _, f := range w.frames {
		b = f.append(b)
	}
	crc := newCRC()
	crc.Write(b)
	buckets := make([]byte, 0, bucketSize<<t.bits)
	next := 0
	for i := range uint32(1) << t.bits {
		start := len(b)
		for next < len(w.entries) && bucketOf(w.entries[next].Sum, t.bits) == i {
			b = w.entries[next].append(b)
			next++
		}
		buckets = order.AppendUint32(order.AppendUint32(buckets, uint32(next)), checksum(b[start:]))
	}
	crc.Write(buckets)
	t.crc = crc.Sum32()
	return t.append(append(b, buckets...))
}

// Abort gives the pack up. After Finish it does nothing.
func (w *Writer) Abort() {
	w.file.Close()
	os.Remove(w.file.Name())
}
