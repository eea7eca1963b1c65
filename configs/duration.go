package configs

import (
	"fmt"
	"time"
)

// ParseDuration reads a duration as the settings write it: s, m, h and d, such as
// 7d or 1h30m. A bare number is an error, and so is none at all.
func ParseDuration(s string) (time.Duration, error) {
	total, ok := parseUnits(s, "dhms", map[byte]int64{'d': day, 'h': hour, 'm': minute, 's': second})
	if !ok {
		return 0, fmt.Errorf("%.20q: want a duration such as 7d, 12h or 1h30m", s)
	}
	return seconds(total), nil
}
