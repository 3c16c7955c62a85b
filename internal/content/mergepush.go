package content

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/remote"
)

// Push brings one collection to a place that remote writes to, so that ostree and Foreign read it there: Items, Send for each of them,
// Finish, Close. Objects go first, each verified before it leaves; the reference moves last, by compare and swap.
type Push struct {
	store      *Store
	place      remote.Place
	there      *Foreign
	collection string
	replace    bool
	w          *ostree.Writer
	all        ostree.Reader // what is staged, and every tier
	release    func()

	mine   map[string]ostree.Checksum // the packages of the collection here
	theirs map[string]ostree.Checksum // and there
	commit ostree.Checksum            // there
	ref    string
	raw    []byte // of the reference there
	looked bool
	packed *packedPush // nil where the collection is a live one there

	mu      sync.Mutex
	settled *sync.Cond
	sent    map[string]bool // packages whose objects are all there
	have    *ostree.Set     // objects that are there
	pending map[ostree.Object]bool
	listed  bool
	objects int
	bytes   int64
	failed  []error
}

// Push begins to push a collection. The packages of the collection there stay, unless replace says that it becomes what it is here.
func (s *Store) Push(ctx context.Context, place remote.Place, collection string, replace bool) (p *Push, err error) {
	c, err := s.Collection(collection)
	if err != nil {
		return nil, err
	}
	p = &Push{
		store: s, place: place, there: foreignPlace(ctx, place), collection: collection, replace: replace,
		mine: map[string]ostree.Checksum{}, sent: map[string]bool{}, have: ostree.NewSet(), pending: map[ostree.Object]bool{},
	}
	p.settled = sync.NewCond(&p.mu)
	if dir, ok := remote.Directory(place); ok {
		if err := p.there.readInPlace(dir); err != nil {
			return nil, err
		}
	}
	if p.release, err = place.Hold(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.w, err = s.repo.Begin(ctx); err != nil {
		return p, err
	}
	for _, t := range s.tiers[1:] {
		p.w.Behind(t)
	}
	p.all = p.w.Reader
	for _, shard := range c.shards.Dirs {
		members, err := shardMembers(s.objects, shard.Tree)
		if err != nil {
			return p, fmt.Errorf("collection %s: shard %s: %w", collection, shard.Name, err)
		}
		maps.Copy(p.mine, members)
	}
	if err := p.look(ctx); err != nil {
		return p, err
	}
	if p.commit == c.Commit { // nothing to read there
		p.theirs = p.mine
		return p, nil
	}
	return p, p.readTheirs(ctx)
}

// Collection is the name of what is pushed.
func (p *Push) Collection() string { return p.collection }

// Close ends the push.
func (p *Push) Close() error {
	p.release()
	err := p.there.Close()
	if p.w != nil {
		err = errors.Join(err, p.w.Close())
	}
	return err
}

// look reads the reference there.
func (p *Push) look(ctx context.Context) error {
	r, err := p.there.state(ctx, p.collection)
	p.commit, p.raw, p.ref = r.commit, r.raw, r.file
	if err != nil {
		return err
	}
	return p.lookPacked(r)
}

// readTheirs reads what the collection there holds, and keeps its upper trees at hand.
func (p *Push) readTheirs(ctx context.Context) (err error) {
	p.theirs = map[string]ostree.Checksum{}
	if p.commit.IsZero() {
		return nil
	}
	if p.packed != nil {
		if err := p.readUpper(ctx); err != nil {
			return err
		}
	}
	if p.theirs, err = p.theirMembers(); err != nil {
		return err
	}
	upper, err := upperObjects(p.both(), p.commit)
	if err != nil {
		return err
	}
	for _, o := range upper {
		if err := p.w.PutObject(p.there.objects, o); err != nil {
			return fmt.Errorf("%s: %w", p.place, err)
		}
		p.have.Add(o)
	}
	if p.packed != nil {
		p.findStale(upper)
	}
	return nil
}

// both reads from here, and else from there.
func (p *Push) both() ostree.Reader {
	return ostree.Reader{Source: ostree.Sources{p.w.Source, p.there.objects.Source}}
}

func (p *Push) theirMembers() (map[string]ostree.Checksum, error) {
	all := map[string]ostree.Checksum{}
	shards, err := readShards(p.both(), p.commit)
	if err != nil {
		return nil, fmt.Errorf("%s: collection %s: %w", p.place, p.collection, err)
	}
	for _, d := range shards.Dirs {
		members, err := shardMembers(p.both(), d.Tree)
		if err != nil {
			return nil, fmt.Errorf("%s: collection %s: shard %s: %w", p.place, p.collection, d.Name, err)
		}
		maps.Copy(all, members)
	}
	return all, nil
}

// upperObjects gives what a collection's commit reaches above its packages, from the bottom up.
func upperObjects(from objects, commit ostree.Checksum) ([]ostree.Object, error) {
	c, err := from.ReadCommit(commit)
	if err != nil {
		return nil, err
	}
	root, err := from.ReadTree(c.Tree)
	if err != nil {
		return nil, err
	}
	list := []ostree.Object{{Type: ostree.TypeCommit, Checksum: commit}, {Type: ostree.TypeDirMeta, Checksum: c.Meta}, {Type: ostree.TypeDirTree, Checksum: c.Tree}}
	for _, d := range root.Dirs {
		list = append(list, ostree.Object{Type: ostree.TypeDirTree, Checksum: d.Tree}, ostree.Object{Type: ostree.TypeDirMeta, Checksum: d.Meta})
	}
	shards, err := readShards(from, commit)
	for _, d := range shards.Dirs {
		list = append(list, ostree.Object{Type: ostree.TypeDirTree, Checksum: d.Tree}, ostree.Object{Type: ostree.TypeDirMeta, Checksum: d.Meta})
	}
	slices.Reverse(list)
	return list, err
}

// Up to so many packages, or objects beside packs, the place is asked for each object; beyond it is listed.
const (
	fewPackages = 8
	fewLoose    = 500
)

// Items gives the packages that the collection there has not, or not alike, sorted. It lists the objects there when these are many. The packs
// of a packed collection are sent here, and what is in them is not sent again.
func (p *Push) Items(ctx context.Context) ([]Incoming, error) {
	var items []Incoming
	for _, entry := range slices.Sorted(maps.Keys(p.mine)) {
		if p.theirs[entry] != p.mine[entry] {
			items = append(items, Incoming{Entry: entry, Tree: p.mine[entry]})
		}
	}
	many := len(items) > fewPackages
	if p.packed != nil {
		rest, err := p.sendPacks(ctx, items)
		if err != nil {
			return nil, err
		}
		many = rest > fewLoose
	}
	if !many {
		return items, nil
	}
	p.listed = true
	return items, p.list(ctx)
}

// Send brings all objects of a package there.
func (p *Push) Send(ctx context.Context, item Incoming) error {
	p.mu.Lock()
	sent := p.sent[item.Entry]
	p.mu.Unlock()
	if sent { // in a pack
		return nil
	}
	if err := p.sendTree(ctx, item.Tree); err != nil {
		return err
	}
	p.mu.Lock()
	p.sent[item.Entry] = true
	p.mu.Unlock()
	return nil
}

func (p *Push) sendTree(ctx context.Context, tree ostree.Checksum) error {
	list, err := levels(ctx, p.all, tree)
	if err != nil {
		return staged("read", err)
	}
	for _, o := range slices.Concat(list...) {
		if err := p.send(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// Pushed tells what Finish did.
type Pushed struct {
	Commit  ostree.Checksum `json:"commit"`
	Moved   bool            `json:"moved"`   // the reference there
	Packs   int             `json:"packs"`   // written there
	Objects int             `json:"objects"` // as well, beside them
	Bytes   int64           `json:"bytes"`
	LeftOut int             `json:"left_out"` // packages that were not sent
	Failed  []error         `json:"-"`        // why packages that were sent could not be joined with what is there; they are left out too
}

// Finish publishes the packages that were sent. When somebody else moves the reference meanwhile, what they put there stays.
func (p *Push) Finish(ctx context.Context) (*Pushed, error) {
	if err := p.config(ctx); err != nil {
		return nil, err
	}
	for {
		next, err := p.build(ctx)
		if err != nil {
			return nil, err
		}
		if next != p.commit {
			err = p.move(ctx, next)
		}
		if err == nil {
			return p.pushed(next), nil
		}
		if !errors.Is(err, remote.ErrMoved) {
			return nil, err
		}
		if err := errors.Join(p.look(ctx), ctx.Err()); err != nil {
			return nil, err
		}
		if err := p.readTheirs(ctx); err != nil {
			return nil, err
		}
	}
}

func (p *Push) pushed(commit ostree.Checksum) *Pushed {
	done := &Pushed{Commit: commit, Moved: commit != p.commit, Objects: p.objects, Bytes: p.bytes, Failed: p.failed}
	if p.packed != nil {
		done.Packs = p.packed.written
	}
	for entry := range p.mine {
		if !p.sent[entry] && p.theirs[entry] != p.mine[entry] {
			done.LeftOut++
		}
	}
	return done
}

func (p *Push) config(ctx context.Context) error {
	ok, err := p.place.Has(ctx, config)
	if ok || err != nil {
		return err
	}
	return p.place.Put(ctx, config, int64(len(ostree.ArchiveConfig)), strings.NewReader(ostree.ArchiveConfig))
}

// build makes the commit that the reference is to name and brings packages there that had to be joined.
func (p *Push) build(ctx context.Context) (ostree.Checksum, error) {
	edits, err := p.edits(ctx)
	if err != nil {
		return p.commit, err
	}
	if len(edits) == 0 && !p.commit.IsZero() {
		return p.commit, nil
	}
	next, failed, err := buildCollection(p.w, p.commit, edits)
	if err != nil {
		return next, err
	}
	for i, e := range edits {
		if err := failed[i]; err != nil {
			p.failed = append(p.failed, fmt.Errorf("%s: %s: %w", p.place, e.entry, err))
			delete(p.sent, e.entry)
			continue
		}
		if !e.final.IsZero() && e.final != p.mine[e.entry] {
			if err := p.sendTree(ctx, e.final); err != nil {
				return next, err
			}
		}
	}
	return next, nil
}

// takeTheirs takes a package that is there. Often its objects are here, and no pack of theirs is needed.
func (p *Push) takeTheirs(ctx context.Context, tree ostree.Checksum) error {
	err := p.there.takeTree(ctx, p.w, tree)
	if err == nil || p.packed == nil || p.packed.brought {
		return err
	}
	if err := p.bringTheirs(ctx); err != nil {
		return err
	}
	return p.there.takeTree(ctx, p.w, tree)
}

// edits lead from the collection there to what it is to be.
func (p *Push) edits(ctx context.Context) ([]*edit, error) {
	var edits []*edit
	for _, entry := range slices.Sorted(maps.Keys(p.mine)) {
		tree := p.mine[entry]
		if !p.sent[entry] || p.theirs[entry] == tree {
			continue
		}
		edits = append(edits, &edit{entry: entry, apply: func(now ostree.Checksum) (ostree.Checksum, error) {
			if p.replace || now.IsZero() || now == tree {
				return tree, nil
			}
			if err := p.takeTheirs(ctx, now); err != nil {
				return now, err
			}
			return p.store.join(p.w, entry, now, tree)
		}})
	}
	if !p.replace {
		return edits, nil
	}
	for entry := range p.theirs {
		if _, ok := p.mine[entry]; !ok {
			edits = append(edits, &edit{entry: entry, apply: func(ostree.Checksum) (ostree.Checksum, error) { return ostree.Checksum{}, nil }})
		}
	}
	return edits, nil
}
