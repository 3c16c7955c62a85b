package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/rpmfile"
)

func newAddSignatureCmd() *cobra.Command {
	var store storeFlags
	var b cli.Bulk
	var choose selection
	cmd := &cobra.Command{
		Use:   "add-signature FILE.sig|RPM...",
		Short: "Add signatures that were made elsewhere",
		Long: `Add-signature takes the signature header of a signed copy of a package, or such a header alone as koji keeps it
(name-version-release.arch.rpm.sig), and adds it to the package in the store. It is refused when its digests are not the package's.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := store.open(1)
			if err != nil {
				return err
			}
			defer s.Close()
			items, many := cli.Inputs(args, func(name string) bool { return isRPM(name) || isSig(name) })
			b.Many = many
			if items, err = b.Select(items); err != nil {
				return err
			}
			for i := range items {
				if f := &items[i]; f.Err == nil {
					f.Value, f.Err = signatureTarget(s, &choose, f.Input)
				}
			}
			return runSignatures(cmd, &b, s, items)
		},
	}
	store.add(cmd)
	b.Add(cmd)
	choose.add(cmd)
	return cmd
}

func isSig(name string) bool { return strings.HasSuffix(name, ".rpm.sig") }

// signatureTarget gives the packages that the signature header in a file may belong to.
func signatureTarget(s *content.Store, choose *selection, path string) ([]*group, error) {
	_, header, err := readSignature(path)
	if err != nil {
		return nil, err
	}
	word := strings.TrimSuffix(filepath.Base(path), ".rpm.sig")
	if header != nil {
		word = header.NEVRA().String()
	}
	list, err := choose.packages(s, []string{word})
	if err != nil {
		return nil, err
	}
	var out []*group
	for _, item := range groups(list) {
		g := item.Value.(*group)
		if header != nil {
			have, err := g.pkg.Header()
			if err != nil {
				return nil, err
			}
			if !bytes.Equal(have, header.Header.Raw()) {
				continue
			}
		}
		out = append(out, g)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: %w with this header", word, errNoPackage)
	}
	return out, nil
}

// readSignature reads a signature header alone, or that of a package.
func readSignature(path string) (raw []byte, pkg *rpmfile.Package, err error) {
	f, info, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if isSig(path) {
		const most = 80 << 20
		if info.Size() > most {
			return nil, nil, errors.New("too large for a signature header")
		}
		raw, err = io.ReadAll(io.LimitReader(f, most))
		return raw, nil, err
	}
	p, err := rpmfile.Read(bufio.NewReader(f))
	if err != nil {
		return nil, nil, err
	}
	return p.SignatureRaw(), p, nil
}

// runSignatures adds signatures; of several packages with one NEVRA, the one that the digests fit gets it.
func runSignatures(cmd *cobra.Command, b *cli.Bulk, s *content.Store, items []bulk.Item) error {
	ch := changer{sessions: map[string]*content.Session{}}
	for _, item := range items {
		if item.Err != nil {
			continue
		}
		for _, g := range item.Value.([]*group) {
			if err := ch.open(cmd.Context(), s, g.collections, b.Jobs); err != nil {
				return errors.Join(err, ch.close())
			}
		}
	}
	if b.Jobs >= 1 {
		b.Jobs += waiting
	}
	err := b.Run(cmd, items, func(ctx context.Context, item bulk.Item) bulk.Result {
		raw, _, err := readSignature(item.Input)
		if err != nil {
			return bulk.Failed("read", "input", err)
		}
		var last bulk.Result
		for _, g := range item.Value.([]*group) {
			last = ch.work(ctx, bulk.Item{Input: item.Input, Value: g}, func(ctx context.Context, se *content.Session, _ bulk.Item, p *content.Package) (*content.Package, error) {
				return se.AddSignature(ctx, p, raw)
			})
			if last.OK {
				break
			}
		}
		return last
	})
	return errors.Join(err, ch.close())
}
