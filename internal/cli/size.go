package cli

import (
	"fmt"
	"strconv"
	"strings"
)

// size is a flag that takes a number of bytes, with K, M, G or T for powers of 1024.
type size int64

func (s *size) Set(text string) error {
	n, err := ParseSize(text)
	if err == nil {
		*s = size(n)
	}
	return err
}

// ParseSize reads a number of bytes of at most 1<<62, with K, M, G or T for powers of 1024.
func ParseSize(text string) (int64, error) {
	digits := strings.TrimSuffix(strings.TrimSuffix(text, "B"), "i")
	shift := 0
	if n := len(digits); n > 0 {
		if i := strings.IndexByte("KMGT", digits[n-1]); i >= 0 {
			digits, shift = digits[:n-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > (1<<62)>>shift {
		return 0, fmt.Errorf("bad size %q: want a number of bytes, as in 512M or 10G", text)
	}
	return n << shift, nil
}

func (s *size) String() string {
	if *s == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*s), 10)
}

func (s *size) Type() string { return "SIZE" }
