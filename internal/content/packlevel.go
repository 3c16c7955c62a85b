package content

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/weld-linux/weld-bridge/internal/pack"
)

// packEncoder is the version of libzstd that makes packs: what it makes is the same everywhere.
const packEncoder = "1.5.7"

// Levels of PackOptions.
const (
	MaxPackLevel   = 19
	usualPackLevel = 12 // packs 14 MB of files a second on one core; 13 packs 6
)

// UsualPackLevel gives the level that is best where nobody chooses one: that of libzstd if its encoder is installed.
func (s *Store) UsualPackLevel() int {
	if _, err := s.compressor(usualPackLevel); err != nil {
		return 0
	}
	return usualPackLevel
}

// compressor gives the compressor of a level.
func (s *Store) compressor(level int) (pack.Compressor, error) {
	if level == 0 {
		return pack.Default(), nil
	}
	if level < 0 || level > MaxPackLevel {
		return pack.Compressor{}, fmt.Errorf("level %d: 0 to %d", level, MaxPackLevel)
	}
	for _, e := range s.encoders.List() {
		if e.Library == "libzstd" && e.Version == packEncoder && e.Program != "" {
			return libzstd(e.Program, level), nil
		}
	}
	return pack.Compressor{}, fmt.Errorf("no encoder of libzstd %s: packs of level %d need it", packEncoder, level)
}

func libzstd(program string, level int) pack.Compressor {
	return pack.Compressor{Level: uint8(level), Compress: func(w io.Writer, r io.Reader, size int64) error {
		window := 20
		for int64(1)<<window < min(size, pack.MaxWindow) {
			window++
		}
		var words strings.Builder
		cmd := exec.Command(program, fmt.Sprintf("level=%d", level), fmt.Sprintf("window=%d", window), "long=1", fmt.Sprintf("pledge=%d", size))
		cmd.Stdin, cmd.Stdout, cmd.Stderr = r, w, &words
		if err := cmd.Run(); err != nil {
			return errors.Join(err, errors.New(strings.TrimSpace(words.String())))
		}
		return nil
	}}
}
