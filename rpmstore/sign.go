package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

type signOptions struct {
	store      storeFlags
	bulk       cli.Bulk
	choose     selection
	keyring    string
	id         string
	gpg        string
	passphrase string
	date       string
	sign       rpmfile.SignOptions
}

func newSignCmd() *cobra.Command {
	var o signOptions
	cmd := &cobra.Command{
		Use:   "sign --key KEYRING|--gpg-key ID [NEVRA...]",
		Short: "Add signatures by a key",
		Long: `Sign adds to each package a signature header that is signed by the key; what it was signed with before stays beside it, and export
--key chooses. A package that the key has signed is left as it is.

With --key the secret key comes from a file, and a signature is dated when the package was built, or when the key was made if that
was later, so that signing again gives the same file; --date says otherwise. With --gpg-key, gpg signs.`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.store.add(cmd)
	o.bulk.Add(cmd)
	o.choose.add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.keyring, "key", "", "the `KEYRING` file with the secret key")
	f.StringVar(&o.id, "key-id", "", "with --key: which key of the keyring, by the end of its fingerprint")
	f.StringVar(&o.gpg, "gpg-key", "", "sign by running gpg with the key `ID`")
	f.StringVar(&o.passphrase, "passphrase-file", "", "with --key: the `FILE` that holds its passphrase")
	f.StringVar(&o.date, "date", "", "with --key: date of the signatures: now, or seconds since 1970")
	f.BoolVar(&o.sign.V6, "v6", false, "put the signature into the tag of rpm 6 as well")
	f.BoolVar(&o.sign.Keep, "keep", false, "keep other signatures in the same header where it can hold several")
	return cmd
}

func (o *signOptions) run(cmd *cobra.Command, args []string) error {
	if (o.keyring == "") == (o.gpg == "") {
		return cli.Usagef("give either --key or --gpg-key")
	}
	for _, flag := range []string{"key-id", "passphrase-file", "date"} {
		if o.gpg != "" && cmd.Flags().Changed(flag) {
			return cli.Usagef("--%s goes with --key: gpg has its own", flag)
		}
	}
	signer, key, err := o.signer(cmd.Context())
	if err != nil {
		return err
	}
	s, err := o.store.open(1)
	if err != nil {
		return err
	}
	defer s.Close()
	list, err := o.choose.packages(s, args)
	if err != nil {
		return err
	}
	items := groups(list)
	o.bulk.Many = len(items) > 1
	opts := content.SignOptions{Key: key, Force: o.bulk.Force, Sign: o.sign}
	return runChange(cmd, &o.bulk, s, items, func(ctx context.Context, se *content.Session, _ bulk.Item, p *content.Package) (*content.Package, error) {
		by, err := signer(p)
		if err != nil {
			return nil, err
		}
		return se.Sign(ctx, p, by, opts)
	})
}

// signer gives what makes the signer for a package, and the ID of the key.
func (o *signOptions) signer(ctx context.Context) (func(*content.Package) (rpmfile.Signer, error), string, error) {
	if o.gpg != "" {
		gpg := &rpmfile.GPGSigner{Context: ctx, KeyID: o.gpg}
		public, err := gpg.Public()
		if err != nil {
			return nil, "", err
		}
		id, err := signingID(public, time.Now())
		return func(*content.Package) (rpmfile.Signer, error) { return gpg, nil }, id, err
	}
	keys, raw, err := readKeyring(o.keyring)
	if err != nil {
		return nil, "", err
	}
	passphrase, err := readPassphrase(o.passphrase)
	if err != nil {
		return nil, "", err
	}
	made, err := keyTime(raw)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", o.keyring, err)
	}
	fixed, err := parseDate(o.date)
	if err != nil {
		return nil, "", err
	}
	at := func(p *content.Package) (time.Time, error) {
		if !fixed.IsZero() || p == nil {
			return later(fixed, made), nil
		}
		built, err := buildTime(p)
		return later(built, made), err
	}
	first, _ := at(nil)
	probe, err := keys.NewSigner(o.id, passphrase, first)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", o.keyring, err)
	}
	return func(p *content.Package) (rpmfile.Signer, error) {
		when, err := at(p)
		if err != nil {
			return nil, err
		}
		s := probe.At(when) // unlocking a key takes long
		return s, s.Usable()
	}, fmt.Sprintf("%016x", probe.KeyID()), nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func buildTime(p *content.Package) (time.Time, error) {
	raw, err := p.Header()
	if err != nil {
		return time.Time{}, err
	}
	h, err := rpmfile.ParseHeader(raw)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	sec, _ := h.Int(rpmfile.TagBuildTime)
	return time.Unix(sec, 0), nil
}

func parseDate(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if s == "now" {
		return time.Now(), nil
	}
	sec, err := strconv.ParseInt(s, 10, 64)
	if err != nil || sec <= 0 {
		return time.Time{}, cli.Usagef("--date %s: want now or seconds since 1970", s)
	}
	return time.Unix(sec, 0), nil
}

// keyTime gives the time when the last of the keys, or of their self-signatures, was made.
func keyTime(raw []byte) (time.Time, error) {
	read := openpgp.ReadKeyRing
	if bytes.Contains(raw, []byte("-----BEGIN PGP")) {
		read = openpgp.ReadArmoredKeyRing
	}
	list, err := read(bytes.NewReader(raw))
	if err != nil {
		return time.Time{}, fmt.Errorf("keyring: %w", err)
	}
	var last time.Time
	for _, e := range list {
		last = later(last, e.PrimaryKey.CreationTime)
		for _, id := range e.Identities {
			if id.SelfSignature != nil {
				last = later(last, id.SelfSignature.CreationTime)
			}
		}
		for _, sub := range e.Subkeys {
			last = later(last, sub.PublicKey.CreationTime)
			if sub.Sig != nil {
				last = later(last, sub.Sig.CreationTime)
			}
		}
	}
	return last, nil
}

// signingID gives the ID of the key of a public keyring that signs.
func signingID(keys *rpmfile.Keyring, at time.Time) (string, error) {
	var b bytes.Buffer
	if err := keys.WritePublic(&b); err != nil {
		return "", err
	}
	list, err := openpgp.ReadArmoredKeyRing(&b)
	if err != nil || len(list) == 0 {
		return "", errors.Join(err, errors.New("gpg: no such key"))
	}
	key, ok := list[0].SigningKey(at)
	if !ok {
		return "", errors.New("gpg: the key does not sign")
	}
	return fmt.Sprintf("%016x", key.PublicKey.KeyId), nil
}

func readKeyring(path string) (*rpmfile.Keyring, []byte, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	keys, err := rpmfile.ReadKeyring(bytes.NewReader(raw))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, raw, nil
}

func readPassphrase(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	return []byte(strings.TrimRight(string(b), "\r\n")), err
}
