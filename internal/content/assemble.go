package content

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"strconv"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// assembler puts the plain payload together again.
type assembler struct {
	a              *Archive
	verify         bool
	m              *model
	sizes          func(uint32) (int64, error)
	from           objects
	content, extra *finder
	cursors        [len(fields)]cursor
	prev           int64
	names          []Name
	extras         []int
	offset         int64
}

// assemble writes the plain payload that the archive describes and compares objects and all of it with their digests; without verify,
// only sizes are compared.
func assemble(ctx context.Context, from objects, a *Archive, files []rpmfile.File, content, extra ostree.Checksum, w io.Writer, verify bool) error {
	cursors, err := unpack(a.Columns)
	if err != nil {
		return err
	}
	sum := sha256.New()
	size := new(counter)
	sinks := io.MultiWriter(w, size)
	if verify {
		sinks = io.MultiWriter(w, size, sum)
	}
	out := bufio.NewWriterSize(sinks, 256<<10)
	as := &assembler{
		a: a, verify: verify, m: newModel(files), sizes: rpmfile.PayloadSizes(files), from: from, cursors: cursors, prev: -1,
		content: newFinder(from, content), extra: newFinder(from, extra), names: a.Names, extras: a.Extra,
	}
	if a.Entries > as.m.maxEntries() {
		return fmt.Errorf("archive: %d entries for %d files", a.Entries, len(files))
	}
	for i := range a.Entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := as.entry(i, out); err != nil {
			return fmt.Errorf("archive: entry %d: %w", i, err)
		}
	}
	tail := a.Tail
	if len(tail) == 0 && !a.NoTail {
		tail = a.usualTail(as.offset)
	}
	if _, err := out.Write(tail); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	got := a.SHA256
	if verify {
		got = hex.EncodeToString(sum.Sum(nil))
	}
	if got != a.SHA256 || int64(*size) != a.Size {
		return fmt.Errorf("archive: %d bytes with SHA-256 %s, want %d with %s", *size, got, a.Size, a.SHA256)
	}
	return nil
}

// entry writes one entry with its content.
func (as *assembler) entry(i int, out *bufio.Writer) error {
	var delta record
	for f := range delta {
		delta[f] = as.cursors[f].next()
	}
	file := as.m.next(as.prev) + delta[fieldFile]
	as.prev = file
	r := as.m.expect(file)
	for f := fieldIno; f < len(r); f++ {
		r[f] += delta[f]
	}
	r[fieldFile] = file
	size := r[fieldSize]
	if as.a.Format == stripped {
		n, err := as.sizes(uint32(file))
		if err != nil {
			return err
		}
		size = n
	}
	name := as.m.name(as.a.Prefix, file)
	if len(as.names) > 0 && as.names[0].Entry == i {
		name = string(as.names[0].Name)
		as.names = as.names[1:]
	}
	head := make([]byte, -as.offset&3, 160+len(name))
	head = as.a.appendEntry(head, r, name)
	if left := as.a.Size - as.offset; size < 0 || int64(len(head)) > left || size > left-int64(len(head)) {
		return fmt.Errorf("record of %d bytes with %d of content at %d of an archive of %d", len(head), size, as.offset, as.a.Size)
	}
	if _, err := out.Write(head); err != nil {
		return err
	}
	as.offset += int64(len(head)) + size
	if size == 0 {
		return nil
	}
	return as.body(i, file, size, out)
}

func (as *assembler) body(i int, file, size int64, out *bufio.Writer) error {
	var sum ostree.Checksum
	var err error
	switch {
	case len(as.extras) > 0 && as.extras[0] == i:
		as.extras = as.extras[1:]
		sum, err = as.extra.file(strconv.Itoa(i))
	case !as.m.has(file):
		return fmt.Errorf("file %d of %d", file, len(as.m.files))
	case as.m.files[file].IsSymlink():
		target := as.m.files[file].LinkTo
		if int64(len(target)) != size {
			return fmt.Errorf("link target of %d bytes, want %d", len(target), size)
		}
		_, err := out.WriteString(target)
		return err
	default:
		place := pathKey(as.m.files[file].Path)
		if sum, err = as.content.file(place); err != nil {
			return fmt.Errorf("%s: %w", path.Join(nameFiles, place), err)
		}
	}
	if err != nil {
		return err
	}
	f, err := as.from.OpenFile(sum)
	if err != nil {
		return err
	}
	defer f.Close()
	if !as.verify {
		f.LeaveUnverified()
	}
	if f.Size != size {
		return fmt.Errorf("object %s has %d bytes, want %d", sum, f.Size, size)
	}
	_, err = io.Copy(out, f)
	return err
}
