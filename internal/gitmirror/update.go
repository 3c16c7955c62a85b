package gitmirror

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/atomicfile"
)

// updateFile holds the references that are to move together. Once it is there they will, by this process or by the next
// one that takes the lock: it is the one point at which an import becomes true.
const updateFile = "srpm2git.refs"

// newRefFile is a reference on its way to its place.
const newRefFile = "srpm2git.ref"

// update moves references, all or none. The objects must have been published. A zero hash deletes. It fails when one of them is not any more
// what r has seen it to be: somebody has pushed in the meantime, and what was made does not stand on that.
func (r *repo) update(refs map[string]Hash) error {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		old, err := r.readRef(name)
		if err != nil {
			return err
		}
		if seen, ok := r.seen[name]; ok && seen != old {
			return fmt.Errorf("%s has moved in the meantime; run it again", name)
		}
		if old != refs[name] {
			fmt.Fprintf(&b, "%s %s\n", refs[name], name)
		}
	}
	if b.Len() == 0 {
		return nil
	}
	if err := atomicfile.Write(filepath.Join(r.dir, updateFile), b.Bytes(), 0o666); err != nil {
		return err
	}
	return r.finishUpdate()
}

// finishUpdate does what updateFile says, if it is there.
func (r *repo) finishUpdate() error {
	moves, err := r.begunUpdate()
	if err != nil || moves == nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(moves)) {
		if err := r.setRef(name, moves[name]); err != nil {
			return err
		}
	}
	// It must not come back after a crash: people may have moved the references by then.
	if err := errors.Join(os.Remove(filepath.Join(r.dir, updateFile)), atomicfile.SyncDir(r.dir)); err != nil {
		return err
	}
	r.seen = map[string]Hash{}
	r.reopen()
	return nil
}

// begunUpdate reads updateFile; nil if it is not there.
func (r *repo) begunUpdate() (map[string]Hash, error) {
	path := filepath.Join(r.dir, updateFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	moves := map[string]Hash{}
	for line := range strings.Lines(string(data)) {
		digits, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		h, err := parseHash(digits)
		if !ok || err != nil {
			return nil, fmt.Errorf("%s: not a list of references", path)
		}
		moves[name] = h
	}
	return moves, nil
}

// settled lists the references as they are, or will be once an update that was begun is finished.
func (r *repo) settled() (map[string]Hash, error) {
	refs, err := r.refs("refs/")
	if err != nil {
		return nil, err
	}
	moves, err := r.begunUpdate()
	maps.Copy(refs, moves)
	maps.DeleteFunc(refs, func(_ string, h Hash) bool { return h.IsZero() })
	return refs, err
}

// setRef writes one loose reference, or removes it.
func (r *repo) setRef(name string, h Hash) error {
	if err := checkRefName(name); err != nil {
		return err
	}
	path := filepath.Join(r.dir, filepath.FromSlash(name))
	if h.IsZero() {
		return r.removeRef(name)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	// What a crash leaves below refs/ would be taken for a reference, so the file is made elsewhere.
	tmp := filepath.Join(r.dir, newRefFile)
	if err := atomicfile.Write(tmp, []byte(h.String()+"\n"), 0o666); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// removeRef removes a reference, loose or packed.
func (r *repo) removeRef(name string) error {
	packed := filepath.Join(r.dir, "packed-refs")
	data, err := os.ReadFile(packed)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var kept []byte
	dropped := false
	for line := range strings.Lines(string(data)) {
		if strings.HasSuffix(strings.TrimSuffix(line, "\n"), " "+name) {
			dropped = true
			continue
		}
		if dropped && strings.HasPrefix(line, "^") {
			continue
		}
		kept = append(kept, line...)
	}
	if dropped {
		if err := atomicfile.Write(packed, kept, 0o666); err != nil {
			return err
		}
	}
	path := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// refEscape makes a version or an EVR part of a reference name: what git forbids there becomes %XX.
func refEscape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c <= ' ', c >= 0x7f, strings.IndexByte("~^:?*[\\%/@", c) >= 0,
			c == '.' && (i == 0 || i == len(s)-1 || s[i-1] == '.'),
			c == '.' && s[i:] == ".lock", c == '-' && i == 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// checkRefName holds a reference name to git-check-ref-format(1).
func checkRefName(name string) error {
	bad := !strings.HasPrefix(name, "refs/") || strings.Contains(name, "..") || strings.Contains(name, "@{") || strings.HasSuffix(name, ".")
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock")
	}
	for i := range len(name) {
		bad = bad || name[i] <= ' ' || name[i] == 0x7f || strings.IndexByte("~^:?*[\\", name[i]) >= 0
	}
	if bad {
		return fmt.Errorf("%q is not a name that a git reference can have", name)
	}
	return nil
}
