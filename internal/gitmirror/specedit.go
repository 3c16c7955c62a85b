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
	patchMacroLine = regexp.MustCompile(`^\s*%patch(\d*)\b(.*)$`)
	patchNumber    = regexp.MustCompile(`-P\s*(\d+)|^\s+(\d+)\b`)
)

// syncPatches makes the Patch entries of a spec those of the branch: a patch without an entry gets one behind the last,
// and a line that applies it where %prep does that by hand; an entry without a patch goes, with the line that applies it.
// The numbers of new patches are filled in.
func syncPatches(text []byte, files []patchFile, imported map[string]bool) []byte {
	info := readSpec(text, rpmfile.NEVRA{})
	tagged := map[string]bool{}
	highest := -1
	for _, p := range info.patches {
		tagged[p.file] = true
		highest = max(highest, p.number)
	}
	have := map[string]bool{}
	var added []*patchFile
	for i := range files {
		f := &files[i]
		have[f.name] = true
		if !tagged[f.name] {
			highest++
			f.number = highest
			added = append(added, f)
		}
	}
	var dropped []int
	for _, p := range info.patches {
		if imported[p.file] && !have[p.file] {
			dropped = append(dropped, p.number)
		}
	}
	if len(added) == 0 && len(dropped) == 0 {
		return text
	}
	e := &specEditor{file: spec.Parse(text), info: info, dropped: dropped}
	e.drop()
	for _, f := range added {
		e.add(f)
	}
	return e.file.Bytes()
}

// specEditor changes lines of a spec.
type specEditor struct {
	file    *spec.File
	info    *specInfo
	dropped []int
}

// drop removes the entries and the commands of dropped patches.
func (e *specEditor) drop() {
	next := 0 // number of an entry without one
	for i := range e.file.Lines {
		l := &e.file.Lines[i]
		if l.Kind != spec.Text {
			continue
		}
		if g := patchTagLine.FindStringSubmatch(l.Text); g != nil {
			n, err := strconv.Atoi(g[3])
			if err != nil {
				n = next
			}
			next = n + 1
			if slices.Contains(e.dropped, n) {
				l.Text = ""
			}
			continue
		}
		if n, ok := appliedBy(l.Text); ok && slices.Contains(e.dropped, n) {
			l.Text = ""
		}
	}
}

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

// add puts an entry behind the last patch, or the last source, and a command where the spec needs one.
func (e *specEditor) add(f *patchFile) {
	at, colon := -1, ":"
	for i := range e.file.Lines {
		l := &e.file.Lines[i]
		if l.Kind != spec.Text || l.Text == "" {
			continue
		}
		if g := patchTagLine.FindStringSubmatch(l.Text); g != nil {
			at, colon = i, alignment(g[2]+g[3]+g[4], f.number)
		}
	}
	if at < 0 {
		for i := range e.file.Lines {
			if g := sourceTagLine.FindStringSubmatch(e.file.Lines[i].Text); g != nil && e.file.Lines[i].Kind == spec.Text {
				head, _, _ := strings.Cut(strings.TrimLeft(e.file.Lines[i].Text, " \t"), ":")
				at, colon = i, alignment(head+g[1], f.number)
			}
		}
	}
	if at >= 0 {
		e.insert(at, fmt.Sprintf("Patch%d%s%s\n", f.number, colon, f.name))
	}
	e.apply(f)
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

func (e *specEditor) insert(at int, text string) {
	if last := &e.file.Lines[at]; !strings.HasSuffix(last.Text, "\n") {
		last.Text += "\n"
	}
	e.file.Lines[at].Text += text
}

// apply adds the command that applies a patch, unless %autosetup or %autopatch does.
func (e *specEditor) apply(f *patchFile) {
	for _, st := range e.info.steps {
		if !st.auto || !st.active {
			continue
		}
		opts, rest := options(st.words, "pPFbzdomMnSaB")
		_, never := opts['N']
		if !never && len(rest) == 0 && f.number >= atoi(last(opts['m']), 0) && f.number <= atoi(last(opts['M']), 1<<30) {
			return
		}
	}
	at := -1
	for i := range e.file.Lines {
		text := strings.TrimSpace(e.file.Lines[i].Text)
		if strings.HasPrefix(text, "%patch") && !strings.HasPrefix(text, "%patchlist") || strings.HasPrefix(text, "%setup") && at < 0 ||
			strings.HasPrefix(text, "%autosetup") && at < 0 {
			at = i
		}
	}
	if at >= 0 {
		e.insert(at, fmt.Sprintf("%%patch -P %d -p1\n", f.number))
	}
}

// syncSpec brings the Patch entries of st.spec in line with the branch.
func (st *state) syncSpec() {
	imported := map[string]bool{}
	for _, s := range st.lock.Sources {
		if s.Kind == "patch" {
			imported[s.Name] = true
		}
	}
	st.spec = syncPatches(st.spec, st.patches, imported)
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
