package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/bulk"
)

// File is an input file and where it was found.
type File struct {
	Path string // as it is opened and reported
	Rel  string // below the directory that was named, or the base name of a file that was named
}

// Inputs expands arguments: a directory stands for everything below it whose name match accepts, in lexical order; a file that is named is
// taken as it is. Each item's Value is a File and its Group the package's name by the name of the file. What cannot be worked on is an item
// with an Err: a name of which there is nothing, a directory that cannot be read, what has an item's name and is no file. It is many when a
// directory or more than one argument was given: then failed items give status 3.
func Inputs(args []string, match func(name string) bool) (items []bulk.Item, many bool) {
	many = len(args) > 1
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err == nil && info.IsDir() {
			many = true
			items = append(items, inputsBelow(arg, match)...)
			continue
		}
		items = append(items, newInput(arg, filepath.Base(arg), err))
	}
	return items, many
}

func newInput(path, rel string, err error) bulk.Item {
	return bulk.Item{Input: path, Group: packageName(path), Value: File{path, rel}, Err: withoutPath(path, err)}
}

// withoutPath says what is wrong with path, naming it once.
func withoutPath(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", path, p.Err)
	}
	return err
}

func inputsBelow(root string, match func(name string) bool) (items []bulk.Item) {
	add := func(path string, err error) {
		path = filepath.Clean(path)
		rel, _ := filepath.Rel(root, path) // which is below root
		items = append(items, newInput(path, rel, err))
	}
	var odd []string                   // directories with the name of an item
	root += string(filepath.Separator) // so that a link to a directory is followed
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			add(path, err)
		case !match(d.Name()):
		case !d.IsDir():
			add(path, isFile(path, d))
		case path != root:
			odd = append(odd, path)
		}
		return nil
	})
	for _, dir := range odd {
		below := func(it bulk.Item) bool { return strings.HasPrefix(it.Input+"/", dir+"/") }
		if !slices.ContainsFunc(items, below) {
			add(dir, notRegular(dir, fs.ModeDir))
		}
	}
	return items
}

// isFile says why an entry is not a regular file or a link to one; nil when it is.
func isFile(path string, d fs.DirEntry) error {
	mode := d.Type()
	if mode&fs.ModeSymlink != 0 {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		mode = info.Mode()
	}
	if mode.IsRegular() {
		return nil
	}
	return notRegular(path, mode)
}

func notRegular(path string, mode fs.FileMode) error {
	what := "device"
	switch {
	case mode.IsDir():
		what = "directory"
	case mode&fs.ModeNamedPipe != 0:
		what = "named pipe"
	case mode&fs.ModeSocket != 0:
		what = "socket"
	}
	return fmt.Errorf("%s: a %s, not a regular file", path, what)
}

// packageName takes the package's name out of the name of a file: of NAME-VERSION-RELEASE.ARCH.rpm, which may have a .sig behind it, or of
// NAME.spec.
func packageName(path string) string {
	base := strings.TrimSuffix(filepath.Base(path), ".sig")
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
