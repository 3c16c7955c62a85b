package repo

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// writeDatabases makes the sqlite forms of the package files that records describe, all in dir. The databases are
// filled in tmp before they are compressed.
func writeDatabases(ctx context.Context, dir, tmp string, l *Layout, records []repodata.Record, t time.Time) ([]repodata.Record, error) {
	var dbs []repodata.Record
	for i, k := range l.kinds() {
		r, err := writeDatabase(ctx, dir, tmp, l, k, &records[i], t)
		if err != nil {
			return nil, err
		}
		dbs = append(dbs, r)
	}
	return dbs, nil
}

func writeDatabase(ctx context.Context, dir, tmp string, l *Layout, k repodata.Kind, xml *repodata.Record, t time.Time) (repodata.Record, error) {
	var none repodata.Record
	in, err := os.Open(filepath.Join(dir, filepath.Base(xml.LocationHref)))
	if err != nil {
		return none, err
	}
	defer in.Close()
	plain, err := repodata.NewReader(in)
	if err != nil {
		return none, err
	}
	defer plain.Close()
	place, err := os.MkdirTemp(tmp, "sqlite-")
	if err != nil {
		return none, err
	}
	defer os.RemoveAll(place)
	db := filepath.Join(place, k.String()+".sqlite")
	if err := repodata.WriteDatabase(ctx, db, k, plain, xml.Checksum.Value); err != nil {
		return none, err
	}
	full, err := os.Open(db)
	if err != nil {
		return none, err
	}
	defer full.Close()
	s, err := newSink(filepath.Join(dir, k.String()+".sqlite"+l.Database.Suffix()), l.Database, l)
	if err != nil {
		return none, err
	}
	if _, err := io.CopyBuffer(s, struct{ io.Reader }{full}, make([]byte, 256<<10)); err != nil {
		return none, errors.Join(err, s.file.Close())
	}
	if err := s.Close(); err != nil {
		return none, err
	}
	r, err := s.record(k.String()+"_db", l, t)
	r.DatabaseVer = repodata.DatabaseVersion
	return r, err
}
