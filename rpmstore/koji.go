package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

func newKojiCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "koji",
		Short: "Exchange packages and signatures with koji's directory of packages",
		Long: `Koji keeps packages as NAME/VERSION/RELEASE/ARCH/N-V-R.A.rpm, signature headers as
NAME/VERSION/RELEASE/data/sigcache/KEY/ARCH/N-V-R.A.rpm.sig and signed copies as NAME/VERSION/RELEASE/data/signed/KEY/ARCH/N-V-R.A.rpm.`,
	}
	cmd.AddCommand(newKojiImportCmd(), newKojiExportCmd())
	return cmd
}

type kojiImport struct {
	store storeFlags
	bulk  cli.Bulk
	into  string
	opts  content.ImportOptions
}

func newKojiImportCmd() *cobra.Command {
	var o kojiImport
	cmd := &cobra.Command{
		Use:   "import --into COLLECTION PACKAGES_DIR",
		Short: "Take koji's packages with all of their signatures",
		Long: `Import takes every package of koji's directory with the signature headers that lie under data/sigcache. A package that does not lie where its
source package says, such as one of a draft build, is refused: export would put it elsewhere.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	o.store.add(cmd)
	o.bulk.Add(cmd)
	cmd.Flags().StringVar(&o.into, "into", "", "the `COLLECTION` (required)")
	cmd.Flags().BoolVar(&o.opts.Defer, "defer", false, "keep payloads as they are and leave the search for their encoders to compact")
	return cmd
}

func (o *kojiImport) run(cmd *cobra.Command, dir string) error {
	if o.into == "" {
		return cli.Usagef("no collection: give --into")
	}
	items, err := kojiItems(dir)
	if err != nil {
		return err
	}
	o.bulk.Many, o.opts.Force = true, o.bulk.Force
	s, err := o.store.open(1)
	if err != nil {
		return err
	}
	defer s.Close()
	return runSession(cmd, &o.bulk, s, o.into, items, func(ctx context.Context, se *content.Session, item bulk.Item) bulk.Result {
		return o.one(ctx, s, se, item)
	})
}

// kojiItems finds the packages of a tree; each item's value is the release's directory. A release that is a link is a build on
// another of koji's volumes.
func kojiItems(dir string) ([]bulk.Item, error) {
	var items []bulk.Item
	dir += string(filepath.Separator) // which may be a link
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if path == dir {
				return err
			}
			items = append(items, bulk.Item{Input: path, Err: err})
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name, below, _ := strings.Cut(rel, string(filepath.Separator))
		if strings.Count(below, string(filepath.Separator)) != 1 || !d.IsDir() && d.Type()&fs.ModeSymlink == 0 {
			return nil
		}
		found, err := filepath.Glob(filepath.Join(globEscape(path), "*", "*.rpm"))
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil {
			found = []string{path} // a volume that is not there: the item fails
		}
		for _, rpm := range found {
			items = append(items, bulk.Item{Input: rpm, Group: name, Value: path})
		}
		if d.IsDir() {
			return filepath.SkipDir
		}
		return nil
	})
	return items, err
}

// checkPlace refuses a file that export would put elsewhere: in a draft of a build, or where its source package does not name the build.
func checkPlace(path, release string) error {
	f, _, err := openRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := rpmfile.Read(bufio.NewReader(f))
	if err != nil {
		return err
	}
	top := filepath.Dir(filepath.Dir(filepath.Dir(release)))
	place, err := kojiPlaceIn(top, p.Header, p.NEVRA())
	if err != nil {
		return err
	}
	if want := filepath.Join(place.release, place.arch, place.file); want != path {
		return fmt.Errorf("its place as a package of its source package's build is %s: a draft, or a build by another name", want)
	}
	return nil
}

func (o *kojiImport) one(ctx context.Context, s *content.Store, se *content.Session, item bulk.Item) bulk.Result {
	if err := checkPlace(item.Input, item.Value.(string)); err != nil {
		return bulk.Failed("read", "input", err)
	}
	res := importFile(ctx, se, item.Input, o.opts)
	if !res.OK {
		return res
	}
	arch := filepath.Base(filepath.Dir(item.Input))
	cache, tail := filepath.Join(globEscape(item.Value.(string)), "data", "sigcache"), filepath.Join(globEscape(arch), globEscape(filepath.Base(item.Input))+".sig")
	sigs, err := filepath.Glob(filepath.Join(cache, "*", tail))
	if err != nil {
		return bulk.Failed("read", "input", err)
	}
	// koji's path of an unsigned header has an empty part, which file systems take for none.
	unsigned, err := filepath.Glob(filepath.Join(cache, tail))
	if err != nil {
		return bulk.Failed("read", "input", err)
	}
	sigs = append(sigs, unsigned...)
	if len(sigs) == 0 {
		return res
	}
	c, err := s.Collection(o.into)
	if err != nil {
		return failed(err)
	}
	added := 0
	for _, sig := range sigs {
		ok, err := o.addSignature(ctx, c, se, res.Figures["nevra"].(string), res.Figures["sha256"].(string), sig)
		if err != nil {
			r := failed(err)
			r.Message = sig + ": " + r.Message
			return r
		}
		if ok {
			added++
		}
	}
	res.Figures["signatures"] = added
	res.Skipped = res.Skipped && added == 0
	return res
}

func (o *kojiImport) addSignature(ctx context.Context, c *content.Collection, se *content.Session, nevra, sha, sig string) (bool, error) {
	raw, _, err := readSignature(sig)
	if err != nil {
		return false, err
	}
	found, err := c.Find(nevra)
	if err != nil {
		return false, err
	}
	for _, p := range found {
		list, err := p.Exports()
		if err != nil {
			return false, err
		}
		for _, e := range list {
			if e.SHA256 != sha {
				continue
			}
			_, err := se.AddSignature(ctx, p, raw)
			if errors.Is(err, content.ErrUnchanged) {
				return false, nil
			}
			return err == nil, err
		}
	}
	return false, fmt.Errorf("%s: %w", nevra, errNoPackage)
}

func globEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(s)
}

type kojiExport struct {
	store  storeFlags
	bulk   cli.Bulk
	choose selection
	signed bool
	dir    string

	mu    sync.Mutex
	taken map[string]string // what stands at a path: the SHA-256 of a package's file
	wrote atomic.Bool
}

func newKojiExportCmd() *cobra.Command {
	o := kojiExport{taken: map[string]string{}}
	cmd := &cobra.Command{
		Use:   "export PACKAGES_DIR [NEVRA...]",
		Short: "Write packages and signatures as koji keeps them",
		Long: `Export writes each package, without signatures where it came so, its signature headers under data/sigcache, and with --signed the
signed copies under data/signed. What is there already is left; another file in its place is an error, unless --force replaces it.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.store.add(cmd)
	o.bulk.Add(cmd)
	o.choose.add(cmd)
	cmd.Flags().BoolVar(&o.signed, "signed", false, "write the signed copies too")
	return cmd
}

func (o *kojiExport) run(cmd *cobra.Command, args []string) error {
	s, done, err := o.store.reading(cmd.Context())
	if err != nil {
		return err
	}
	defer done()
	list, err := o.choose.packages(s, args[1:])
	if err != nil {
		return err
	}
	list = distinct(list)
	o.bulk.Many = len(list) > 1
	o.dir = args[0]
	err = o.bulk.Run(cmd, packageItems(list), func(ctx context.Context, item bulk.Item) bulk.Result {
		wrote, err := o.one(ctx, item.Value.(chosen).pkg)
		if wrote {
			o.wrote.Store(true)
		}
		if err != nil {
			return bulk.Failed("export", "export", err)
		}
		return bulk.Result{OK: true, Skipped: !wrote}
	})
	if o.wrote.Load() {
		err = cmp.Or(err, atomicfile.SyncTree(o.dir))
	}
	return err
}

func (o *kojiExport) one(ctx context.Context, p *content.Package) (wrote bool, err error) {
	place, err := kojiPlaceOf(o.dir, p)
	if err != nil {
		return false, err
	}
	list, err := p.Exports()
	if err != nil {
		return false, err
	}
	main, err := p.Select(content.Form{Unsigned: true})
	if err != nil || main.Stripped {
		main = list[0] // koji has the file as it was imported
	}
	if wrote, err = o.put(ctx, p, main, filepath.Join(place.release, place.arch, place.file)); err != nil {
		return wrote, err
	}
	for _, e := range list {
		if e.Stripped {
			continue
		}
		more, err := o.signature(ctx, place, p, e)
		if wrote = wrote || more; err != nil {
			return wrote, err
		}
	}
	return wrote, nil
}

// put writes a form of a package to its place, where nothing is. koji has one package of a name; the store may have several.
func (o *kojiExport) put(ctx context.Context, p *content.Package, e content.Export, path string) (wrote bool, err error) {
	o.mu.Lock()
	first, taken := o.taken[path]
	if !taken {
		o.taken[path] = e.SHA256
	}
	o.mu.Unlock()
	if taken && first != e.SHA256 {
		return false, fmt.Errorf("%s: another package of this name goes there", path)
	}
	if !o.bulk.Force {
		if sameFile(path, e) {
			return false, nil
		}
		if _, err := os.Lstat(path); err == nil {
			return false, fmt.Errorf("%s: another file is there", path)
		}
	}
	return true, writeExport(ctx, p, e, path)
}

type kojiPlace struct{ release, arch, file string }

// kojiPlaceOf gives the place of a package in the tree dir.
func kojiPlaceOf(dir string, p *content.Package) (kojiPlace, error) {
	raw, err := p.Header()
	if err != nil {
		return kojiPlace{}, err
	}
	h, err := rpmfile.ParseHeader(raw)
	if err != nil {
		return kojiPlace{}, fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	return kojiPlaceIn(dir, h, p.Split())
}

// kojiPlaceIn gives the place of a package: below the build that it comes from, which its source package names.
func kojiPlaceIn(dir string, h *rpmfile.Header, n rpmfile.NEVRA) (kojiPlace, error) {
	build := n.NVR()
	if src := h.String(rpmfile.TagSourceRPM); src != "" {
		build = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(src, ".rpm"), ".src"), ".nosrc")
	}
	i := strings.LastIndexByte(build, '-')
	j := strings.LastIndexByte(build[:max(i, 0)], '-')
	if j <= 0 || strings.ContainsAny(build, "/\x00") || strings.HasPrefix(build, ".") {
		return kojiPlace{}, fmt.Errorf("%s: source package %q names no build", n, build)
	}
	name, version, release := build[:j], build[j+1:i], build[i+1:]
	for _, part := range []string{version, release} {
		if part == "" || part == "." || part == ".." {
			return kojiPlace{}, fmt.Errorf("%s: source package %q names no build", n, build)
		}
	}
	return kojiPlace{filepath.Join(dir, name, version, release), n.Arch, n.Filename()}, nil
}

func (o *kojiExport) signature(ctx context.Context, place kojiPlace, p *content.Package, e content.Export) (wrote bool, err error) {
	raw, key, err := p.KojiSignature(e)
	if err != nil {
		return false, err
	}
	path := filepath.Join(place.release, "data", "sigcache", key, place.arch, place.file+".sig")
	have, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(have, raw) && !o.bulk.Force {
		return false, fmt.Errorf("%s: another signature by the same key is there", path)
	}
	if err != nil || !bytes.Equal(have, raw) {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return false, err
		}
		if err := atomicfile.WriteUnsynced(path, raw, 0o666); err != nil {
			return false, err
		}
		wrote = true
	}
	if !o.signed || key == "" {
		return wrote, nil
	}
	more, err := o.put(ctx, p, e, filepath.Join(place.release, "data", "signed", key, place.arch, place.file))
	return wrote || more, err
}
