package repo

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// poolDir holds the package files of a published directory under their checksums. What clients see are links to them,
// so that a file is made once, however often its package is published, and never changes under a name. The names in the pool
// have no suffix: programs that look for packages must not find each one twice.
const poolDir = ".rpms"

// exportPackages makes the package files of list that are not there yet.
func (p *publishing) exportPackages(ctx context.Context, list []member) (int, error) {
	if err := os.MkdirAll(p.root+poolDir, 0o777); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next, made atomic.Int64
	var touched sync.Map // directories that got a name
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(list) || ctx.Err() != nil {
					return
				}
				n, err := p.exportPackage(ctx, &list[i], &touched)
				if err != nil {
					cancel(err)
					return
				}
				made.Add(n)
			}
		})
	}
	wait.Wait()
	err := context.Cause(ctx)
	touched.Range(func(dir, _ any) bool {
		if err == nil {
			err = atomicfile.SyncDir(dir.(string))
		}
		return err == nil
	})
	return int(made.Load()), err
}

// exportPackage makes the file of one package and the link to it; n is 1 when the file was made.
func (p *publishing) exportPackage(ctx context.Context, m *member, touched *sync.Map) (n int64, err error) {
	e, err := m.pkg.Select(p.opts.Form)
	if err != nil {
		return 0, err
	}
	pool := filepath.Join(p.root+poolDir, e.SHA256)
	to := p.root + m.href
	have, err := os.Stat(pool)
	if err != nil {
		if err := exportFile(ctx, m.pkg, e, pool); err != nil {
			return 0, err
		}
		n = 1
		touched.Store(p.root+poolDir, nil)
		if have, err = os.Stat(pool); err != nil {
			return n, err
		}
	}
	if shown, err := os.Stat(to); err == nil && os.SameFile(have, shown) {
		return n, nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return n, err
	}
	for dir := filepath.Dir(m.href); ; dir = filepath.Dir(dir) {
		touched.Store(filepath.Join(p.root, dir), nil)
		if dir == "." {
			break
		}
	}
	tmp := to + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return n, err
	}
	if err := os.Link(pool, tmp); err != nil {
		return n, err
	}
	return n, os.Rename(tmp, to)
}

// exportFile writes an export of pkg to path, whole or not at all.
func exportFile(ctx context.Context, pkg *content.Package, e content.Export, path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".export-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = pkg.WriteExport(ctx, e, f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// prunePackages removes the package files that no generation on show needs. What is not linked to the pool was put there by others,
// and stays.
func (p *publishing) prunePackages(ctx context.Context) error {
	hrefs, sums, err := p.needed(ctx)
	if err != nil {
		return err
	}
	ours, err := p.pooled()
	if err != nil {
		return err
	}
	var gone []string
	walk := func(dir string, keep func(rel string) bool) error {
		return filepath.WalkDir(p.root+dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || keep(strings.TrimPrefix(path, p.root)) {
				return err
			}
			info, err := d.Info()
			if err == nil && ours[inodeOf(info)] {
				gone = append(gone, path)
			}
			return err
		})
	}
	if err := walk(PackagesDir, func(rel string) bool { return hrefs[rel] }); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := walk(poolDir, func(rel string) bool { return sums[filepath.Base(rel)] }); err != nil {
		return err
	}
	for _, path := range gone {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// pooled tells the files of the pool by their inodes.
func (p *publishing) pooled() (map[inode]bool, error) {
	entries, err := os.ReadDir(p.root + poolDir)
	if err != nil {
		return nil, err
	}
	ours := make(map[inode]bool, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		ours[inodeOf(info)] = true
	}
	return ours, nil
}

// inode names a file whatever its names are.
type inode struct{ dev, ino uint64 }

func inodeOf(info fs.FileInfo) inode {
	st := info.Sys().(*syscall.Stat_t) // on Linux always
	return inode{uint64(st.Dev), st.Ino}
}

// needed returns locations and checksums of the packages of all generations on show.
func (p *publishing) needed(ctx context.Context) (hrefs, sums map[string]bool, err error) {
	hrefs, sums = map[string]bool{}, map[string]bool{}
	dir := p.root + RepodataDir + "/"
	for i, gen := range readGenerations(p.root + RepodataDir) {
		f, err := os.Open(dir + gen.repomd(i))
		if err != nil {
			return nil, nil, err
		}
		md, err := repodata.ReadRepomd(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, nil, err
		}
		src := &source{url: p.root, dir: p.root, repomd: md}
		r, err := src.packages(ctx, repodata.Primary)
		if err != nil {
			return nil, nil, err
		}
		sc := repodata.NewScanner(r, repodata.Primary)
		var pkg repodata.Package
		for err = sc.NextRaw(); err == nil; err = sc.NextRaw() {
			if err = repodata.ParseHead(sc.Raw(), &pkg); err != nil {
				break
			}
			hrefs[pkg.LocationHref], sums[pkg.PkgID] = true, true
		}
		if closeErr := r.Close(); err != io.EOF || closeErr != nil {
			return nil, nil, errors.Join(err, closeErr)
		}
	}
	return hrefs, sums, nil
}
