package tarmodel

import (
	"errors"
	"strconv"
	"strings"
)

type paxRecord struct{ key, value string }

var errPax = errors.New("damaged pax header")

// parsePax reads the records of a pax header (POSIX.1-2001).
func parsePax(s string) ([]paxRecord, error) {
	var records []paxRecord
	for s != "" {
		digits, _, ok := strings.Cut(s, " ")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < len(digits)+3 || n > len(s) || s[n-1] != '\n' {
			return nil, errPax
		}
		key, value, ok := strings.Cut(s[len(digits)+1:n-1], "=")
		if !ok || key == "" {
			return nil, errPax
		}
		records = append(records, paxRecord{key, value})
		s = s[n:]
	}
	return records, nil
}
