package rpmfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestSignRPM6 asks rpm 6, in the root directory of another system that WELD_RPM6 names, for its opinion.
func TestSignRPM6(t *testing.T) {
	root, dir, inside := judges.RPM6(t)
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
		if spec.Format == 3 || spec.NoPayloadDigest {
			continue // rpm 6 refuses these
		}
		t.Run(name, func(t *testing.T) {
			plain := rpmtest.Build(t, spec)
			run(t, true, "chroot", root, "rpm", "-qpl", "--dbpath", inside+"/db", write("x.rpm", plain))
			for _, signer := range signers {
				judge(t, sign(t, plain, signer, rpmfile.SignOptions{}, false), 1)
			}
			data := sign(t, plain, signers[0], rpmfile.SignOptions{V6: true}, false)
			judge(t, data, 1)
			judge(t, sign(t, data, signers[1], rpmfile.SignOptions{V6: true, Keep: true}, false), 2)
		})
	}
}

// TestLikeRPMSign6 compares our signature headers with those of rpmsign 6, by the same key and at the same second.
func TestLikeRPMSign6(t *testing.T) {
	root, dir, inside := judges.RPM6(t)
	script := func(name, text string) string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nexec "+text+" \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	fake := "/usr/bin/gpg --faked-system-time 20250615T120000! --digest-algo sha256"
	script("gpg", fake)
	outside := script("gpg-outside", "chroot "+root+" "+fake)
	run(t, true, "chroot", root, "mkdir", "-m", "700", inside+"/home")
	t.Cleanup(func() { run(t, false, "chroot", root, "gpgconf", "--homedir", inside+"/home", "--kill", "all") })
	for _, algo := range []string{"rsa2048", "ed25519"} {
		run(t, true, "chroot", root, "gpg", "--homedir", inside+"/home", "--batch", "--quiet", "--passphrase", "",
			"--faked-system-time", "20250101T000000", "--quick-gen-key", algo+"@example.org", algo, "sign")
	}
	signer := func(algo string) rpmfile.Signer {
		return &rpmfile.GPGSigner{KeyID: algo + "@example.org", Program: outside, Home: inside + "/home"}
	}
	theirs := func(t *testing.T, data []byte, algo string, args ...string) []byte {
		t.Helper()
		file := filepath.Join(dir, "x.rpm")
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, true, "chroot", append([]string{
			root, "rpmsign", "--define", "__gpg " + inside + "/gpg", "--define",
			"_gpg_path " + inside + "/home", "--define", "_gpg_name " + algo + "@example.org", inside + "/x.rpm",
		}, args...)...)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, test := range []struct {
		sample string
		opts   rpmfile.SignOptions
		args   []string
	}{
		{"full", rpmfile.SignOptions{}, []string{"--addsign"}},
		{"full", rpmfile.SignOptions{V6: true}, []string{"--addsign", "--rpmv6"}},
		{"reserve", rpmfile.SignOptions{}, []string{"--addsign"}},
		{"reserve", rpmfile.SignOptions{V6: true}, []string{"--addsign", "--rpmv6"}},
		{"format6", rpmfile.SignOptions{NoLegacy: true}, []string{"--addsign"}},
		{"format6", rpmfile.SignOptions{}, []string{"--addsign", "--rpmv4"}},
		{"reserve6", rpmfile.SignOptions{NoLegacy: true}, []string{"--addsign"}},
		{"source6", rpmfile.SignOptions{}, []string{"--addsign", "--rpmv4"}},
	} {
		for _, algo := range []string{"rsa2048", "ed25519"} {
			t.Run(test.sample+strings.Join(test.args, "")+"/"+algo, func(t *testing.T) {
				data := rpmtest.Build(t, rpmtest.Samples()[test.sample])
				want, got := theirs(t, data, algo, test.args...), sign(t, data, signer(algo), test.opts, false)
				if !bytes.Equal(want, got) {
					t.Fatalf("rpmsign %v, we %v", tagList(t, want), tagList(t, got))
				}
				if !test.opts.V6 && !strings.HasSuffix(test.sample, "6") {
					return
				}
				other := map[string]string{"rsa2048": "ed25519", "ed25519": "rsa2048"}[algo]
				opts := test.opts
				opts.Keep = true
				want, got = theirs(t, want, other, test.args...), sign(t, got, signer(other), opts, false)
				if !bytes.Equal(want, got) {
					t.Errorf("a second key: rpmsign %v, we %v", tagList(t, want), tagList(t, got))
				}
			})
		}
	}
}
