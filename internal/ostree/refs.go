package ostree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrRefMoved says that a reference is not what the caller took it for.
var ErrRefMoved = errors.New("reference has moved")

// EscapeRef makes any UTF-8 name fit for a reference: bytes other than letters, digits, '-', '.' and '/' become _XX, and '_'
// becomes '__'. A component that begins with '.' or '-' and an empty one are escaped too.
func EscapeRef(name string) string {
	var b strings.Builder
	start := true
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '_':
			b.WriteString("__")
		case c == '/' && !start && i+1 < len(name), isAlnum(c), !start && (c == '-' || c == '.'):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_%02X", c)
		}
		start = c == '/'
	}
	return b.String()
}

// UnescapeRef is the inverse of EscapeRef.
func UnescapeRef(ref string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(ref); i++ {
		if ref[i] != '_' {
			b.WriteByte(ref[i])
			continue
		}
		if strings.HasPrefix(ref[i+1:], "_") {
			b.WriteByte('_')
			i++
			continue
		}
		var c byte
		if _, err := fmt.Sscanf(ref[i+1:min(i+3, len(ref))], "%02X", &c); err != nil || len(ref) < i+3 {
			return "", fmt.Errorf("reference %q: bad escape at %d", ref, i)
		}
		b.WriteByte(c)
		i += 2
	}
	if EscapeRef(b.String()) != ref {
		return "", fmt.Errorf("reference %q: not the escaped form of a name", ref)
	}
	return b.String(), nil
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// validRef accepts what libostree accepts: components of letters, digits, '-', '.', '_' that begin with none of '-' and '.'.
func validRef(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' || part[0] == '-' {
			return fmt.Errorf("invalid reference %q", name)
		}
		for i := range len(part) {
			if !isAlnum(part[i]) && !strings.ContainsRune("-._", rune(part[i])) {
				return fmt.Errorf("invalid reference %q", name)
			}
		}
	}
	return nil
}

// Ref gives the commit that a local reference names; errors.Is(err, ErrNotFound) when there is no such reference.
func (r *Repo) Ref(name string) (Checksum, error) {
	if err := validRef(name); err != nil {
		return Checksum{}, err
	}
	return readRef(r.path("refs/heads", name), name)
}

func readRef(path, name string) (Checksum, error) {
	b, err := os.ReadFile(path)
	if info, serr := os.Stat(path); errors.Is(err, fs.ErrNotExist) || serr == nil && info.IsDir() {
		return Checksum{}, fmt.Errorf("reference %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return Checksum{}, err
	}
	sum, err := ParseChecksum(strings.TrimSuffix(string(b), "\n"))
	if err != nil {
		return Checksum{}, fmt.Errorf("reference %s: %w", name, err)
	}
	return sum, nil
}

// Refs gives the local references below a prefix ("" for all, else it ends in '/') in lexical order of their files.
func (r *Repo) Refs(prefix string) (map[string]Checksum, error) {
	refs := map[string]Checksum{}
	return refs, r.walkRefs(r.path("refs/heads"), func(name string, sum Checksum) {
		if strings.HasPrefix(name, prefix) {
			refs[name] = sum
		}
	})
}

// roots gives what any reference names: local, mirrored and remote ones.
func (r *Repo) roots() (map[string]Checksum, error) {
	roots := map[string]Checksum{}
	return roots, r.walkRefs(r.path("refs"), func(name string, sum Checksum) { roots[name] = sum })
}

func (r *Repo) walkRefs(dir string, visit func(name string, sum Checksum)) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		sum, err := readRef(path, filepath.ToSlash(name))
		if errors.Is(err, ErrNotFound) { // removed since the directory was read
			return nil
		}
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(name), sum)
		return nil
	})
}

// SwapRef moves a reference from one commit to another. The zero checksum stands for a reference that does not exist: as
// old it makes one, as new it removes it. It fails with ErrRefMoved when the reference is not at old, and
// changes nothing then. Everybody who moves references with SwapRef sees the others' moves; libostree takes no such lock.
func (r *Repo) SwapRef(ctx context.Context, name string, old, sum Checksum) error {
	release, err := r.LockRefs(ctx)
	if err != nil {
		return err
	}
	defer release()
	return r.SwapRefLocked(name, old, sum)
}

// SwapRefLocked is SwapRef for a caller who has LockRefs.
func (r *Repo) SwapRefLocked(name string, old, sum Checksum) error {
	if err := validRef(name); err != nil {
		return err
	}
	now, err := r.Ref(name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if now != old {
		return fmt.Errorf("reference %s: %w", name, ErrRefMoved)
	}
	if now == sum {
		return nil
	}
	if sum.IsZero() {
		return r.removeRef(name)
	}
	path := r.path("refs/heads", name)
	if err := mkdirSync(filepath.Dir(path), r.path("refs/heads"), !r.noSync); err != nil {
		return fmt.Errorf("reference %s: %w", name, err)
	}
	if err := replaceFile(r.path("tmp"), path, []byte(sum.String()+"\n"), !r.noSync); err != nil {
		return fmt.Errorf("reference %s: %w", name, err)
	}
	return nil
}

func (r *Repo) removeRef(name string) error {
	path := r.path("refs/heads", name)
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("reference %s: %w", name, err)
	}
	dir := filepath.Dir(path)
	for dir != r.path("refs/heads") && os.Remove(dir) == nil {
		dir = filepath.Dir(dir)
	}
	if r.noSync {
		return nil
	}
	return syncDir(dir)
}

// mkdirSync makes a directory below top and synchronises the directories that got a new name.
func mkdirSync(dir, top string, sync bool) error {
	if _, err := os.Stat(dir); err == nil || dir == top {
		return nil
	}
	if err := mkdirSync(filepath.Dir(dir), top, sync); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if !sync {
		return nil
	}
	return syncDir(filepath.Dir(dir))
}
