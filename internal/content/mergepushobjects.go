package content

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/weld-linux/weld-bridge/internal/ostree"
)

// requests is how many requests of one collection are under way at once, beside those for packages.
const requests = 16

// list notes which objects are there, by their fan-out directories.
func (p *Push) list(ctx context.Context) error {
	dirs := make([]string, 256)
	for i := range dirs {
		dirs[i] = fmt.Sprintf("objects/%02x/", i)
	}
	return parallel(ctx, requests, dirs, func(ctx context.Context, dir string) error {
		for name, err := range p.place.List(ctx, dir) {
			if err != nil {
				return err
			}
			if o, ok := ostree.ParseObjectPath(name); ok {
				p.mu.Lock()
				p.have.Add(o)
				p.mu.Unlock()
			}
		}
		return nil
	})
}

// send brings one object there, once.
func (p *Push) send(ctx context.Context, o ostree.Object) error {
	p.mu.Lock()
	for p.pending[o] {
		p.settled.Wait()
	}
	if p.have.Has(o) {
		p.mu.Unlock()
		return nil
	}
	p.pending[o] = true
	p.mu.Unlock()
	n, err := p.upload(ctx, o)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, o)
	if err == nil {
		p.have.Add(o)
		if n > 0 {
			p.objects++
			p.bytes += n
		}
	}
	p.settled.Broadcast()
	return err
}

// inMemory is the size in bytes of the largest object that is held in memory while it is verified and sent.
const inMemory = 4 << 20

// upload writes an object, verified, and gives its size; 0 when it is there.
func (p *Push) upload(ctx context.Context, o ostree.Object) (int64, error) {
	name := ostree.ObjectPath(o)
	if !p.listed {
		if ok, err := p.place.Has(ctx, name); ok || err != nil {
			return 0, staged("send", err)
		}
	}
	f, err := p.stored(o)
	if err != nil {
		return 0, staged("read", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, staged("read", err)
	}
	var content io.ReadSeeker = f
	if info.Size() <= inMemory {
		b := make([]byte, info.Size())
		if _, err := io.ReadFull(f, b); err != nil {
			return 0, staged("read", fmt.Errorf("object %s: %w", o, err))
		}
		content = bytes.NewReader(b)
	}
	if err := ostree.CheckStored(o, content); err != nil {
		return 0, staged("read", err)
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return 0, staged("read", err)
	}
	return info.Size(), staged("send", p.place.Put(ctx, name, info.Size(), content))
}

// stored opens an object as it is stored in archive mode: its file here, or one that is made for it.
func (p *Push) stored(o ostree.Object) (*os.File, error) {
	f, err := p.store.repo.OpenRaw(o)
	if err == nil || !errors.Is(err, ErrNotFound) {
		return f, err
	}
	if f, err = p.w.TempFile(); err != nil {
		return nil, err
	}
	if o.Type == ostree.TypeFile {
		var in *ostree.File
		if in, err = p.all.OpenFile(o.Checksum); err == nil {
			err = errors.Join(ostree.WriteStored(f, in), in.Close())
		}
	} else {
		var b []byte
		if b, err = p.all.ReadMetadata(o); err == nil {
			_, err = f.Write(b)
		}
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
