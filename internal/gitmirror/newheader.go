package gitmirror

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

// fresh computes the header of a new source RPM. What the spec says now is expanded as far as that goes without running
// anything. A value whose text is what it was at the import keeps what the header had then, so that macros of the
// distribution, which only its rpmbuild knows, stay as they were; a changed one that cannot be expanded is an error.
type freshHeader struct {
	was  *rpmfile.Header // of the imported source RPM
	old  *specInfo       // the spec as imported
	now  *specInfo       // the spec as it stands
	w    rpmfile.HeaderWriter
	errs []string

	unchanged bool // the spec is, byte for byte, the imported one
}

// value decides between the old header and the new text.
func (h *freshHeader) value(key string, tag rpmfile.Tag) string {
	old, now := joinTag(h.old, key), joinTag(h.now, key)
	if old == now && h.was.Has(tag) {
		return h.was.String(tag)
	}
	h.check(key, now)
	return now
}

func joinTag(s *specInfo, key string) string { return last(s.tags[key]) }

// bareMacro is a macro without braces. rpm knows none of fewer than three letters.
var bareMacro = regexp.MustCompile(`%[?!]*[A-Za-z_]\w{2,}`)

// check notes a value that was not expanded.
func (h *freshHeader) check(what, value string) {
	h.checkText(what, value)
	if len(h.errs) == 0 && bareMacro.MatchString(value) {
		h.errs = append(h.errs, fmt.Sprintf("%s: %q needs a macro that only rpmbuild knows", what, value))
	}
}

// checkText is check for text, in which a percent sign may mean just that.
func (h *freshHeader) checkText(what, value string) {
	if strings.Contains(value, "%{") || strings.Contains(value, "%(") || strings.Contains(value, "%[") {
		h.errs = append(h.errs, fmt.Sprintf("%s: %q needs a macro that only rpmbuild knows", what, value))
	}
}

// nevra computes name, epoch, version and release.
func (h *freshHeader) nevra() (n rpmfile.NEVRA) {
	n.Name = h.value("name", rpmfile.TagName)
	n.Version = h.value("version", rpmfile.TagVersion)
	n.Release = h.value("release", rpmfile.TagRelease)
	if e := last(h.now.tags["epoch"]); e != "" {
		h.check("epoch", e)
		n.Epoch = e
		if _, err := strconv.ParseUint(e, 10, 32); err != nil && len(h.errs) == 0 {
			h.errs = append(h.errs, fmt.Sprintf("epoch: %q is not a number", e))
		}
	}
	if err := cmp.Or(checkName(n.Name), checkVersion(n)); err != nil && len(h.errs) == 0 {
		h.errs = append(h.errs, err.Error())
	}
	return n
}

// text puts the tags that are texts.
func (h *freshHeader) text() {
	locales := append([]string{"C"}, h.now.langs...)
	h.w.PutStrings(rpmfile.TagHeaderI18NTable, locales...)
	h.i18n(rpmfile.TagSummary, locales, func(s *specInfo, lang string) string {
		if lang == "" {
			return joinTag(s, "summary")
		}
		return joinTag(s, "summary("+lang+")")
	})
	h.i18n(rpmfile.TagDescription, locales, func(s *specInfo, lang string) string { return strings.TrimSpace(s.descs[lang]) })
	group := h.value("group", rpmfile.TagGroup)
	h.w.PutI18N(rpmfile.TagGroup, orElse(group, "Unspecified"))
	for _, t := range []struct {
		key string
		tag rpmfile.Tag
	}{
		{"license", rpmfile.TagLicense},
		{"url", rpmfile.TagURL},
		{"vendor", rpmfile.TagVendor},
		{"packager", rpmfile.TagPackager},
		{"distribution", rpmfile.TagDistribution},
		{"bugurl", rpmfile.TagBugURL},
		{"vcs", rpmfile.TagVCS},
	} {
		if v := h.value(t.key, t.tag); v != "" {
			h.w.PutString(t.tag, v)
		}
	}
}

