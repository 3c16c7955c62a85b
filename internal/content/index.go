package content

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/weld-linux/weld-bridge/internal/ostree"
)

// indexName is the file of the index, beside the repository's own files.
const indexName = "index.sqlite"

// indexVersion changes with the tables. An older index gets what it lacks; a newer one is left alone.
const indexVersion = 2

const indexTables = `
CREATE TABLE IF NOT EXISTS exports (
	sha256 BLOB PRIMARY KEY, tree BLOB NOT NULL, entry TEXT NOT NULL
) WITHOUT ROWID;
` + fragmentTables

// index is a cache of what the packages' trees say. Rows are facts about immutable trees: they may be superfluous, never wrong. A nil
// index knows nothing and forgets everything, and so does one that fails.
type index struct {
	path string
	mu   sync.Mutex
	db   *sql.DB
	get  *sql.Stmt
	err  error
}

// openIndex opens the index lazily: what is not asked costs nothing.
func openIndex(path string) *index { return &index{path: path} }

func (x *index) open() bool {
	if x == nil {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.db == nil && x.err == nil {
		x.err = x.connect()
	}
	return x.err == nil
}

func (x *index) connect() error {
	escape := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23")
	dsn := "file:" + escape.Replace(x.path) + "?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(4)
	var version int
	err = db.QueryRow("PRAGMA user_version").Scan(&version)
	if err == nil && version != indexVersion {
		if version > indexVersion {
			err = fmt.Errorf("%s: index of version %d", x.path, version)
		} else {
			_, err = db.Exec(indexTables + fmt.Sprintf("PRAGMA user_version = %d;", indexVersion))
		}
	}
	if err == nil {
		x.get, err = db.Prepare("SELECT tree, entry FROM exports WHERE sha256 = ?")
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	x.db = db
	return nil
}

func (x *index) close() error {
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.db == nil {
		return nil
	}
	defer func() { x.db = nil }()
	return errors.Join(x.get.Close(), x.db.Close())
}

// export finds the package that has a file of this SHA-256 among its exports.
func (x *index) export(sha256 [32]byte) (tree ostree.Checksum, entry string, ok bool) {
	if !x.open() {
		return tree, "", false
	}
	var b []byte
	if err := x.get.QueryRow(sha256[:]).Scan(&b, &entry); err != nil || len(b) != len(tree) {
		return tree, "", false
	}
	return ostree.Checksum(b), entry, true
}

// indexRow is what the index keeps of a package.
type indexRow struct {
	tree    ostree.Checksum
	entry   string
	exports [][32]byte
}

func (x *index) put(rows []indexRow) error {
	if !x.open() || len(rows) == 0 {
		return nil
	}
	tx, err := x.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	insert, err := tx.Prepare("INSERT OR REPLACE INTO exports (sha256, tree, entry) VALUES (?, ?, ?)")
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, r := range rows {
		for _, sum := range r.exports {
			if _, err := insert.Exec(sum[:], r.tree[:], r.entry); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}

// remove deletes the index's files.
func (x *index) remove() error {
	if err := x.close(); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(x.path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	x.err = nil
	return nil
}

// indexPackages puts packages into the index, with their fragments if told. That it fails is nobody's fault: then they are looked for the long way.
func (s *Store) indexPackages(packages []*Package, fragments bool) error {
	if s.index == nil {
		return nil
	}
	rows := make([]indexRow, 0, len(packages))
	for _, p := range packages {
		list, err := p.Exports()
		if err != nil {
			return err
		}
		row := indexRow{tree: p.Tree, entry: p.entry}
		for _, e := range list {
			sum, err := ostree.ParseChecksum(e.SHA256)
			if err != nil {
				return fmt.Errorf("%s: exports: %w", p.NEVRA(), err)
			}
			row.exports = append(row.exports, sum)
		}
		rows = append(rows, row)
	}
	err := s.index.put(rows)
	if fragments {
		err = errors.Join(err, s.indexFragments(packages))
	}
	return err
}

// indexEdits puts what edits made of packages of a collection into the index.
func (s *Store) indexEdits(ref string, edits []*edit, failed map[int]error) {
	var list []*Package
	for i, e := range edits {
		if failed[i] == nil && !e.final.IsZero() {
			list = append(list, &Package{Tree: e.final, entry: e.entry, store: s, from: s.objects})
		}
	}
	packed, _ := s.isPacked(ref) // trimFragments would take them away again
	_ = s.indexPackages(list, !packed)
}

// Reindex makes the index anew from what the collections reach, and gives the number of packages in it.
func (s *Store) Reindex() (int, error) {
	if s.index == nil {
		return 0, errors.New("reindex: the store is open without an index")
	}
	if err := s.index.remove(); err != nil {
		return 0, fmt.Errorf("reindex: %w", err)
	}
	all, err := s.everything()
	if err != nil {
		return 0, fmt.Errorf("reindex: %w", err)
	}
	for start := 0; start < len(all); start += 1000 {
		if err := s.indexPackages(all[start:min(start+1000, len(all))], true); err != nil {
			return start, fmt.Errorf("reindex: %w", err)
		}
	}
	if s.index.err != nil {
		return 0, fmt.Errorf("reindex: %w", s.index.err)
	}
	return len(all), nil
}

// everything gives the packages of all collections, each tree once, as they are best read.
func (s *Store) everything() ([]*Package, error) {
	names, err := s.Collections()
	if err != nil {
		return nil, err
	}
	seen := map[ostree.Checksum]bool{}
	var all []*Package
	for _, name := range names {
		c, err := s.Collection(name)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list, err := c.Packages()
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if !seen[p.Tree] {
				seen[p.Tree] = true
				all = append(all, p)
			}
		}
	}
	return s.inPackOrder(all), nil
}
