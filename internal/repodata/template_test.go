package repodata

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestTemplate holds templates against the writers, over every sample.
func TestTemplate(t *testing.T) {
	for name, spec := range rpmtest.Samples() {
		t.Run(name, func(t *testing.T) {
			rpm, err := rpmfile.Parse(rpmtest.Build(t, spec))
			if err != nil {
				t.Fatal(err)
			}
			b := Builder{ChangelogLimit: 10}
			var p Package
			b.Build(&p, rpm)
			var made, read Template
			made.Template([]byte("before"), &p)
			if err := read.Decode(made.AppendBinary(nil)); err != nil {
				t.Fatal(err)
			}
			p.PkgID, p.ChecksumType, p.SizePackage, p.TimeFile = "abc", "sha256", 123, p.TimeBuild
			p.LocationHref, p.LocationBase = "a&b.rpm", "/x"
			f := Instance{
				PkgID: p.PkgID, Size: p.SizePackage, Archive: p.SizeArchive, HeaderStart: p.HeaderStart, HeaderEnd: p.HeaderEnd,
				Href: p.LocationHref, Base: p.LocationBase,
			}
			for _, k := range TemplateKinds {
				want := string(Append(nil, k, &p))
				for _, tmpl := range []*Template{&made, &read} {
					if diff := cmp.Diff(want, string(tmpl.Append(nil, k, &f))); diff != "" {
						t.Errorf("%s: %s", k, diff)
					}
				}
			}
		})
	}
}

func FuzzTemplate(f *testing.F) {
	var t Template
	t.Template(nil, &Package{Name: "a", TimeBuild: 7})
	f.Add(t.AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var tmpl, again Template
		if tmpl.Decode(b) != nil {
			return
		}
		if err := again.Decode(tmpl.AppendBinary(nil)); err != nil {
			t.Fatal(err)
		}
		for _, k := range TemplateKinds {
			if !bytes.Equal(tmpl.Append(nil, k, &Instance{}), again.Append(nil, k, &Instance{})) {
				t.Error("read and written again, not equal")
			}
		}
	})
}
