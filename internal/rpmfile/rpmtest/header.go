package rpmtest

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"path"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// header makes the main header.
func (s *Spec) header(archive, payload []byte) ([]byte, error) {
	var w rpmfile.HeaderWriter
	s.putIdentity(&w)
	s.putTexts(&w)
	s.putDeps(&w)
	s.putScripts(&w)
	s.putFiles(&w)
	s.putPayload(&w, archive, payload)
	if s.Extra != nil {
		s.Extra(&w)
	}
	if s.Format == 3 {
		return w.Bytes(0)
	}
	return w.Bytes(rpmfile.TagHeaderImmutable)
}

func (s *Spec) putIdentity(w *rpmfile.HeaderWriter) {
	w.PutString(rpmfile.TagName, s.Name)
	w.PutString(rpmfile.TagVersion, s.Version)
	w.PutString(rpmfile.TagRelease, s.Release)
	w.PutString(rpmfile.TagArch, s.Arch)
	w.PutString(rpmfile.TagOS, "linux")
	w.PutUint32(rpmfile.TagBuildTime, s.BuildTime)
	w.PutString(rpmfile.TagBuildHost, s.BuildHost)
	w.PutString(rpmfile.TagLicense, s.License)
	w.PutString(rpmfile.TagRPMVersion, "4.18.0")
	if s.Epoch != 0 {
		w.PutUint32(rpmfile.TagEpoch, s.Epoch)
	}
	if s.Source {
		if s.Format != 3 {
			w.PutUint32(rpmfile.TagSourcePackage, 1)
		}
	} else {
		w.PutString(rpmfile.TagSourceRPM, s.SourceRPM)
	}
	if s.Format == 6 {
		w.PutUint32(rpmfile.TagRPMFormat, 6)
		if !s.Source {
			w.PutString(rpmfile.TagSourceNEVR, s.Name+"-"+s.evr())
		}
	}
	for tag, text := range map[rpmfile.Tag]string{
		rpmfile.TagURL: s.URL, rpmfile.TagVendor: s.Vendor, rpmfile.TagPackager: s.Packager,
	} {
		if text != "" {
			w.PutString(tag, text)
		}
	}
	w.PutStrings(rpmfile.TagExclusiveArch, s.ExclusiveArch...)
	w.PutStrings(rpmfile.TagExcludeArch, s.ExcludeArch...)
}

func (s *Spec) putTexts(w *rpmfile.HeaderWriter) {
	locales, summaries := []string{"C"}, []string{s.Summary}
	descriptions, groups := []string{s.Description}, []string{s.Group}
	for _, t := range s.Translations {
		locales = append(locales, t.Locale)
		summaries = append(summaries, t.Summary)
		descriptions = append(descriptions, t.Description)
		groups = append(groups, t.Group)
	}
	w.PutStrings(rpmfile.TagHeaderI18NTable, locales...)
	w.PutI18N(rpmfile.TagSummary, summaries...)
	w.PutI18N(rpmfile.TagDescription, descriptions...)
	w.PutI18N(rpmfile.TagGroup, groups...)
	if s.Format != 3 {
		w.PutString(rpmfile.TagEncoding, "utf-8")
	}
	var times []uint32
	var authors, texts []string
	for _, c := range s.Changelog {
		times, authors, texts = append(times, c.Time), append(authors, c.Author), append(texts, c.Text)
	}
	w.PutUint32(rpmfile.TagChangelogTime, times...)
	w.PutStrings(rpmfile.TagChangelogName, authors...)
	w.PutStrings(rpmfile.TagChangelogText, texts...)
}

func (s *Spec) putDeps(w *rpmfile.HeaderWriter) {
	provides := s.Provides
	if !s.Source && s.Format != 3 {
		provides = append([]Dep{{s.Name, Equal, s.evr()}}, provides...)
	}
	put := func(deps []Dep, name, flags, version rpmfile.Tag) {
		var names, versions []string
		var bits []uint32
		for _, d := range deps {
			names, bits, versions = append(names, d.Name), append(bits, d.Flags), append(versions, d.Version)
		}
		w.PutStrings(name, names...)
		w.PutUint32(flags, bits...)
		w.PutStrings(version, versions...)
	}
	put(provides, rpmfile.TagProvideName, rpmfile.TagProvideFlags, rpmfile.TagProvideVersion)
	put(append(s.features(), s.Requires...), rpmfile.TagRequireName, rpmfile.TagRequireFlags, rpmfile.TagRequireVersion)
	put(s.Conflicts, rpmfile.TagConflictName, rpmfile.TagConflictFlags, rpmfile.TagConflictVersion)
	put(s.Obsoletes, rpmfile.TagObsoleteName, rpmfile.TagObsoleteFlags, rpmfile.TagObsoleteVersion)
	put(s.Recommends, rpmfile.TagRecommendName, rpmfile.TagRecommendFlags, rpmfile.TagRecommendVersion)
	put(s.Suggests, rpmfile.TagSuggestName, rpmfile.TagSuggestFlags, rpmfile.TagSuggestVersion)
	put(s.Supplements, rpmfile.TagSupplementName, rpmfile.TagSupplementFlags, rpmfile.TagSupplementVersion)
	put(s.Enhances, rpmfile.TagEnhanceName, rpmfile.TagEnhanceFlags, rpmfile.TagEnhanceVersion)
}

