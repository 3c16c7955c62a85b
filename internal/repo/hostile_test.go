package repo

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/repodata"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// oldRepository makes a repository of one package with updateinfo.
func oldRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	rpmtest.Write(t, dir, rpmtest.Spec{Name: "a"})
	create(t, dir, nil)
	modify(t, dir, "updateinfo.xml", "<updates/>")
	return dir
}

func modify(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	change := Change{Path: path, Compression: repodata.Gzip, Checksum: "sha256"}
	if err := Modify(t.Context(), filepath.Join(dir, RepodataDir), []Change{change}, testTime, func(string) {}); err != nil {
		t.Fatal(err)
	}
}

// changeRecord changes what the repomd.xml of dir says of a file.
func changeRecord(t *testing.T, dir, typ string, change func(*repodata.Record)) {
	t.Helper()
	md, err := repodata.ParseRepomd(string(repomdOf(t, dir)))
	if err != nil {
		t.Fatal(err)
	}
	change(md.Record(typ))
	if err := os.WriteFile(filepath.Join(dir, RepodataDir, "repomd.xml"), md.Append(nil), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestOldExtras: only what lies in the repository and is what the old repomd.xml says comes into the new one.
func TestOldExtras(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(t *testing.T, dir, file string)
		kept  bool
	}{
		"whole":   {func(*testing.T, string, string) {}, true},
		"missing": {func(_ *testing.T, _, file string) { os.Remove(file) }, false},
		"damaged": {func(_ *testing.T, _, file string) { os.WriteFile(file, []byte("<other/>"), 0o666) }, false},
		"outside": {func(t *testing.T, dir, _ string) {
			os.WriteFile(filepath.Join(filepath.Dir(dir), "secret"), []byte("x"), 0o666)
			changeRecord(t, dir, "updateinfo", func(r *repodata.Record) { r.LocationHref = "../secret" })
		}, false},
		"hidden": {func(t *testing.T, dir, _ string) {
			changeRecord(t, dir, "updateinfo", func(r *repodata.Record) { r.LocationHref = "repodata/" + r.Checksum.Value + "-.lock" })
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := oldRepository(t)
			files, err := filepath.Glob(filepath.Join(dir, RepodataDir, "*-updateinfo.xml.gz"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			test.spoil(t, dir, files[0])
			rpmtest.Write(t, dir, rpmtest.Spec{Name: "b"})
			before := tree(t, dir)
			_, err = tryCreate(dir, func(o *CreateOptions) { o.Update = true })
			if (err == nil) != test.kept {
				t.Errorf("%v", err)
			}
			if after := tree(t, dir); !test.kept && !cmp.Equal(before, after) {
				t.Error(cmp.Diff(before, after))
			}
			md, err := repodata.ParseRepomd(string(repomdOf(t, dir)))
			if err != nil || test.kept && md.Record("updateinfo") == nil {
				t.Errorf("%+v, %v", md, err)
			}
			create(t, dir, func(o *CreateOptions) { o.Update, o.DiscardExtra = true, true })
		})
	}
}

// TestForbiddenText: nothing that XML cannot carry gets into metadata, from wherever it comes.
func TestForbiddenText(t *testing.T) {
	dir := t.TempDir()
	rpmtest.Write(t, dir, rpmtest.Spec{Name: "a", Summary: "SUMMARY"})
	if err := os.WriteFile(dir+"/com\x01ps.xml", []byte("<comps/>"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*CreateOptions){
		"content":  func(o *CreateOptions) { o.ContentTags = []string{"a\x01"} },
		"revision": func(o *CreateOptions) { o.Revision = "\x02" },
		"group":    func(o *CreateOptions) { o.GroupFile = dir + "/com\x01ps.xml" },
	} {
		if _, err := tryCreate(dir, change); !errors.Is(err, repodata.ErrControl) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Other generators' references and raw characters.
	for _, bad := range []string{"&#1;", "\x01", "\uffff"} {
		create(t, dir, func(o *CreateOptions) { o.Layout.XML, o.Layout.SimpleNames = repodata.None, true })
		path := filepath.Join(dir, RepodataDir, "primary.xml")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.Replace(b, []byte("SUMMARY"), []byte(bad), 1)
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		changeRecord(t, dir, "primary", func(r *repodata.Record) { r.Checksum.Value, r.Size = digest(b), int64(len(b)) })
		out := t.TempDir()
		opts := MergeOptions{Layout: DefaultLayout(), Repos: []string{dir}, Output: out, Now: testTime}
		if err := Merge(t.Context(), opts); err == nil {
			t.Errorf("%q was merged", bad)
		}
		if _, err := os.Stat(out + "/" + RepodataDir); err == nil {
			t.Errorf("%q: metadata was published", bad)
		}
		// What cannot be reused is read again.
		create(t, dir, func(o *CreateOptions) { o.Update, o.Layout.XML = true, repodata.Gzip })
		for _, p := range readMetadata(t, dir).Packages {
			if p.Summary != "SUMMARY" {
				t.Errorf("%q: %q", bad, p.Summary)
			}
		}
	}
	modifyBad := Change{Path: dir + "/com\x01ps.xml", Compression: repodata.Gzip, Checksum: "sha256"}
	before := repomdOf(t, dir)
	if err := Modify(t.Context(), dir+"/repodata", []Change{modifyBad}, testTime, func(string) {}); !errors.Is(err, repodata.ErrControl) {
		t.Errorf("modify: %v", err)
	}
	if err := xml.Unmarshal(before, new(any)); err != nil && err != io.EOF || !bytes.Equal(before, repomdOf(t, dir)) {
		t.Errorf("repomd.xml changed: %v", err)
	}
}

// TestTrailingBytes: what follows a compressed stream belongs to the file that the checksum is of.
func TestTrailingBytes(t *testing.T) {
	dir := t.TempDir()
	rpmtest.Write(t, dir, rpmtest.Spec{Name: "a"})
	create(t, dir, func(o *CreateOptions) { o.Layout.Zck = true })
	md, err := repodata.ParseRepomd(string(repomdOf(t, dir)))
	if err != nil {
		t.Fatal(err)
	}
	r := md.Record("primary_zck")
	f, err := os.OpenFile(filepath.Join(dir, r.LocationHref), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("more")
	f.Close()
	src, err := openSource(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := src.plain(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := io.Copy(io.Discard, plain); err == nil {
		t.Error("a file with bytes at its end is taken for the promised one")
	}
}

// TestPipe: a list may name what cannot be read.
func TestPipe(t *testing.T) {
	dir := t.TempDir()
	rpmtest.Write(t, dir, rpmtest.Spec{Name: "a"})
	if err := syscall.Mkfifo(filepath.Join(dir, "p.rpm"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, last := range []bool{false, true} {
		done := make(chan *CreateResult)
		go func() {
			result, _ := tryCreate(dir, func(o *CreateOptions) {
				o.Listed, o.Packages, o.KeepLast = true, []string{"p.rpm", "a-1.0-1.x86_64.rpm"}, last
			})
			done <- result
		}()
		select {
		case result := <-done:
			if result == nil || result.Failed != 1 || result.Packages != 1 {
				t.Errorf("%+v", result)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("it waits for the pipe")
		}
	}
}

// TestLongNames: checksums are cached for any name, and where they cannot be, the package is read all the same.
func TestLongNames(t *testing.T) {
	dir, cache := t.TempDir(), filepath.Join(t.TempDir(), "cache")
	b, err := rpmtest.Encode(rpmtest.Spec{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, strings.Repeat("x", 251)+".rpm"), b, 0o666); err != nil {
		t.Fatal(err)
	}
	if r := create(t, dir, func(o *CreateOptions) { o.CacheDir = cache }); r.Packages != 1 {
		t.Errorf("%+v", r)
	}
	if entries, err := os.ReadDir(cache); err != nil || len(entries) != 1 {
		t.Errorf("cache: %v, %v", entries, err)
	}
	if err := os.RemoveAll(cache); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cache, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := tryCreate(dir, func(o *CreateOptions) { o.CacheDir = cache }); err == nil {
		t.Error("a file is taken for the directory of the cache")
	}
}

// TestReadListInPlace: the list of read packages goes to where the name leads.
func TestReadListInPlace(t *testing.T) {
	dir, place := t.TempDir(), t.TempDir()
	rpmtest.Write(t, dir, rpmtest.Spec{Name: "a"})
	if err := os.Symlink("real", place+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(place+"/real", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	create(t, dir, func(o *CreateOptions) { o.ReadList = place + "/link" })
	if b, err := os.ReadFile(place + "/real"); err != nil || string(b) != "a-1.0-1.x86_64.rpm\n" {
		t.Errorf("%q, %v", b, err)
	}
	if err := syscall.Mkfifo(place+"/pipe", 0o666); err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() {
		b, _ := os.ReadFile(place + "/pipe")
		got <- string(b)
	}()
	create(t, dir, func(o *CreateOptions) { o.ReadList = place + "/pipe" })
	select {
	case s := <-got:
		if s != "a-1.0-1.x86_64.rpm\n" {
			t.Errorf("through the pipe: %q", s)
		}
	case <-time.After(10 * time.Second):
		t.Error("the pipe was replaced")
	}
}

// TestFutureRevision: a time in the future, given to the metadata, must not make changed files look old.
func TestFutureRevision(t *testing.T) {
	dir := t.TempDir()
	path := rpmtest.Write(t, dir, rpmtest.Spec{Name: "a", Summary: "one"})
	when := time.Unix(1600000000, 0)
	future := func(o *CreateOptions) {
		o.Update, o.Revision, o.FixTimestamps, o.Now = true, "4000000000", true, time.Now()
	}
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
	create(t, dir, future)
	time.Sleep(1100 * time.Millisecond)
	rpmtest.Write(t, dir, rpmtest.Spec{Name: "a", Summary: "two"})
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
	create(t, dir, future)
	if p := readMetadata(t, dir).Packages; len(p) != 1 || p[0].Summary != "two" {
		t.Errorf("stale: %+v", p)
	}
}

// TestPrettyAgain: --update writes the form that is asked for.
func TestPrettyAgain(t *testing.T) {
	dir := t.TempDir()
	rpmtest.Write(t, dir, rpmtest.Spec{Name: "a"})
	for _, compact := range []bool{false, true, true, false} {
		create(t, dir, func(o *CreateOptions) { o.Update, o.Layout.Compact, o.Layout.XML = true, compact, repodata.None })
		files, err := filepath.Glob(dir + "/repodata/*-primary.xml")
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		b, err := os.ReadFile(files[0])
		if err != nil || strings.Contains(string(b), "\n  <name>") == compact {
			t.Errorf("compact %v: %.300s, %v", compact, b, err)
		}
	}
}

// TestOddOldFiles: what lies in an old repodata and is no metadata does not stop a run.
func TestOddOldFiles(t *testing.T) {
	dir := t.TempDir()
	rpmtest.Write(t, dir, rpmtest.Spec{Name: "a"})
	create(t, dir, nil)
	md := filepath.Join(dir, RepodataDir)
	if err := errors.Join(os.Symlink("/nonexistent/x", md+"/dangling"), syscall.Mkfifo(md+"/pipe", 0o666),
		os.Mkdir(md+"/.modify-1", 0o700), os.Mkdir(md+"/sub", 0o700), os.WriteFile(md+"/sub/x", nil, 0o666)); err != nil {
		t.Fatal(err)
	}
	rpmtest.Write(t, dir, rpmtest.Spec{Name: "b"})
	create(t, dir, nil)
	if to, err := os.Readlink(md + "/dangling"); err != nil || to != "/nonexistent/x" {
		t.Errorf("the link: %q, %v", to, err)
	}
	if !isFile(md + "/sub/x") {
		t.Error("the directory is gone")
	}
	if _, err := os.Lstat(md + "/.modify-1"); err == nil {
		t.Error("what a killed run left was carried over")
	}
}

// TestAbandonedOnce: of several runs that find what a killed one left, one at most goes on, and nobody takes its place away.
func TestAbandonedOnce(t *testing.T) {
	root := normalDir(t.TempDir())
	for range 100 {
		left, err := openWorkspace(root, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := left.lock.Close(); err != nil {
			t.Fatal(err)
		}
		var owners atomic.Int32
		var wait sync.WaitGroup
		opened := make(chan *workspace, 4)
		for range cap(opened) {
			wait.Go(func() {
				if w, err := openWorkspace(root, false); err == nil {
					owners.Add(1)
					opened <- w
				}
			})
		}
		wait.Wait()
		close(opened)
		if n := owners.Load(); n > 1 {
			t.Fatalf("%d runs work in one place", n)
		}
		for w := range opened {
			if !w.owned() {
				t.Fatal("its place was taken away")
			}
			if err := w.discard(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSweep: what is not left by our runs is not removed, whatever it is called.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	stays := []string{".repodata-2026-11-23", ".repodata-gone-x", ".repodata-old"}
	for _, name := range append([]string{".repodata-12-gone-0"}, stays...) {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, name), 0o777), os.WriteFile(filepath.Join(dir, name, "f"), nil, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".repodata-x.tar"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, ".repodata-7-0")
	if err := errors.Join(os.Mkdir(left, 0o777), os.WriteFile(left+"/.lock", nil, 0o666), os.WriteFile(left+"/f", nil, 0o666),
		os.Mkdir(dir+"/.repodata-8-0", 0o777)); err != nil {
		t.Fatal(err)
	}
	create(t, dir, nil)
	entries, err := os.ReadDir(dir)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(append(stays, ".repodata-x.tar", RepodataDir), got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// TestOriginLines: no name of a package makes lines of its own in the list of origins.
func TestOriginLines(t *testing.T) {
	dir := t.TempDir()
	b, err := rpmtest.Encode(rpmtest.Spec{Name: "a", Release: "1\tfile:///x\nbash-5-1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/a.rpm", b, 0o666); err != nil {
		t.Fatal(err)
	}
	create(t, dir, nil)
	opts := MergeOptions{Layout: DefaultLayout(), Repos: []string{dir}, Output: t.TempDir(), Koji: true, Now: testTime}
	if err := Merge(t.Context(), opts); err == nil {
		t.Error("merged")
	}
}

// TestTakenByForce: a run whose place was taken publishes nothing of the other's and leaves the other alone.
func TestTakenByForce(t *testing.T) {
	root := normalDir(t.TempDir())
	first, err := openWorkspace(root, false)
	if err != nil {
		t.Fatal(err)
	}
	second, err := openWorkspace(root, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.publish(); err == nil {
		t.Error("it published what the other is writing")
	}
	if err := first.discard(); err != nil || !second.owned() {
		t.Errorf("the other's place is gone: %v", err)
	}
	if err := second.publish(); err != nil {
		t.Error(err)
	}
}

// TestModifyTogether: changes that are made at the same time are all there.
func TestModifyTogether(t *testing.T) {
	dir := t.TempDir()
	create(t, dir, nil)
	if err := os.Mkdir(dir+"/repodata/.modify-old", 0o700); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() { modify(t, dir, string(rune('a'+i))+".xml", "<x/>") })
	}
	wait.Wait()
	md, err := repodata.ParseRepomd(string(repomdOf(t, dir)))
	if err != nil || len(md.Records) != 3+8 {
		t.Errorf("%d records, %v", len(md.Records), err)
	}
	if left, _ := filepath.Glob(dir + "/repodata/.modify-*"); left != nil {
		t.Errorf("left: %v", left)
	}
}

// TestModifyNames: a file without a checksum in its name must not take that of another.
func TestModifyNames(t *testing.T) {
	dir, place := t.TempDir(), t.TempDir()
	create(t, dir, func(o *CreateOptions) { o.Layout.SimpleNames = true })
	want := tree(t, dir)
	for _, name := range []string{"primary.xml.gz", "repomd.xml", "repomd.xml.asc"} {
		path := filepath.Join(place, repodata.TrimSuffix(name))
		if err := os.WriteFile(path, []byte("<x/>"), 0o666); err != nil {
			t.Fatal(err)
		}
		change := Change{Path: path, Type: "extra", SimpleName: true, Checksum: "sha256"}
		if strings.HasSuffix(name, ".gz") {
			change.Compression = repodata.Gzip
		}
		if err := Modify(context.Background(), dir+"/repodata", []Change{change}, testTime, func(string) {}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if got := tree(t, dir); len(got) != len(want) {
		t.Errorf("%v", got)
	} else {
		for name, sum := range want {
			if got[name] != sum {
				t.Errorf("%s changed", name)
			}
		}
	}
}
