package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/cli"
	"github.com/weld-linux/weld-bridge/internal/content"
)

// selection names packages: words in one collection, or in all.
type selection struct{ collection string }

func (s *selection) add(cmd *cobra.Command) { s.declare(cmd, "only this `COLLECTION` (default: all)") }

func (s *selection) declare(cmd *cobra.Command, usage string) {
	cmd.Flags().StringVar(&s.collection, "collection", "", usage)
}

// chosen is a package and a collection that has it.
type chosen struct {
	collection string
	pkg        *content.Package
}

// collections opens the collection that was named, or all of them.
func (s *selection) collections(store *content.Store) ([]*content.Collection, error) {
	names := []string{s.collection}
	if s.collection == "" {
		var err error
		if names, err = store.Collections(); err != nil {
			return nil, err
		}
	}
	var list []*content.Collection
	for _, name := range names {
		c, err := store.Collection(name)
		if s.collection == "" && errors.Is(err, content.ErrNotFound) {
			continue // dropped since they were listed
		}
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// packages gives what the words name; no words name everything. A word that names nothing anywhere is an error.
func (s *selection) packages(store *content.Store, words []string) ([]chosen, error) {
	collections, err := s.collections(store)
	if err != nil {
		return nil, err
	}
	var list []chosen
	if len(words) == 0 {
		for _, c := range collections {
			all, err := c.Packages()
			if err != nil {
				return nil, err
			}
			for _, p := range all {
				list = append(list, chosen{c.Name, p})
			}
		}
		return list, nil
	}
	seen := map[string]bool{}
	for _, word := range words {
		n := len(list)
		for _, c := range collections {
			found, err := c.Find(word)
			if err != nil && !errors.Is(err, content.ErrNotFound) {
				return nil, err
			}
			for _, p := range found {
				list = append(list, chosen{c.Name, p})
			}
		}
		if len(list) == n {
			return nil, fmt.Errorf("%s: %w", word, errNoPackage)
		}
	}
	unique := list[:0]
	for _, c := range list {
		key := c.collection + "\x00" + c.pkg.NEVRA() + "@" + c.pkg.ShortID()
		if !seen[key] {
			seen[key] = true
			unique = append(unique, c)
		}
	}
	return unique, nil
}

var errNoPackage = errors.New("no such package")

// distinct leaves each package once, whichever collections have it.
func distinct(list []chosen) []chosen {
	seen := map[string]bool{}
	var out []chosen
	for _, c := range list {
		if key := c.pkg.Tree.String(); !seen[key] {
			seen[key] = true
			out = append(out, c)
		}
	}
	return out
}

// form is the form of an export by the flags --key and --unsigned.
type form struct {
	content.Form
}

func (f *form) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Key, "key", "", "as signed by the key with this `ID` (8 digits or more)")
	cmd.Flags().BoolVar(&f.Unsigned, "unsigned", false, "without signatures")
}

func (f *form) check() error {
	if f.Key != "" && f.Unsigned {
		return cli.Usagef("--key and --unsigned exclude each other")
	}
	if f.Key != "" && len(f.Key) < 8 {
		return cli.Usagef("--key %s: want at least 8 digits", f.Key)
	}
	return nil
}
