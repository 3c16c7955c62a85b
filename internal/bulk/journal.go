package bulk

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Journal remembers what is done, and its figures, across runs and crashes: a file of JSON lines that only grows. Several
// processes may write to one journal. A line that a crash cut short is passed over.
type Journal struct {
	mu   sync.Mutex
	file *os.File
	done map[string]span
}

// span is where a line's figures stand in the file.
type span struct{ from, length int64 }

type journalLine struct {
	Key     string          `json:"key"`
	Figures json.RawMessage `json:"figures"`
}

// Key names work by all that decides its outcome: the input's digest, the options, the tool's version.
func Key(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// OpenJournal reads the journal at path, or begins one.
func OpenJournal(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: f, done: make(map[string]span)}
	if err := j.read(); err != nil {
		f.Close()
		return nil, err
	}
	return j, nil
}

// read notes where each whole line is, and closes a line that was cut short, so that the next one begins a line.
func (j *Journal) read() error {
	in := bufio.NewReader(j.file)
	for at := int64(0); ; {
		line, err := in.ReadBytes('\n')
		var l journalLine
		if json.Unmarshal(line, &l) == nil && l.Key != "" {
			j.done[l.Key] = span{at, int64(len(line))}
		}
		at += int64(len(line))
		switch {
		case err == nil:
		case err != io.EOF:
			return err
		case len(line) > 0:
			_, err = j.file.Write([]byte("\n"))
			return err
		default:
			return nil
		}
	}
}

// Done gives the figures of a key that is marked.
func (j *Journal) Done(key string) (figures map[string]any, ok bool) {
	if j == nil {
		return nil, false
	}
	j.mu.Lock()
	at, ok := j.done[key]
	j.mu.Unlock()
	if !ok {
		return nil, false
	}
	line := make([]byte, at.length)
	if _, err := j.file.ReadAt(line, at.from); err != nil {
		return nil, false
	}
	var l journalLine
	if json.Unmarshal(line, &l) != nil || l.Key != key || json.Unmarshal(l.Figures, &figures) != nil {
		return nil, false
	}
	return figures, true
}

// Mark adds key with its figures, which are values of JSON. The caller has made its work durable before.
func (j *Journal) Mark(key string, figures map[string]any) error {
	if j == nil {
		return nil
	}
	value, err := json.Marshal(figures)
	if err != nil {
		return err
	}
	line, err := json.Marshal(journalLine{key, value})
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	_, err = j.file.Write(append(line, '\n'))
	return err
}

// Close makes the journal durable and closes it.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	return errors.Join(j.file.Sync(), j.file.Close())
}
