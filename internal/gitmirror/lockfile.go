package gitmirror

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strconv"

	"github.com/weld-linux/weld-bridge/internal/convert"
	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
	"github.com/weld-linux/weld-bridge/internal/tarmodel"
)

// smallSource is the size in bytes up to which a plain source also stands in the metadata repository.
const smallSource = 1 << 20

// metadataFiles are the files of packages/NAME/.
func (j *job) metadataFiles() (map[string][]byte, error) {
	s := j.s
	files := map[string][]byte{}
	l := &Lock{
		Format: 1, Name: s.nevra.Name, NEVR: nevrName(s.nevra), EVR: s.nevra.EVR(), SRPM: s.nevra.NVR() + ".src.rpm",
		SHA256: s.sha256, Branch: j.im.branch("distro"), Base: j.base.String(),
	}
	if src := s.spec(); src != nil {
		l.Spec = src.name
		files[s.nevra.Name+".spec"] = j.spec
		doc, err := convert.FromSpec(src.name, j.spec, convert.Options{})
		if err != nil {
			j.out.Notes = append(j.out.Notes, "no package.toml: "+err.Error())
		} else {
			files["package.toml"] = pkgtoml.Encode(doc)
			sum := sha256.Sum256(files["package.toml"])
			l.Document = hex.EncodeToString(sum[:])
		}
	}
	numbers := map[string]int{}
	for n, name := range j.info.sources {
		numbers[name] = n
	}
	patches := map[string]int{}
	for _, p := range j.info.patches {
		patches[p.file] = p.number
	}
	for i := range s.sources {
		src := &s.sources[i]
		ls := LockSource{
			Name: src.name, Kind: "file", SHA256: src.sha256, Size: src.size, Mode: strconv.FormatUint(uint64(src.mode), 8),
			MTime: src.mtime, From: "pristine:" + src.sha256,
		}
		if n, ok := patches[src.name]; ok {
			ls.Kind, ls.Number, ls.From = "patch", n, "git:"+srpmTag(s.nevra)
		} else if n, ok := numbers[src.name]; ok {
			ls.Kind, ls.Number = "source", n
		}
		small := src.size <= smallSource && j.stored[src.name].tree.IsZero() && ls.Kind != "patch"
		switch {
		case src.spec:
			ls.Kind, ls.From = "spec", "meta:"+s.nevra.Name+".spec"
		case src.name == j.info.sources[j.lay.main] && !j.stored[src.name].tree.IsZero():
			ls.From = "git:" + j.upstreamTag
		case small && tarmodel.Unsafe(src.name) == "" && files[src.name] == nil && src.name != "sources.lock" && !slices.Contains(keptFiles, src.name):
			data, err := os.ReadFile(src.path)
			if err != nil {
				return nil, err
			}
			files[src.name] = data
			ls.From = "meta:" + src.name
		}
		l.Sources = append(l.Sources, ls)
	}
	files["sources.lock"] = l.encode()
	return files, nil
}
