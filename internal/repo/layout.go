// Package repo makes, merges, changes, publishes and serves RPM repositories.
//
// A repository is published whole or not at all: its metadata is written beside the place where clients look, made
// durable, and moved there in one step. What is unchanged is not published again.
package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weld-linux/weld-bridge/internal/repodata"
)

// RepodataDir is the name of the directory of a repository that holds its metadata.
const RepodataDir = "repodata"

// Layout says how the files of a repository's metadata are written.
type Layout struct {
	XML      repodata.Compression // primary, filelists and other
	Extra    repodata.Compression // comps and the like
	Database repodata.Compression // the sqlite databases

	Checksum     string // type of the checksums in repomd.xml, "sha256"
	SimpleNames  bool   // leave the checksums out of the file names
	FilelistsExt bool   // write filelists-ext as well
	SQLite       bool   // write the databases as well
	Compact      bool   // no line breaks and indentation between elements
	Zck          bool   // write a zchunk form beside each XML file
	ZckDicts     string // directory of the dictionaries for these, "primary.xml.zdict"; may be empty
}

// kinds lists the package files of l.
func (l *Layout) kinds() []repodata.Kind {
	if l.FilelistsExt {
		return []repodata.Kind{repodata.Primary, repodata.Filelists, repodata.FilelistsExt, repodata.Other}
	}
	return []repodata.Kind{repodata.Primary, repodata.Filelists, repodata.Other}
}

// forms lists the compressions of the package files of l.
func (l *Layout) forms() []repodata.Compression {
	if l.Zck {
		return []repodata.Compression{l.XML, repodata.Zck}
	}
	return []repodata.Compression{l.XML}
}

// zckType returns the type of the record of the zchunk form of a file.
func zckType(typ string) string { return typ + "_zck" }

// zckDict reads the dictionary for a file, "primary.xml"; where there is none, it is empty.
func (l *Layout) zckDict(name string) ([]byte, error) {
	if l.ZckDicts == "" {
		return nil, nil
	}
	b, err := os.ReadFile(filepath.Join(l.ZckDicts, name+".zdict"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// fileName returns the name under which r is published.
func (l *Layout) fileName(base string, sum repodata.Checksum) string {
	if l.SimpleNames {
		return base
	}
	return sum.Value + "-" + base
}

// check reports what cannot be written.
func (l *Layout) check() error {
	for _, c := range []repodata.Compression{l.XML, l.Extra, l.Database} {
		if c == repodata.Zck {
			return repodata.ErrZck
		}
	}
	if _, err := repodata.NewHash(l.Checksum); err != nil {
		return fmt.Errorf("metadata checksum: %w", err)
	}
	return nil
}

// compact drops the white space between elements, but never the text of one: text stands between a start tag and
// its own end tag.
func compact(dst, xml []byte) []byte {
	start := false // the last tag was a start tag
	for len(xml) > 0 {
		i := bytes.IndexByte(xml, '>')
		if i < 0 {
			break
		}
		tag := bytes.LastIndexByte(xml[:i], '<')
		start = tag >= 0 && xml[tag+1] != '/' && xml[i-1] != '/'
		dst = append(dst, xml[:i+1]...)
		xml = xml[i+1:]
		gap := len(xml) - len(bytes.TrimLeft(xml, " \n"))
		if gap < len(xml) && xml[gap] == '<' && !(start && xml[gap+1] == '/') {
			xml = xml[gap:]
		}
	}
	return append(dst, bytes.TrimLeft(xml, " ")...)
}
