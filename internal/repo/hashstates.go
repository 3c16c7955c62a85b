package repo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
)

// hashStates keep how far the checksums of uncompressed package files are known: the state of each after each frame. What lies
// before the first change is not read again.
//
// The key is a chain: it names all frames up to a place, and the number of packages, which stands at the start of the files.
type hashStates map[string][len(frameKinds)][]byte

// chain gives the keys of the places before each frame and behind the last one.
func chain(count int, frames []frame) []string {
	keys := make([]string, 0, len(frames)+1)
	sum := sha256.Sum256([]byte{byte(count), byte(count >> 8), byte(count >> 16), byte(count >> 24), byte(count >> 32)})
	keys = append(keys, hex.EncodeToString(sum[:]))
	for i := range frames {
		sum = sha256.Sum256(append(sum[:], frames[i].key[:]...))
		keys = append(keys, hex.EncodeToString(sum[:]))
	}
	return keys
}

// readHashStates reads what write wrote; from a file that is not there or damaged, nothing.
func readHashStates(path string) hashStates {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	sum, body, _ := bytes.Cut(b, []byte("\n"))
	if digest(body) != string(sum) {
		return nil
	}
	var s hashStates
	if json.Unmarshal(body, &s) != nil {
		return nil
	}
	return s
}

func (s hashStates) write(path string) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return writeCached(path, []byte(digest(body)+"\n"), body)
}

// known returns the number of frames behind which the states are known, and the states there.
func (s hashStates) known(keys []string) (int, [len(frameKinds)][]byte) {
	for n := len(keys) - 1; n > 0; n-- {
		if states, ok := s[keys[n]]; ok {
			return n, states
		}
	}
	return 0, [len(frameKinds)][]byte{}
}
