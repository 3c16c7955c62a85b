package main

import (
	"math"
	"strconv"
	"time"

	"github.com/weld-linux/weld-bridge/internal/cli"
)

// parseAge reads a number of seconds, or of minutes, hours or days with the unit m, h or d.
func parseAge(s string) (time.Duration, error) {
	digits, unit := s, time.Second
	if s != "" {
		switch s[len(s)-1] {
		case 'm':
			unit = time.Minute
		case 'h':
			unit = time.Hour
		case 'd':
			unit = 24 * time.Hour
		}
		if unit != time.Second {
			digits = s[:len(s)-1]
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/int64(unit) || n < math.MinInt64/int64(unit) {
		return 0, cli.Usagef("bad time period %q: use a number and m, h or d", s)
	}
	return time.Duration(n) * unit, nil
}
