package decode

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// readTable reads one file of releases. Every report that names a broker needs
// all of them: encoding/json takes ten times as long, more than reading a small capture.
func readTable(data []byte) (*Table, error) {
	t := &Table{Recorded: true, Ranges: &Ranges{}}
	j := &tableReader{rest: data}
	j.object(func(name []byte) {
		switch string(name) {
		case "release":
			t.Release = string(j.text())
		case "mode":
			t.Mode = Mode(j.text())
		case "source":
			t.Source = string(j.text())
		case "apis":
			j.array(func() {
				f := j.ranged()
				t.Ranges.APIs = append(t.Ranges.APIs, API{f.key, f.Range})
			})
		case "features":
			j.array(func() {
				f := j.ranged()
				t.Ranges.Features = append(t.Ranges.Features, Feature{string(f.name), f.Range})
			})
		default:
			j.fail("unknown key %q", name)
		}
	})
	if j.space(); j.err == nil && len(j.rest) > 0 {
		j.fail("more behind the object")
	}
	if j.err != nil {
		return nil, fmt.Errorf("at byte %d: %w", len(data)-len(j.rest), j.err)
	}
	return t, t.check()
}

// check tells what is wrong with a table that was read.
func (t *Table) check() error {
	switch {
	case !releaseNumber.MatchString(t.Release):
		return fmt.Errorf("release %q: want a number such as 2.1.1", t.Release)
	case t.Mode != ZooKeeper && t.Mode != KRaft && t.Mode != Controller:
		return fmt.Errorf("mode %q: want zookeeper, kraft or controller", t.Mode)
	case t.Source == "":
		return errors.New("no source")
	}
	for i, a := range t.Ranges.APIs {
		if i > 0 && t.Ranges.APIs[i-1].Key >= a.Key {
			return fmt.Errorf("API key %d: keys have to ascend", a.Key)
		}
	}
	if _, ok := t.Ranges.Find(keyApiVersions); !ok {
		return errors.New("no range for ApiVersions")
	}
	return nil
}

// tableReader reads the JSON of the files in releases, which are ours: strings
// have no escapes, numbers are small integers. The first error stays.
type tableReader struct {
	rest []byte
	err  error
}

// fail notes an error.
func (j *tableReader) fail(format string, args ...any) {
	if j.err == nil {
		j.err = fmt.Errorf(format, args...)
	}
}

// space passes over white space.
func (j *tableReader) space() {
	for len(j.rest) > 0 && (j.rest[0] == ' ' || j.rest[0] == '\n' || j.rest[0] == '\r' || j.rest[0] == '\t') {
		j.rest = j.rest[1:]
	}
}

// take passes over a character if it comes next.
func (j *tableReader) take(c byte) bool {
	j.space()
	if j.err != nil || len(j.rest) == 0 || j.rest[0] != c {
		return false
	}
	j.rest = j.rest[1:]
	return true
}

// want passes over a character that has to come next.
func (j *tableReader) want(c byte) {
	if !j.take(c) {
		j.fail("want %q", c)
	}
}

// object reads an object; member reads the value of a name.
func (j *tableReader) object(member func(name []byte)) {
	j.list('{', '}', func() {
		name := j.text()
		j.want(':')
		member(name)
	})
}

// array reads an array.
func (j *tableReader) array(element func()) { j.list('[', ']', element) }

// list reads what stands between two characters, with commas between.
func (j *tableReader) list(open, end byte, one func()) {
	j.want(open)
	if j.take(end) {
		return
	}
	for j.err == nil {
		one()
		if !j.take(',') {
			j.want(end)
			return
		}
	}
}

// text reads a string.
func (j *tableReader) text() []byte {
	j.want('"')
	for i, c := range j.rest {
		switch {
		case j.err != nil:
			return nil
		case c == '"':
			s := j.rest[:i]
			j.rest = j.rest[i+1:]
			return s
		case c == '\\' || c < ' ':
			j.fail("escapes are not understood")
		}
	}
	j.fail("a string without an end")
	return nil
}

// number reads an integer of 16 bits.
func (j *tableReader) number() int16 {
	j.space()
	n := 0
	for n < len(j.rest) && (j.rest[n] == '-' || '0' <= j.rest[n] && j.rest[n] <= '9') {
		n++
	}
	v, err := strconv.ParseInt(string(j.rest[:n]), 10, 16)
	if err != nil {
		j.fail("want an integer from %d to %d", math.MinInt16, math.MaxInt16)
	}
	j.rest = j.rest[n:]
	return int16(v)
}

// ranged is a range with a name, and of an API with its key.
type ranged struct {
	key  int16
	name []byte
	Range
}

// ranged reads an API or a feature.
func (j *tableReader) ranged() (out ranged) {
	out.key, out.Min, out.Max = -1, -1, -1
	j.object(func(name []byte) {
		switch string(name) {
		case "key":
			out.key = j.number()
		case "name":
			out.name = j.text()
		case "min":
			out.Min = j.number()
		case "max":
			out.Max = j.number()
		default:
			j.fail("unknown key %q", name)
		}
	})
	if j.err == nil && (out.Min < 0 || out.Max < 0 || out.key < 0 && out.name == nil) {
		j.fail("an API or a feature lacks its key or name, min or max")
	}
	return out
}
