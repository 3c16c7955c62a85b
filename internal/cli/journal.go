package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"

	"github.com/weld-linux/weld-bridge/internal/bulk"
)

// openJournal opens the user's journal of what this very build of a tool has done, and gives what identifies the build.
// Journals of other builds are removed: their results are not this one's.
func openJournal(tool string) (*bulk.Journal, string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, "", err
	}
	build, err := buildID()
	if err != nil {
		return nil, "", err
	}
	dir := filepath.Join(cache, "weld-bridge")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, "", err
	}
	path := filepath.Join(dir, tool+"-"+build[:16]+".journal")
	others, err := filepath.Glob(filepath.Join(dir, tool+"-*.journal"))
	if err != nil {
		return nil, "", err
	}
	for _, other := range others {
		if other != path {
			os.Remove(other)
		}
	}
	j, err := bulk.OpenJournal(path)
	return j, build, err
}

// buildID is the digest of the running program.
func buildID() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
