package repo

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// readRecord gives the uncompressed content of a metadata file, after it has checked what the record says.
func readRecord(t *testing.T, dir string, r *repodata.Record) string {
	t.Helper()
	src, err := openSource(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := src.record(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := repodata.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(plain); err != nil {
		t.Fatal(err)
	}
	if h, err := repodata.NewHash(r.OpenChecksum.Type); err == nil {
		h.Write(b.Bytes())
		if hex.EncodeToString(h.Sum(nil)) != r.OpenChecksum.Value || int64(b.Len()) != r.OpenSize {
			t.Errorf("%s: checksum or size of the content", r.Type)
		}
	}
	return b.String()
}

// checkZck holds the zchunk form of every file that has one against the other, and gives the types of all records.
func checkZck(t *testing.T, dir string) (types []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, RepodataDir, "repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	md, err := repodata.ParseRepomd(string(b))
	if err != nil {
		t.Fatal(err)
	}
	for i := range md.Records {
		r := &md.Records[i]
		types = append(types, r.Type)
		plain, ok := strings.CutSuffix(r.Type, "_zck")
		if !ok {
			continue
		}
		if diff := cmp.Diff(readRecord(t, dir, md.Record(plain)), readRecord(t, dir, r)); diff != "" {
			t.Errorf("%s: %s", r.Type, diff)
		}
		f, err := os.Open(filepath.Join(dir, r.LocationHref))
		if err != nil {
			t.Fatal(err)
		}
		z, err := repodata.NewZckReader(f)
		if err != nil || z.HeaderSum != r.HeaderSum || z.HeaderSize != r.HeaderSize {
			t.Errorf("%s: header, %v", r.Type, err)
		}
		f.Close()
	}
	return types
}

func TestZck(t *testing.T) {
	dir := sampleDir(t)
	// A package that is promised and does not come changes the number at the start.
	if err := os.WriteFile(filepath.Join(dir, "broken.rpm"), []byte("no package"), 0o666); err != nil {
		t.Fatal(err)
	}
	comps := filepath.Join(t.TempDir(), "comps.xml")
	if err := os.WriteFile(comps, []byte("<?xml version=\"1.0\"?>\n<comps>\n"+strings.Repeat("<group/>\n", 20000)+"</comps>\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	dicts := t.TempDir()
	if err := os.WriteFile(filepath.Join(dicts, "primary.xml.zdict"), []byte("<package type=\"rpm\">"), 0o666); err != nil {
		t.Fatal(err)
	}
	opts := CreateOptions{
		Layout: DefaultLayout(), PkgChecksum: "sha256", ChangelogLimit: 10, GroupFile: comps, OutputDir: t.TempDir(), Now: testTime, Update: true,
	}
	opts.Layout.Zck, opts.Layout.ZckDicts = true, dicts
	result, err := Create(t.Context(), []string{dir}, opts)
	if err != nil || result.Failed != 1 || result.Packages == 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	want := []string{"primary", "filelists", "other", "primary_zck", "filelists_zck", "other_zck", "group", "group_zck"}
	if diff := cmp.Diff(want, checkZck(t, opts.OutputDir)); diff != "" {
		t.Error(diff)
	}
	if err := os.Remove(filepath.Join(dir, "broken.rpm")); err != nil {
		t.Fatal(err)
	}
	if result, err := Create(t.Context(), []string{dir}, opts); err != nil || !result.Unchanged {
		t.Errorf("again: %+v, %v", result, err)
	}

	merged := t.TempDir()
	m := MergeOptions{Layout: opts.Layout, Repos: []string{opts.OutputDir}, Output: merged, Method: Everything, Now: testTime}
	if err := Merge(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	want = append(want, "updateinfo", "updateinfo_zck")
	if diff := cmp.Diff(want, checkZck(t, merged)); diff != "" {
		t.Error(diff)
	}

	change := Change{Path: comps, Type: "group", Compression: repodata.Gzip, Checksum: "sha256", Zck: true}
	modify := func(c Change) {
		t.Helper()
		if err := Modify(context.Background(), filepath.Join(merged, RepodataDir), []Change{c}, testTime, func(string) {}); err != nil {
			t.Fatal(err)
		}
	}
	modify(change)
	if diff := cmp.Diff(want, checkZck(t, merged)); diff != "" {
		t.Error(diff)
	}
	change.Path, change.Type, change.Remove = "group", "", true
	modify(change)
	if types := strings.Join(checkZck(t, merged), " "); strings.Contains(types, "group") {
		t.Error(types)
	}

	opts.Layout.Zck, opts.Layout.ZckDicts = false, ""
	if result, err := Create(t.Context(), []string{dir}, opts); err != nil || result.Unchanged {
		t.Errorf("without zchunk: %+v, %v", result, err)
	}
	if diff := cmp.Diff([]string{"primary", "filelists", "other", "group"}, checkZck(t, opts.OutputDir)); diff != "" {
		t.Error(diff)
	}
}
