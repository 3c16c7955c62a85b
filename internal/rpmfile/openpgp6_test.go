package rpmfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

// TestOpenPGP6 signs by a key of OpenPGP version 6 (RFC 9580), which only SigOpenPGP holds. rpm 6 judges, in the system that
// WELD_RPM6 names.
func TestOpenPGP6(t *testing.T) {
	config := &packet.Config{Time: func() time.Time { return keyTime }, Algorithm: packet.PubKeyAlgoEd25519, V6Keys: true}
	e, err := openpgp.NewEntity("Test", "", "test@example.org", config)
	if err != nil {
		t.Fatal(err)
	}
	e.Subkeys = nil
	keys := keyring(t, openpgp.PrivateKeyType, func(b *bytes.Buffer) error { return e.SerializePrivate(b, config) })
	signer, err := keys.NewSigner(keys.IDs()[0], nil, keyTime)
	if err != nil {
		t.Fatal(err)
	}
	data := sign(t, rpmtest.Build(t, rpmtest.Samples()["format6"]), signer, rpmfile.SignOptions{}, false)
	verifyOurs(t, data, keys)
	p, err := rpmfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	list, err := p.Signatures()
	if err != nil || len(list) != 1 || list[0].Version != 6 || list[0].Tag != rpmfile.SigOpenPGP || list[0].KeyID != signer.KeyID() {
		t.Errorf("signatures %v, %v", list, err)
	}
	plain, err := rpmfile.Parse(rpmtest.Build(t, rpmtest.Spec{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Sign(signer, rpmfile.SignOptions{}); err == nil || !strings.Contains(err.Error(), "format 4 cannot hold") {
		t.Errorf("in format 4: %v", err)
	}
	root, dir, inside := judges.RPM6(t)
	var public bytes.Buffer
	if err := keys.WritePublic(&public); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"key.asc": public.Bytes(), "x.rpm": data} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, true, "chroot", root, "rpmkeys", "--dbpath", inside+"/db", "--import", inside+"/key.asc")
	if out := run(t, true, "chroot", root, "rpmkeys", "--dbpath", inside+"/db", "-Kv", inside+"/x.rpm"); !strings.Contains(out, "V6") {
		t.Error(out)
	}
}
