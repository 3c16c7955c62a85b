package gitmirror

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
	"github.com/weld-linux/weld-bridge/internal/convert"
	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/spec"
)

var (
	patchTagLine   = regexp.MustCompile(`(?i)^(\s*)(patch)(\d*)(\s*:\s*)(\S.*?)(\s*)$`)
	sourceTagLine  = regexp.MustCompile(`(?i)^\s*source\d*(\s*:\s*)\S`)
	patchMacroLine = regexp.MustCompile(`^\s*%patch(\d*)\b(.*?)\s*$`)
	patchNumber    = regexp.MustCompile(`-P\s*(\d+)|^\s+(\d+)\b`)
)

// syncPatches makes the Patch entries of a spec those of the branch: a patch without an entry gets one, and a line that applies it where
// %prep does that by hand, each behind those of the commit before; an entry without a patch goes, with the line that applies it. The
// numbers of new patches are filled in: each is the highest so far, for rpm applies patches in the order of their entries.
func syncPatches(text []byte, files []patchFile, imported map[string]bool) ([]byte, error) {
	info := readSpec(text, rpmfile.NEVRA{})
	numbers := map[string]int{}
	highest := -1
	for _, p := range info.patches {
		numbers[p.file] = p.number
		highest = max(highest, p.number)
	}
	have := map[string]bool{}
	for _, f := range files {
		have[f.name] = true
	}
	e := &specEditor{file: spec.Parse(text), info: info}
	for _, p := range info.patches {
		if imported[p.file] && !have[p.file] {
			e.dropped = append(e.dropped, p.number)
		}
	}
	e.drop()
	for i := range files {
		f := &files[i]
		if _, ok := numbers[f.name]; ok {
			continue
		}
		highest++
		f.number = highest
		e.add(f, neighbours(files, i, numbers))
		numbers[f.name] = f.number
	}
	if err := e.order(files); err != nil {
		return nil, err
	}
	return e.file.Bytes(), nil
}

// neighbours are the numbers of the patches before and behind a new one that have entries; -1: there is none.
func neighbours(files []patchFile, i int, numbers map[string]int) [2]int {
	near := [2]int{-1, -1}
	for _, f := range files[:i] {
		if n, ok := numbers[f.name]; ok {
			near[0] = n
		}
	}
	for _, f := range files[i+1:] {
		if n, ok := numbers[f.name]; ok {
			near[1] = n
			break
		}
	}
	return near
}

// specEditor changes lines of a spec.
type specEditor struct {
	file    *spec.File
	info    *specInfo
	dropped []int
}

// drop removes the entries and the commands of dropped patches.
func (e *specEditor) drop() {
	tags := e.tags()
	for i := range e.file.Lines {
		l := &e.file.Lines[i]
		if l.Kind != spec.Text {
			continue
		}
		n, ok := appliedBy(l.Text)
		if tag, isTag := tags[i]; isTag {
			n, ok = tag, true
		}
		if ok && slices.Contains(e.dropped, n) {
			l.Text = ""
		}
	}
	if len(e.dropped) > 0 {
		e.reread()
	}
}

// tags gives the numbers of the Patch entries by their lines.
func (e *specEditor) tags() map[int]int {
	tags := map[int]int{}
	next := 0 // number of an entry without one
	for i, l := range e.file.Lines {
		if l.Kind != spec.Text {
			continue
		}
		if g := patchTagLine.FindStringSubmatch(l.Text); g != nil {
			n, err := strconv.Atoi(g[3])
			if err != nil {
				n = next
			}
			next = n + 1
			tags[i] = n
		}
	}
	return tags
}

// reread takes the lines apart again, of which an edit may have put several in one.
func (e *specEditor) reread() { e.file = spec.Parse(e.file.Bytes()) }

