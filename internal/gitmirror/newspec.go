package gitmirror

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weld-linux/weld-bridge/internal/convert"
	"github.com/weld-linux/weld-bridge/internal/pkgtoml"
)

// specSum is the SHA-256 of the imported spec, "" if there was none.
func (l *Lock) specSum() string {
	for _, s := range l.Sources {
		if s.Kind == "spec" {
			return s.SHA256
		}
	}
	return ""
}

// readSpec finds the spec as it stands: the one that was edited of spec and package.toml.
func (st *state) readSpec() error {
	dir := filepath.Join(st.ex.Metadata, "packages", st.lock.Name)
	imported := st.lock.specSum()
	text, err := os.ReadFile(filepath.Join(dir, st.lock.Name+".spec"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	specEdited := err != nil || sha256Hex(text) != imported
	toml, tomlErr := os.ReadFile(filepath.Join(dir, "package.toml"))
	if tomlErr != nil && !errors.Is(tomlErr, fs.ErrNotExist) {
		return tomlErr
	}
	if tomlErr != nil || sha256Hex(toml) == st.lock.Document {
		if err != nil && imported == "" {
			return nil
		}
		if err != nil {
			return fmt.Errorf("neither %s.spec nor an edited package.toml in %s", st.lock.Name, dir)
		}
		st.spec = text
		return st.syncSpec()
	}
	doc, err := pkgtoml.Decode(filepath.Join(dir, "package.toml"), toml)
	if err != nil {
		return err
	}
	made, err := convert.ToSpec(doc, convert.Options{})
	if err != nil {
		return fmt.Errorf("package.toml: %w", err)
	}
	if specEdited && text != nil && string(made) != string(text) {
		return fmt.Errorf("%s: spec and package.toml were both edited and say different things", dir)
	}
	st.spec = made
	return st.syncSpec()
}
