package repo

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// frameKinds are the package files that collections are published with.
var frameKinds = repodata.TemplateKinds

// builtFrame is the metadata of a frame, plain or compressed.
type builtFrame struct {
	frameHead
	data [len(frameKinds)][]byte
}

// frameHead says what is in a frame.
type frameHead struct {
	count  uint64                     // packages
	latest int64                      // build time of the youngest package
	raw    [len(frameKinds)]uint64    // bytes before compression
	parts  [len(frameKinds)]framePart // what lies in the file
}

type framePart struct {
	size uint64
	crc  uint32 // Castagnoli
}

// frameMagic opens the file of a frame: the number is that of the format.
const frameMagic = "weldfrm2"

const frameHeadSize = len(frameMagic) + 16 + len(frameKinds)*20 + 4

func crcOf(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// marshal gives the head of the file: magic, numbers, and a CRC over both. The parts follow, in the order of their kinds.
func (h *frameHead) marshal() []byte {
	b := []byte(frameMagic)
	b = binary.BigEndian.AppendUint64(b, h.count)
	b = binary.BigEndian.AppendUint64(b, uint64(h.latest))
	for i := range h.parts {
		b = binary.BigEndian.AppendUint64(b, h.raw[i])
		b = binary.BigEndian.AppendUint64(b, h.parts[i].size)
		b = binary.BigEndian.AppendUint32(b, h.parts[i].crc)
	}
	return binary.BigEndian.AppendUint32(b, crcOf(b))
}

// errFrame is wrapped where a frame is not in the cache, or is damaged there: it has to be built again.
var errFrame = errors.New("damaged frame")

// unmarshalFrameHead reads the head of a frame's file of size bytes.
func unmarshalFrameHead(b []byte, size int64) (*frameHead, error) {
	if len(b) != frameHeadSize || string(b[:len(frameMagic)]) != frameMagic {
		return nil, errFrame
	}
	if crcOf(b[:len(b)-4]) != binary.BigEndian.Uint32(b[len(b)-4:]) {
		return nil, errFrame
	}
	h := new(frameHead)
	b = b[len(frameMagic):]
	h.count, h.latest = binary.BigEndian.Uint64(b), int64(binary.BigEndian.Uint64(b[8:]))
	b = b[16:]
	rest := uint64(size) - uint64(frameHeadSize)
	for i := range h.parts {
		h.raw[i], h.parts[i] = binary.BigEndian.Uint64(b), framePart{binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint32(b[16:])}
		if h.parts[i].size > rest {
			return nil, errFrame
		}
		rest -= h.parts[i].size
		b = b[20:]
	}
	if rest != 0 {
		return nil, errFrame
	}
	return h, nil
}

// frameCache keeps built frames in a directory, by compression and key: the plain ones as well, because the checksum of a
// whole file needs them. A frame that is lost or damaged is built again.
type frameCache struct {
	dir   string
	plain bool  // keep plain frames
	limit int64 // bytes that prune leaves; frames in use may take more
}

// frameCacheLimit is the limit of the caches that publish and serve use: some generations of a large distribution.
const frameCacheLimit = 6 << 30

func (c *frameCache) path(comp repodata.Compression, key frameKey) string {
	name := hex.EncodeToString(key[:])
	return filepath.Join(c.dir, "frames", comp.String(), name[:2], name)
}

// touchAfter is the age at which a frame that is used is marked as such.
const touchAfter = 24 * time.Hour

// open opens the file of a frame.
func (c *frameCache) open(comp repodata.Compression, key frameKey) (*os.File, *frameHead, error) {
	f, err := os.Open(c.path(comp, key))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	head, err := readFrameHead(f)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return f, head, nil
}

func readFrameHead(f *os.File) (*frameHead, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var b [frameHeadSize]byte
	if _, err := io.ReadFull(f, b[:]); err != nil {
		return nil, errFrame
	}
	if now := time.Now(); now.Sub(info.ModTime()) > touchAfter {
		_ = os.Chtimes(f.Name(), now, now)
	}
	return unmarshalFrameHead(b[:], info.Size())
}

// head returns the head of a frame.
func (c *frameCache) head(comp repodata.Compression, key frameKey) (*frameHead, error) {
	f, head, err := c.open(comp, key)
	if err == nil {
		f.Close()
	}
	return head, err
}

// part reads the i-th part of a frame into the memory of buf.
func (c *frameCache) part(comp repodata.Compression, key frameKey, i int, buf []byte) ([]byte, error) {
	f, head, err := c.open(comp, key)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	at := int64(frameHeadSize)
	for _, p := range head.parts[:i] {
		at += int64(p.size)
	}
	size := int(head.parts[i].size) // not more than the file has
	buf = slices.Grow(buf[:0], size)[:size]
	if _, err := f.ReadAt(buf, at); err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	if crcOf(buf) != head.parts[i].crc {
		return nil, fmt.Errorf("%s: %w", f.Name(), errFrame)
	}
	return buf, nil
}

// put keeps f. It is not made durable: a damaged frame is seen and built again.
func (c *frameCache) put(comp repodata.Compression, key frameKey, f *builtFrame) error {
	for i, b := range f.data {
		f.parts[i] = framePart{size: uint64(len(b)), crc: crcOf(b)}
	}
	return writeCached(c.path(comp, key), append([][]byte{f.marshal()}, f.data[:]...)...)
}

// writeCached writes a file of a cache, whole or not at all.
func writeCached(path string, pieces ...[]byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), cacheTemp)
	if err != nil {
		return err
	}
	for _, b := range pieces {
		if err == nil {
			_, err = tmp.Write(b)
		}
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// cacheTemp begins the names of files that are being written.
const cacheTemp = ".new-"

// drop removes the file of a frame.
func (c *frameCache) drop(comp repodata.Compression, key frameKey) { os.Remove(c.path(comp, key)) }

// prune removes the frames that were not used for longest, as far as the limit asks for it, but none that keep has; and what a
// crash has left.
func (c *frameCache) prune(keep map[string]bool) error {
	type file struct {
		path string
		fs.FileInfo
	}
	var files []file
	total := int64(0)
	err := filepath.WalkDir(filepath.Join(c.dir, "frames"), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil // another has removed it
		}
		if strings.HasPrefix(d.Name(), cacheTemp) {
			if time.Since(info.ModTime()) > touchAfter {
				os.Remove(path)
			}
			return nil
		}
		total += info.Size()
		if !keep[d.Name()] {
			files = append(files, file{path, info})
		}
		return nil
	})
	slices.SortFunc(files, func(a, b file) int { return a.ModTime().Compare(b.ModTime()) })
	for _, f := range files {
		if total <= c.limit {
			break
		}
		total -= f.Size()
		os.Remove(f.path)
	}
	return err
}
