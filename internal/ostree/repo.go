package ostree

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Repo is a repository in archive mode. Its methods may be called from several goroutines and processes.
type Repo struct {
	Reader
	dir    string
	noSync bool
}

const archiveConfig = "[core]\nrepo_version=1\nmode=archive-z2\n"

// Init makes a repository in dir, which is made too unless it is an empty directory. On a repository it changes nothing.
func Init(dir string) (*Repo, error) {
	if repo, err := Open(dir); err == nil {
		return repo, nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		// What an interrupted Init leaves is not in the way.
		switch n.Name() {
		case "objects", "refs", "extensions", "state", "tmp":
		default:
			return nil, fmt.Errorf("%s: exists, is not empty and is no OSTree repository", dir)
		}
	}
	for _, sub := range []string{"objects", "extensions", "refs/heads", "refs/mirrors", "refs/remotes", "state", "tmp/cache"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			return nil, err
		}
	}
	// The configuration comes last: it makes the directory a repository.
	if err := replaceFile(filepath.Join(dir, "tmp"), filepath.Join(dir, "config"), []byte(archiveConfig), true); err != nil {
		return nil, err
	}
	return Open(dir)
}

// Open opens a repository.
func Open(dir string) (*Repo, error) {
	config, err := readConfig(filepath.Join(dir, "config"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Stat(dir); serr != nil {
			return nil, serr
		}
		return nil, fmt.Errorf("%s: not an OSTree repository: no config", dir)
	}
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(filepath.Join(dir, "objects")); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s: not an OSTree repository: no objects", dir)
	}
	if v := config["core.repo_version"]; v != "1" {
		return nil, fmt.Errorf("%s: not an OSTree repository of version 1 (repo_version %q)", dir, v)
	}
	if mode := config["core.mode"]; mode != "archive" && mode != "archive-z2" {
		return nil, fmt.Errorf("%s: repository in mode %q, want archive", dir, mode)
	}
	r := &Repo{dir: dir, noSync: config["core.fsync"] == "false"}
	r.Source = loose(r.openObject)
	return r, nil
}

// readConfig reads a GKeyFile as "section.key" and value.
func readConfig(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	config := map[string]string{}
	section := ""
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' && line[len(line)-1] == ']' {
			section = line[1 : len(line)-1]
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("%s:%d: neither a section nor key=value", path, n)
		}
		config[section+"."+strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return config, nil
}

// Dir is the repository's place.
func (r *Repo) Dir() string { return r.dir }

// SetSync turns the synchronisation with the disk on or off. Off, a crash of the machine (not of the program) may lose or damage
// what was written last. It is on unless the configuration says core.fsync=false.
func (r *Repo) SetSync(on bool) { r.noSync = !on }

func (r *Repo) path(elem ...string) string {
	return filepath.Join(append([]string{r.dir}, elem...)...)
}

func (r *Repo) openObject(o Object) (*os.File, error) {
	f, err := os.Open(r.path("objects", o.path()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("object %s: %w", o, ErrNotFound)
	}
	return f, err
}

// Has tells whether the repository has an object.
func (r *Repo) Has(o Object) bool {
	_, err := os.Lstat(r.path("objects", o.path()))
	return err == nil
}

// StoredSize gives the bytes that an object takes in the repository.
func (r *Repo) StoredSize(o Object) (int64, error) {
	info, err := os.Lstat(r.path("objects", o.path()))
	if err != nil {
		return 0, fmt.Errorf("object %s: %w", o, ErrNotFound)
	}
	return info.Size(), nil
}

// replaceFile gives path new content at once: a temporary file in tmp, fsync, rename, fsync of the directory.
func replaceFile(tmp, path string, data []byte, sync bool) error {
	f, err := os.CreateTemp(tmp, "replace-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if sync {
		err = errors.Join(err, f.Sync())
	}
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if sync {
		return syncDir(filepath.Dir(path))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
