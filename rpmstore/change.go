package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/bulk"
	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
)

// changer changes packages wherever they are: each package once, and then every collection that has it.
type changer struct {
	sessions map[string]*content.Session
}

type group struct {
	pkg         *content.Package
	collections []string
}

// groups gathers the collections of each package.
func groups(list []chosen) []bulk.Item {
	byTree := map[string]*group{}
	var items []bulk.Item
	for _, c := range list {
		key := c.pkg.Tree.String()
		g := byTree[key]
		if g == nil {
			g = &group{pkg: c.pkg}
			byTree[key] = g
			items = append(items, bulk.Item{Input: c.pkg.NEVRA(), Group: c.pkg.Split().Name, Value: g})
		}
		g.collections = append(g.collections, c.collection)
	}
	return items
}

type changeFunc func(ctx context.Context, se *content.Session, item bulk.Item, p *content.Package) (*content.Package, error)

// runChange changes the packages of items whose values are groups.
func runChange(cmd *cobra.Command, b *cli.Bulk, store *content.Store, items []bulk.Item, change changeFunc) error {
	ch := changer{sessions: map[string]*content.Session{}}
	for _, item := range items {
		if err := ch.open(cmd.Context(), store, item.Value.(*group).collections, b.Jobs); err != nil {
			return errors.Join(err, ch.close())
		}
	}
	if b.Jobs >= 1 {
		b.Jobs += waiting
	}
	err := b.Run(cmd, items, func(ctx context.Context, item bulk.Item) bulk.Result { return ch.work(ctx, item, change) })
	return errors.Join(err, ch.close())
}

func (c *changer) open(ctx context.Context, store *content.Store, collections []string, jobs int) error {
	for _, name := range collections {
		if c.sessions[name] != nil {
			continue
		}
		se, err := store.Session(ctx, name, jobs)
		if err != nil {
			return err
		}
		c.sessions[name] = se
	}
	return nil
}

func (c *changer) close() error {
	var errs []error
	for _, se := range c.sessions {
		errs = append(errs, se.Close())
	}
	return errors.Join(errs...)
}

func (c *changer) work(ctx context.Context, item bulk.Item, change changeFunc) bulk.Result {
	g := item.Value.(*group)
	made, err := change(ctx, c.sessions[g.collections[0]], item, g.pkg)
	if errors.Is(err, content.ErrUnchanged) {
		return bulk.Result{OK: true, Skipped: true}
	}
	if err != nil {
		return failed(err)
	}
	for _, name := range g.collections[1:] {
		if _, err := c.sessions[name].Replace(ctx, g.pkg, made); err != nil && !errors.Is(err, content.ErrUnchanged) {
			return failed(err)
		}
	}
	figures := map[string]any{"tree": made.Tree}
	if r, err := made.Recipe(); err == nil {
		figures["payload"] = payloadWord(r.Kept)
	}
	return bulk.Result{OK: true, Figures: figures}
}
