package content

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
)

// How frames are cut; docs/pack-format.md gives the reasons. Bytes are those that a frame holds.
const (
	budget       = 52 << 20 // what reading a package's files may decode besides them
	foreignLimit = 36 << 20 // of that: in frames of others, where it shares files with them and has files of its own
	batchLimit   = 16 << 20 // files of several families in one frame
	cutFrom      = 40 << 20 // a frame of this size is ended before the next path
	largeFile    = 32 << 20 // a file of more is a frame of its own
	metaLimit    = 4 << 20  // headers and trees of one frame
	packLimit    = 1 << 30  // stored bytes of a pack, nearly
	packObjects  = 1 << 20  // objects of a pack, nearly
	fewObjects   = 1000     // a pack of fewer is put together with others by GC
)

// item is an object that waits to be put into a frame.
type item struct {
	pack.Object
	family int
	path   string // of the file, with its numbers left out
	rank   int    // of the package: later versions have higher ones
	plain  []byte // as the frame will hold it; nil: it is read again
}

// items are objects that wait.
type items struct {
	list []item
	keys map[pack.Key]int64 // their sizes
	size int64
}

func (l *items) has(k pack.Key) bool {
	_, ok := l.keys[k]
	return ok
}

func (l *items) add(list ...item) {
	if l.keys == nil {
		l.keys = map[pack.Key]int64{}
	}
	for _, it := range list {
		if !l.has(it.Key) {
			l.keys[it.Key] = it.Size
			l.list = append(l.list, it)
			l.size += it.Size
		}
	}
}

// group is the files of successive packages of a family, which are decoded together.
type group struct {
	items
	least   int64 // bytes of the smallest package's files, shared ones too
	foreign int64 // what some package needs to decode besides, in frames of others
}

// member is the files of one package.
type member struct {
	rank   int
	seen   map[pack.Key]bool
	fresh  []item // no frame has them
	own    int64  // bytes of all
	shared []sharedFile
}

// sharedFile is a file that is in frames already.
type sharedFile struct {
	item
	places []pack.Place
}

// placed is where an object lies in the present pack.
type placed struct {
	frame uint32
	size  int64
}

// waiting stands for the frame that the batch will become.
const waiting = "batch"

// places gives the frames that have an object, apart from what waits.
func (p *packer) places(k pack.Key) (list []pack.Place) {
	if w, ok := p.written[k]; ok {
		return []pack.Place{{Frame: w.frame, Plain: p.sizes[w.frame], Size: w.size}}
	}
	for _, place := range p.s.packs.Places(k) {
		if !p.except[place.Pack] || p.names[place.Pack] {
			list = append(list, place)
		}
	}
	return list
}

// file adds a file of a package.
func (p *packer) file(m *member, sum ostree.Checksum, path string) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	it := p.item(ostree.TypeFile, sum, path, m.rank)
	if m.seen[it.Key] {
		return nil
	}
	m.seen[it.Key] = true
	places := p.places(it.Key)
	if p.batch.has(it.Key) {
		places = append(places, pack.Place{Pack: waiting, Plain: p.batch.size, Size: p.batch.keys[it.Key]})
	}
	if len(places) > 0 {
		it.Size = places[0].Size
		m.own += it.Size
		if it.Size <= largeFile { // the frame of a larger one holds nothing that a reader does not want
			m.shared = append(m.shared, sharedFile{it, places})
		}
		return nil
	}
	if err := p.look(&it); err != nil {
		return p.leaveOut(it.Key, err)
	}
	if m.own += it.Size; it.Size > largeFile {
		return p.large(it)
	}
	m.fresh = append(m.fresh, it)
	return nil
}

// join adds a package to the group of its family, or to a new one where reading it, or another one, would decode too much.
func (p *packer) join(m *member) error {
	g := &p.group
	foreign, err := p.copyFar(m)
	if err != nil {
		return err
	}
	foreign = max(foreign, g.foreign)
	size := g.size
	for _, it := range m.fresh {
		if !g.has(it.Key) {
			size += it.Size
		}
	}
	if g.size > 0 && size-min(m.own, g.least)+foreign > budget {
		if err := p.closeGroup(); err != nil {
			return err
		}
		// What was in the group is in frames now, which may be dear.
		if foreign, err = p.regroup(m); err != nil {
			return err
		}
	}
	if g.size == 0 {
		g.least = m.own
	}
	g.add(m.fresh...)
	g.least, g.foreign = min(g.least, m.own), foreign
	return nil
}

// regroup finds out anew which of the package's files are in frames, after the group that it does not fit was written.
func (p *packer) regroup(m *member) (foreign int64, err error) {
	fresh := m.fresh
	m.fresh = nil
	for _, it := range fresh {
		if _, ok := p.written[it.Key]; ok {
			m.shared = append(m.shared, sharedFile{it, p.places(it.Key)})
		} else {
			m.fresh = append(m.fresh, it)
		}
	}
	return p.copyFar(m)
}

// frameAt names a frame.
type frameAt struct {
	pack   string
	number uint32
}

func at(p pack.Place) frameAt { return frameAt{p.Pack, p.Frame} }

// chooseCopies leaves each file the place where it will be read: a frame that must be decoded for another file, or the first.
func chooseCopies(shared []sharedFile) {
	wanted := map[frameAt]bool{}
	for _, f := range shared {
		if len(f.places) == 1 {
			wanted[at(f.places[0])] = true
		}
	}
	for i, f := range shared {
		n := max(0, slices.IndexFunc(f.places, func(p pack.Place) bool { return wanted[at(p)] }))
		shared[i].places = f.places[n : n+1]
		wanted[at(f.places[n])] = true
	}
}

