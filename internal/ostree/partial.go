package ostree

import (
	"errors"
	"io/fs"
	"os"
)

// A commit may name objects that the repository does not have. libostree marks such a one by an empty file, and leaves it out where it looks
// at all commits that there are: `ostree fsck` and `ostree prune` would fail over it.

func (r *Repo) partialPath(commit Checksum) string {
	return r.path("state", commit.String()+".commitpartial")
}

// MarkPartial marks a commit as one of which not all is in the repository.
func (r *Repo) MarkPartial(commit Checksum) error {
	if err := os.MkdirAll(r.path("state"), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(r.partialPath(commit), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// MarkWhole takes the mark of MarkPartial away.
func (r *Repo) MarkWhole(commit Checksum) error {
	if err := os.Remove(r.partialPath(commit)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// FlushPartial is Flush where commits name what only stands behind the writer: they are marked before they are there.
func (w *Writer) FlushPartial() error {
	var commits []Checksum
	w.mu.Lock()
	for o := range w.staged {
		if o.Type == TypeCommit {
			commits = append(commits, o.Checksum)
		}
	}
	w.mu.Unlock()
	for _, commit := range commits {
		if err := w.repo.MarkPartial(commit); err != nil {
			return err
		}
	}
	return w.Flush()
}
