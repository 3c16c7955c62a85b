package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/pristine"
)

// Exporter gives back what was imported. Its methods may be called from several goroutines.
type Exporter struct {
	Mirrors  string
	Metadata string
	Encoders *pristine.Encoders // nil: those that are found beside the program

	open sync.Once
}

// encoders finds the encoders when they are first asked for.
func (ex *Exporter) encoders() *pristine.Encoders {
	ex.open.Do(func() {
		if ex.Encoders == nil {
			ex.Encoders = pristine.OpenEncoders()
		}
	})
	return ex.Encoders
}

// mirror opens the mirror of a package for reading.
func (ex *Exporter) mirror(name string) (*repo, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	r, err := openRepo(filepath.Join(ex.Mirrors, name+".git"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w in %s", name, errNoMirror, ex.Mirrors)
	}
	return r, err
}

var errNoMirror = errors.New("no mirror of it")

// resolve finds the mirror and the imported version that NAME or NEVR means; NAME is its newest.
func (ex *Exporter) resolve(arg string) (*repo, tagInfo, error) {
	r, err := ex.mirror(arg)
	if err == nil {
		t, err := r.newest("")
		if err != nil {
			r.Close()
			return nil, t, fmt.Errorf("%s: %w", arg, err)
		}
		return r, t, nil
	}
	if checkName(arg) == nil && !errors.Is(err, errNoMirror) {
		return nil, tagInfo{}, err
	}
	// NAME-[EPOCH:]VERSION-RELEASE[.src[.rpm]]
	nevr := strings.TrimSuffix(strings.TrimSuffix(arg, ".rpm"), ".src")
	cut := nevr
	for range 2 {
		i := strings.LastIndexByte(cut, '-')
		if i <= 0 {
			return nil, tagInfo{}, fmt.Errorf("%s: %w in %s", arg, errNoMirror, ex.Mirrors)
		}
		cut = cut[:i]
	}
	if r, err = ex.mirror(cut); err != nil {
		return nil, tagInfo{}, err
	}
	t, err := r.version(nevr)
	if err != nil {
		r.Close()
		return nil, t, fmt.Errorf("%s: %w", arg, err)
	}
	return r, t, nil
}

// versions are the imported versions of a mirror, oldest first.
func (r *repo) versions() ([]tagInfo, error) {
	tags, err := r.refs("refs/tags/srpm/")
	if err != nil {
		return nil, err
	}
	var list []tagInfo
	for _, h := range tags {
		t, err := r.srpmTagInfo(h)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b tagInfo) int {
		if c := a.evr.Compare(b.evr); c != 0 {
			return c
		}
		return strings.Compare(a.nevr, b.nevr)
	})
	return list, nil
}

// newest is the newest imported version of a branch, of all branches for "".
func (r *repo) newest(branch string) (tagInfo, error) {
	list, err := r.versions()
	if err != nil {
		return tagInfo{}, err
	}
	list = slices.DeleteFunc(list, func(t tagInfo) bool { return branch != "" && t.branch != branch })
	if len(list) == 0 {
		return tagInfo{}, errors.New("nothing was imported")
	}
	return list[len(list)-1], nil
}

// version finds an imported version; the epoch may be left out.
func (r *repo) version(nevr string) (tagInfo, error) {
	list, err := r.versions()
	if err != nil {
		return tagInfo{}, err
	}
	for _, t := range list {
		e := t.evr
		e.Epoch = ""
		if t.nevr == nevr || strings.TrimSuffix(t.nevr, t.evr.String())+e.String() == nevr {
			return t, nil
		}
	}
	return tagInfo{}, errors.New("this version was not imported")
}

// Export writes the source RPM that NAME or NEVR means to dir, byte for byte as it was imported, and returns its path.
func (ex *Exporter) Export(ctx context.Context, arg, dir string) (string, error) {
	r, t, err := ex.resolve(arg)
	if err != nil {
		return "", err
	}
	defer r.Close()
	p, err := r.openPristine()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	path := filepath.Join(dir, t.fileName())
	err = atomicfile.WriteFrom(path, 0o666, func(w io.Writer) error { return p.write(ctx, ex.encoders(), t.sha256, w) })
	if err != nil {
		return "", fmt.Errorf("%s: %w", t.nevr, err)
	}
	return path, nil
}

// fileName is the usual name of the source RPM.
func (t tagInfo) fileName() string {
	e := t.evr
	e.Epoch = ""
	return strings.TrimSuffix(t.nevr, t.evr.String()) + e.String() + ".src.rpm"
}

// Verified counts what Verify has regenerated.
type Verified struct {
	Versions int   `json:"versions"`
	Bytes    int64 `json:"bytes"`
}

// Verify regenerates every imported source RPM of a package and compares digests.
func (ex *Exporter) Verify(ctx context.Context, name string) (Verified, error) {
	var v Verified
	r, err := ex.mirror(name)
	if err != nil {
		return v, err
	}
	defer r.Close()
	return r.verify(ctx, ex.encoders())
}

// verify regenerates every imported source RPM.
func (r *repo) verify(ctx context.Context, enc *pristine.Encoders) (Verified, error) {
	var v Verified
	p, err := r.openPristine()
	if err != nil {
		return v, err
	}
	list, err := r.versions()
	if err != nil {
		return v, err
	}
	for _, t := range list {
		if err := ctx.Err(); err != nil {
			return v, err
		}
		var n counter
		if err := p.write(ctx, enc, t.sha256, &n); err != nil {
			return v, fmt.Errorf("%s: %w", t.nevr, err)
		}
		v.Versions++
		v.Bytes += int64(n)
	}
	return v, nil
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// Names lists the packages that have a mirror.
func (ex *Exporter) Names() ([]string, error) {
	entries, err := os.ReadDir(ex.Mirrors)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".git"); ok && e.IsDir() && checkName(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// writeSources writes every source of the lock to dir, patches and spec aside.
func (ex *Exporter) writeSources(ctx context.Context, p *pristineTree, l *Lock, dir string, skip func(LockSource) bool) error {
	for _, s := range l.Sources {
		if skip(s) {
			continue
		}
		mode, _ := strconv.ParseUint(s.Mode, 8, 32)
		if why := irregular(uint32(mode)); why != "" {
			return fmt.Errorf("%q is %s in the source RPM, which only an export gives back", s.Name, why)
		}
		data, err := ex.edited(l, s)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, s.Name)
		err = atomicfile.WriteFrom(path, fs.FileMode(mode&0o777), func(w io.Writer) error {
			if data != nil {
				_, err := w.Write(data)
				return err
			}
			return p.write(ctx, ex.encoders(), s.SHA256, w)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		if data == nil {
			if err := setMTime(path, s.MTime); err != nil {
				return err
			}
		}
	}
	return nil
}

// edited returns a small source as it stands in the metadata repository, if it was changed there.
func (ex *Exporter) edited(l *Lock, s LockSource) ([]byte, error) {
	name, ok := strings.CutPrefix(s.From, metaFrom)
	if !ok || s.Kind == "spec" {
		return nil, nil
	}
	data, err := os.ReadFile(filepath.Join(ex.Metadata, "packages", l.Name, filepath.Base(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s/%s is missing", packageDir(l.Name), name)
	}
	if err != nil || sha256Hex(data) == s.SHA256 {
		return nil, err
	}
	return data, nil
}
