package content

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/weld-linux/weld-bridge/internal/cpio"
	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// maxLink is the length in bytes up to which the target of a symbolic link stands in a tree: PATH_MAX.
const maxLink = 4096

// maxTail is how many bytes may follow the last file of an archive.
const maxTail = 64 << 10

// takeApart reads a plain payload, writes its files and describes the rest. A payload that a recipe cannot
// describe is an errNoArchive; other errors are those of plain or of the writer.
func takeApart(w *ostree.Writer, files []rpmfile.File, plain io.Reader) (a *Archive, content, extra *node, err error) {
	sum := sha256.New()
	size := new(counter)
	in := bufio.NewReaderSize(io.TeeReader(plain, io.MultiWriter(sum, size)), 256<<10)
	s := &splitter{w: w, m: newModel(files), content: new(node), extra: new(node), links: map[linkID]*linkSet{}}
	s.d = newDescriber(s.m)
	s.in = cpio.NewReader(in, rpmfile.PayloadSizes(files))
	if err := s.run(); err != nil {
		if errors.Is(err, cpio.ErrFormat) {
			err = errNoArchive{err.Error()}
		}
		return nil, nil, nil, err
	}
	a = s.d.a
	a.Size, a.SHA256 = int64(*size), hex.EncodeToString(sum.Sum(nil))
	return a, s.content, s.extra, nil
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// splitter takes one archive apart.
type splitter struct {
	w              *ostree.Writer
	in             *cpio.Reader
	m              *model
	d              *describer
	content, extra *node
	links          map[linkID]*linkSet
}

// linkSet is the names of a file with hard links, and its content once that came by.
type linkSet struct {
	paths []string
	file  ostree.Checksum
}

func (s *splitter) run() error {
	for {
		e, err := s.in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		number := s.d.a.Entries
		file, err := s.d.add(e)
		if err != nil {
			return err
		}
		if err := s.take(e, number, file); err != nil {
			return err
		}
	}
	for _, set := range s.links {
		for _, p := range set.paths {
			if !set.file.IsZero() {
				s.content.add(p, set.file) // a name that does not fit is still in the header
			}
		}
	}
	rest, err := io.ReadAll(io.LimitReader(s.in.Rest(), maxTail+1))
	if err != nil {
		return err
	}
	if len(rest) > maxTail {
		return noArchive("cpio: more than %d bytes after the trailer", maxTail)
	}
	return s.d.finish(s.in.Trailer(), rest)
}

// take keeps the content of an entry: in the tree of files where an export will look for it, else under its number.
func (s *splitter) take(e *cpio.Entry, number int, file int64) error {
	mode, place := e.Mode, ""
	if s.m.has(file) {
		mode, place = s.m.files[file].Mode, pathKey(s.m.files[file].Path)
	}
	switch mode & ostree.ModeType {
	case ostree.ModeDir:
		if e.Size == 0 {
			if cleanPath(place) {
				s.content.dir(place)
			}
			return nil
		}
	case ostree.ModeSymlink:
		if e.Size <= maxLink && s.m.has(file) {
			return s.takeLink(e, number, s.m.files[file].LinkTo, place)
		}
	case ostree.ModeRegular:
		return s.takeFile(e, number, mode, place, file)
	}
	if e.Size == 0 {
		return nil
	}
	sum, err := s.w.PutFile(plainFile, e.Size, s.in)
	if err != nil {
		return err
	}
	return s.keepExtra(number, sum)
}

func (s *splitter) takeLink(e *cpio.Entry, number int, target, place string) error {
	got := make([]byte, e.Size)
	if _, err := io.ReadFull(s.in, got); err != nil {
		return err
	}
	if string(got) != target {
		sum, err := s.w.PutBytes(plainFile, got)
		if err != nil {
			return err
		}
		return s.keepExtra(number, sum)
	}
	if target == "" || slices.Contains(got, 0) {
		return nil
	}
	sum, err := s.w.PutBytes(ostree.FileInfo{Mode: ostree.ModeSymlink | 0o777, Target: target}, nil)
	if err == nil {
		s.content.add(place, sum) // where it does not fit, the header has it
	}
	return err
}

func (s *splitter) takeFile(e *cpio.Entry, number int, mode uint32, place string, file int64) error {
	id, linked := s.m.hardLink(file)
	if linked && s.links[id] == nil {
		s.links[id] = new(linkSet)
	}
	if linked && e.Size == 0 && s.m.files[file].Size != 0 {
		s.links[id].paths = append(s.links[id].paths, place)
		return nil
	}
	info := plainFile
	if mode&0o111 != 0 {
		info = execFile
	}
	sum, err := s.w.PutFile(info, e.Size, s.in)
	if err != nil {
		return err
	}
	if linked {
		s.links[id].file = sum
	}
	if s.content.add(place, sum) || e.Size == 0 {
		return nil
	}
	return s.keepExtra(number, sum)
}

func (s *splitter) keepExtra(number int, sum ostree.Checksum) error {
	s.d.a.Extra = append(s.d.a.Extra, number)
	if !s.extra.add(strconv.Itoa(number), sum) {
		return noArchive("cpio: entry %d has two contents", number)
	}
	return nil
}