// features gives the requirements on rpm itself.
func (s *Spec) features() []Dep {
	if s.Format == 3 {
		return nil
	}
	deps := []Dep{{"rpmlib(CompressedFileNames)", rpmlib | Less | Equal, "3.0.4-1"}}
	add := func(want bool, name, version string) {
		if want {
			deps = append(deps, Dep{"rpmlib(" + name + ")", rpmlib | Less | Equal, version})
		}
	}
	caps := false
	for _, f := range s.Files {
		caps = caps || f.Caps != ""
	}
	add(s.Format == 6, "RPMFormat", "6-1")
	add(caps, "FileCaps", "4.6.1-1")
	add(true, "FileDigests", "4.6.0-1")
	add(s.Long, "LargeFiles", "4.12.0-1")
	add(!s.Source, "PayloadFilesHavePrefix", "4.0-1")
	add(s.Compressor == "xz" || s.Compressor == "lzma", map[string]string{"xz": "PayloadIsXz", "lzma": "PayloadIsLzma"}[s.Compressor], "5.2-1")
	add(s.Compressor == "zstd", "PayloadIsZstd", "5.4.18-1")
	return deps
}

// programs are the tags of the interpreters of scriptlets.
var programs = map[rpmfile.Tag]rpmfile.Tag{
	rpmfile.TagPreIn: rpmfile.TagPreInProg, rpmfile.TagPostIn: rpmfile.TagPostInProg,
	rpmfile.TagPreUn: rpmfile.TagPreUnProg, rpmfile.TagPostUn: rpmfile.TagPostUnProg,
	rpmfile.TagPreTrans: rpmfile.TagPreTransProg, rpmfile.TagPostTrans: rpmfile.TagPostTransProg,
	rpmfile.TagPreUnTrans: rpmfile.TagPreUnTransProg, rpmfile.TagPostUnTrans: rpmfile.TagPostUnTransProg,
	rpmfile.TagVerifyScript: rpmfile.TagVerifyScriptProg,
}

func (s *Spec) putScripts(w *rpmfile.HeaderWriter) {
	for _, script := range s.Scripts {
		if script.Body != "" {
			w.PutString(script.Tag, script.Body)
		}
		prog := script.Prog
		if len(prog) == 0 {
			prog = []string{"/bin/sh"}
		}
		w.PutStrings(programs[script.Tag], prog...)
	}
	var names, versions, bodies, progs []string
	var flags, index []uint32
	for i, t := range s.Triggers {
		prog := t.Prog
		if prog == "" {
			prog = "/bin/sh"
		}
		names, versions = append(names, t.On.Name), append(versions, t.On.Version)
		flags, index = append(flags, t.On.Flags|t.Kind), append(index, uint32(i))
		bodies, progs = append(bodies, t.Body), append(progs, prog)
	}
	w.PutStrings(rpmfile.TagTriggerName, names...)
	w.PutStrings(rpmfile.TagTriggerVersion, versions...)
	w.PutUint32(rpmfile.TagTriggerFlags, flags...)
	w.PutUint32(rpmfile.TagTriggerIndex, index...)
	w.PutStrings(rpmfile.TagTriggerScripts, bodies...)
	w.PutStrings(rpmfile.TagTriggerScriptProg, progs...)
}

// A fileTable is the arrays of a header that hold an item for each file.
type fileTable struct {
	bases, olds, digests, links, users, groups, langs, caps []string
	sizes                                                   []uint64
	small, dirIndexes, mtimes, flags, verify, devs, inodes  []uint32
	modes, rdevs                                            []uint16
	dirs                                                    []string
	total                                                   uint64
	anyCaps                                                 bool
}

