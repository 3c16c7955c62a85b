package content

import (
	"bytes"
	"database/sql"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/ostree"
)

// fragmentTables is the part of the index that holds what repodata says of packages.
const fragmentTables = `
CREATE TABLE IF NOT EXISTS fragments (tree BLOB NOT NULL UNIQUE, data BLOB NOT NULL);
`

// fragmentRow is the fragment of a package, encoded.
type fragmentRow struct {
	tree ostree.Checksum
	data []byte
}

// fragments gives the encoded fragments of those packages that the index has one of.
func (x *index) fragments(packages []*Package) map[ostree.Checksum][]byte {
	found := make(map[ostree.Checksum][]byte, len(packages))
	if len(packages) == 0 || !x.open() {
		return found
	}
	args := make([]any, len(packages))
	for i, p := range packages {
		args[i] = p.Tree[:]
	}
	query := "SELECT tree, data FROM fragments WHERE tree IN (?" + strings.Repeat(",?", len(args)-1) + ")"
	rows, err := x.db.Query(query, args...)
	if err != nil {
		return found
	}
	defer rows.Close()
	var tree, data sql.RawBytes // not copied twice
	for rows.Next() {
		if rows.Scan(&tree, &data) == nil && len(tree) == len(ostree.Checksum{}) {
			found[ostree.Checksum(tree)] = bytes.Clone(data)
		}
	}
	return found // what an error left out is made anew
}

func (x *index) putFragments(rows []fragmentRow) error {
	if len(rows) == 0 || !x.open() {
		return nil
	}
	tx, err := x.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	insert, err := tx.Prepare("INSERT OR REPLACE INTO fragments (tree, data) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, r := range rows {
		if _, err := insert.Exec(r.tree[:], r.data); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// dropFragments removes the fragments of packages that keep does not want, and gives their room back.
func (x *index) dropFragments(keep func(ostree.Checksum) bool) error {
	if !x.open() {
		return nil
	}
	rows, err := x.db.Query("SELECT rowid, tree FROM fragments")
	if err != nil {
		return err
	}
	defer rows.Close()
	var gone []int64
	for rows.Next() {
		var id int64
		var tree []byte
		if err := rows.Scan(&id, &tree); err != nil {
			return err
		}
		if len(tree) != len(ostree.Checksum{}) || !keep(ostree.Checksum(tree)) {
			gone = append(gone, id)
		}
	}
	if err := rows.Err(); err != nil || len(gone) == 0 {
		return err
	}
	tx, err := x.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, id := range gone {
		if _, err := tx.Exec("DELETE FROM fragments WHERE rowid = ?", id); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	_, err = x.db.Exec("VACUUM")
	return err
}

// trimFragments leaves only the fragments of packages of live collections: one of a packed collection is made again when it is asked for, and
// takes about a hundredth of what its package takes.
func (s *Store) trimFragments() error {
	names, err := s.Collections()
	if err != nil || s.index == nil {
		return err
	}
	live := map[ostree.Checksum]bool{}
	for _, name := range names {
		if packed, err := s.IsPacked(name); packed || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		c, err := s.Collection(name)
		if err != nil {
			return err
		}
		list, err := c.Packages()
		if err != nil {
			return err
		}
		for _, p := range list {
			live[p.Tree] = true
		}
	}
	return s.index.dropFragments(func(tree ostree.Checksum) bool { return live[tree] })
}

// indexFragments makes the fragments of packages that the index lacks.
func (s *Store) indexFragments(packages []*Package) error {
	if s.index == nil {
		return nil
	}
	return s.Fragments(FragmentChangelogs).Each(packages, func(int, *Package, *Fragment) error { return nil })
}
