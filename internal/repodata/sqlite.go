package repodata

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// schemas are the tables that yum of EL6 and EL7 reads, version 10.
var schemas = map[Kind][]string{
	Primary: append([]string{
		`CREATE TABLE packages (pkgKey INTEGER PRIMARY KEY, pkgId TEXT, name TEXT, arch TEXT, version TEXT, epoch TEXT,` +
			` release TEXT, summary TEXT, description TEXT, url TEXT, time_file INTEGER, time_build INTEGER,` +
			` rpm_license TEXT, rpm_vendor TEXT, rpm_group TEXT, rpm_buildhost TEXT, rpm_sourcerpm TEXT,` +
			` rpm_header_start INTEGER, rpm_header_end INTEGER, rpm_packager TEXT, size_package INTEGER,` +
			` size_installed INTEGER, size_archive INTEGER, location_href TEXT, location_base TEXT, checksum_type TEXT)`,
		`CREATE TABLE files (name TEXT, type TEXT, pkgKey INTEGER)`,
	}, depTables()...),
	Filelists: {
		`CREATE TABLE packages (pkgKey INTEGER PRIMARY KEY, pkgId TEXT)`,
		`CREATE TABLE filelist (pkgKey INTEGER, dirname TEXT, filenames TEXT, filetypes TEXT)`,
		`CREATE TRIGGER remove_filelist AFTER DELETE ON packages BEGIN` +
			` DELETE FROM filelist WHERE pkgKey = old.pkgKey; END`,
	},
	Other: {
		`CREATE TABLE packages (pkgKey INTEGER PRIMARY KEY, pkgId TEXT)`,
		`CREATE TABLE changelog (pkgKey INTEGER, author TEXT, date INTEGER, changelog TEXT)`,
		`CREATE TRIGGER remove_changelogs AFTER DELETE ON packages BEGIN` +
			` DELETE FROM changelog WHERE pkgKey = old.pkgKey; END`,
	},
}

func depTables() []string {
	var tables []string
	trigger := `CREATE TRIGGER removals AFTER DELETE ON packages BEGIN DELETE FROM files WHERE pkgKey = old.pkgKey;`
	for k := range NumDepKinds {
		pre := ""
		if k == Requires {
			pre = ", pre BOOLEAN DEFAULT FALSE"
		}
		tables = append(tables, fmt.Sprintf(
			`CREATE TABLE %s (name TEXT, flags TEXT, epoch TEXT, version TEXT, release TEXT, pkgKey INTEGER%s)`, k, pre))
		trigger += fmt.Sprintf(` DELETE FROM %s WHERE pkgKey = old.pkgKey;`, k)
	}
	return append(tables, trigger+` END`)
}

// indexes are made once the tables are full.
var indexes = map[Kind][]string{
	Primary: {
		"packagename ON packages (name)", "packageId ON packages (pkgId)", "filenames ON files (name)",
		"pkgfiles ON files (pkgKey)", "pkgrequires ON requires (pkgKey)", "requiresname ON requires (name)",
		"pkgprovides ON provides (pkgKey)", "providesname ON provides (name)", "pkgconflicts ON conflicts (pkgKey)",
		"pkgobsoletes ON obsoletes (pkgKey)", "pkgsuggests ON suggests (pkgKey)", "pkgenhances ON enhances (pkgKey)",
		"pkgrecommends ON recommends (pkgKey)", "pkgsupplements ON supplements (pkgKey)",
	},
	Filelists: {"keyfile ON filelist (pkgKey)", "pkgId ON packages (pkgId)", "dirnames ON filelist (dirname)"},
	Other:     {"keychange ON changelog (pkgKey)", "pkgId ON packages (pkgId)"},
}

// WriteDatabase makes the sqlite form of the uncompressed package file r of kind k at path, where nothing may be yet.
// checksum is the value of the compressed file in repomd.xml, by which clients tell that the two belong together.
// A filelists-ext file gives the same tables as filelists.
func WriteDatabase(ctx context.Context, path string, k Kind, r io.Reader, checksum string) error {
	tables := k
	if k == FilelistsExt {
		tables = Filelists
	}
	query := url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)", "locking_mode(EXCLUSIVE)", "temp_store(MEMORY)"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+query.Encode())
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	err = fillDatabase(ctx, db, tables, NewScanner(r, k), checksum)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("%s database: %w", k, err)
	}
	return nil
}

