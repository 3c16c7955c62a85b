package repo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-cmp/cmp"

	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/repodata"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// testStore makes a store whose collection "c" holds the packages.
func testStore(t testing.TB, specs ...rpmtest.Spec) *content.Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	if err := content.Init(dir); err != nil {
		t.Fatal(err)
	}
	s, err := content.Open(dir, content.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	importSpecs(t, s, specs...)
	return s
}

func importSpecs(t testing.TB, s *content.Store, specs ...rpmtest.Spec) {
	t.Helper()
	ctx := context.Background()
	session, err := s.Session(ctx, "c", 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range specs {
		b := rpmtest.Build(t, spec)
		if _, err := session.Import(ctx, bytes.NewReader(b), int64(len(b)), content.ImportOptions{Defer: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
}

func profile(t testing.TB, name string) Profile {
	t.Helper()
	p, err := FindProfile(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testSigner(t testing.TB) *Signer {
	t.Helper()
	e, err := openpgp.NewEntity("test", "", "t@example.com", &packet.Config{RSABits: 2048})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PrivateKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.SerializePrivate(w, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(b.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func publish(t testing.TB, s *content.Store, target Target, opts PublishOptions) *Published {
	t.Helper()
	c, err := s.Collection("c")
	if err != nil {
		t.Fatal(err)
	}
	done, err := Publish(context.Background(), c, target, opts)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func sampleSpecs() (list []rpmtest.Spec) {
	for name, spec := range rpmtest.Samples() {
		if name != "odd" {
			list = append(list, spec)
		}
	}
	return list
}

// TestPublishEqualsCreate holds what the store says of its packages against what the files say.
func TestPublishEqualsCreate(t *testing.T) {
	s := testStore(t, sampleSpecs()...)
	for _, p := range Profiles() {
		t.Run(p.Name, func(t *testing.T) {
			dir := t.TempDir()
			done := publish(t, s, Target{Dir: dir, Keep: 1, Packages: true}, PublishOptions{Profile: p})
			if done.Exported != done.Packages || done.Unchanged {
				t.Errorf("%+v", done)
			}
			files := t.TempDir()
			create(t, dir, func(o *CreateOptions) { o.OutputDir, o.Layout = files, p.Layout })
			want, got := readMetadata(t, files), readMetadata(t, dir)
			for i := range want.Packages {
				want.Packages[i].TimeFile = want.Packages[i].TimeBuild
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPublishAgain(t *testing.T) {
	s := testStore(t, rpmtest.Spec{Name: "a"}, rpmtest.Spec{Name: "b"})
	signer := testSigner(t)
	dirs := [2]string{t.TempDir(), t.TempDir()}
	opts := PublishOptions{Profile: profile(t, "fedora"), Signer: signer, CacheDir: t.TempDir()}
	for i, dir := range dirs {
		if i == 1 {
			opts.CacheDir = ""
		}
		publish(t, s, Target{Dir: dir, Keep: 2, Packages: true}, opts)
	}
	if diff := cmp.Diff(tree(t, dirs[0]), tree(t, dirs[1])); diff != "" {
		t.Errorf("two places, two results: %s", diff)
	}
	before := tree(t, dirs[0])
	if done := publish(t, s, Target{Dir: dirs[0], Keep: 2, Packages: true}, opts); !done.Unchanged || done.Exported != 0 {
		t.Errorf("nothing changed: %+v", done)
	}
	if diff := cmp.Diff(before, tree(t, dirs[0])); diff != "" {
		t.Error(diff)
	}
	// What somebody removed comes back.
	if err := os.Remove(filepath.Join(dirs[0], RepodataDir, "repomd.xml.asc")); err != nil {
		t.Fatal(err)
	}
	publish(t, s, Target{Dir: dirs[0], Keep: 2, Packages: true}, opts)
	if diff := cmp.Diff(before, tree(t, dirs[0])); diff != "" {
		t.Error(diff)
	}
}

// tree gives the content of every file below dir.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		sum := sha256.Sum256(b)
		files[strings.TrimPrefix(path, dir)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestGenerationsStay(t *testing.T) {
	s := testStore(t, rpmtest.Spec{Name: "a", BuildTime: 1000})
	signer := testSigner(t)
	dir := t.TempDir()
	opts := PublishOptions{Profile: profile(t, "fedora"), Signer: signer}
	target := Target{Dir: dir, Keep: 2, Packages: true}
	var all []*Published
	for i := range 4 {
		all = append(all, publish(t, s, target, opts))
		checkSigned(t, dir, signer)
		c, err := s.Collection("c")
		if err != nil {
			t.Fatal(err)
		}
		old, err := c.Packages()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Remove(context.Background(), "c", old); err != nil {
			t.Fatal(err)
		}
		importSpecs(t, s, rpmtest.Spec{Name: "a", Version: fmt.Sprint(i + 2), BuildTime: uint32(2000 + i)})
	}
	for i, gen := range all {
		for _, name := range gen.Files() {
			if want := i >= 2; isFile(filepath.Join(dir, RepodataDir, name)) != want {
				t.Errorf("generation %d: %s is there: %v", i, name, !want)
			}
		}
	}
	rpms, err := filepath.Glob(filepath.Join(dir, PackagesDir, "a", "*"))
	if err != nil || len(rpms) != 2 {
		t.Errorf("package files: %v, %v", rpms, err)
	}
	pool, err := filepath.Glob(filepath.Join(dir, poolDir, "*"))
	if err != nil || len(pool) != 2 {
		t.Errorf("pool: %v, %v", pool, err)
	}
}

func checkSigned(t *testing.T, dir string, signer *Signer) {
	t.Helper()
	asc, err := os.ReadFile(filepath.Join(dir, RepodataDir, "repomd.xml.asc"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(signer.PublicKey()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openpgp.CheckArmoredDetachedSignature(keys, bytes.NewReader(repomdOf(t, dir)), bytes.NewReader(asc), nil); err != nil {
		t.Error(err)
	}
}

func TestSameFileName(t *testing.T) {
	s := testStore(t, rpmtest.Spec{Name: "a", Epoch: 1}, rpmtest.Spec{Name: "a", Epoch: 2}, rpmtest.Spec{Name: "b"})
	dir := t.TempDir()
	publish(t, s, Target{Dir: dir, Keep: 1, Packages: true}, PublishOptions{Profile: profile(t, "fedora")})
	list := hrefs(t, dir)
	if len(list) != 3 || list[0] == list[1] || list[2] != "Packages/b/b-1.0-1.x86_64.rpm" {
		t.Errorf("%q", list)
	}
	for _, href := range list {
		if !isFile(filepath.Join(dir, href)) {
			t.Errorf("%s is not there", href)
		}
	}
}

func TestExtras(t *testing.T) {
	s := testStore(t, rpmtest.Spec{Name: "a"})
	comps := filepath.Join(t.TempDir(), "comps.xml")
	if err := os.WriteFile(comps, []byte("<comps/>"), 0o666); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	publish(t, s, Target{Dir: dir, Keep: 1}, PublishOptions{
		Profile: profile(t, "el7"), Extras: []Extra{{"group", comps}, {"other-comps", comps}}, BaseURL: "http://x/y",
	})
	md := readMetadata(t, dir)
	want := []string{"primary", "filelists", "other", "primary_db", "filelists_db", "other_db", "group", "other-comps"}
	if diff := cmp.Diff(want, md.Records); diff != "" {
		t.Error(diff)
	}
	if p := md.Packages[0]; p.LocationBase != "http://x/y" {
		t.Errorf("base is %q", p.LocationBase)
	}
	plain, err := filepath.Glob(filepath.Join(dir, RepodataDir, "*-comps.xml"))
	if err != nil || len(plain) != 1 {
		t.Errorf("comps for EL7: %v, %v", plain, err)
	}
}

func TestFrames(t *testing.T) {
	var specs []rpmtest.Spec
	for i := range 100 {
		specs = append(specs, rpmtest.Spec{Name: fmt.Sprintf("p%d", i)})
	}
	s := testStore(t, specs...)
	cut := func() map[frameKey]bool {
		c, err := s.Collection("c")
		if err != nil {
			t.Fatal(err)
		}
		list, err := members(c)
		if err != nil {
			t.Fatal(err)
		}
		keys := map[frameKey]bool{}
		for _, f := range frames(list, "", 16) {
			keys[f.key] = true
		}
		return keys
	}
	before := cut()
	importSpecs(t, s, rpmtest.Spec{Name: "p70", Version: "2"})
	after := cut()
	changed := 0
	for key := range after {
		if !before[key] {
			changed++
		}
	}
	if len(before) < 2 || changed != 1 || len(after) != len(before) {
		t.Errorf("%d frames, then %d, of which %d are new", len(before), len(after), changed)
	}
}

func TestFrameCache(t *testing.T) {
	c := frameCache{dir: t.TempDir()}
	f := &builtFrame{frameHead: frameHead{count: 3, latest: 5}}
	f.data[0], f.raw[0], f.data[2] = []byte("abc"), 9, []byte("d")
	key := frameKey{1}
	if err := c.put(repodata.Zstd, key, f); err != nil {
		t.Fatal(err)
	}
	path := c.path(repodata.Zstd, key)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := func() error {
		head, err := c.head(repodata.Zstd, key)
		if err != nil {
			return err
		}
		if head.count != 3 || head.latest != 5 || head.raw[0] != 9 {
			t.Errorf("%+v", head)
		}
		for i, want := range []string{"abc", "", "d"} {
			got, err := c.part(repodata.Zstd, key, i, nil)
			if err != nil {
				return err
			}
			if string(got) != want {
				t.Errorf("part %d: %q", i, got)
			}
		}
		return nil
	}
	if err := whole(); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		for _, b := range [][]byte{bad, good[:i]} {
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
			if err := whole(); !errors.Is(err, errFrame) {
				t.Errorf("byte %d changed or cut, and nobody saw it: %v", i, err)
			}
		}
	}
	if err := c.prune(map[string]bool{filepath.Base(path): true}); err != nil || !isFile(path) {
		t.Errorf("a frame in use was pruned, %v", err)
	}
	if err := c.prune(nil); err != nil || isFile(path) {
		t.Errorf("an old frame was not pruned, %v", err)
	}
}

func FuzzFrameHead(f *testing.F) {
	f.Add((&frameHead{count: 1}).marshal(), int64(frameHeadSize))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if got, err := unmarshalFrameHead(b, size); err == nil && !bytes.Equal(got.marshal(), b) {
			t.Error("read and written again, not equal")
		}
	})
}

// TestWorkFollowsChange publishes after each of some changes, with and without what runs before have left, or have left damaged.
func TestWorkFollowsChange(t *testing.T) {
	var specs []rpmtest.Spec
	for i := range 1200 {
		specs = append(specs, rpmtest.Spec{Name: fmt.Sprintf("p%d", i), Compressor: "none"})
	}
	s := testStore(t, specs...)
	cache := t.TempDir()
	changes := []func(){
		func() {},
		func() { importSpecs(t, s, rpmtest.Spec{Name: "p1000", Version: "2"}) },
		func() { removeAll(t, filepath.Join(cache, "states")) },
		func() { removeAll(t, filepath.Join(cache, "frames", "none")) },
		func() { removeAll(t, filepath.Join(cache, "frames", "gz")) },
		func() { removeAll(t, filepath.Join(cache, "frames", "zstd")) },
		func() { spoil(t, filepath.Join(cache, "states")) },
		func() { spoil(t, filepath.Join(cache, "frames", "none")) },
		func() { spoil(t, filepath.Join(cache, "frames", "gz")) },
		func() { spoil(t, filepath.Join(cache, "frames", "zstd")) },
		func() { importSpecs(t, s, rpmtest.Spec{Name: "aaa"}) },
	}
	for i, change := range changes {
		change()
		for _, name := range []string{"fedora", "zypper"} {
			opts := PublishOptions{Profile: profile(t, name)}
			plain, cached := t.TempDir(), t.TempDir()
			publish(t, s, Target{Dir: plain}, opts)
			opts.CacheDir = cache
			publish(t, s, Target{Dir: cached}, opts)
			if diff := cmp.Diff(tree(t, plain), tree(t, cached)); diff != "" {
				t.Errorf("change %d, %s: %s", i, name, diff)
			}
		}
	}
}

func removeAll(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// spoil changes a byte in the middle of every file below dir.
func spoil(t *testing.T, dir string) {
	t.Helper()
	for name := range tree(t, dir) {
		b, err := os.ReadFile(dir + name)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 0x40
		if err := os.WriteFile(dir+name, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSignIsStable(t *testing.T) {
	s := testSigner(t)
	a, err := s.Sign([]byte("x"), testTime)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Sign([]byte("x"), testTime)
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("two signatures differ (%v)", err)
	}
	if _, err := NewSigner(s.PublicKey(), nil); err == nil {
		t.Error("a public key was taken for signing")
	}
}

func TestLockedKey(t *testing.T) {
	e, err := openpgp.NewEntity("test", "", "t@example.com", &packet.Config{RSABits: 2048})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.EncryptPrivateKeys([]byte("sesame"), nil); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PrivateKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.SerializePrivateWithoutSigning(w, nil), w.Close()); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "wrong"} {
		if _, err := NewSigner(b.Bytes(), []byte(wrong)); err == nil {
			t.Errorf("passphrase %q unlocked the key", wrong)
		}
	}
	s, err := NewSigner(b.Bytes(), []byte("sesame"))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := s.Sign([]byte("x"), testTime)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify([]byte("x"), signature, e.PrimaryKey.CreationTime); err != nil {
		t.Error(err)
	}
}

func TestLatin1(t *testing.T) {
	// What the store publishes for names that are no UTF-8 is what createrepo_c makes of them.
	p := &repodata.Package{Name: "a", Files: []repodata.File{{Dir: "/", Base: "\xe9"}}}
	if got := string(repodata.AppendFilelists(nil, p)); !strings.Contains(got, "<file>/é</file>") {
		t.Error(got)
	}
}