// i18n puts a text in all locales up to the last one that has it.
func (h *freshHeader) i18n(tag rpmfile.Tag, locales []string, get func(*specInfo, string) string) {
	was := h.was.Strings(tag)
	wasLocales := h.was.Locales()
	var list []string
	for i, l := range locales {
		lang := l
		if i == 0 {
			lang = ""
		}
		v := get(h.now, lang)
		if at := slices.Index(wasLocales, l); at >= 0 && at < len(was) && v == get(h.old, lang) {
			v = was[at]
		}
		h.checkText(tag.String(), v)
		list = append(list, v)
	}
	for len(list) > 1 && list[len(list)-1] == "" {
		list = list[:len(list)-1]
	}
	h.w.PutI18N(tag, list...)
}

// arches puts the architectures, and the one of the header.
func (h *freshHeader) arches() {
	list := func(key string, tag rpmfile.Tag) []string {
		if slices.Equal(h.old.tags[key], h.now.tags[key]) {
			return h.was.Strings(tag)
		}
		var words []string
		for _, v := range h.now.tags[key] {
			h.check(key, v)
			words = append(words, strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })...)
		}
		return words
	}
	archs := list("buildarch", rpmfile.TagBuildArchs)
	if len(archs) == 0 {
		archs = list("buildarchitectures", rpmfile.TagBuildArchs)
	}
	h.w.PutStrings(rpmfile.TagBuildArchs, archs...)
	h.w.PutStrings(rpmfile.TagExclusiveArch, list("exclusivearch", rpmfile.TagExclusiveArch)...)
	h.w.PutStrings(rpmfile.TagExcludeArch, list("excludearch", rpmfile.TagExcludeArch)...)
	h.w.PutStrings(rpmfile.TagExclusiveOS, list("exclusiveos", rpmfile.TagExclusiveOS)...)
	arch := h.was.String(rpmfile.TagArch)
	if len(archs) == 1 {
		arch = archs[0]
	} else if arch == "noarch" && len(archs) == 0 {
		arch = "x86_64"
	}
	h.w.PutString(rpmfile.TagArch, arch)
	h.w.PutString(rpmfile.TagOS, "linux")
}

// dependencies puts what the build requires and conflicts with, and what it provides.
func (h *freshHeader) dependencies(n rpmfile.NEVRA) error {
	requires, err := h.deps([]string{"buildrequires", "buildprereq"}, rpmfile.TagRequireName, rpmfile.TagRequireFlags, rpmfile.TagRequireVersion)
	if err != nil {
		return err
	}
	requires = slices.DeleteFunc(requires, func(d dep) bool { return d.flags&senseRPMLib != 0 })
	requires = sortDeps(append(requires, rpmlibDeps(requires, "gzip")...))
	h.putDeps(requires, rpmfile.TagRequireName, rpmfile.TagRequireFlags, rpmfile.TagRequireVersion)
	conflicts, err := h.deps([]string{"buildconflicts"}, rpmfile.TagConflictName, rpmfile.TagConflictFlags, rpmfile.TagConflictVersion)
	if err != nil {
		return err
	}
	h.putDeps(sortDeps(conflicts), rpmfile.TagConflictName, rpmfile.TagConflictFlags, rpmfile.TagConflictVersion)
	if h.was.Has(rpmfile.TagProvideName) {
		h.provides(n)
	}
	return nil
}

// provides names the packages that come out of the build, as rpm has done since 4.16.
func (h *freshHeader) provides(n rpmfile.NEVRA) {
	names := append([]string{n.Name}, h.now.packages...)
	if slices.Equal(h.old.packages, h.now.packages) {
		names = h.was.Strings(rpmfile.TagProvideName)
	}
	var provides []dep
	for _, name := range names {
		provides = append(provides, dep{name, senseEqual, n.EVR()})
	}
	h.putDeps(sortDeps(provides), rpmfile.TagProvideName, rpmfile.TagProvideFlags, rpmfile.TagProvideVersion)
}