func fillDatabase(ctx context.Context, db *sql.DB, k Kind, sc *Scanner, checksum string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, stmt := range append([]string{"CREATE TABLE db_info (dbversion INTEGER, checksum TEXT)"}, schemas[k]...) {
		if _, err := tx.ExecContext(ctx, stmt); err != nil {
			return err
		}
	}
	w := &rowWriter{ctx: ctx, tx: tx, stmts: map[string]*sql.Stmt{}}
	var p Package
	for key := int64(1); ; key++ {
		err := sc.Next(&p)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		w.add(k, key, &p)
		if w.err != nil {
			return w.err
		}
	}
	for _, index := range indexes[k] {
		if _, err := tx.ExecContext(ctx, "CREATE INDEX "+index); err != nil {
			return err
		}
	}
	w.insert("db_info (dbversion, checksum)", DatabaseVersion, checksum)
	if w.err != nil {
		return w.err
	}
	return tx.Commit()
}

// rowWriter inserts rows until the first error.
type rowWriter struct {
	ctx   context.Context
	tx    *sql.Tx
	stmts map[string]*sql.Stmt
	err   error
}

func (w *rowWriter) insert(into string, values ...any) {
	if w.err != nil {
		return
	}
	stmt := w.stmts[into]
	if stmt == nil {
		marks := strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")
		if stmt, w.err = w.tx.PrepareContext(w.ctx, "INSERT INTO "+into+" VALUES ("+marks+")"); w.err != nil {
			return
		}
		w.stmts[into] = stmt
	}
	_, w.err = stmt.ExecContext(w.ctx, values...)
}

func (w *rowWriter) add(k Kind, key int64, p *Package) {
	switch k {
	case Primary:
		w.addPrimary(key, p)
	case Filelists:
		w.insert("packages (pkgKey, pkgId)", key, p.PkgID)
		w.addFiles(key, p)
	case Other:
		w.insert("packages (pkgKey, pkgId)", key, p.PkgID)
		for i := range p.Changelogs {
			c := &p.Changelogs[i]
			w.insert("changelog (pkgKey, author, date, changelog)", key, c.Author, c.Date, c.Text)
		}
	}
}

func (w *rowWriter) addPrimary(key int64, p *Package) {
	w.insert("packages (pkgKey, pkgId, name, arch, version, epoch, release, summary, description, url, time_file, time_build,"+
		" rpm_license, rpm_vendor, rpm_group, rpm_buildhost, rpm_sourcerpm, rpm_header_start, rpm_header_end, rpm_packager,"+
		" size_package, size_installed, size_archive, location_href, location_base, checksum_type)",
		key, p.PkgID, p.Name, p.Arch, p.Version, p.Epoch, p.Release, p.Summary, orNull(p.Description), orNull(p.URL), p.TimeFile, p.TimeBuild,
		p.License, p.Vendor, p.Group, p.BuildHost, p.SourceRPM, p.HeaderStart, p.HeaderEnd, orNull(p.Packager),
		p.SizePackage, p.SizeInstalled, p.SizeArchive, p.LocationHref, orNull(p.LocationBase), p.ChecksumType)
	for k := range p.Deps {
		for i := range p.Deps[k] {
			d := &p.Deps[k][i]
			values := []any{d.Name, orNull(d.Flags), orNull(d.Epoch), orNull(d.Version), orNull(d.Release), key}
			if DepKind(k) != Requires {
				w.insert(DepKind(k).String()+" (name, flags, epoch, version, release, pkgKey)", values...)
				continue
			}
			pre := "FALSE"
			if d.Pre {
				pre = "TRUE"
			}
			w.insert("requires (name, flags, epoch, version, release, pkgKey, pre)", append(values, pre)...)
		}
	}
	for i := range p.PrimaryFiles {
		f := &p.PrimaryFiles[i]
		typ := f.Type.String()
		if typ == "" {
			typ = "file"
		}
		w.insert("files (name, type, pkgKey)", f.Dir+f.Base, typ, key)
	}
}

// addFiles writes one row a directory: the names of its files with slashes between, and a letter for the type of each.
func (w *rowWriter) addFiles(key int64, p *Package) {
	type directory struct{ names, types []byte }
	dirs := map[string]*directory{}
	var order []string
	for i := range p.Files {
		f := &p.Files[i]
		d := dirs[f.Dir]
		if d == nil {
			d = &directory{}
			dirs[f.Dir] = d
			order = append(order, f.Dir)
		}
		if len(d.names) > 0 {
			d.names = append(d.names, '/')
		}
		if f.Base == "" {
			d.names = append(d.names, '/') // the root directory
		}
		d.names = append(d.names, f.Base...)
		d.types = append(d.types, "fdg"[f.Type])
	}
	for _, dir := range order {
		name := strings.TrimRight(dir, "/")
		switch {
		case name == "" && dir == "":
			name = "."
		case name == "":
			name = "/"
		}
		w.insert("filelist (pkgKey, dirname, filenames, filetypes)", key, name, string(dirs[dir].names), string(dirs[dir].types))
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
