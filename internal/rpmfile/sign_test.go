package rpmfile_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// run gives the output of a program; it fails the test when the program fails and must not.
func run(t *testing.T, must bool, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil && must {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

var signTime = time.Unix(1750000000, 0)

// newKey makes a key and a signer by it.
func newKey(t *testing.T, algo string) (*rpmfile.Keyring, *rpmfile.KeySigner) {
	t.Helper()
	k, err := rpmfile.GenerateKey("Test "+algo, algo+"@example.org", algo, 2048, time.Unix(1700000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	s, err := k.NewSigner("", nil, signTime)
	if err != nil {
		t.Fatal(err)
	}
	return k, s
}

// importKey imports a key into rpm's database dir.
func importKey(t *testing.T, dir string, k *rpmfile.Keyring) {
	t.Helper()
	var key bytes.Buffer
	if err := k.WritePublic(&key); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.asc")
	if err := os.WriteFile(file, key.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, true, "rpmkeys", "--dbpath", dir, "--import", file)
}

// splice gives the package's file with another signature header.
func splice(t *testing.T, data, signature []byte) []byte {
	t.Helper()
	p, err := rpmfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	start, _ := p.HeaderRange()
	return bytes.Join([][]byte{data[:rpmfile.LeadSize], signature, data[start:]}, nil)
}

// sign signs the package's file.
func sign(t *testing.T, data []byte, s rpmfile.Signer, opts rpmfile.SignOptions, payload bool) []byte {
	t.Helper()
	p, err := rpmfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, end := p.HeaderRange(); payload {
		opts.Payload = bytes.NewReader(data[end:])
	}
	raw, err := p.Sign(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	return splice(t, data, raw)
}

func TestSignJudged(t *testing.T) {
	judges.Need(t, "rpmkeys")
	db := t.TempDir()
	for _, algo := range []string{"rsa", "ed25519"} {
		keys, signer := newKey(t, algo)
		importKey(t, db, keys)
		for name, spec := range rpmtest.Samples() {
			if spec.Format == 3 {
				continue // cannot be signed
			}
			t.Run(algo+"/"+name, func(t *testing.T) {
				for _, payload := range []bool{false, true} {
					if spec.NoPayloadDigest && !payload || spec.Format == 6 && payload {
						continue
					}
					data := sign(t, rpmtest.Build(t, spec), signer, rpmfile.SignOptions{}, payload)
					file := filepath.Join(t.TempDir(), "x.rpm")
					if err := os.WriteFile(file, data, 0o644); err != nil {
						t.Fatal(err)
					}
					out := run(t, true, "rpmkeys", "--dbpath", db, "-Kv", file)
					want := 1
					if payload {
						want = 2
					}
					if n := strings.Count(out, ": OK") - strings.Count(out, "digest: OK"); n != want {
						t.Errorf("%d signatures of %d are OK:\n%s", n, want, out)
					}
					verifyOurs(t, data, keys)
				}
			})
		}
	}
}

// verifyOurs checks the file by our own means.
func verifyOurs(t *testing.T, data []byte, keys *rpmfile.Keyring) {
	t.Helper()
	_, result, err := rpmfile.Verify(bytes.NewReader(data), keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := result.Err(); err != nil {
		t.Error(err)
	}
	if !result.Signed() {
		t.Errorf("not signed: %v", result.Checks)
	}
	data = bytes.Clone(data)
	data[len(data)-1] ^= 1
	if _, result, err = rpmfile.Verify(bytes.NewReader(data), keys); err != nil || result.Err() == nil || result.Signed() {
		t.Errorf("a changed payload passes: %v, %v", result.Checks, err)
	}
}

func TestSignFormat6(t *testing.T) {
	keys, signer := newKey(t, "ed25519")
	more, second := newKey(t, "rsa")
	data := sign(t, rpmtest.Build(t, rpmtest.Samples()["format6"]), signer, rpmfile.SignOptions{}, false)
	verifyOurs(t, data, keys)
	data = sign(t, data, second, rpmfile.SignOptions{Keep: true}, false)
	verifyOurs(t, data, keys)
	verifyOurs(t, data, more)
	p, err := rpmfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if n := p.Signature.Count(rpmfile.SigOpenPGP); n != 2 {
		t.Errorf("%d signatures, not 2", n)
	}
	if _, err := p.Sign(signer, rpmfile.SignOptions{Payload: strings.NewReader("")}); err == nil {
		t.Error("a signature over the payload was made")
	}
}

func TestSignAgain(t *testing.T) {
	_, signer := newKey(t, "rsa")
	_, other := newKey(t, "ed25519")
	for _, name := range []string{"reserve", "full", "source"} {
		t.Run(name, func(t *testing.T) {
			plain := rpmtest.Build(t, rpmtest.Samples()[name])
			once := sign(t, plain, signer, rpmfile.SignOptions{}, true)
			twice := sign(t, once, signer, rpmfile.SignOptions{}, true)
			if !bytes.Equal(once, twice) {
				t.Error("signing twice gives other bytes")
			}
			if name == "reserve" && len(once) != len(plain) {
				t.Errorf("size grew by %d although space is reserved", len(once)-len(plain))
			}
			if got := sign(t, sign(t, plain, other, rpmfile.SignOptions{}, true), signer, rpmfile.SignOptions{}, true); !bytes.Equal(got, once) {
				t.Error("another key's signature left traces")
			}
			p, err := rpmfile.Parse(once)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := p.Unsigned()
			if err != nil {
				t.Fatal(err)
			}
			if got := splice(t, once, raw); !bytes.Equal(got, plain) {
				t.Error("without its signature the package is not what it was")
			}
			if _, err := p.Sign(other, rpmfile.SignOptions{Keep: true}); err == nil {
				t.Error("a second signature in tags that hold one")
			}
			raw, err = p.Sign(other, rpmfile.SignOptions{Keep: true, V6: true})
			if err != nil {
				t.Fatal(err)
			}
			if p, err = p.WithSignature(raw); err != nil {
				t.Fatal(err)
			}
			if list, err := p.Signatures(); err != nil || len(list) != 3 {
				t.Errorf("%d signatures, not 3: %v", len(list), err)
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	_, signer := newKey(t, "ed25519")
	for name, want := range map[string]string{
		"format3":  "packages of format 3 cannot be signed",
		"nodigest": rpmfile.ErrNeedPayload.Error(),
	} {
		p, err := rpmfile.Parse(rpmtest.Build(t, rpmtest.Samples()[name]))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Sign(signer, rpmfile.SignOptions{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKojiKeyID(t *testing.T) {
	for _, algo := range []string{"rsa", "ed25519"} {
		_, signer := newKey(t, algo)
		for _, name := range []string{"full", "format6"} {
			p, err := rpmfile.Parse(sign(t, rpmtest.Build(t, rpmtest.Samples()[name]), signer, rpmfile.SignOptions{}, false))
			if err != nil {
				t.Fatal(err)
			}
			id, err := p.KojiKeyID()
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ToLower(hex16(signer.KeyID())[8:]); id != want {
				t.Errorf("%s %s: %s, not %s", algo, name, id, want)
			}
		}
	}
	p, err := rpmfile.Parse(rpmtest.Build(t, rpmtest.Spec{}))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := p.KojiKeyID(); id != "" || err != nil {
		t.Errorf("unsigned: %q, %v", id, err)
	}
}

// TestLikeRPMSign compares our signature header with that of rpmsign, by the same key and at the same second.
func TestLikeRPMSign(t *testing.T) {
	judges.Need(t, "rpmsign", "gpg")
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	gpgPath, err := exec.LookPath("gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run(t, false, "gpgconf", "--homedir", home, "--kill", "all") })
	for _, algo := range []string{"rsa2048", "ed25519"} {
		user := algo + "@example.org"
		run(t, true, "gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", "--faked-system-time", "20250101T000000",
			"--quick-gen-key", user, algo, "sign")
		const at = "20250615T120000!"
		fake := filepath.Join(t.TempDir(), "gpg")
		script := "#!/bin/sh\nexec " + gpgPath + " --faked-system-time " + at + " \"$@\"\n"
		if err := os.WriteFile(fake, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		signer := &rpmfile.GPGSigner{KeyID: user, Program: fake, Home: home}
		for _, name := range []string{"full", "nodigest", "reserve", "source"} {
			t.Run(algo+"/"+name, func(t *testing.T) {
				spec := rpmtest.Samples()[name]
				data := rpmtest.Build(t, spec)
				ours := sign(t, data, signer, rpmfile.SignOptions{}, spec.NoPayloadDigest)
				file := filepath.Join(t.TempDir(), "x.rpm")
				if err := os.WriteFile(file, data, 0o644); err != nil {
					t.Fatal(err)
				}
				run(t, true, "rpmsign", "--define", "__gpg "+fake, "--define", "_gpg_path "+home, "--define", "_gpg_name "+user,
					"--define", "_gpg_digest_algo sha256", "--addsign", file)
				theirs, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tagList(t, theirs), tagList(t, ours)); diff != "" {
					t.Errorf("(-rpmsign +ours):\n%s", diff)
				}
				if !bytes.Equal(theirs[rpmfile.LeadSize:], ours[rpmfile.LeadSize:]) {
					t.Error("bytes differ")
				}
				keys, err := signer.Public()
				if err != nil {
					t.Fatal(err)
				}
				verifyOurs(t, theirs, keys)
			})
		}
	}
}

// tagList gives the entries of a signature header.
func tagList(t *testing.T, data []byte) []rpmfile.Entry {
	t.Helper()
	p, err := rpmfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	var list []rpmfile.Entry
	for e := range p.Signature.Entries() {
		list = append(list, e)
	}
	return list
}

func hex16(id uint64) string { return fmt.Sprintf("%016x", id) }
