package gitmirror

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestGem imports gems as %setup and gem unpack take them, and some that only look like one.
func TestGem(t *testing.T) {
	data := string(gz(t, tarball(t, file{"lib/p.rb", "puts 1\n"}, file{"README", "read\n"})))
	meta := string(gz(t, []byte("--- !ruby/object:Gem::Specification\n")))
	gem := string(tarball(t, file{"metadata.gz", meta}, file{"data.tar.gz", data}, file{"checksums.yaml.gz", meta}))
	patch := "--- a/README\n+++ b/README\n@@ -1 +1 @@\n-read\n+write\n"
	for _, c := range []struct {
		name, prep, gem, want string
	}{
		{"setup", "%setup -q -n p-1\n%patch -P 1 -p1", gem, "README lib/p.rb"},
		{"gem unpack", "gem unpack %{SOURCE0}\n%setup -q -D -T -n p-1\n%patch -P 1 -p1", gem, "README lib/p.rb"},
		{"pushd", "%autosetup -N -n p-1\npushd lib/..\n%patch -P 1 -p1\npopd", gem, "README lib/p.rb"},
		{"no data", "%setup -q -n p-1", string(tarball(t, file{"metadata.gz", meta})), "metadata.gz"},
		{"no tar inside", "%setup -q -n p-1", string(tarball(t, file{"data.tar.gz", "data"})), "data.tar.gz"},
		{"a directory", "%setup -q -n p-1", string(tarball(t, file{"x/data.tar.gz", data})), "data.tar.gz"},
		{"cut", "%setup -q -n p-1", gem[:1100], "metadata.gz"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := "Name: p\nVersion: 1\nRelease: 1\nSummary: p\nLicense: MIT\nSource0: http://x/p-1.gem\nPatch1: a.patch\n%description\np\n%prep\n" + c.prep + "\n"
			path := writeSRPM(t, rpmtest.Spec{Name: "p", Version: "1", Release: "1"},
				[]file{{"p-1.gem", c.gem}, {"a.patch", patch}, {"p.spec", spec}})
			p := newPlace(t)
			out := p.mustImport(path)
			got := strings.Join(strings.Fields(p.git("p", "ls-tree", "-r", "--name-only", "upstream")), " ")
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if strings.Contains(c.prep, "%patch") && (p.git("p", "show", "distro:README") != "write\n" || len(out[0].Verbatim) > 0) {
				t.Errorf("%+v", out[0])
			}
			wantSame(t, p.export("p"), path)
			p.git("p", "fsck", "--strict")
		})
	}
}

// TestGemRebuild wants what belongs to a gem to survive a rebuild.
func TestGemRebuild(t *testing.T) {
	srpm := func(version string) string {
		gem := string(tarball(t, file{"metadata.gz", "m" + version}, file{"data.tar.gz", string(gz(t, tarball(t, file{"v", version})))}))
		spec := "Name: p\nVersion: " + version + "\nRelease: 1\nSummary: p\nLicense: MIT\nSource0: p-" + version + ".gem\n%description\np\n%prep\n%setup -q\n"
		return writeSRPM(t, rpmtest.Spec{Name: "p", Version: version, Release: "1"}, []file{{"p-" + version + ".gem", gem}, {"p.spec", spec}})
	}
	one, two := srpm("1"), srpm("2")
	p := newPlace(t)
	p.mustImport(two)
	im := p.importer()
	im.Rebuild = true
	if err := im.Open(); err != nil {
		t.Fatal(err)
	}
	if _, err := im.Import(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	wantSame(t, p.export("p-1-1"), one)
	wantSame(t, p.export("p-2-1"), two)
	p.git("p", "fsck", "--strict")
}
