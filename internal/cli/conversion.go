package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
)

// maxInput bounds what a converter reads of one file, in bytes.
const maxInput = 256 << 20

// Conversion says where a converter puts what it makes of a file.
type Conversion struct {
	From, To string // endings of the names of inputs and outputs, such as ".spec" and ".toml"
	Out      string // a file, or a directory that mirrors the inputs; empty: beside the input
	Tree     bool   // Out is such a directory
	Force    bool   // write over what says something else, and what says the same
}

// IsDir says whether path is a directory or is meant to be one.
func IsDir(path string) bool {
	info, err := os.Stat(path)
	return strings.HasSuffix(path, "/") || err == nil && info.IsDir()
}

// Accepts says whether a file in a directory is an input, by its name.
func (c Conversion) Accepts(name string) bool { return strings.HasSuffix(name, c.From) }

// ReadInput reads a file of at most 256 MiB.
func ReadInput(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxInput {
		return nil, fmt.Errorf("%s: %d bytes where at most %d are read", path, info.Size(), maxInput)
	}
	return os.ReadFile(path)
}

// Target is where the output of f goes.
func (c Conversion) Target(f File) string {
	switch {
	case c.Out == "":
		return strings.TrimSuffix(f.Path, c.From) + c.To
	case c.Tree:
		return filepath.Join(c.Out, strings.TrimSuffix(f.Rel, c.From)+c.To)
	}
	return c.Out
}

// Write puts data at path, whole or not at all, and tells whether it was there already. A file beside the input that says
// something else is not written over without Force: somebody may have edited it.
func (c Conversion) Write(path string, data []byte) (done bool, err error) {
	old, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(old, data):
		return !c.Force, nil
	case err == nil && c.Out == "" && !c.Force:
		return false, fmt.Errorf("%s says something else and may have been edited: -f overwrites it", path)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return false, err
	}
	return false, atomicfile.Write(path, data, 0o666)
}