// copyFar makes copies of files that are in the frames of others where reading them there would decode too much besides: of those
// frames first that have least of the package. It gives what is left to decode besides.
func (p *packer) copyFar(m *member) (total int64, err error) {
	chooseCopies(m.shared)
	limit := int64(foreignLimit)
	if len(m.fresh) == 0 {
		limit = budget
	}
	useful, plain := map[frameAt]int64{}, map[frameAt]int64{}
	for _, f := range m.shared {
		frame := at(f.places[0])
		if _, ok := plain[frame]; !ok {
			plain[frame] = f.places[0].Plain
			total += plain[frame]
		}
		useful[frame] += f.Size
		total -= f.Size
	}
	order := slices.SortedFunc(maps.Keys(plain), func(a, b frameAt) int {
		return cmp.Or(cmp.Compare(useful[a], useful[b]), strings.Compare(a.pack, b.pack), cmp.Compare(a.number, b.number))
	})
	copied := map[frameAt]bool{}
	for _, frame := range order {
		if total <= limit {
			break
		}
		copied[frame] = true
		total -= plain[frame] - useful[frame]
	}
	rest := m.shared[:0]
	for _, f := range m.shared {
		if !copied[at(f.places[0])] {
			rest = append(rest, f)
		} else if err := p.look(&f.item); err == nil {
			m.fresh = append(m.fresh, f.item)
		} else if err := p.leaveOut(f.Key, err); err != nil {
			return 0, err
		}
	}
	m.shared = rest
	return total, nil
}

// endFamily lets the files of a small family wait for those of the next.
func (p *packer) endFamily() error {
	if p.group.size+p.batch.size > batchLimit {
		if err := p.flush(&p.batch); err != nil {
			return err
		}
	}
	if p.group.size > batchLimit {
		return p.closeGroup()
	}
	p.batch.add(p.group.list...)
	p.group = group{}
	return nil
}

// closeGroup writes the group.
func (p *packer) closeGroup() error {
	err := p.flush(&p.group.items)
	p.group = group{}
	return err
}

// flush writes what waits, path by path within a family, and at each path from version to version. A frame ends between two paths where that is possible.
func (p *packer) flush(waits *items) error {
	list := waits.list
	*waits = items{}
	slices.SortFunc(list, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.family, b.family), strings.Compare(a.path, b.path), cmp.Compare(a.rank, b.rank),
			cmp.Compare(a.Kind, b.Kind), bytes.Compare(a.Sum[:], b.Sum[:]))
	})
	for len(list) > 0 {
		n, size := 0, int64(0)
		for ; n < len(list); n++ {
			if next := size + list[n].Size; n > 0 && (next > pack.MaxFrame || size > cutFrom && list[n].path != list[n-1].path) {
				break
			}
			size += list[n].Size
		}
		if err := p.frame(list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// frame writes objects as one frame.
func (p *packer) frame(list []item) error {
	p.buffer = p.buffer[:0]
	objects := make([]pack.Object, 0, len(list))
	for _, it := range list {
		size := len(p.buffer)
		if err := p.read(it); err != nil {
			if err := p.leaveOut(it.Key, err); err != nil {
				return err
			}
			p.buffer = p.buffer[:size]
			continue
		}
		objects = append(objects, it.Object)
	}
	if len(objects) == 0 {
		return nil
	}
	w, err := p.writer()
	if err == nil {
		err = w.Frame(objects, p.buffer)
	}
	if err != nil {
		return err
	}
	p.note(objects...)
	return nil
}

// read puts an object at the end of the buffer.
func (p *packer) read(it item) error {
	if it.plain != nil {
		p.buffer = append(p.buffer, it.plain...)
		return nil
	}
	f, err := p.s.objects.OpenFile(it.Sum)
	if err != nil {
		return err
	}
	defer f.Close()
	start := len(p.buffer)
	p.buffer = append(p.buffer, f.Info.Prefix()...)
	at := len(p.buffer)
	p.buffer = slices.Grow(p.buffer, int(f.Size))[:at+int(f.Size)]
	if err := fill(f, p.buffer[at:]); err != nil {
		return fmt.Errorf("object %s: %w", it.Key, err)
	}
	if it.Coding == pack.X86 {
		pack.EncodeX86(p.buffer[start:])
	}
	return nil
}

// fill reads a file to its end, where its digest is compared, into b, which must have its size.
func fill(f *ostree.File, b []byte) error {
	if _, err := io.ReadFull(f, b); err != nil {
		return err
	}
	if n, err := f.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	return nil
}

// large writes a file as a frame of its own.
func (p *packer) large(it item) error {
	if it.Size <= pack.MaxFrame {
		return p.frame([]item{it})
	}
	f, err := p.s.objects.OpenFile(it.Sum)
	if err != nil {
		return p.leaveOut(it.Key, err)
	}
	defer f.Close()
	w, err := p.writer()
	if err == nil {
		err = w.Large(it.Object, io.MultiReader(bytes.NewReader(f.Info.Prefix()), f))
	}
	if err != nil {
		return err
	}
	p.note(it.Object)
	return nil
}

func (p *packer) writer() (_ *pack.Writer, err error) {
	if p.w == nil {
		p.w, err = pack.Create(filepath.Join(p.s.repo.Dir(), packsDir), p.compress)
	}
	return p.w, err
}

// note remembers that the frame written last holds objects.
func (p *packer) note(objects ...pack.Object) {
	size := int64(0)
	for _, o := range objects {
		p.written[o.Key] = placed{uint32(len(p.sizes)), o.Size}
		size += o.Size
	}
	p.sizes = append(p.sizes, size)
	p.plain += size
}
