package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/weld-linux/weld-bridge/internal/judges"
	"github.com/weld-linux/weld-bridge/internal/rpmfile/rpmtest"
)

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mkrpm":  mkrpm,
			"damage": damage,
			"judge":  judge,
			"mkkey":  mkkey,

			"damageobject": damageObject,
		},
	})
}

// mkrpm makes a package: mkrpm FILE NAME [VERSION [WORD]]. The word is in one of its files.
func mkrpm(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: mkrpm FILE NAME [VERSION [WORD]]")
	}
	args = append(args, "1.0", "word")
	spec := rpmtest.Spec{
		Name: args[1], Version: args[2],
		Files: []rpmtest.File{
			{Path: "/usr/bin/" + args[1], Mode: 0o100755, Body: []byte("#!/bin/sh\necho " + args[3] + "\n")},
			{Path: "/usr/share/doc/shared", Body: []byte(strings.Repeat("the same in every package\n", 100))},
			{Path: "/usr/bin/link", LinkTo: args[1]},
		},
	}
	b, err := rpmtest.Encode(spec)
	ts.Check(err)
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o777))
	ts.Check(os.WriteFile(path, b, 0o666))
}

// damage changes a file: damage FILE truncate|flip|append.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	switch args[1] {
	case "truncate":
		b = b[:len(b)-20]
	case "half":
		b = b[:150]
	case "flip":
		b[len(b)-20] ^= 1
	case "append":
		b = append(b, "more"...)
	}
	ts.Check(os.WriteFile(path, b, 0o666))
}

// damageObject flips a bit in the largest object of a repository: damageobject STORE.
func damageObject(ts *testscript.TestScript, _ bool, args []string) {
	largest, size := "", int64(0)
	objects, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "objects", "*", "*.filez"))
	ts.Check(err)
	for _, o := range objects {
		if info, err := os.Stat(o); err == nil && info.Size() > size {
			largest, size = o, info.Size()
		}
	}
	b, err := os.ReadFile(largest)
	ts.Check(err)
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(largest, b, 0o666))
}

// judge runs a program of the distribution. When it is not installed the script is skipped, except under CI, where it fails.
func judge(ts *testscript.TestScript, neg bool, args []string) {
	if _, err := exec.LookPath(args[0]); err != nil {
		if judges.CI() {
			ts.Fatalf("%s is not installed", args[0])
		}
		fmt.Fprintf(os.Stderr, "%s is not installed\n", args[0])
		return
	}
	err := ts.Exec(args[0], args[1:]...)
	if neg == (err == nil) {
		ts.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
}

// mkkey makes a key: mkkey SECRET PUBLIC. The name of the secret file without its ending becomes a variable that holds the key's ID, and
// with an 8 behind it one that holds the last 8 digits.
func mkkey(ts *testscript.TestScript, _ bool, args []string) {
	name := strings.TrimSuffix(args[0], ".sec")
	secret, public, id, err := newKey(name)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), secret, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), public, 0o600))
	ts.Setenv(name, id)
	ts.Setenv(name+"8", id[8:])
}

func writeKey(t *testing.T, path string) {
	t.Helper()
	secret, _, _, err := newKey("test")
	if err == nil {
		err = os.WriteFile(path, secret, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// newKey makes an armored RSA key.
func newKey(name string) (secret, public []byte, id string, err error) {
	config := &packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048, Time: func() time.Time { return time.Unix(1600000000, 0) }}
	e, err := openpgp.NewEntity(name, "", name+"@example.org", config)
	if err != nil {
		return nil, nil, "", err
	}
	armored := func(kind string, serialize func(io.Writer) error) []byte {
		var b bytes.Buffer
		w, aerr := armor.Encode(&b, kind, nil)
		err = errors.Join(err, aerr, serialize(w), w.Close())
		return append(b.Bytes(), '\n')
	}
	secret = armored(openpgp.PrivateKeyType, func(w io.Writer) error { return e.SerializePrivate(w, config) })
	public = armored(openpgp.PublicKeyType, func(w io.Writer) error { return e.Serialize(w) })
	return secret, public, fmt.Sprintf("%016x", e.PrimaryKey.KeyId), err
}
