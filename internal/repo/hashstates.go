package repo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"hash"
	"os"

	"github.com/weld-linux/weld-bridge/internal/repodata"
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

// openSums computes the checksums of the uncompressed package files while their frames are made. An earlier run may have left the
// states behind the first frames.
type openSums struct {
	from   int // frames that need not be added
	keys   []string
	hashes [len(frameKinds)]hash.Hash
	behind [][len(frameKinds)][]byte // states, by the number of frames
	turn   []chan struct{}           // closed when what lies before the frame has been added
}

func newOpenSums(count int, frames []frame, old hashStates) *openSums {
	s := &openSums{
		keys: chain(count, frames), behind: make([][len(frameKinds)][]byte, len(frames)+1), turn: make([]chan struct{}, len(frames)+1),
	}
	var states [len(frameKinds)][]byte
	s.from, states = old.known(s.keys)
	for i := range frameKinds {
		s.hashes[i] = sha256.New()
		if s.from > 0 && s.hashes[i].(encoding.BinaryUnmarshaler).UnmarshalBinary(states[i]) != nil {
			s.from = 0 // of another version of the program
		}
	}
	if s.from == 0 {
		for i, k := range frameKinds {
			s.hashes[i].Reset()
			s.hashes[i].Write(repodata.AppendHeader(nil, k, count))
		}
	}
	for n := range s.turn {
		s.turn[n] = make(chan struct{})
		if n <= s.from {
			s.behind[n] = old[s.keys[n]]
		}
	}
	close(s.turn[s.from])
	return s
}

// add adds the n-th frame when its turn has come.
func (s *openSums) add(ctx context.Context, n int, data *[len(frameKinds)][]byte) error {
	select {
	case <-s.turn[n]:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for i, b := range data {
		s.hashes[i].Write(b)
		var err error
		if s.behind[n+1][i], err = s.hashes[i].(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
			return err
		}
	}
	close(s.turn[n+1])
	return nil
}

// sum gives the checksum of the i-th file, whose frames have all been added.
func (s *openSums) sum(i int) repodata.Checksum {
	s.hashes[i].Write([]byte(repodata.Footer(frameKinds[i])))
	return repodata.Checksum{Type: "sha256", Value: hex.EncodeToString(s.hashes[i].Sum(nil))}
}

// states gives what the next run starts from.
func (s *openSums) states() hashStates {
	next := hashStates{}
	for n := 1; n < len(s.keys); n++ {
		if s.behind[n][0] != nil {
			next[s.keys[n]] = s.behind[n]
		}
	}
	return next
}
