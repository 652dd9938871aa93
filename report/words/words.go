// Package words formats numbers, sizes, durations and lists for people. It has no state and can be
// called from anywhere.
package words

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Plural returns "1 packet" or "1,234 packets".
func Plural(n uint64, noun string) string { return Number(n) + " " + Noun(n, noun) }

// Noun returns "packet" for 1, otherwise "packets".
func Noun(n uint64, noun string) string {
	switch {
	case n == 1:
		return noun
	case strings.HasSuffix(noun, "y"):
		return noun[:len(noun)-1] + "ies"
	case strings.HasSuffix(noun, "s"):
		return noun + "es"
	}
	return noun + "s"
}

// Agree returns singular for 1, otherwise plural.
func Agree(n uint64, singular, plural string) string {
	if n == 1 {
		return singular
	}
	return plural
}

// Were returns "1 packet was" or "1,234 packets were".
func Were(n uint64, noun string) string { return Plural(n, noun) + " " + Agree(n, "was", "were") }

// Number returns n with commas between thousands.
func Number(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// OrNone returns n, or "none" for 0.
func OrNone(n uint64) string {
	if n == 0 {
		return "none"
	}
	return Number(n)
}

// Times returns "once", "twice" or "6 times".
func Times(n uint64) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return Number(n) + " times"
}

// Humane formats a duration for people, with two significant digits below a minute: "0.2 ms", "35
// ms", "1.5 s", "4 min 10 s", "2 h 5 min", "3 d 4 h".
func Humane(d time.Duration) string {
	switch s := d.Seconds(); {
	case d < time.Microsecond:
		return "less than 1 µs"
	case s < 100e-6:
		return twoDigits(s*1e6) + " µs"
	case s < 0.995:
		return twoDigits(s*1e3) + " ms"
	case s < 59.5:
		return twoDigits(s) + " s"
	case s < 3600-30:
		return pair(int64(math.Round(s)), 60, "min", "s")
	case s < 86400-1800:
		return pair(int64(math.Round(s/60)), 60, "h", "min")
	default:
		return pair(int64(math.Round(s/3600)), 24, "d", "h")
	}
}

// twoDigits formats v with two significant digits, or more if v is 100 or greater.
func twoDigits(v float64) string {
	if v >= 9.95 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	if v >= 0.995 {
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// pair formats n small units as large and small ones. A large unit has base small ones.
func pair(n, base int64, large, small string) string {
	if n%base == 0 {
		return fmt.Sprintf("%d %s", n/base, large)
	}
	return fmt.Sprintf("%d %s %d %s", n/base, large, n%base, small)
}

// Size formats a number of bytes for people: "512 bytes", "1.4 kB", "2.3 GB".
func Size(n uint64) string {
	if n < 1000 {
		return Plural(n, "byte")
	}
	v, unit := float64(n)/1000, 0
	for v >= 999.5 && unit < len("kMGTPE")-1 {
		v, unit = v/1000, unit+1
	}
	return twoDigits(v) + " " + "kMGTPE"[unit:unit+1] + "B"
}

// List returns "a", "a and b" or "a, b and c".
func List(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

// Some returns the first n parts and, if there are others, their number: "3 more".
func Some(parts []string, n int) []string {
	if more := len(parts) - n; more > 0 {
		return append(slices.Clone(parts[:n]), Number(uint64(more))+" more")
	}
	return parts
}

// UpperFirst returns s with its first letter in upper case.
func UpperFirst(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return strings.ToUpper(s[:n]) + s[n:]
}
