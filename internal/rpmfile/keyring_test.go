package rpmfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

var keyTime = time.Unix(1700000000, 0)

// newEntity makes a key that lives for so many seconds, 0 for ever.
func newEntity(t *testing.T, lifetime uint32) (*openpgp.Entity, *packet.Config) {
	t.Helper()
	config := &packet.Config{
		Time: func() time.Time { return keyTime }, Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: lifetime,
	}
	e, err := openpgp.NewEntity("Test", "", "test@example.org", config)
	if err != nil {
		t.Fatal(err)
	}
	return e, config
}

// keyring reads what write writes, armored as the type says or binary.
func keyring(t *testing.T, armorType string, write func(*bytes.Buffer) error) *rpmfile.Keyring {
	t.Helper()
	var plain, out bytes.Buffer
	if err := write(&plain); err != nil {
		t.Fatal(err)
	}
	if armorType == "" {
		out = plain
	} else {
		w, err := armor.Encode(&out, armorType, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(plain.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	k, err := rpmfile.ReadKeyring(&out)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyMayNotSign(t *testing.T) {
	e, config := newEntity(t, 1000)
	secret := keyring(t, "", func(b *bytes.Buffer) error { return e.SerializePrivate(b, config) })
	for _, test := range []struct {
		name string
		at   time.Duration // of the signature, after the key was made
		want rpmfile.Status
	}{
		{"in time", time.Second, rpmfile.OK},
		{"expired", 2000 * time.Second, rpmfile.Untrusted},
	} {
		t.Run(test.name, func(t *testing.T) {
			signer, err := secret.NewSigner("", nil, keyTime.Add(time.Second))
			if err != nil {
				t.Fatal(err)
			}
			signer = signer.At(keyTime.Add(test.at))
			if err := signer.Usable(); (err == nil) != (test.want == rpmfile.OK) {
				t.Errorf("to sign with: %v", err)
			}
			data := sign(t, rpmtest.Build(t, rpmtest.Spec{}), signer, rpmfile.SignOptions{}, false)
			for _, c := range mustVerify(t, data, secret).Checks {
				if c.Signature != nil && c.Status != test.want {
					t.Errorf("%v, not %v", c, test.want)
				}
			}
		})
	}
	signer, err := secret.NewSigner("", nil, keyTime.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	data := sign(t, rpmtest.Build(t, rpmtest.Spec{}), signer, rpmfile.SignOptions{}, false)
	if err := e.RevokeKey(packet.KeyCompromised, "", config); err != nil {
		t.Fatal(err)
	}
	revoked := keyring(t, openpgp.PublicKeyType, func(b *bytes.Buffer) error { return e.Serialize(b) })
	result := mustVerify(t, data, revoked)
	if result.Signed() {
		t.Error("a revoked key counts")
	}
	if _, err := secret.NewSigner("", nil, keyTime.Add(2000*time.Second)); err == nil {
		t.Error("an expired key signs")
	}
}

func TestLockedKey(t *testing.T) {
	e, config := newEntity(t, 0)
	if err := e.EncryptPrivateKeys([]byte("sesame"), config); err != nil {
		t.Fatal(err)
	}
	locked := keyring(t, openpgp.PrivateKeyType, func(b *bytes.Buffer) error { return e.SerializePrivateWithoutSigning(b, config) })
	for passphrase, want := range map[string]string{"": "is locked by a passphrase", "wrong": "key ", "sesame": ""} {
		signer, err := locked.NewSigner("", []byte(passphrase), keyTime)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("passphrase %q: %v, not %q", passphrase, err, want)
		case want == "" && err != nil:
			t.Error(err)
		case want == "":
			verifyOurs(t, sign(t, rpmtest.Build(t, rpmtest.Spec{}), signer, rpmfile.SignOptions{}, true), locked)
		}
	}
}

// TestSubkey signs by a subkey of a key that gpg made, which is what most distributions' keys are today, and asks rpm.
func TestSubkey(t *testing.T) {
	judges.Need(t, "rpmkeys", "gpg")
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run(t, false, "gpgconf", "--homedir", home, "--kill", "all") })
	gpg := func(args ...string) string {
		return run(t, true, "gpg", append([]string{
			"--homedir", home, "--batch", "--quiet", "--passphrase", "",
			"--faked-system-time", "20231101T000000", "--no-auto-check-trustdb", "--logger-file", filepath.Join(home, "log"),
		}, args...)...)
	}
	gpg("--quick-gen-key", "test@example.org", "ed25519", "cert", "never")
	_, fingerprint, _ := strings.Cut(gpg("--with-colons", "--list-keys"), "fpr:::::::::")
	fingerprint, _, _ = strings.Cut(fingerprint, ":")
	gpg("--quick-add-key", fingerprint, "rsa2048", "sign", "never")
	keys, err := rpmfile.ReadKeyring(strings.NewReader(gpg("--armor", "--export-secret-keys")))
	if err != nil {
		t.Fatal(err)
	}
	public, err := (&rpmfile.GPGSigner{KeyID: "test@example.org", Home: home}).Public()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(gpg("--with-colons", "--list-keys"), "sub:")
	sub := strings.ToLower(strings.Split(rest, ":")[3])
	for _, id := range []string{"", sub, fingerprint} {
		signer, err := keys.NewSigner(id, nil, keyTime)
		if err != nil {
			t.Fatal(err)
		}
		if hex16(signer.KeyID()) != sub {
			t.Errorf("%q signs by %016x, not by %s", id, signer.KeyID(), sub)
		}
		data := sign(t, rpmtest.Build(t, rpmtest.Spec{}), signer, rpmfile.SignOptions{}, false)
		verifyOurs(t, data, public)
		file := filepath.Join(t.TempDir(), "x.rpm")
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		db := t.TempDir()
		importKey(t, db, public)
		if out := run(t, true, "rpmkeys", "--dbpath", db, "-Kv", file); !strings.Contains(out, sub[8:]+": OK") {
			t.Error(out)
		}
	}
}

func TestKeyByID(t *testing.T) {
	one, config := newEntity(t, 0)
	two, _ := newEntity(t, 0)
	both := keyring(t, "", func(b *bytes.Buffer) error {
		if err := one.SerializePrivate(b, config); err != nil {
			return err
		}
		return two.SerializePrivate(b, config)
	})
	ids := both.IDs()
	if len(ids) != 2 {
		t.Fatalf("keys %v", ids)
	}
	for _, id := range []string{ids[1], strings.ToUpper(ids[1]), "0x" + ids[1], ids[1][8:]} {
		if signer, err := both.NewSigner(id, nil, keyTime); err != nil || hex16(signer.KeyID()) != ids[1] {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{"", "0123456789abcdef"} {
		if _, err := both.NewSigner(id, nil, keyTime); err == nil {
			t.Errorf("a key for %q", id)
		}
	}
	public := keyring(t, "", func(b *bytes.Buffer) error { return one.Serialize(b) })
	if _, err := public.NewSigner("", nil, keyTime); err == nil {
		t.Error("a public key signs")
	}
	for _, text := range []string{"", "not a key", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxx\n-----END"} {
		if _, err := rpmfile.ReadKeyring(strings.NewReader(text)); err == nil {
			t.Errorf("%q is a keyring", text)
		}
	}
}

// TestIssuer counts the issuer subpackets of our signatures: koji takes those with exactly one.
func TestIssuer(t *testing.T) {
	for _, algo := range []string{"rsa", "ed25519"} {
		_, signer := newKey(t, algo)
		raw, err := signer.Sign(strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		id := make([]byte, 8)
		for i := range id {
			id[i] = byte(signer.KeyID() >> (56 - 8*i))
		}
		if n := bytes.Count(raw, append([]byte{9, 16}, id...)); n != 1 {
			t.Errorf("%s: %d issuer subpackets", algo, n)
		}
		again, err := signer.Sign(strings.NewReader("x"))
		if err != nil || !bytes.Equal(raw, again) {
			t.Errorf("%s: the signature depends on more than key, time and message: %v", algo, err)
		}
	}
}

// TestUnsigned signs each package and takes the signature away again.
func TestUnsigned(t *testing.T) {
	_, signer := newKey(t, "ed25519")
	eachRPM(t, func(t *testing.T, data []byte, p *rpmfile.Package) {
		if p.Format() < 4 {
			t.Skip("cannot be signed")
		}
		plain, err := p.Unsigned()
		if err != nil {
			t.Fatal(err)
		}
		if list, err := p.Signatures(); err != nil || len(list) == 0 && !bytes.Equal(plain, p.SignatureRaw()) {
			t.Errorf("an unsigned package changes: %v", err)
		}
		q, err := p.WithSignature(plain)
		if err != nil {
			t.Fatal(err)
		}
		if list, err := q.Signatures(); err != nil || len(list) != 0 {
			t.Errorf("%d signatures are left: %v", len(list), err)
		}
		signed, err := rpmfile.Parse(sign(t, splice(t, data, plain), signer, rpmfile.SignOptions{}, p.Format() == 4))
		if err != nil {
			t.Fatal(err)
		}
		if id, err := signed.KojiKeyID(); err != nil || id != hex16(signer.KeyID())[8:] {
			t.Errorf("key id %q, %v", id, err)
		}
		again, err := signed.Unsigned()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, plain) && len(again) != len(plain) {
			t.Errorf("%d bytes where there were %d", len(again), len(plain))
		}
	})
}
