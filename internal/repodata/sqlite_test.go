package repodata

import (
	"bytes"
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteDatabase(t *testing.T) {
	p := &Package{
		Name: "a", Arch: "noarch", Epoch: "1", Version: "2", Release: "3", PkgID: "id", ChecksumType: "sha256", LocationHref: "a.rpm",
		Files:      []File{{Dir: "/usr/bin/", Base: "x"}, {Dir: "/", Base: "usr", Type: FileDir}, {Dir: "/usr/bin/", Base: "y", Type: FileGhost}, {Base: "a.spec"}},
		Changelogs: []Changelog{{"me", 7, "text"}},
	}
	p.Deps[Requires] = []Dep{{"b", "GE", "0", "1", "", true}}
	p.Deps[Provides] = []Dep{{Name: "a"}}
	rows := map[string][]string{
		"SELECT name || '-' || epoch || ':' || version || '-' || release || ' ' || ifnull(url, 'null') FROM packages": {"a-1:2-3 null"},
		"SELECT name || flags || epoch || version || ifnull(release, 'null') || pre FROM requires":                    {"bGE01nullTRUE"},
		"SELECT name || ' ' || type FROM files":                                            {"/usr/bin/x file", "/usr/bin/y ghost"},
		"SELECT dirname || ' ' || filenames || ' ' || filetypes FROM filelist":             {"/usr/bin x/y fg", "/ usr d", ". a.spec f"},
		"SELECT author || ' ' || date || ' ' || changelog || ' ' || pkgKey FROM changelog": {"me 7 text 1"},
	}
	for _, k := range []Kind{Primary, Filelists, FilelistsExt, Other} {
		file := append(Append(AppendHeader(nil, k, 1), k, p), Footer(k)...)
		path := filepath.Join(t.TempDir(), "a b%?.sqlite")
		if err := WriteDatabase(context.Background(), path, k, bytes.NewReader(file), "sum"); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if diff := cmp.Diff([]string{"10 sum"}, query(t, db, "SELECT dbversion || ' ' || checksum FROM db_info")); diff != "" {
			t.Error(diff)
		}
		for q, want := range rows {
			if _, err := db.Exec("EXPLAIN " + q); err != nil {
				continue // a table of another kind
			}
			if diff := cmp.Diff(want, query(t, db, q)); diff != "" {
				t.Errorf("%s: %s: %s", k, q, diff)
			}
		}
	}
}

func query(t *testing.T, db *sql.DB, q string) (got []string) {
	t.Helper()
	rows, err := db.Query(q)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	return got
}