func (s *Spec) putFiles(w *rpmfile.HeaderWriter) {
	var t fileTable
	for i := range s.Files {
		t.add(s, i)
	}
	if t.total > 0xffffffff || s.Format == 6 {
		w.PutUint64(rpmfile.TagLongSize, t.total)
	} else {
		w.PutUint32(rpmfile.TagSize, uint32(t.total))
	}
	if s.Format == 3 {
		w.PutStrings(rpmfile.TagOldFileNames, t.olds...)
	} else {
		w.PutStrings(rpmfile.TagBaseNames, t.bases...)
		w.PutStrings(rpmfile.TagDirNames, t.dirs...)
		w.PutUint32(rpmfile.TagDirIndexes, t.dirIndexes...)
	}
	if s.Long {
		w.PutUint64(rpmfile.TagLongFileSizes, t.sizes...)
	} else {
		w.PutUint32(rpmfile.TagFileSizes, t.small...)
	}
	w.PutUint16(rpmfile.TagFileModes, t.modes...)
	w.PutUint16(rpmfile.TagFileRDevs, t.rdevs...)
	w.PutUint32(rpmfile.TagFileMTimes, t.mtimes...)
	w.PutStrings(rpmfile.TagFileDigests, t.digests...)
	w.PutStrings(rpmfile.TagFileLinkTos, t.links...)
	w.PutUint32(rpmfile.TagFileFlags, t.flags...)
	w.PutStrings(rpmfile.TagFileUserName, t.users...)
	w.PutStrings(rpmfile.TagFileGroupName, t.groups...)
	w.PutUint32(rpmfile.TagFileVerifyFlags, t.verify...)
	w.PutUint32(rpmfile.TagFileDevices, t.devs...)
	w.PutUint32(rpmfile.TagFileInodes, t.inodes...)
	w.PutStrings(rpmfile.TagFileLangs, t.langs...)
	if t.anyCaps {
		w.PutStrings(rpmfile.TagFileCaps, t.caps...)
	}
	if s.Format != 3 && len(s.Files) > 0 {
		w.PutUint32(rpmfile.TagFileDigestAlgo, 8)
	}
}

func (t *fileTable) add(s *Spec, i int) {
	f := &s.Files[i]
	dir, base := path.Split(f.Path)
	if n := len(t.dirs); n == 0 || t.dirs[n-1] != dir {
		t.dirs = append(t.dirs, dir)
	}
	size, digest := f.size(), ""
	if f.regular() && f.Flags&rpmfile.FileGhost == 0 {
		if s.Format == 3 {
			sum := md5.Sum(f.Body)
			digest = hex.EncodeToString(sum[:])
		} else {
			sum := sha256.Sum256(f.Body)
			digest = hex.EncodeToString(sum[:])
		}
		t.total += size
	}
	t.bases, t.olds = append(t.bases, base), append(t.olds, f.Path)
	t.dirIndexes = append(t.dirIndexes, uint32(len(t.dirs)-1))
	t.sizes, t.small = append(t.sizes, size), append(t.small, uint32(size))
	t.modes, t.rdevs = append(t.modes, uint16(f.Mode)), append(t.rdevs, f.RDev)
	t.mtimes, t.flags = append(t.mtimes, f.MTime), append(t.flags, uint32(f.Flags))
	t.digests, t.links = append(t.digests, digest), append(t.links, f.LinkTo)
	t.users, t.groups = append(t.users, f.User), append(t.groups, f.Group)
	t.verify, t.devs = append(t.verify, 0xffffffff), append(t.devs, 1)
	t.inodes, t.langs = append(t.inodes, s.inode(i)), append(t.langs, f.Lang)
	t.caps = append(t.caps, f.Caps)
	t.anyCaps = t.anyCaps || f.Caps != ""
}

func (s *Spec) putPayload(w *rpmfile.HeaderWriter, archive, payload []byte) {
	w.PutString(rpmfile.TagPayloadFormat, "cpio")
	if s.Compressor != "none" {
		w.PutString(rpmfile.TagPayloadCompressor, s.Compressor)
		w.PutString(rpmfile.TagPayloadFlags, s.Flags)
	}
	if s.Format == 3 || s.NoPayloadDigest {
		return
	}
	sum, alt := sha256.Sum256(payload), sha256.Sum256(archive)
	w.PutStrings(rpmfile.TagPayloadSHA256, hex.EncodeToString(sum[:]))
	w.PutStrings(rpmfile.TagPayloadSHA256Alt, hex.EncodeToString(alt[:]))
	if s.Format != 6 {
		w.PutUint32(rpmfile.TagPayloadSHA256Algo, 8)
		return
	}
	sum512, alt512 := sha512.Sum512(payload), sha512.Sum512(archive)
	w.PutString(rpmfile.TagPayloadSHA512, hex.EncodeToString(sum512[:]))
	w.PutString(rpmfile.TagPayloadSHA512Alt, hex.EncodeToString(alt512[:]))
	w.PutString(rpmfile.TagPayloadSHA3, sha3Hex(payload))
	w.PutString(rpmfile.TagPayloadSHA3Alt, sha3Hex(archive))
	w.PutUint64(rpmfile.TagPayloadSize, uint64(len(payload)))
	w.PutUint64(rpmfile.TagPayloadSizeAlt, uint64(len(archive)))
}

func sha3Hex(b []byte) string {
	sum := sha3.Sum256(b)
	return hex.EncodeToString(sum[:])
}
