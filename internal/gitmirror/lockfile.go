package gitmirror

import (
	"os"
	"slices"
	"strconv"

	"github.com/weld-linux/weld-bridge/internal/convert"
	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// smallSource is the size in bytes up to which a plain source also stands in the metadata repository.
const smallSource = 1 << 20

// The files of a package's directory that imports write beside NAME.spec and small sources.
const (
	lockName     = "sources.lock"
	documentName = "package.toml"
)

// metadataFiles are the files of packages/NAME/.
func (j *job) metadataFiles() (map[string][]byte, error) {
	s := j.s
	files := map[string][]byte{}
	l := &Lock{
		Format: 1, Name: s.nevra.Name, NEVR: nevrName(s.nevra), EVR: s.nevra.EVR(), SRPM: s.nevra.NVR() + ".src.rpm",
		SHA256: s.sha256, Branch: j.im.branch("distro"), Base: j.base.String(),
	}
	spec := s.spec()
	if spec != nil {
		l.Spec = spec.name
		files[s.nevra.Name+".spec"] = j.spec
		doc, err := convert.FromSpec(spec.name, j.spec, convert.Options{})
		if err != nil {
			j.note("no %s: %v", documentName, err)
		} else {
			files[documentName] = pkgtoml.Encode(doc)
			l.Document = sha256Hex(files[documentName])
		}
	}
	named := j.info.named()
	for i := range s.sources {
		src := &s.sources[i]
		ls := LockSource{
			Name: src.name, Kind: "file", SHA256: src.sha256, Size: src.size, Mode: strconv.FormatUint(uint64(src.mode), 8),
			MTime: src.mtime, From: "pristine:" + src.sha256,
		}
		if n, ok := named[src.name]; ok {
			ls.Kind, ls.Number = n.kind, n.number
		}
		tree := j.stored[src.name].tree
		switch {
		case src == spec:
			ls.Kind, ls.From = "spec", metaFrom+s.nevra.Name+".spec"
		case ls.Kind == "patch":
			ls.From = "git:" + srpmTag(s.nevra)
		case src.name == j.info.sources[j.lay.main] && !tree.IsZero():
			ls.From = "git:" + j.upstreamTag
		case tree.IsZero() && src.size <= smallSource && j.mayStand(src):
			data, err := os.ReadFile(src.path)
			if err != nil {
				return nil, err
			}
			if refusedFile(src.name, data) == "" {
				files[src.name] = data
				ls.From = metaFrom + src.name
			}
		}
		l.Sources = append(l.Sources, ls)
	}
	files[lockName] = l.encode()
	return files, nil
}

// mayStand reports whether a source can stand in the metadata repository under its own name.
func (j *job) mayStand(src *source) bool {
	ours := []string{lockName, documentName, j.s.nevra.Name + ".spec"}
	return irregular(src.mode) == "" && tarmodel.Unsafe(src.name) == "" && !slices.Contains(ours, src.name) && !slices.Contains(keptFiles, src.name)
}

// naming is how a spec names a file.
type naming struct {
	kind   string // source or patch
	number int
}

// named lists the files that the spec names. One that is both is a patch.
func (s *specInfo) named() map[string]naming {
	named := map[string]naming{}
	for _, n := range s.order {
		named[s.sources[n]] = naming{"source", n}
	}
	for _, p := range s.patches {
		named[p.file] = naming{"patch", p.number}
	}
	return named
}