// appliedBy is the number of the one patch that a %patch line applies.
func appliedBy(line string) (int, bool) {
	g := patchMacroLine.FindStringSubmatch(line)
	if g == nil {
		return 0, false
	}
	if g[1] != "" {
		n, err := strconv.Atoi(g[1])
		return n, err == nil
	}
	found := patchNumber.FindAllStringSubmatch(g[2], -1)
	if len(found) != 1 {
		return 0, false
	}
	n, err := strconv.Atoi(found[0][1] + found[0][2])
	return n, err == nil
}

// alignment is what stands between the key and the value, so that the value begins where that of the line before does.
func alignment(before string, number int) string {
	rest := before[strings.IndexByte(before, ':'):]
	if strings.Contains(rest, "\t") {
		return rest
	}
	width := len(before)
	key := fmt.Sprintf("Patch%d:", number)
	return ":" + strings.Repeat(" ", max(width-len(key), 1))
}

// syncSpec brings the Patch entries of st.spec in line with the branch.
func (st *state) syncSpec() (err error) {
	imported := map[string]bool{}
	for _, s := range st.lock.Sources {
		if s.Kind == "patch" {
			imported[s.Name] = true
		}
	}
	st.spec, err = syncPatches(st.spec, st.patches, imported)
	return err
}

// saveMetadata writes spec and package.toml to the work tree of the metadata if they differ from what stands there.
func (st *state) saveMetadata() error {
	dir := filepath.Join(st.ex.Metadata, "packages", st.lock.Name)
	save := func(name string, data []byte) error {
		path := filepath.Join(dir, name)
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
			return nil
		}
		return atomicfile.Write(path, data, 0o666)
	}
	if err := save(st.lock.Name+".spec", st.spec); err != nil {
		return err
	}
	path := filepath.Join(dir, "package.toml")
	old, err := os.ReadFile(path)
	if err != nil {
		return nil //nolint:nilerr // a spec that has no document stays without
	}
	doc, err := st.document(path, old)
	if err != nil || doc == nil {
		return err
	}
	return save("package.toml", pkgtoml.Encode(doc))
}

// document is package.toml with the patches of st.spec, nil if it says what the spec says. The entries are changed in the
// document as it is; only where that does not lead to the spec is it made anew.
func (st *state) document(path string, old []byte) (*pkgtoml.Document, error) {
	gives := func(doc *pkgtoml.Document) bool {
		made, err := convert.ToSpec(doc, convert.Options{})
		return err == nil && bytes.Equal(made, st.spec)
	}
	doc, err := pkgtoml.Decode(path, old)
	if err == nil {
		if gives(doc) {
			return nil, nil
		}
		if st.editPatches(doc); gives(doc) {
			return doc, nil
		}
	}
	return convert.FromSpec(st.specName(), st.spec, convert.Options{})
}

// editPatches makes the patches and %prep of a document those of st.spec.
func (st *state) editPatches(doc *pkgtoml.Document) {
	want := map[int]bool{}
	info := readSpec(st.spec, rpmfile.NEVRA{})
	for _, p := range info.patches {
		want[p.number] = true
	}
	next := 0
	var kept []*pkgtoml.Source
	for _, p := range doc.Patches {
		n, err := strconv.Atoi(p.Number)
		if err != nil {
			n = next
		}
		next = n + 1
		if want[n] {
			kept = append(kept, p)
			delete(want, n)
		}
	}
	for _, p := range info.patches {
		if want[p.number] {
			kept = append(kept, &pkgtoml.Source{Patch: true, Number: strconv.Itoa(p.number), File: p.file})
		}
	}
	doc.Patches = kept
	f := spec.Parse(st.spec)
	for i := range f.Sections {
		if f.Sections[i].Name != "prep" {
			continue
		}
		var body strings.Builder
		for _, l := range f.Lines[f.Sections[i].Body:f.Sections[i].End] {
			body.WriteString(l.Text)
		}
		for _, s := range doc.Build {
			if s.Kind == "prep" {
				blank := s.Body[len(strings.TrimRight(s.Body, "\n")):]
				s.Body = strings.TrimRight(body.String(), "\n") + blank
			}
		}
	}
}
