package repo

import (
	"cmp"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/rpmver"
)

// sourceID is what a source package's file name tells.
type sourceID struct {
	name, epoch, version, release string
}

// parseSource splits the file name of a source package. It reports false where no name can be found.
func parseSource(file string) (sourceID, bool) {
	s := strings.TrimSuffix(path.Base(file), ".rpm")
	if i := strings.LastIndexByte(s, '.'); i >= 0 {
		if strings.Contains(s[i:], "-") {
			return sourceID{}, false
		}
		s = s[:i]
	}
	var id sourceID
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		s, id.release = s[:i], s[i+1:]
	}
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		s, id.version = s[:i], s[i+1:]
	}
	if e, v, ok := strings.Cut(id.version, ":"); ok {
		id.epoch, id.version = e, v
	}
	id.name = s
	return id, true
}

func (s sourceID) compare(t sourceID) int {
	return cmp.Or(rpmver.Compare(epochOf(s.epoch), epochOf(t.epoch)), rpmver.Compare(s.version, t.version),
		rpmver.Compare(s.release, t.release))
}

// prepareKoji reads the block list and chooses for each source package one build: the highest version of the first
// repository that has packages built from it.
func (m *merging) prepareKoji() error {
	m.seen = map[string]bool{}
	if m.opts.Blocked != "" {
		b, err := os.ReadFile(m.opts.Blocked)
		if err != nil {
			return err
		}
		m.blocked = map[string]bool{}
		for name := range strings.SplitSeq(string(b), "\n") {
			if name != "" {
				m.blocked[name] = true
			}
		}
	}
	if m.opts.Simple {
		return nil
	}
	m.builds = map[string]build{}
	for i, packages := range m.repos {
		for _, p := range packages {
			if p.SourceRPM == "" {
				continue
			}
			id, ok := parseSource(p.SourceRPM)
			if !ok {
				continue
			}
			old, known := m.builds[id.name]
			if known && (old.repo != i || id.compare(old.sourceID) <= 0) {
				continue
			}
			m.builds[id.name] = build{repo: i, file: p.SourceRPM, sourceID: id}
		}
	}
	return nil
}

// allowed applies koji's rules. Packages that do not say what they were built from are taken.
func (m *merging) allowed(p *oldPackage) bool {
	if p.SourceRPM != "" {
		id, ok := parseSource(p.SourceRPM)
		if !ok || m.blocked[id.name] {
			return false
		}
		if !m.opts.Simple && m.builds[id.name].file != p.SourceRPM {
			return false
		}
	}
	if m.opts.Simple {
		return true
	}
	nvra := p.NVRA()
	if m.seen[nvra] {
		return false
	}
	m.seen[nvra] = true
	return true
}

// compatible lists the architectures whose packages are installed on each one besides its own.
var compatible = map[string][]string{
	"i386":    {"i486", "i586", "geode", "i686", "athlon"},
	"x86_64":  {"ia32e", "amd64"},
	"ppc64":   {"ppc64pseries", "ppc64iseries"},
	"sparc64": {"sparc64v", "sparc64v2"},
	"sparc":   {"sparcv8", "sparcv9", "sparcv9v", "sparcv9v2"},
	"alpha": {
		"alphaev4", "alphaev45", "alphaev5", "alphaev56", "alphapca56", "alphaev6", "alphaev67", "alphaev68", "alphaev7",
	},
	"armhfp": {"armv7hl", "armv7hnl"},
	"arm":    {"armv5tel", "armv5tejl", "armv6l", "armv7l"},
	"sh4":    {"sh4a"},
}

// multilib names the 32-bit architecture beside a 64-bit one.
var multilib = map[string]string{"x86_64": "i386", "ppc64": "ppc", "s390x": "s390"}

// ExpandArches returns the architectures of the packages that go into a repository for the given ones; noarch always
// does. With expand, those that are compatible and the multilib ones are added.
func ExpandArches(arches []string, expand bool) []string {
	var all []string
	add := func(list ...string) {
		for _, arch := range list {
			if arch != "" && !slices.Contains(all, arch) {
				all = append(all, arch)
			}
		}
	}
	for _, arch := range arches {
		add(arch)
		if expand {
			add(compatible[arch]...)
			if second := multilib[arch]; second != "" {
				add(second)
				add(compatible[second]...)
			}
		}
	}
	add("noarch")
	return all
}
