package repodata

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmver"
)

// The flags of dependencies that decide what the metadata says of them.
const (
	senseLess     = 1 << 1
	senseGreater  = 1 << 2
	senseEqual    = 1 << 3
	sensePrereq   = 1 << 6
	sensePretrans = 1 << 7
	sensePosttran = 1 << 5
	sensePre      = 1 << 9
	sensePost     = 1 << 10
	senseMissing  = 1 << 19
	senseStrong   = 1 << 27

	prereqMask = sensePrereq | sensePretrans | sensePosttran | sensePre | sensePost
)

// The tags of the signature header that hold the size of the payload once it is unpacked.
const (
	sigLongArchiveSize rpmfile.Tag = 271
	sigPayloadSize     rpmfile.Tag = 1007
)

// Builder turns headers into packages. It keeps memory between calls, so that a package costs few allocations; it is
// not safe for concurrent use. The zero value is ready.
type Builder struct {
	// ChangelogLimit is the number of changelog entries that are kept, counted from the newest; -1 keeps all.
	ChangelogLimit int

	names, versions []string
	flags           []uint32
	dirs, bases     []string
	digests         []string
	indexes         []uint32
	provided        map[depKey]struct{}
	emitted         map[string]depKey
	primary         map[[2]string]struct{} // directories and names of the primary files, of packages with many
}

type depKey struct {
	name, flags, version string
	pre                  bool
}

// Build fills p from the headers of rpm: everything but the checksum of the file, its size and time, and its location.
// The strings of p share memory with rpm. What createrepo_c drops or reorders among the dependencies is dropped and
// reordered here. The names of dependencies that were left out for a bad epoch are returned.
func (b *Builder) Build(p *Package, rpm *rpmfile.Package) (badEpochs []string) {
	p.Reset()
	h := rpm.Header
	p.Name = h.String(rpmfile.TagName)
	p.Arch = h.String(rpmfile.TagArch)
	if rpm.IsSource() {
		p.Arch = "src"
	}
	epoch, _ := h.Uint(rpmfile.TagEpoch)
	p.Epoch = strconv.FormatUint(epoch, 10)
	p.Version = h.String(rpmfile.TagVersion)
	p.Release = h.String(rpmfile.TagRelease)
	p.Summary = h.String(rpmfile.TagSummary)
	p.Description = h.String(rpmfile.TagDescription)
	p.Packager = h.String(rpmfile.TagPackager)
	p.URL = h.String(rpmfile.TagURL)
	p.TimeBuild, _ = h.Int(rpmfile.TagBuildTime)
	p.License = h.String(rpmfile.TagLicense)
	p.Vendor = h.String(rpmfile.TagVendor)
	p.Group = h.String(rpmfile.TagGroup)
	p.BuildHost = h.String(rpmfile.TagBuildHost)
	p.SourceRPM = h.String(rpmfile.TagSourceRPM)
	size, _ := h.UintAny(rpmfile.TagLongSize, rpmfile.TagSize)
	p.SizeInstalled = int64(size)
	p.SizeArchive = ArchiveSize(rpm)
	p.HeaderStart, p.HeaderEnd = rpm.HeaderRange()

	algo, _ := h.Uint(rpmfile.TagFileDigestAlgo)
	p.FilesChecksumType = digestName(algo)
	b.files(p, h)
	badEpochs = b.deps(p, h)
	b.changelogs(p, h)
	return badEpochs
}

// ArchiveSize gives the bytes of the uncompressed payload, as the headers have it.
func ArchiveSize(rpm *rpmfile.Package) int64 {
	n, ok := rpm.Signature.UintAny(sigLongArchiveSize, sigPayloadSize)
	if !ok {
		n, _ = rpm.Header.UintAny(sigLongArchiveSize, rpmfile.TagArchiveSize)
	}
	return int64(n)
}

// digestName names the OpenPGP hash algorithms as createrepo_c does.
func digestName(algo uint64) string {
	names := map[uint64]string{
		1: "md5", 2: "sha1", 3: "ripemd160", 5: "md2", 6: "tiger192", 7: "haval-5-160",
		8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224",
	}
	if name, ok := names[algo]; ok {
		return name
	}
	return "unknown"
}

const (
	modeMask  = 0o170000
	modeDir   = 0o040000
	ghostFlag = 1 << 6
)

