package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/gitmirror"
)

func newPullCmd() *cobra.Command {
	var at places
	var b cli.Bulk
	cmd := &cobra.Command{
		Use:   "pull --mirrors DIR --metadata DIR NAME...",
		Short: "Bring upstream into the mirror",
		Long: `pull reads packages/NAME/upstream.toml in the metadata repository, which says where upstream is: git, Subversion,
Mercurial, an archive, or an archive and numbered patches. A pull that fails leaves the mirror as it was. A tag that upstream
has moved is reported and not followed. docs/git-mirror.md lists the keys of upstream.toml.`,
		Example: `  printf 'kind = "git"\nurl = "https://example.com/hello.git"\ntags = "v{version}"\n' > metadata/packages/hello/upstream.toml
  srpm2git pull --mirrors mirrors --metadata metadata hello`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := at.check(); err != nil {
				return err
			}
			pl := &gitmirror.Puller{Mirrors: at.mirrors, Metadata: at.metadata}
			b.Many = len(args) > 1
			return b.Run(cmd, named(args), func(ctx context.Context, it bulk.Item) bulk.Result {
				out, err := pl.Pull(ctx, it.Input)
				if err != nil {
					return bulk.Failed("pull", "pull", err)
				}
				res := bulk.Result{OK: true, Figures: map[string]any{"pull": out}}
				if len(out.Moved) > 0 {
					res.Message = fmt.Sprintf("upstream has moved the tags %s; the mirror keeps its own", strings.Join(out.Moved, ", "))
				}
				return res
			})
		},
	}
	at.add(cmd)
	b.Add(cmd)
	return cmd
}