// deps are the dependencies of some tags. Those of the old header stay for each text that stays.
func (h *freshHeader) deps(keys []string, name, flags, version rpmfile.Tag) ([]dep, error) {
	var old, now []string
	for _, k := range keys {
		old, now = append(old, h.old.tags[k]...), append(now, h.now.tags[k]...)
	}
	wasNames, wasFlags, wasVersions := h.was.Strings(name), h.was.Uint32s(flags), h.was.Strings(version)
	var list []dep
	for i := range wasNames {
		if i < len(wasFlags) && i < len(wasVersions) {
			list = append(list, dep{wasNames[i], wasFlags[i], wasVersions[i]})
		}
	}
	// Texts that are gone take their dependencies along, new ones bring theirs.
	for _, v := range without(old, now) {
		gone, err := parseDeps(v)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(d dep) bool { return slices.Contains(gone, d) })
	}
	for _, v := range without(now, old) {
		h.check("dependency", v)
		added, err := parseDeps(v)
		if err != nil {
			return nil, err
		}
		list = append(list, added...)
	}
	return list, nil
}

// without is what of a does not stand in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

func (h *freshHeader) putDeps(deps []dep, name, flags, version rpmfile.Tag) {
	var names, versions []string
	var bits []uint32
	for _, d := range deps {
		names, bits, versions = append(names, d.name), append(bits, d.flags), append(versions, d.evr)
	}
	h.w.PutStrings(name, names...)
	h.w.PutUint32(flags, bits...)
	h.w.PutStrings(version, versions...)
}

// changes puts the changelog and returns the time of its newest entry.
func (h *freshHeader) changes() (newest int64) {
	if h.old.changelog == h.now.changelog {
		times := h.was.Uint32s(rpmfile.TagChangelogTime)
		h.w.PutUint32(rpmfile.TagChangelogTime, times...)
		h.w.PutStrings(rpmfile.TagChangelogName, h.was.Strings(rpmfile.TagChangelogName)...)
		h.w.PutStrings(rpmfile.TagChangelogText, h.was.Strings(rpmfile.TagChangelogText)...)
		if len(times) > 0 {
			return int64(times[0])
		}
		return 0
	}
	var times []uint32
	var names, texts []string
	for _, e := range parseChangelog(h.now.x, h.now.changelog) {
		times, names, texts = append(times, uint32(e.time)), append(names, e.name), append(texts, e.text)
	}
	h.w.PutUint32(rpmfile.TagChangelogTime, times...)
	h.w.PutStrings(rpmfile.TagChangelogName, names...)
	h.w.PutStrings(rpmfile.TagChangelogText, texts...)
	if len(times) > 0 {
		return int64(times[0])
	}
	return 0
}

type changeEntry struct {
	time       int64
	name, text string
}

// parseChangelog reads the entries of a %changelog.
func parseChangelog(x *expander, text string) []changeEntry {
	var entries []changeEntry
	begin := 0 // of the text of the last entry
	end := func(at int) {
		if n := len(entries); n > 0 {
			entries[n-1].text = strings.TrimSpace(x.expand(text[begin:at]))
		}
	}
	at := 0
	for line := range strings.Lines(text) {
		head, ok := strings.CutPrefix(line, "*")
		e, good := parseChangeHead(head)
		if ok && good {
			end(at)
			e.name = x.expand(e.name)
			entries, begin = append(entries, e), at+len(line)
		}
		at += len(line)
	}
	end(at)
	return entries
}

// parseChangeHead reads "Mon Nov 02 2026 NAME", or the same with a time of day and a zone. Without them an entry is dated at noon, Greenwich.
func parseChangeHead(head string) (e changeEntry, ok bool) {
	f := strings.Fields(head)
	if len(f) < 5 {
		return e, false
	}
	if at, err := time.Parse("Jan 2 2006", strings.Join(f[1:4], " ")); err == nil {
		return changeEntry{time: at.Add(12 * time.Hour).Unix(), name: strings.Join(f[4:], " ")}, true
	}
	if len(f) < 7 {
		return e, false
	}
	at, err := time.Parse("Jan 2 15:04:05 MST 2006", strings.Join(f[1:6], " "))
	return changeEntry{time: at.Unix(), name: strings.Join(f[6:], " ")}, err == nil
}
