package repo

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// extraRecords puts the additional metadata into the workspace: the group file that was given, and what the old
// repodata has.
func (c *creation) extraRecords(ctx context.Context) ([]repodata.Record, error) {
	var records []repodata.Record
	if c.opts.GroupFile != "" {
		comp := c.layout.Extra
		if c.opts.PlainGroup {
			comp = repodata.None
		}
		r, err := c.groupFile(ctx, comp)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	if c.old == nil || c.old.own == nil || c.opts.DiscardExtra {
		return addZck(c.work.dir, records, &c.layout, c.time)
	}
	seen := map[string]bool{}
	for _, old := range c.old.own.repomd.Records {
		if isPackageRecord(old.Type) || seen[old.Type] || c.opts.GroupFile != "" && strings.HasPrefix(old.Type, "group") {
			continue
		}
		seen[old.Type] = true
		if err := c.checkOld(ctx, &old); err != nil {
			return nil, fmt.Errorf("additional metadata of the old repodata, which could be discarded: %w", err)
		}
		r, err := c.keepExtra(ctx, old)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return addZck(c.work.dir, records, &c.layout, c.time)
}

// groupFile compresses the group file.
func (c *creation) groupFile(ctx context.Context, comp repodata.Compression) (repodata.Record, error) {
	in, err := openPlace(ctx, c.opts.GroupFile)
	if err != nil {
		return repodata.Record{}, err
	}
	defer in.Close()
	return writeExtra(c.work.dir, "group", groupBase(c.opts.GroupFile), in, comp, &c.layout, c.time)
}

func groupBase(place string) string { return repodata.TrimSuffix(filepath.Base(place)) }

// sameGroup reports whether the group file that was given is the one that r, of the old metadata, describes.
func (c *creation) sameGroup(ctx context.Context, r *repodata.Record) bool {
	comp, sum := c.layout.Extra, r.OpenChecksum
	switch {
	case strings.HasSuffix(r.Type, "_zck"):
		if comp = repodata.Zck; !c.layout.Zck {
			return false
		}
	case c.opts.PlainGroup:
		comp, sum = repodata.None, r.Checksum
	}
	name := c.layout.fileName(groupBase(c.opts.GroupFile)+comp.Suffix(), r.Checksum)
	if r.LocationHref != RepodataDir+"/"+name || sum.Type != repodata.ChecksumName(c.layout.Checksum) {
		return false
	}
	in, err := openPlace(ctx, c.opts.GroupFile)
	if err != nil {
		return false
	}
	defer in.Close()
	plain, err := repodata.NewReader(in)
	if err != nil {
		return false
	}
	defer plain.Close()
	h, err := repodata.NewHash(sum.Type)
	if err != nil {
		return false
	}
	_, err = io.Copy(h, plain)
	return err == nil && hex.EncodeToString(h.Sum(nil)) == sum.Value
}

// openPlace opens a file by its path or URL.
func openPlace(ctx context.Context, place string) (io.ReadCloser, error) {
	if !strings.Contains(place, "://") {
		return os.Open(place)
	}
	i := strings.LastIndexByte(place, '/')
	src, err := newSource(place[:i])
	if err != nil {
		return nil, err
	}
	return src.open(ctx, place[i+1:])
}

// writeExtra writes the content of in, uncompressed first where it is compressed, as a metadata file of dir.
func writeExtra(dir, typ, name string, in io.Reader, comp repodata.Compression, l *Layout, t time.Time) (repodata.Record, error) {
	plain, err := repodata.NewReader(in)
	if err != nil {
		return repodata.Record{}, err
	}
	defer plain.Close()
	s, err := newSink(filepath.Join(dir, name+comp.Suffix()), comp, l)
	if err != nil {
		return repodata.Record{}, err
	}
	if s.zck != nil {
		err = s.copyChunks(plain)
	} else {
		_, err = io.Copy(s, plain)
	}
	if err != nil {
		s.file.Close()
		return repodata.Record{}, err
	}
	if err := s.Close(); err != nil {
		return repodata.Record{}, err
	}
	return s.record(typ, l, t)
}

// zckExtraChunk is the size that chunks of additional metadata have on the average, as lines allow.
const zckExtraChunk = 32 << 10

// copyChunks copies r in chunks that end behind lines whose content says so, so that most of them stay when r changes.
func (s *sink) copyChunks(r io.Reader) error {
	lines := bufio.NewReader(r)
	since := 0
	for {
		line, err := lines.ReadSlice('\n')
		if _, err := s.Write(line); err != nil {
			return err
		}
		since += len(line)
		if err == io.EOF {
			return nil
		}
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		if err == nil && since > zckExtraChunk/4 && int(crcOf(line))%(zckExtraChunk/64) == 0 {
			since = 0
			if err := s.zck.EndChunk(); err != nil {
				return err
			}
		}
	}
}

// addZck makes the zchunk forms of additional metadata in dir, where the layout has them and they are not there yet.
func addZck(dir string, records []repodata.Record, l *Layout, t time.Time) ([]repodata.Record, error) {
	if !l.Zck {
		return records, nil
	}
	have := map[string]bool{}
	for _, r := range records {
		have[r.Type] = true
	}
	var all []repodata.Record
	for _, r := range records {
		all = append(all, r)
		if strings.HasSuffix(r.Type, "_zck") || have[zckType(r.Type)] {
			continue
		}
		in, err := os.Open(filepath.Join(dir, filepath.Base(r.LocationHref)))
		if err != nil {
			return nil, err
		}
		name := repodata.TrimSuffix(extraBase(&r))
		zck, err := writeExtra(dir, zckType(r.Type), name, in, repodata.Zck, l, t)
		if err = errors.Join(err, in.Close()); err != nil {
			return nil, err
		}
		all = append(all, zck)
	}
	return all, nil
}

// checkOld reports why an additional file of the old repodata cannot be carried over: repomd.xml may name any place, and the file
// may not be what it says.
func (c *creation) checkOld(ctx context.Context, old *repodata.Record) error {
	base := extraBase(old)
	if strings.HasPrefix(base, ".") || base == "repomd.xml" {
		return fmt.Errorf("%s: location %q", old.Type, old.LocationHref)
	}
	if _, err := os.Lstat(filepath.Join(c.work.dir, base)); err == nil {
		return fmt.Errorf("%s: another file is called %s", old.Type, base)
	}
	return c.old.own.verify(ctx, old)
}

// extraBase gives the name of a metadata file without the checksum.
func extraBase(r *repodata.Record) string {
	return strings.TrimPrefix(filepath.Base(r.LocationHref), r.Checksum.Value+"-")
}

// keepExtra carries a file of the old repodata over as it is.
func (c *creation) keepExtra(ctx context.Context, old repodata.Record) (r repodata.Record, err error) {
	in, err := c.old.own.record(ctx, &old)
	if err != nil {
		return r, err
	}
	defer in.Close()
	base := extraBase(&old)
	to := filepath.Join(c.work.dir, base)
	if err := atomicfile.WriteFrom(to, 0o666, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	}); err != nil {
		return r, err
	}
	if r, err = describe(to, &c.layout, old); err != nil {
		return r, err
	}
	r.Timestamp = c.time.Unix()
	err = rename(c.work.dir, base, c.layout.fileName(base, r.Checksum), &r, c.time)
	return r, err
}

// describe makes the record of a metadata file that is already written; old says what cannot be read out of it.
func describe(path string, l *Layout, old repodata.Record) (repodata.Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return repodata.Record{}, err
	}
	defer f.Close()
	outer, err := repodata.NewHash(l.Checksum)
	if err != nil {
		return repodata.Record{}, err
	}
	inner, _ := repodata.NewHash(l.Checksum)
	r := repodata.Record{Type: old.Type, OpenSize: -1, HeaderSize: -1, DatabaseVer: old.DatabaseVer}
	if r.Size, err = io.Copy(outer, f); err != nil {
		return r, err
	}
	sumType := repodata.ChecksumName(l.Checksum)
	r.Checksum = repodata.Checksum{Type: sumType, Value: hex.EncodeToString(outer.Sum(nil))}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return r, err
	}
	var head [6]byte
	n, _ := io.ReadFull(f, head[:])
	switch repodata.DetectCompression(head[:n]) {
	case repodata.None:
		return r, nil
	case repodata.Zck:
		r.OpenChecksum, r.OpenSize, r.HeaderSum, r.HeaderSize = old.OpenChecksum, old.OpenSize, old.HeaderSum, old.HeaderSize
		return r, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return r, err
	}
	plain, err := repodata.NewReader(f)
	if err != nil {
		return r, err
	}
	r.OpenSize, err = io.Copy(inner, plain)
	r.OpenChecksum = repodata.Checksum{Type: sumType, Value: hex.EncodeToString(inner.Sum(nil))}
	return r, errors.Join(err, plain.Close())
}

// rename gives a metadata file its published name and time.
func rename(dir, base, name string, r *repodata.Record, t time.Time) error {
	r.LocationHref = RepodataDir + "/" + name
	if name != base {
		if err := os.Rename(filepath.Join(dir, base), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return os.Chtimes(filepath.Join(dir, name), t, t)
}
