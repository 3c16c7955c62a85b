package repo

import (
	"fmt"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// Profile says how metadata is written for a family of clients.
type Profile struct {
	Name           string
	Layout         Layout
	PlainGroup     bool // comps are not compressed
	ChangelogLimit int
}

// Profiles are the profiles that publish and serve know.
func Profiles() []Profile {
	base := Layout{XML: repodata.Zstd, Extra: repodata.Zstd, Database: repodata.Bzip2, Checksum: "sha256"}
	gz := base
	gz.XML, gz.Extra = repodata.Gzip, repodata.Gzip
	el7 := gz
	el7.SQLite = true
	return []Profile{
		{Name: "fedora", Layout: base, ChangelogLimit: 10},
		{Name: "el7", Layout: el7, PlainGroup: true, ChangelogLimit: 10},
		{Name: "zypper", Layout: gz, ChangelogLimit: 10},
	}
}

// FindProfile returns the profile of a name.
func FindProfile(name string) (Profile, error) {
	var names []string
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("unknown profile %q: there are %s", name, strings.Join(names, ", "))
}

// settings names all that the XML of a profile depends on besides its packages.
func (p *Profile) settings(form string) string {
	return fmt.Sprintf("frames 3 changelogs %d form %s", p.ChangelogLimit, form)
}
