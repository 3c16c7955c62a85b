// Package content keeps RPM packages in an OSTree repository and gives them back byte for byte.
//
// A package is a tree: header, lead, recipe, exports, signatures/…, files/… (docs/store.md has the layout). What can be told from
// the header and the recipe is not stored: the payload is regenerated, and every export is compared with the digest that was
// taken when the package was proven. A signature header is an object of its own, so one package comes out
// unsigned or under any of its keys, and signing touches no payload.
//
// A collection is one reference to a tree of packages in 256 shards. Its commit depends on nothing but the packages in it: equal
// collections are equal commits, whoever made them, in whatever order. References move by compare and swap after
// everything that they reach is on the disk.
//
// The index is a cache. All methods work without it, and a store is whole when it is deleted.
package content

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"github.com/weld-linux/weld-bridge/internal/ostree"
	"github.com/weld-linux/weld-bridge/internal/pack"
	"github.com/weld-linux/weld-bridge/internal/pristine"
)

// ErrNotFound says that a collection, a package or a signature is not in the store.
var ErrNotFound = ostree.ErrNotFound

// collectionRefs is where the references of collections lie.
const collectionRefs = "collections/"

// Options are how a store is opened. The zero value is what users get.
type Options struct {
	Encoders *pristine.Encoders // nil: those that are found beside the program
	NoIndex  bool               // neither read nor write the index
	NoSync   bool               // leave it to the system when data reaches the disk
}

// Store is a content store. Its methods may be called from several goroutines, and several processes may share a store.
type Store struct {
	repo     *ostree.Repo
	tiers    []ostree.Tier // the repository first
	packs    *pack.Set
	objects  ostree.Reader // of all tiers
	encoders *pristine.Encoders
	index    *index
	becoming sync.Map // references of collections that are packed from their first package on
}

// Init makes a store in dir, which must be empty or not exist. A store that is there already is left as it is.
func Init(dir string) error {
	_, err := ostree.Init(dir)
	return err
}

// Open opens the store in dir.
func Open(dir string, o Options) (*Store, error) {
	repo, err := ostree.Open(dir)
	if err != nil {
		return nil, err
	}
	if o.NoSync {
		repo.SetSync(false)
	}
	s := &Store{repo: repo, tiers: []ostree.Tier{repo}, objects: repo.Reader, encoders: o.Encoders}
	if s.packs, err = pack.OpenSet(filepath.Join(dir, packsDir)); err != nil {
		return nil, err
	}
	s.behind(packTier{s.packs})
	if s.encoders == nil {
		s.encoders = pristine.OpenEncoders()
	}
	if !o.NoIndex {
		s.index = openIndex(filepath.Join(dir, indexName))
	}
	return s, nil
}

// Close ends the use of the store.
func (s *Store) Close() error { return errors.Join(s.index.close(), s.packs.Close()) }

// Repo is the OSTree repository that holds the store.
func (s *Store) Repo() *ostree.Repo { return s.repo }

// Lock keeps what the store holds from being removed until release is called. Whoever reads several objects of a collection
// that others may change holds it. Methods that take a context lock for themselves.
func (s *Store) Lock(ctx context.Context) (release func(), err error) { return s.repo.LockShared(ctx) }

// Collections gives the names of the collections, sorted.
func (s *Store) Collections() ([]string, error) {
	refs, err := s.refs()
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(refs))
	for ref := range refs {
		name, err := ostree.UnescapeRef(strings.TrimPrefix(ref, collectionRefs))
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	sort.Strings(names)
	return names, nil
}

func collectionRef(name string) (string, error) {
	if name == "" {
		return "", errors.New("a collection needs a name")
	}
	if len(name) > 200 {
		return "", fmt.Errorf("collection name of %d bytes: more than 200", len(name))
	}
	return collectionRefs + ostree.EscapeRef(name), nil
}

// Branch makes the collection to as a copy of from. It costs one reference.
func (s *Store) Branch(ctx context.Context, from, to string) error {
	release, err := s.repo.LockShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	c, err := s.Collection(from)
	if err != nil {
		return err
	}
	ref, err := collectionRef(to)
	if err != nil {
		return err
	}
	err = s.swapRef(ctx, ref, ostree.Checksum{}, c.Commit)
	if errors.Is(err, ostree.ErrRefMoved) {
		return fmt.Errorf("collection %s exists already", to)
	}
	return err
}

// Drop removes a collection. Its packages stay until GC, and as long as another collection has them.
func (s *Store) Drop(ctx context.Context, name string) error {
	c, err := s.Collection(name)
	if err != nil {
		return err
	}
	ref, err := collectionRef(name)
	if err != nil {
		return err
	}
	return s.swapRef(ctx, ref, c.Commit, ostree.Checksum{})
}