// files fills p.Files. A header that lacks one of the lists has no files.
func (b *Builder) files(p *Package, h *rpmfile.Header) {
	b.dirs = h.AppendStrings(b.dirs[:0], rpmfile.TagDirNames)
	b.bases = h.AppendStrings(b.bases[:0], rpmfile.TagBaseNames)
	b.indexes = h.AppendUint32s(b.indexes[:0], rpmfile.TagDirIndexes)
	if !h.Has(rpmfile.TagBaseNames) {
		b.splitOldNames(h)
	}
	b.digests = h.AppendStrings(b.digests[:0], rpmfile.TagFileDigests)
	b.flags = h.AppendUint32s(b.flags[:0], rpmfile.TagFileFlags)
	modes := len(b.flags)
	b.flags = h.AppendUint32s(b.flags, rpmfile.TagFileModes)
	flags, modeList := b.flags[:modes], b.flags[modes:]
	n := min(len(b.bases), len(b.indexes), len(b.digests), len(flags), len(modeList))
	p.Files = slices.Grow(p.Files, n)
	for i := range n {
		f := File{Base: b.bases[i], Digest: b.digests[i]}
		if int(b.indexes[i]) < len(b.dirs) {
			f.Dir = b.dirs[b.indexes[i]]
		}
		switch {
		case modeList[i]&modeMask == modeDir:
			f.Type = FileDir
		case flags[i]&ghostFlag != 0:
			f.Type = FileGhost
		}
		p.Files = append(p.Files, f)
	}
}

// splitOldNames cuts the whole paths of v3 headers the way librpm does when it reads them.
func (b *Builder) splitOldNames(h *rpmfile.Header) {
	for i, path := range h.EachString(rpmfile.TagOldFileNames) {
		cut := strings.LastIndexByte(path, '/') + 1
		b.dirs = append(b.dirs, path[:cut])
		b.bases = append(b.bases, path[cut:])
		b.indexes = append(b.indexes, uint32(i))
	}
}

// depLists says which tags hold which dependencies, in the order in which createrepo_c reads them.
var depLists = [...]struct {
	name, flags, version rpmfile.Tag
	kind                 DepKind
	strong               DepKind // for those with the flag of the older weak dependencies
}{
	{rpmfile.TagProvideName, rpmfile.TagProvideFlags, rpmfile.TagProvideVersion, Provides, Provides},
	{rpmfile.TagConflictName, rpmfile.TagConflictFlags, rpmfile.TagConflictVersion, Conflicts, Conflicts},
	{rpmfile.TagObsoleteName, rpmfile.TagObsoleteFlags, rpmfile.TagObsoleteVersion, Obsoletes, Obsoletes},
	{rpmfile.TagRequireName, rpmfile.TagRequireFlags, rpmfile.TagRequireVersion, Requires, Requires},
	{rpmfile.TagSuggestName, rpmfile.TagSuggestFlags, rpmfile.TagSuggestVersion, Suggests, Suggests},
	{rpmfile.TagEnhanceName, rpmfile.TagEnhanceFlags, rpmfile.TagEnhanceVersion, Enhances, Enhances},
	{rpmfile.TagRecommendName, rpmfile.TagRecommendFlags, rpmfile.TagRecommendVersion, Recommends, Recommends},
	{rpmfile.TagSupplementName, rpmfile.TagSupplementFlags, rpmfile.TagSupplementVersion, Supplements, Supplements},
	{rpmfile.TagOldSuggestsName, rpmfile.TagOldSuggestsFlags, rpmfile.TagOldSuggestsVersion, Suggests, Recommends},
	{rpmfile.TagOldEnhancesName, rpmfile.TagOldEnhancesFlags, rpmfile.TagOldEnhancesVersion, Enhances, Supplements},
}

func (b *Builder) deps(p *Package, h *rpmfile.Header) (badEpochs []string) {
	if b.provided == nil {
		b.provided, b.emitted = map[depKey]struct{}{}, map[string]depKey{}
	}
	b.primary = nil
	clear(b.provided)
	clear(b.emitted)
	for i := range depLists {
		list := &depLists[i]
		b.names = h.AppendStrings(b.names[:0], list.name)
		b.versions = h.AppendStrings(b.versions[:0], list.version)
		b.flags = h.AppendUint32s(b.flags[:0], list.flags)
		var libc *Dep
		for j := range min(len(b.names), len(b.versions), len(b.flags)) {
			flags := b.flags[j]
			key := depKey{name: b.names[j], flags: senseString(flags), version: b.versions[j]}
			if list.kind == Requires && b.dropRequire(p, &key, flags) {
				continue
			}
			dep, ok := makeDep(key)
			if !ok {
				badEpochs = append(badEpochs, key.name)
				continue
			}
			kind := list.kind
			switch {
			case kind == Provides:
				b.provided[key] = struct{}{}
			case kind == Requires && flags&senseMissing != 0:
				kind = Recommends
			case kind == Requires:
				dep.Pre = key.pre
				if strings.HasPrefix(dep.Name, "libc.so.6") {
					if libc == nil || libcOlder(libc.Name, dep.Name) {
						libc = &dep
					}
					continue
				}
				b.emitted[key.name] = key
			case flags&senseStrong != 0:
				kind = list.strong
			}
			p.Deps[kind] = append(p.Deps[kind], dep)
		}
		if libc != nil {
			p.Deps[Requires] = append(p.Deps[Requires], *libc)
		}
	}
	return badEpochs
}

// dropRequire tells a requirement that the metadata leaves out, and sets key.pre.
func (b *Builder) dropRequire(p *Package, key *depKey, flags uint32) bool {
	if strings.HasPrefix(key.name, "rpmlib(") || b.ownPrimaryFile(p, key.name) {
		return true
	}
	if _, ok := b.provided[*key]; ok {
		return true
	}
	key.pre = flags&prereqMask != 0
	last, ok := b.emitted[key.name]
	return ok && last == *key
}

