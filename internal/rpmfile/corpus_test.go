package rpmfile_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// moduleDir finds the directory of a module in the module cache.
func moduleDir(t testing.TB, path string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Fatalf("module %s is not in the module cache: %v", path, err)
	}
	return dir
}

// registryFiles gives the package files that Go modules carry: signed ones of CentOS and EPEL, one of each compressor.
func registryFiles(t testing.TB) []string {
	t.Helper()
	return append(rpmFiles(t, filepath.Join(moduleDir(t, "github.com/cavaliergopher/rpm"), "testdata")),
		rpmFiles(t, filepath.Join(moduleDir(t, "github.com/sassoftware/go-rpmutils"), "testdata"))...)
}

// rpmFiles gives the package files below a directory.
func rpmFiles(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".rpm") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// eachRPM runs a test over our own samples, the registry's packages, and those below the directories of WELD_RPMS.
func eachRPM(t *testing.T, test func(t *testing.T, data []byte, p *rpmfile.Package)) {
	t.Helper()
	one := func(name string, data []byte) {
		t.Run(name, func(t *testing.T) {
			p, err := rpmfile.Read(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			test(t, data, p)
		})
	}
	for name, spec := range rpmtest.Samples() {
		one(name, rpmtest.Build(t, spec))
	}
	files := registryFiles(t)
	for _, dir := range filepath.SplitList(os.Getenv("WELD_RPMS")) {
		files = append(files, rpmFiles(t, dir)...)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		one(filepath.Base(path), data)
	}
}

func TestRead(t *testing.T) {
	eachRPM(t, func(t *testing.T, data []byte, p *rpmfile.Package) {
		var head bytes.Buffer
		if _, err := p.WriteTo(&head); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, head.Bytes()) {
			t.Error("WriteTo does not give back what was read")
		}
		if _, end := p.HeaderRange(); end != int64(head.Len()) {
			t.Errorf("header ends at %d, not %d", end, head.Len())
		}
		if _, err := p.Files(); err != nil {
			t.Error(err)
		}
		parsed, err := rpmfile.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := rpmfile.FromParts(parsed.LeadRaw(), parsed.SignatureRaw(), parsed.Header.Raw())
		if err != nil {
			t.Fatal(err)
		}
		if parts.NEVRA() != p.NEVRA() {
			t.Errorf("parsed as %v, read as %v", parts.NEVRA(), p.NEVRA())
		}
	})
}

// damaged are the packages of the corpora that are broken on purpose, by base name, and the start of what is wrong.
var damaged = map[string]string{
	"hello-2.0-1.x86_64-corrupted.rpm": "payload SHA256 digest: BAD",
}

func TestVerifyAll(t *testing.T) {
	eachRPM(t, func(t *testing.T, data []byte, p *rpmfile.Package) {
		want := damaged[filepath.Base(t.Name())]
		_, result, err := rpmfile.Verify(bytes.NewReader(data), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := result.Err(); want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("verify: %v", err)
		}
		if result.Complete() != (want == "") {
			t.Errorf("complete is %v", result.Complete())
		}
		_, end := p.HeaderRange()
		plain, err := rpmfile.Decompress(bytes.NewReader(data[end:]), p.Payload().Compressor)
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		if result, err = p.VerifyArchive(plain); err != nil {
			t.Fatal(err)
		}
		if err := result.Err(); (err != nil) != (want != "") {
			t.Errorf("verify payload: %v", err)
		}
		if _, err := io.ReadAll(plain); err != nil {
			t.Error(err)
		}
	})
}

// TestIncomplete leaves digests out.
func TestIncomplete(t *testing.T) {
	for name, spec := range map[string]rpmtest.Spec{
		"no payload": {NoMD5: true, NoPayloadDigest: true},
		"no header":  {NoMD5: true, NoSHA1: true, NoSHA256: true},
	} {
		if result := mustVerify(t, rpmtest.Build(t, spec), nil); result.Complete() || result.Err() != nil {
			t.Errorf("%s: complete is %v: %v", name, result.Complete(), result.Checks)
		}
	}
}

// TestCentOSSignatures checks real signatures, made from 2001 to 2015, with the keys that made them.
func TestCentOSSignatures(t *testing.T) {
	dir := filepath.Join(moduleDir(t, "github.com/cavaliergopher/rpm"), "testdata")
	keys := new(rpmfile.Keyring)
	for _, n := range []string{"2", "3", "4", "5", "6", "7"} {
		f, err := os.Open(filepath.Join(dir, "RPM-GPG-KEY-CentOS-"+n))
		if err != nil {
			t.Fatal(err)
		}
		k, err := rpmfile.ReadKeyring(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		keys.Add(k)
	}
	for _, path := range rpmFiles(t, dir) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			verifyOurs(t, data, keys)
			for _, c := range mustVerify(t, data, keys).Checks {
				if c.Status != rpmfile.OK {
					t.Error(c)
				}
			}
			for _, c := range mustVerify(t, data, nil).Checks {
				if c.Signature != nil && c.Status != rpmfile.NoKey {
					t.Errorf("without a keyring: %v", c)
				}
			}
		})
	}
}

func mustVerify(t *testing.T, data []byte, keys *rpmfile.Keyring) *rpmfile.Result {
	t.Helper()
	_, result, err := rpmfile.Verify(bytes.NewReader(data), keys)
	if err != nil {
		t.Fatal(err)
	}
	return result
}
