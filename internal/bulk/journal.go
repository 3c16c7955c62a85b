package bulk

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// Journal remembers what is done, across runs and crashes, as a file with one key a line.
// A last line that a crash cut short is not a key and is written over.
type Journal struct {
	mu   sync.Mutex
	file *os.File
	done map[string]bool
}

// Key names work by all that decides its outcome: the input's digest, the options, the tool's version.
func Key(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// OpenJournal reads the journal at path, or begins one. With fresh, what it holds is forgotten.
func OpenJournal(path string, fresh bool) (*Journal, error) {
	flags := os.O_RDWR | os.O_CREATE
	if fresh {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o666)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: f, done: make(map[string]bool)}
	end, err := j.read()
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return j, nil
}

const keyLine = 2*sha256.Size + 1

// read fills j.done and returns the offset behind the last whole line.
func (j *Journal) read() (int64, error) {
	in := bufio.NewReader(j.file)
	line := make([]byte, keyLine)
	for end := int64(0); ; end += keyLine {
		n := 0
		for n < keyLine {
			b, err := in.ReadByte()
			if err != nil {
				return end, nil
			}
			line[n] = b
			n++
		}
		key := string(line[:keyLine-1])
		if raw, err := hex.DecodeString(key); err != nil || len(raw) != sha256.Size || line[keyLine-1] != '\n' {
			return 0, &fs.PathError{Op: "read", Path: j.file.Name(), Err: fmt.Errorf("not a journal: odd line at offset %d", end)}
		}
		j.done[key] = true
	}
}

// Done says whether key is marked. A nil journal knows nothing.
func (j *Journal) Done(key string) bool {
	if j == nil {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.done[key]
}

// Mark adds key. The caller has made its work durable before.
func (j *Journal) Mark(key string) error {
	if j == nil {
		return nil
	}
	if len(key) != keyLine-1 {
		return errors.New("a journal takes keys made by Key")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.done[key] {
		return nil
	}
	if _, err := j.file.WriteString(key + "\n"); err != nil {
		return err
	}
	j.done[key] = true
	return nil
}

// Close makes the journal durable and closes it.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	return errors.Join(j.file.Sync(), j.file.Close())
}
