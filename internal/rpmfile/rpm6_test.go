package rpmfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestSignRPM6 asks rpm 6, in the root directory of another system that WELD_RPM6 names, for its opinion.
func TestSignRPM6(t *testing.T) {
	root := os.Getenv("WELD_RPM6")
	if root == "" {
		t.Skip("WELD_RPM6 names no system with rpm 6")
	}
	need(t, "chroot")
	dir, err := os.MkdirTemp(filepath.Join(root, "tmp"), "weld")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	inside, err := filepath.Rel(root, dir)
	if err != nil {
		t.Fatal(err)
	}
	inside = "/" + inside
	write := func(name string, data []byte) string {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
		return inside + "/" + name
	}
	var signers []*rpmfile.KeySigner
	for _, algo := range []string{"rsa", "ed25519"} {
		keys, signer := newKey(t, algo)
		signers = append(signers, signer)
		var public bytes.Buffer
		if err := keys.WritePublic(&public); err != nil {
			t.Fatal(err)
		}
		run(t, true, "chroot", root, "rpmkeys", "--dbpath", inside+"/db", "--import", write(algo+".asc", public.Bytes()))
	}
	judge := func(t *testing.T, data []byte, want int) {
		t.Helper()
		out := run(t, true, "chroot", root, "rpmkeys", "--dbpath", inside+"/db", "-Kv", write("x.rpm", data))
		if n := strings.Count(out, ": OK") - strings.Count(out, "digest: OK"); n != want || strings.Contains(out, "BAD") {
			t.Errorf("%d signatures of %d are OK:\n%s", n, want, out)
		}
	}
	for name, spec := range rpmtest.Samples() {
		if spec.Format == 3 {
			continue // rpm 6 refuses these
		}
		t.Run(name, func(t *testing.T) {
			plain := rpmtest.Build(t, spec)
			run(t, true, "chroot", root, "rpm", "-qpl", "--dbpath", inside+"/db", write("x.rpm", plain))
			for _, signer := range signers {
				data := sign(t, plain, signer, rpmfile.SignOptions{}, spec.NoPayloadDigest)
				want := 1
				if spec.NoPayloadDigest {
					want = 2
				}
				judge(t, data, want)
			}
			if spec.NoPayloadDigest {
				return
			}
			data := sign(t, plain, signers[0], rpmfile.SignOptions{V6: true}, false)
			judge(t, data, 1)
			judge(t, sign(t, data, signers[1], rpmfile.SignOptions{V6: true, Keep: true}, false), 2)
		})
	}
}
