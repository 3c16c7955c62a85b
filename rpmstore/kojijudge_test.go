package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// kojiTree makes a tree of packages with koji's own functions: what its hub does when it takes a build in, a signature, and when it writes
// signed copies. koji's module need not be importable: what does not run here (its imports) is passed over.
const kojiTree = `
import ast, os, shutil, struct, sys, tempfile, base64, binascii, hashlib, re, types
source, top, original, *signed = sys.argv[1:]
koji = {"__name__": "koji", "os": os, "struct": struct, "tempfile": tempfile, "base64": base64, "re": re, "hashlib": hashlib,
        "binascii": binascii, "b2a_hex": binascii.b2a_hex, "types": types}
for node in ast.parse(open(source).read()).body:
    try:
        exec(compile(ast.Module([node], []), source, "exec"), koji)
    except Exception:
        pass
nvra = os.path.basename(original)[:-len(".rpm")]
nvr, arch = nvra.rsplit(".", 1)
name, version, release = nvr.rsplit("-", 2)
build = os.path.join(top, name, version, release)
rpm = os.path.join(build, arch, nvra + ".rpm")
os.makedirs(os.path.dirname(rpm))
shutil.copyfile(original, rpm)
for path in [original] + signed:
    sighdr = koji["rip_rpm_sighdr"](path)
    key = koji["get_sighdr_key"](sighdr) or ""
    if path != original and not key:
        sys.exit(path + ": no key")
    sig = os.path.join(build, "data/sigcache", key, arch, nvra + ".rpm.sig")
    os.makedirs(os.path.dirname(sig), exist_ok=True)
    open(sig, "wb").write(sighdr)
    if key:
        koji["splice_rpm_sighdr"](sighdr, rpm, os.path.join(build, "data/signed", key, arch, nvra + ".rpm"))
`

// TestKojiTree takes in a tree that koji's code wrote and gives it back. WELD_KOJI names a checkout of koji.
func TestKojiTree(t *testing.T) {
	source := filepath.Join(os.Getenv("WELD_KOJI"), "koji", "__init__.py")
	if os.Getenv("WELD_KOJI") == "" {
		t.Skip("WELD_KOJI is not set")
	}
	dir := t.TempDir()
	made, tree, back := filepath.Join(dir, "made"), filepath.Join(dir, "tree"), filepath.Join(dir, "back")
	original := filepath.Join(dir, "in", "alpha-1.0-1.x86_64.rpm")
	if err := os.MkdirAll(filepath.Dir(original), 0o777); err != nil {
		t.Fatal(err)
	}
	b, err := rpmtest.Encode(rpmtest.Spec{Name: "alpha", Version: "1.0", Files: []rpmtest.File{{Path: "/usr/share/alpha", Body: []byte("alpha\n")}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(original, b, 0o666); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "init", made)
	mustRun(t, "import", "--store", made, "--into", "c", original)
	args := []string{"-c", kojiTree, source, tree, original}
	for _, name := range []string{"one", "two"} {
		key := filepath.Join(dir, name+".sec")
		secret, _, id, err := newKey(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(key, secret, 0o600); err != nil {
			t.Fatal(err)
		}
		mustRun(t, "sign", "--store", made, "--key", key)
		out := filepath.Join(dir, name)
		mustRun(t, "export", "--store", made, "--key", id, "-o", out)
		args = append(args, filepath.Join(out, "alpha-1.0-1.x86_64.rpm"))
	}
	if out, err := exec.Command("python3", args...).CombinedOutput(); err != nil {
		t.Fatalf("koji's functions: %v\n%s", err, out)
	}
	store := filepath.Join(dir, "store")
	mustRun(t, "init", store)
	mustRun(t, "koji", "import", "--store", store, "--into", "c", tree)
	mustRun(t, "koji", "export", "--store", store, "--signed", back)
	if out, err := exec.Command("diff", "-r", tree, back).CombinedOutput(); err != nil {
		t.Errorf("the tree that came back differs: %v\n%s", err, out)
	}
}
