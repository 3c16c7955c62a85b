package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// Change adds one metadata file to a repository or removes one.
type Change struct {
	Path        string // of the file to add; compressed files are uncompressed first
	Remove      bool
	Type        string // of the record; the file name up to its first dot when empty
	NewName     string // of the file, in place of that of Path
	Compression repodata.Compression
	Checksum    string // type of the checksum, "sha256"
	SimpleName  bool
	Zck         bool   // the zchunk form too
	ZckDicts    string // directory of the dictionaries for it
}

// recordType returns the type of the record that the change is about.
func (c *Change) recordType() string {
	if c.Type != "" {
		return c.Type
	}
	base := filepath.Base(c.Path)
	if c.NewName != "" {
		base = filepath.Base(c.NewName)
	}
	typ, _, _ := strings.Cut(base, ".")
	return typ
}

// Modify makes changes to the metadata in the directory repodata, all or none. Files that no record names any more are
// removed. Warnings go to warn.
func Modify(ctx context.Context, dir string, changes []Change, now time.Time, warn func(string)) error {
	dir = normalDir(dir)
	lock, err := lockModify(ctx, dir)
	if err != nil {
		return err
	}
	if lock != nil {
		defer lock.Close()
	}
	f, err := os.Open(dir + "repomd.xml")
	if err != nil {
		return err
	}
	md, err := repodata.ReadRepomd(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	work, err := os.MkdirTemp(dir, modifyPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	m := &modification{dir: dir, work: work, md: md, now: now, warn: warn}
	for i := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.change(&changes[i]); err != nil {
			return err
		}
	}
	return m.publish()
}

// modifyPrefix begins the names of the directories in which Modify makes files.
const modifyPrefix = ".modify-"

// lockModify waits until no other run changes the metadata in dir, which would not see the changes of this one, and removes what killed
// runs have left. The lock is nil on a file system that has none for directories.
func lockModify(ctx context.Context, dir string) (*os.File, error) {
	for {
		f, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil && isAt(f, dir):
			if err := removeLeft(dir); err != nil {
				return nil, errors.Join(err, f.Close())
			}
			return f, nil
		case err != nil && !errors.Is(err, unix.EWOULDBLOCK):
			return nil, f.Close()
		}
		f.Close() // in use, or no more what dir names
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// removeLeft removes the directories of runs that were killed.
func removeLeft(dir string) error {
	left, err := filepath.Glob(globEscape(dir) + modifyPrefix + "*")
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

type modification struct {
	dir, work string // dir ends in a slash
	md        *repodata.Repomd
	now       time.Time
	warn      func(string)
	names     []string // files in work to be published
	gone      []repodata.Record
}

func (m *modification) change(c *Change) error {
	typ := c.recordType()
	old := m.md.Record(typ)
	if c.Remove {
		if old == nil {
			m.warn(fmt.Sprintf("record of type %q, which should be removed, doesn't exist in repomd.xml", typ))
		}
		m.drop(typ, c.Zck)
		return nil
	}
	in, err := openRegular(c.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Path, err)
	}
	defer in.Close()
	name := repodata.TrimSuffix(filepath.Base(c.Path))
	if c.NewName != "" {
		name = filepath.Base(c.NewName)
	}
	l := Layout{Checksum: c.Checksum, SimpleNames: c.SimpleName, Zck: c.Zck, ZckDicts: c.ZckDicts}
	r, err := writeExtra(m.work, typ, name, in, c.Compression, &l, m.now)
	if err != nil {
		return err
	}
	records, err := addZck(m.work, []repodata.Record{r}, &l, m.now)
	if err != nil {
		return err
	}
	if old != nil {
		m.warn(fmt.Sprintf("record with type %q already exists in repomd.xml and is replaced", typ))
	}
	m.drop(typ, c.Zck)
	for _, r := range records {
		if err := m.checkName(&r, c); err != nil {
			return err
		}
		m.names = append(m.names, filepath.Base(r.LocationHref))
		m.md.Records = append(m.md.Records, r)
	}
	return nil
}

// checkName refuses a name without a checksum that another file has.
func (m *modification) checkName(r *repodata.Record, c *Change) error {
	if !c.SimpleName {
		return nil
	}
	if name := filepath.Base(r.LocationHref); strings.HasPrefix(name, ".") || strings.HasPrefix(name, "repomd.xml") {
		return fmt.Errorf("%s is not a name for additional metadata", name)
	}
	for i := range m.md.Records {
		if other := &m.md.Records[i]; other.LocationHref == r.LocationHref {
			return fmt.Errorf("%s is the file of the record of type %q", r.LocationHref, other.Type)
		}
	}
	return nil
}

// drop takes out the record of a type and, with zck, that of its zchunk form.
func (m *modification) drop(typ string, zck bool) {
	if old := m.md.Record(typ); old != nil {
		m.gone = append(m.gone, *old)
		m.md.Remove(typ)
	}
	if zck {
		m.drop(zckType(typ), false)
	}
}

// publish moves the new files into place, then repomd.xml, and then removes what is not named any more.
func (m *modification) publish() error {
	if err := m.md.Check(); err != nil {
		return err
	}
	for _, name := range m.names {
		if err := os.Rename(filepath.Join(m.work, name), m.dir+name); err != nil {
			return err
		}
	}
	if err := atomicfile.SyncDir(m.dir); err != nil {
		return err
	}
	m.md.Sort()
	if err := atomicfile.Write(m.dir+"repomd.xml", m.md.Append(nil), 0o666); err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, r := range m.md.Records {
		kept[r.LocationHref] = true
	}
	var errs []error
	for _, r := range m.gone {
		// A record may name any place; only files of this directory are removed.
		name := filepath.Base(r.LocationHref)
		if kept[r.LocationHref] || r.LocationBase != "" || r.LocationHref != RepodataDir+"/"+name {
			continue
		}
		if err := os.Remove(m.dir + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
