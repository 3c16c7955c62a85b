package rpmfile

import "strconv"

// NEVRA is a package's identity. Epoch is empty where the header has none, which compares like 0.
type NEVRA struct {
	Name, Epoch, Version, Release, Arch string
}

// NEVRA gives the package's identity. The architecture of a source package is "src".
func (p *Package) NEVRA() NEVRA {
	n := p.Header.nevra()
	if p.IsSource() {
		n.Arch = "src"
	}
	return n
}

// nevra reads the identity as the header holds it.
func (h *Header) nevra() NEVRA {
	n := NEVRA{
		Name:    h.String(TagName),
		Version: h.String(TagVersion),
		Release: h.String(TagRelease),
		Arch:    h.String(TagArch),
	}
	if e, ok := h.Uint(TagEpoch); ok {
		n.Epoch = strconv.FormatUint(e, 10)
	}
	return n
}

// String gives name-[epoch:]version-release.arch.
func (n NEVRA) String() string { return n.Name + "-" + n.EVR() + "." + n.Arch }

// EVR gives [epoch:]version-release.
func (n NEVRA) EVR() string {
	if n.Epoch == "" {
		return n.Version + "-" + n.Release
	}
	return n.Epoch + ":" + n.Version + "-" + n.Release
}

// NVR gives name-version-release.
func (n NEVRA) NVR() string { return n.Name + "-" + n.Version + "-" + n.Release }

// Filename gives the name that rpmbuild gives the package's file: without the epoch, and with .rpm.
func (n NEVRA) Filename() string { return n.NVR() + "." + n.Arch + ".rpm" }
