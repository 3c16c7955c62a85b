package repo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/content"
)

// Target is a directory that a collection is published in.
type Target struct {
	Dir      string
	Keep     int  // generations whose files stay, the present one included; at least 1
	Packages bool // put the package files beside the metadata
}

// Published tells what Publish did.
type Published struct {
	*Generation
	Unchanged bool // the directory had this generation already; only ID, Commit and Packages are set
	Exported  int  // package files that were made
}

// generationsFile lists the generations whose files repodata holds, newest first.
const generationsFile = "generations.json"

// pastGeneration is an entry of the generations file.
type pastGeneration struct {
	ID       string   `json:"id"`       // SHA-256 of repomd.xml
	Commit   string   `json:"commit"`   // of the collection
	Settings string   `json:"settings"` // digest of what else decides about the content
	Packages int      `json:"packages"`
	LeftOut  int      `json:"left_out,omitempty"`
	Files    []string `json:"files"`
}

// valid reports whether the entry can be one of ours: what it holds becomes part of paths.
func (g *pastGeneration) valid() bool {
	return len(g.ID) == 2*sha256.Size && isHex(g.ID) && !slices.ContainsFunc(g.Files, func(name string) bool {
		return filepath.Base(name) != name || name[0] == '.' || name == generationsFile || strings.HasPrefix(name, "repomd.xml")
	})
}

// repomd gives the name of the repomd.xml of the i-th generation of a list.
func (g *pastGeneration) repomd(i int) string {
	if i == 0 {
		return "repomd.xml"
	}
	return g.ID + "-repomd.xml"
}

// Publish makes the directory show the present state of the collection. Clients see the old state or the new one, each
// with its signature, and nothing between. A collection that has not changed is not published again.
func Publish(ctx context.Context, c *content.Collection, target Target, opts PublishOptions) (*Published, error) {
	if err := os.MkdirAll(target.Dir, 0o777); err != nil {
		return nil, err
	}
	p := &publishing{c: c, target: target, opts: &opts, root: normalDir(target.Dir)}
	work, err := openWorkspace(p.root, false)
	if err != nil {
		return nil, err
	}
	p.work = work
	result, err := p.run(ctx)
	return result, errors.Join(err, work.discard())
}

type publishing struct {
	c      *content.Collection
	target Target
	opts   *PublishOptions
	root   string // ends in a slash
	work   *workspace
	past   []pastGeneration
}

func (p *publishing) run(ctx context.Context) (*Published, error) {
	settings, err := p.settings()
	if err != nil {
		return nil, err
	}
	p.past = readGenerations(p.root + RepodataDir)
	if p.current(settings) {
		now := p.past[0]
		result := &Published{Generation: &Generation{ID: now.ID, Commit: now.Commit, Packages: now.Packages, LeftOut: now.LeftOut}, Unchanged: true}
		if p.target.Packages {
			// A package file that somebody removed comes back.
			list, err := members(p.c)
			if err != nil {
				return nil, err
			}
			result.Exported, err = p.exportPackages(ctx, list)
			return result, err
		}
		return result, nil
	}
	gen, err := generate(ctx, p.c, p.work.dir, p.opts)
	if err != nil {
		return nil, err
	}
	result := &Published{Generation: gen}
	if p.target.Packages {
		if result.Exported, err = p.exportPackages(ctx, gen.members); err != nil {
			return nil, err
		}
	}
	if err := p.finish(gen, settings); err != nil {
		return nil, err
	}
	if err := p.work.publish(); err != nil {
		return nil, err
	}
	if p.target.Packages {
		if err := p.prunePackages(ctx); err != nil && p.opts.Warn != nil {
			p.opts.Warn(fmt.Sprintf("published, but package files that nobody needs stay: %v", err))
		}
	}
	return result, nil
}

// settings digests what the metadata depends on besides the collection.
func (p *publishing) settings() (string, error) {
	h := sha256.New()
	o := p.opts
	fmt.Fprintf(h, "%+v\n%+v\n%s\n%s\n", o.Profile, o.Form, o.Revision, o.BaseURL)
	if o.Signer != nil {
		h.Write(o.Signer.PublicKey())
	}
	for _, x := range o.Extras {
		b, err := os.ReadFile(x.Path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %s %x\n", x.Type, groupBase(x.Path), sha256.Sum256(b))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// current reports whether the directory shows the collection with these settings, whole.
func (p *publishing) current(settings string) bool {
	if len(p.past) == 0 || p.past[0].Commit != p.c.Commit.String() || p.past[0].Settings != settings {
		return false
	}
	dir := p.root + RepodataDir + "/"
	signed := p.opts.Signer == nil || isFile(dir+"repomd.xml.asc") && isFile(dir+"repomd.xml.key")
	return signed && whole(dir, 0, &p.past[0])
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func readGenerations(dir string) []pastGeneration {
	b, err := os.ReadFile(filepath.Join(dir, generationsFile))
	if err != nil {
		return nil
	}
	var list []pastGeneration
	if json.Unmarshal(b, &list) != nil || slices.ContainsFunc(list, func(g pastGeneration) bool { return !g.valid() }) {
		return nil
	}
	return list
}

// finish completes the workspace: signature, repomd.xml, and the files of the generations that stay.
func (p *publishing) finish(gen *Generation, settings string) error {
	if err := writeSigned(p.work.dir, gen); err != nil {
		return err
	}
	list := []pastGeneration{{
		ID: gen.ID, Commit: gen.Commit, Settings: settings, Packages: gen.Packages, LeftOut: gen.LeftOut,
		Files: gen.Files(),
	}}
	old := p.root + RepodataDir + "/"
	for i, past := range p.past {
		if len(list) >= max(p.target.Keep, 1) {
			break
		}
		if past.ID == gen.ID || !whole(old, i, &past) {
			continue
		}
		for _, name := range past.Files {
			if err := link(old+name, p.work.dir+name); err != nil {
				return err
			}
		}
		// What repomd.xml said then tells later which packages the generation needs.
		for _, suffix := range []string{"", ".asc"} {
			if err := link(old+past.repomd(i)+suffix, p.work.dir+past.ID+"-repomd.xml"+suffix); err != nil {
				return err
			}
		}
		list = append(list, past)
	}
	b, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	return atomicfile.Write(p.work.dir+generationsFile, append(b, '\n'), 0o666)
}

// whole reports whether all files of the i-th generation of those in dir are there, and repomd.xml is its own.
func whole(dir string, i int, past *pastGeneration) bool {
	md, err := os.ReadFile(dir + past.repomd(i))
	return err == nil && digest(md) == past.ID && !slices.ContainsFunc(past.Files, func(name string) bool { return !isFile(dir + name) })
}

// writeSigned writes repomd.xml with its signature and key into dir.
func writeSigned(dir string, gen *Generation) error {
	if gen.Signature != nil {
		if err := atomicfile.Write(filepath.Join(dir, "repomd.xml.key"), gen.Key, 0o666); err != nil {
			return err
		}
		if err := atomicfile.Write(filepath.Join(dir, "repomd.xml.asc"), gen.Signature, 0o666); err != nil {
			return err
		}
	}
	return atomicfile.Write(filepath.Join(dir, "repomd.xml"), gen.Repomd, 0o666)
}

// link makes to a link to from. Nothing is done where from is not there or to is.
func link(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return copyFile(from, to)
	}
	return nil
}
