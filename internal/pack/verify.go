package pack

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Verify reads the whole pack. Each fault goes to fault, a DamagedError; the number of objects read is given.
func (p *Pack) Verify(ctx context.Context, fault func(error)) (objects int, err error) {
	p.verifyIndex(fault)
	byFrame := map[*frame][]entry{}
	p.each(func(e entry) bool {
		byFrame[e.in] = append(byFrame[e.in], e)
		return true
	})
	frames := p.frames
	if c := p.inMemory(); c != nil {
		frames = c.frames
	}
	for _, f := range frames {
		if err := ctx.Err(); err != nil {
			return objects, err
		}
		entries := byFrame[f]
		objects += len(entries)
		if err := p.verifyFrame(f, entries, fault); err != nil {
			fault(&DamagedError{Pack: p.Name, Err: err})
		}
	}
	return objects, nil
}

func (p *Pack) verifyIndex(fault func(error)) {
	for i := uint32(0); p.inMemory() == nil && i < 1<<p.trailer.bits; i++ {
		if _, err := p.bucket(i); err != nil {
			p.recover(err)
		}
	}
	if p.Faulty() {
		fault(p.fault)
	}
}

// verifyFrame tells by fault which of the objects in a frame are damaged. An error says that the index gives it other objects than it has.
func (p *Pack) verifyFrame(f *frame, entries []entry, fault func(error)) error {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.Size, b.Size)) })
	n, end := 0, int64(0)
	for n < len(entries) && int64(entries[n].offset) == end {
		end += entries[n].Size
		n++
	}
	if n != len(entries) || n != int(f.count) || end != f.plain {
		return fmt.Errorf("frame %d at %#x holds %d objects in %d bytes; of %d known ones %d fill %d", f.number, f.offset, f.count, f.plain, len(entries), n, end)
	}
	if f.large() {
		if err := p.verifyLarge(f, entries[0]); err != nil {
			fault(&DamagedError{p.Name, entries[0].Key, err})
		}
		return nil
	}
	plain, err := p.load(f)
	for _, e := range entries {
		if _, wrong := e.from(plain, true); wrong != nil {
			fault(&DamagedError{p.Name, e.Key, errors.Join(err, wrong)})
		}
	}
	return nil
}

func (p *Pack) verifyLarge(f *frame, e entry) error {
	z, err := newStream(io.NewSectionReader(p.file, f.offset, f.stored))
	if err != nil {
		return err
	}
	defer z.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(z, f.plain+1))
	if err == nil && (n != f.plain || [32]byte(sum.Sum(nil)) != e.Sum) {
		err = errDiffers
	}
	return err
}
