package model

import "time"

// Time is a point in time in nanoseconds since the Unix epoch.
type Time int64

// timeLayout is RFC 3339 in UTC with nanoseconds. Its length is constant, so it sorts as text.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// UTC returns t as a time.Time in UTC.
func (t Time) UTC() time.Time { return time.Unix(0, int64(t)).UTC() }

// String returns t in RFC 3339, UTC, with nanoseconds.
func (t Time) String() string { return t.UTC().Format(timeLayout) }

// MarshalText returns String, for JSON.
func (t Time) MarshalText() ([]byte, error) { return t.UTC().AppendFormat(nil, timeLayout), nil }

// UnmarshalText parses a result of MarshalText.
func (t *Time) UnmarshalText(text []byte) error {
	at, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return err
	}
	*t = Time(at.UnixNano())
	return nil
}
