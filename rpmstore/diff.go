package main

import (
	"github.com/spf13/cobra"

	"github.com/weld-linux/weld-bridge/internal/content"
	"github.com/weld-linux/weld-bridge/internal/rpmver"
)

func newDiffCmd() *cobra.Command {
	var store storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Tell what leads from one collection to another",
		Long: `Diff prints a line for every package that two collections do not have alike: + added, - removed, ^ newer, v older, = the same
version built anew, s the same package with other signatures or notes.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, done, err := store.reading(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			old, err := s.Collection(args[0])
			if err != nil {
				return err
			}
			now, err := s.Collection(args[1])
			if err != nil {
				return err
			}
			changes, err := old.Diff(now)
			if err != nil {
				return err
			}
			out := newOutput(cmd, asJSON)
			for _, l := range diffLines(changes) {
				text := l.Mark + " " + l.Old
				if l.Old == "" {
					text = l.Mark + " " + l.New
				} else if l.New != "" && l.New != l.Old {
					text += " -> " + l.New
				}
				out.print(text, l)
			}
			return out.flush()
		},
	}
	store.add(cmd)
	addJSON(cmd, &asJSON)
	return cmd
}

type diffLine struct {
	Mark string `json:"change"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// diffLines pairs what goes with what comes under the same name and architecture, where there is one of each.
func diffLines(changes []content.Change) []diffLine {
	type pair struct{ gone, come []*content.Package }
	pairs := map[string]*pair{}
	var order []string
	var lines []diffLine
	for _, c := range changes {
		if c.Old != nil && c.New != nil {
			lines = append(lines, diffLine{"s", c.Old.NEVRA(), c.New.NEVRA()})
			continue
		}
		p := c.Old
		if p == nil {
			p = c.New
		}
		key := p.Split().Name + "." + p.Split().Arch
		if pairs[key] == nil {
			pairs[key] = new(pair)
			order = append(order, key)
		}
		if c.Old != nil {
			pairs[key].gone = append(pairs[key].gone, p)
		} else {
			pairs[key].come = append(pairs[key].come, p)
		}
	}
	for _, key := range order {
		p := pairs[key]
		if len(p.gone) == 1 && len(p.come) == 1 {
			lines = append(lines, diffLine{versionMark(p.gone[0], p.come[0]), p.gone[0].NEVRA(), p.come[0].NEVRA()})
			continue
		}
		for _, g := range p.gone {
			lines = append(lines, diffLine{Mark: "-", Old: g.NEVRA()})
		}
		for _, c := range p.come {
			lines = append(lines, diffLine{Mark: "+", New: c.NEVRA()})
		}
	}
	return lines
}

func versionMark(old, now *content.Package) string {
	switch c := evr(now).Compare(evr(old)); {
	case c > 0:
		return "^"
	case c < 0:
		return "v"
	}
	return "="
}

func evr(p *content.Package) rpmver.EVR {
	n := p.Split()
	return rpmver.EVR{Epoch: n.Epoch, Version: n.Version, Release: n.Release}
}
