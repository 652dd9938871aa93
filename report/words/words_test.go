package words

import (
	"testing"
	"time"
)

func TestHumane(t *testing.T) {
	for _, c := range []struct {
		in   time.Duration
		want string
	}{
		{0, "less than 1 µs"}, {900, "less than 1 µs"}, {time.Microsecond, "1 µs"}, {99_400, "99 µs"},
		{200_000, "0.2 ms"}, {213_457, "0.21 ms"}, {999_999, "1 ms"}, {1_500_000, "1.5 ms"}, {35_400_000, "35 ms"},
		{994 * time.Millisecond, "994 ms"}, {999 * time.Millisecond, "1 s"}, {1500 * time.Millisecond, "1.5 s"},
		{10 * time.Second, "10 s"}, {59 * time.Second, "59 s"}, {60 * time.Second, "1 min"}, {250 * time.Second, "4 min 10 s"},
		{time.Hour - time.Second, "1 h"}, {time.Hour, "1 h"}, {125 * time.Minute, "2 h 5 min"},
		{24*time.Hour - time.Minute, "1 d"}, {76 * time.Hour, "3 d 4 h"},
	} {
		if got := Humane(c.in); got != c.want {
			t.Errorf("humane(%v) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestNumbersAgreeWithTheirNouns(t *testing.T) {
	for want, got := range map[string]string{
		"1 packet":                   Plural(1, "packet"),
		"0 packets":                  Plural(0, "packet"),
		"1,234,567 packets":          Plural(1234567, "packet"),
		"2 proxies":                  Plural(2, "proxy"),
		"3 addresses":                Plural(3, "address"),
		"once":                       Times(1),
		"twice":                      Times(2),
		"1,000 times":                Times(1000),
		"999":                        Number(999),
		"1,000":                      Number(1000),
		"18,446,744,073,709,551,615": Number(^uint64(0)),
		"999 bytes":                  Size(999),
		"1 kB":                       Size(1000),
		"1.4 kB":                     Size(1448),
		"1 MB":                       Size(999_999),
		"18 EB":                      Size(^uint64(0)),
		"a":                          List([]string{"a"}),
		"a and b":                    List([]string{"a", "b"}),
		"a, b and c":                 List([]string{"a", "b", "c"}),
		"":                           List(nil),
		"a, b and 2 more":            List(Some([]string{"a", "b", "c", "d"}, 2)),
		"c and d":                    List(Some([]string{"c", "d"}, 2)),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