// manyFiles is the number of files from which a table of them is made before a requirement is looked for.
const manyFiles = 256

// maxPath is the length of a path, in bytes, beyond which no file can have it.
const maxPath = 4096

// ownPrimaryFile reports whether name is one of the primary files of p.
func (b *Builder) ownPrimaryFile(p *Package, name string) bool {
	if !strings.HasPrefix(name, "/") || !IsPrimary(name) {
		return false
	}
	if len(p.Files) > manyFiles {
		if b.primary == nil {
			b.primary = map[[2]string]struct{}{}
			for i := range p.Files {
				if f := &p.Files[i]; len(f.Dir) <= maxPath && f.IsPrimary() {
					b.primary[[2]string{f.Dir, f.Base}] = struct{}{}
				}
			}
		}
		cut := strings.LastIndexByte(name, '/') + 1
		_, ok := b.primary[[2]string{name[:cut], name[cut:]}]
		return ok
	}
	for i := range p.Files {
		f := &p.Files[i]
		if len(f.Dir)+len(f.Base) == len(name) && strings.HasSuffix(name, f.Base) && strings.HasPrefix(name, f.Dir) {
			return true
		}
	}
	return false
}

func senseString(flags uint32) string {
	switch flags & 15 {
	case senseLess:
		return "LT"
	case senseGreater:
		return "GT"
	case senseEqual:
		return "EQ"
	case senseLess | senseEqual:
		return "LE"
	case senseGreater | senseEqual:
		return "GE"
	}
	return ""
}

// makeDep splits the version. It reports false for an epoch that is not a number.
func makeDep(key depKey) (Dep, bool) {
	d := Dep{Name: key.name, Flags: key.flags}
	evr := key.version
	if evr == "" {
		return d, true
	}
	d.Epoch = "0"
	if i := strings.IndexByte(evr, ':'); i >= 0 {
		if !isNumber(evr[:i]) {
			return d, false
		}
		if i > 0 {
			d.Epoch = evr[:i]
		}
		evr = evr[i+1:]
	}
	d.Version, d.Release, _ = strings.Cut(evr, "-")
	return d, true
}

// isNumber takes what strtol takes whole: white space, a sign, digits; and the empty string.
func isNumber(s string) bool {
	if s == "" {
		return true
	}
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// libcOlder reports whether b names a higher version of the C library than a: libc.so.6() is below
// libc.so.6(GLIBC_2.3.4)(64bit), which is below libc.so.6(GLIBC_2.4).
func libcOlder(a, b string) bool {
	va, rankA := libcVersion(a)
	vb, rankB := libcVersion(b)
	if rankA != rankB {
		return rankA < rankB
	}
	return rankA == libcVersioned && rpmver.Compare(va, vb) < 0
}

const (
	libcBare      = iota // no parentheses
	libcOpen             // never closed
	libcEmpty            // ()
	libcNoNumber         // (xxx)
	libcVersioned        // (GLIBC_2.4)
)

// libcVersion cuts the version out of the first parentheses and ranks what it found.
func libcVersion(name string) (version string, rank int) {
	_, rest, ok := strings.Cut(name, "(")
	if !ok {
		return "", libcBare
	}
	inner, _, ok := strings.Cut(rest, ")")
	switch i := strings.IndexAny(inner, "0123456789"); {
	case !ok:
		return "", libcOpen
	case inner == "":
		return "", libcEmpty
	case i < 0:
		return "", libcNoNumber
	default:
		return inner[i:], libcVersioned
	}
}

// changelogs fills p.Changelogs, oldest first. Of entries with the same time the newer ones are moved a second on
// each, because clients order by time.
func (b *Builder) changelogs(p *Package, h *rpmfile.Header) {
	b.flags = h.AppendUint32s(b.flags[:0], rpmfile.TagChangelogTime)
	b.names = h.AppendStrings(b.names[:0], rpmfile.TagChangelogName)
	b.versions = h.AppendStrings(b.versions[:0], rpmfile.TagChangelogText)
	n := min(len(b.flags), len(b.names), len(b.versions))
	if b.ChangelogLimit >= 0 {
		n = min(n, b.ChangelogLimit)
	}
	last := int64(0)
	for i := range n {
		date := int64(b.flags[i])
		p.Changelogs = append(p.Changelogs, Changelog{Author: trimAuthor(b.names[i]), Date: date, Text: b.versions[i]})
		if date != last {
			last = date
			continue
		}
		for j := i - 1; j >= 0 && p.Changelogs[j].Date == date; j-- {
			p.Changelogs[j].Date++
			date++
		}
	}
	slices.Reverse(p.Changelogs)
}

// trimAuthor drops spaces from the end, but never the first character.
func trimAuthor(s string) string {
	if s == "" {
		return s
	}
	return s[:1+len(strings.TrimRight(s[1:], " "))]
}
