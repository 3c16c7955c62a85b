package tarmodel

import (
	"encoding/binary"
	"errors"

	"github.com/weld-linux/weld-bridge/internal/varint"
)

var errRecipe = errors.New("damaged tar recipe")

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// runs writes numbers so that a run of zeros costs one varint: (length of the run, the number after it) repeated.
type runs struct {
	out   []byte
	zeros uint64
}

func (r *runs) add(v uint64) {
	if v == 0 {
		r.zeros++
		return
	}
	r.out = binary.AppendUvarint(binary.AppendUvarint(r.out, r.zeros), v)
	r.zeros = 0
}

// bytes ends the stream. A last run of zeros is implied.
func (r *runs) bytes() []byte { return r.out }

// runReader reads what runs wrote, and zeros for ever after.
type runReader struct {
	in    varint.Reader
	zeros uint64
	value uint64
	open  bool // value is to come after zeros
}

func (r *runReader) next() uint64 {
	if !r.open && len(r.in.Rest()) > 0 {
		r.zeros, r.value = r.in.Uint(), r.in.Uint()
		r.open = true
	}
	if !r.open {
		return 0
	}
	if r.zeros > 0 {
		r.zeros--
		return 0
	}
	r.open = false
	return r.value
}
