package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

type verifyOptions struct {
	store   storeFlags
	bulk    cli.Bulk
	choose  selection
	keyring string
	form    form
}

func newVerifyCmd() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify --keyring FILE [NEVRA...]",
		Short: "Verify the signatures of packages",
		Long: `Verify makes each package again and verifies digests and signatures by the keys of a keyring. A package passes when the file that was
imported, or the one that --key names, is signed by one of them and nothing in it is bad.`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.store.add(cmd)
	o.bulk.Add(cmd)
	o.choose.add(cmd)
	cmd.Flags().StringVar(&o.keyring, "keyring", "", "the `FILE` with the public keys (required)")
	cmd.Flags().StringVar(&o.form.Key, "key", "", "the form signed by the key with this `ID`")
	return cmd
}

func (o *verifyOptions) run(cmd *cobra.Command, args []string) error {
	if o.keyring == "" {
		return cli.Usagef("no keyring: give --keyring")
	}
	if err := o.form.check(); err != nil {
		return err
	}
	keys, _, err := readKeyring(o.keyring)
	if err != nil {
		return err
	}
	s, done, err := o.store.reading(cmd.Context())
	if err != nil {
		return err
	}
	defer done()
	list, err := o.choose.packages(s, args)
	if err != nil {
		return err
	}
	list = distinct(list)
	o.bulk.Many = len(list) > 1
	return o.bulk.Run(cmd, packageItems(list), func(ctx context.Context, item bulk.Item) bulk.Result {
		return o.verify(ctx, item.Value.(chosen).pkg, keys)
	})
}

func (o *verifyOptions) verify(ctx context.Context, p *content.Package, keys *rpmfile.Keyring) bulk.Result {
	want, err := p.Select(o.form.Form)
	if err != nil {
		return bulk.Failed("read", "missing", err)
	}
	checked, err := p.Check(ctx, keys)
	if err != nil {
		return bulk.Failed("rebuild", "rebuild", err)
	}
	for _, c := range checked {
		if c.SHA256 != want.SHA256 {
			continue
		}
		if err := errors.Join(c.Err, c.Result.Err()); err != nil {
			return bulk.Failed("verify", "bad", err)
		}
		if !c.Result.Signed() {
			return bulk.Failed("verify", "unsigned", errors.New(unsignedReason(c)))
		}
	}
	return bulk.Result{OK: true, Figures: map[string]any{"sha256": want.SHA256, "keys": want.Keys}}
}

func unsignedReason(c content.Checked) string {
	var reasons []string
	for _, check := range c.Result.Checks {
		if check.Signature != nil && check.Status != rpmfile.OK {
			reasons = append(reasons, check.String())
		}
	}
	if len(reasons) == 0 {
		return "not signed"
	}
	return strings.Join(reasons, "; ")
}
