package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/bulk"
)

// File is an input file and where it was found.
type File struct {
	Path string // as it is opened and reported
	Rel  string // below the directory that was named, or the base name of a file that was named
}

// Inputs expands arguments: a directory stands for every file and link to a file below it that match accepts, in lexical
// order; a file that is named is taken as it is. Each item's Value is a File and its Group the package's name by the name of the file. It is many when a directory or more than
// one argument was given: then failed items give status 3.
func Inputs(args []string, match func(name string) bool) (items []bulk.Item, many bool, err error) {
	many = len(args) > 1
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, many, err
		}
		if !info.IsDir() {
			items = append(items, bulk.Item{Input: arg, Group: packageName(arg), Value: File{Path: arg, Rel: filepath.Base(arg)}})
			continue
		}
		many = true
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !match(d.Name()) || !isFile(path, d) {
				return err
			}
			rel, err := filepath.Rel(arg, path)
			items = append(items, bulk.Item{Input: path, Group: packageName(path), Value: File{Path: path, Rel: rel}})
			return err
		})
		if err != nil {
			return nil, many, err
		}
	}
	return items, many, nil
}

// isFile says whether an entry is a regular file, or a link to one.
func isFile(path string, d fs.DirEntry) bool {
	if d.Type()&fs.ModeSymlink == 0 {
		return d.Type().IsRegular()
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// packageName takes the package's name out of the name of a file: of NAME-VERSION-RELEASE.ARCH.rpm, or of NAME.spec.
func packageName(path string) string {
	base := filepath.Base(path)
	name, isRPM := strings.CutSuffix(base, ".rpm")
	if !isRPM {
		return strings.TrimSuffix(base, filepath.Ext(base))
	}
	for range 2 {
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i]
		}
	}
	return name
}
