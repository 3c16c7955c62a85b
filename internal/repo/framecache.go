package repo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// frameKinds are the package files that collections are published with.
var frameKinds = [...]repodata.Kind{repodata.Primary, repodata.Filelists, repodata.Other}

// builtFrame is the compressed metadata of a frame.
type builtFrame struct {
	data   [len(frameKinds)][]byte // compressed
	raw    [len(frameKinds)]uint64 // bytes before compression
	count  uint64                  // packages
	latest int64                   // build time of the youngest package
}

// frameMagic opens the file of a frame: the number is that of the format.
const frameMagic = "weldfrm1"

// marshal gives the file of the frame: magic, numbers, data, and a SHA-256 over all of it.
func (f *builtFrame) marshal() []byte {
	b := []byte(frameMagic)
	b = binary.BigEndian.AppendUint64(b, f.count)
	b = binary.BigEndian.AppendUint64(b, uint64(f.latest))
	for i := range f.data {
		b = binary.BigEndian.AppendUint64(b, f.raw[i])
		b = binary.BigEndian.AppendUint64(b, uint64(len(f.data[i])))
	}
	for i := range f.data {
		b = append(b, f.data[i]...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

var errFrame = errors.New("damaged frame")

// unmarshalFrame reads the file of a frame. The data shares memory with b.
func unmarshalFrame(b []byte) (*builtFrame, error) {
	const head = len(frameMagic) + 16 + 16*len(frameKinds)
	if len(b) < head+sha256.Size || string(b[:len(frameMagic)]) != frameMagic {
		return nil, errFrame
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, errFrame
	}
	f := new(builtFrame)
	at := len(frameMagic)
	number := func() uint64 {
		n := binary.BigEndian.Uint64(b[at:])
		at += 8
		return n
	}
	f.count, f.latest = number(), int64(number())
	rest := body[head:]
	for i := range f.data {
		f.raw[i] = number()
		size := number()
		if size > uint64(len(rest)) {
			return nil, errFrame
		}
		f.data[i], rest = rest[:size:size], rest[size:]
	}
	if len(rest) != 0 {
		return nil, errFrame
	}
	return f, nil
}

// frameCache keeps built frames in a directory. A frame that is lost or damaged is built again.
type frameCache struct {
	dir string
}

func (c *frameCache) path(key string) string { return filepath.Join(c.dir, key[:2], key) }

func (c *frameCache) get(key string) *builtFrame {
	b, err := os.ReadFile(c.path(key))
	if err != nil {
		return nil
	}
	f, err := unmarshalFrame(b)
	if err != nil {
		return nil
	}
	return f
}

// put keeps f. It is not made durable: a damaged frame is seen and built again.
func (c *frameCache) put(key string, f *builtFrame) error {
	path := c.path(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".frame-")
	if err != nil {
		return err
	}
	_, err = tmp.Write(f.marshal())
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// buildFrame renders and compresses the members of f.
func buildFrame(ctx context.Context, f *frame, p *Profile, r *renderer) (*builtFrame, error) {
	built := new(builtFrame)
	var xml [len(frameKinds)][]byte
	for i := range f.members {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.render(&f.members[i]); err != nil {
			if !errors.Is(err, repodata.ErrControl) {
				return nil, err
			}
			r.warn(fmt.Sprintf("left out: %v", err))
			continue
		}
		for j, k := range frameKinds {
			xml[j] = repodata.Append(xml[j], k, &r.pkg)
		}
		built.count++
		built.latest = max(built.latest, r.pkg.TimeBuild)
	}
	for j := range xml {
		data, err := compress(xml[j], p.Layout.XML)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", frameKinds[j], err)
		}
		built.data[j], built.raw[j] = data, uint64(len(xml[j]))
	}
	return built, nil
}

// compress gives b as a stream of its own, which others may follow.
func compress(b []byte, c repodata.Compression) ([]byte, error) {
	var out bytes.Buffer
	w, err := repodata.NewWriter(&out, c)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
