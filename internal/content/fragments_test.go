package content

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/repodata"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// rendered gives what the fragments of a collection's packages say, by package.
func rendered(t *testing.T, s *Store, changelogs int) map[string]string {
	t.Helper()
	c, err := s.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Packages()
	if err != nil {
		t.Fatal(err)
	}
	f := s.Fragments(changelogs)
	all := map[string]string{}
	err = f.Each(list, func(i int, p *Package, fragment *Fragment) error {
		if p != list[i] {
			t.Errorf("package %d is %s", i, p.NEVRA())
		}
		e, err := p.Select(Form{})
		if err != nil {
			return err
		}
		file, ok := fragment.Instance(Form{})
		if !ok || file.PkgID != e.SHA256 || file.Size != e.Size || file.HeaderStart != e.Header || file.HeaderEnd != e.Payload {
			t.Errorf("%s: %+v, %v", p.NEVRA(), file, ok)
		}
		if _, ok := fragment.Instance(Form{Key: "0123456789abcdef"}); ok {
			t.Errorf("%s: signed by a key that nobody has", p.NEVRA())
		}
		for _, k := range repodata.TemplateKinds {
			all[p.NEVRA()] += string(fragment.Template.Append(nil, k, &file))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestFragments holds the fragments of the index against those that are made of headers.
func TestFragments(t *testing.T) {
	s := newStore(t)
	var rpms [][]byte
	for _, spec := range rpmtest.Samples() {
		rpms = append(rpms, rpmtest.Build(t, spec))
	}
	importAll(t, s, "c", ImportOptions{Defer: true}, rpms...)
	indexed := rendered(t, s, FragmentChangelogs)
	if err := s.index.dropFragments(func(ostree.Checksum) bool { return false }); err != nil {
		t.Fatal(err)
	}
	made := rendered(t, s, FragmentChangelogs)
	if diff := cmp.Diff(made, indexed); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(made, rendered(t, s, FragmentChangelogs)); diff != "" {
		t.Errorf("the second time: %s", diff)
	}
}

func FuzzFragment(f *testing.F) {
	var coder fragmentCoder
	coder.plain = append(coder.plain, fragmentVersion)
	f.Add(coder.plain)
	f.Fuzz(func(t *testing.T, b []byte) {
		var fragment Fragment
		if err := coder.decode(coder.pack(b), &fragment); err == nil && len(fragment.forms) == 0 {
			t.Error("a fragment without forms")
		}
	})
}
