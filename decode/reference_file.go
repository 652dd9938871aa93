package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxReferenceAPIs bounds the APIs of one broker in a file: ten times as many as Kafka has.
const maxReferenceAPIs = 1024

// parseReference reads the ranges of brokers from the JSON form of a report or from the output
// of kafka-broker-api-versions.sh. Errors name the file, the line or broker, and the cause.
func parseReference(name string, data []byte) (*Reference, error) {
	if len(data) > maxReference {
		return nil, fmt.Errorf("%s: more than %d MiB", name, maxReference>>20)
	}
	f := referenceFile{name: name, data: data}
	read := f.readListing
	if text := bytes.TrimLeft(data, " \t\r\n"); len(text) > 0 && text[0] == '{' {
		read = f.readReport
	}
	if err := read(); err != nil {
		return nil, err
	}
	return f.finish()
}

// referenceFile collects the ranges of the brokers in a file.
type referenceFile struct {
	name string
	data []byte
	// brokers counts brokers with ranges, silent those without.
	brokers, silent int
	// common are the versions that all brokers so far support; differ are the APIs in which they
	// differ.
	common []API
	differ map[int16]struct{}
}

// fail returns an error with a line number, counted from 1.
func (f *referenceFile) fail(line int, format string, args ...any) error {
	return fmt.Errorf("%s: line %d: %w", f.name, line, fmt.Errorf(format, args...))
}

func (f *referenceFile) broker(apis []API) error {
	if len(apis) > maxReferenceAPIs {
		return fmt.Errorf("%d APIs of one broker, more than %d", len(apis), maxReferenceAPIs)
	}
	slices.SortFunc(apis, func(a, b API) int { return int(a.Key) - int(b.Key) })
	for i, a := range apis {
		switch {
		case a.Key < 0 || a.Min < 0 || a.Max < 0:
			return fmt.Errorf("API key %d from %d to %d: negative", a.Key, a.Min, a.Max)
		case i > 0 && apis[i-1].Key == a.Key:
			return fmt.Errorf("API key %d is listed twice", a.Key)
		}
	}
	f.brokers++
	if f.brokers == 1 {
		f.common, f.differ = apis, map[int16]struct{}{}
		return nil
	}
	both := f.common[:0:0]
	(&Ranges{APIs: f.common}).Compare(&Ranges{APIs: apis}, func(key int16, x, y *Range) {
		if x == nil || y == nil || *x != *y {
			f.differ[key] = struct{}{}
		}
		if x != nil && y != nil {
			both = append(both, API{Key: key, Range: Range{Min: max(x.Min, y.Min), Max: min(x.Max, y.Max)}})
		}
	})
	f.common = both
	return nil
}

func (f *referenceFile) finish() (*Reference, error) {
	if f.brokers == 0 {
		return nil, fmt.Errorf("%s: no broker with ranges in it", f.name)
	}
	ranges := &Ranges{APIs: f.common}
	r := &Reference{
		File: f.name, Name: counted(f.brokers, "broker"),
		Table: &Table{Ranges: ranges, Source: "the ranges of " + counted(f.brokers, "broker") + " in a file"},
	}
	if release := GuessRelease(ranges); len(release.Names) > 0 {
		r.Name += ", by the ranges " + release.Text
	}
	if n := len(f.differ); n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("the brokers in the file differ in %s: what all of them take counts", counted(n, "API")))
	}
	if f.silent > 0 {
		verb := "are"
		if f.silent == 1 {
			verb = "is"
		}
		r.Notes = append(r.Notes, fmt.Sprintf("%s in the file without ranges, which %s not counted", counted(f.silent, "broker"), verb))
	}
	return r, nil
}

func (f *referenceFile) readReport() error {
	var report struct {
		Brokers *[]struct {
			APIs []struct {
				Key *int16 `json:"key"`
				Min *int16 `json:"min"`
				Max *int16 `json:"max"`
			} `json:"apis"`
		} `json:"brokers"`
	}
	if err := json.Unmarshal(f.data, &report); err != nil {
		return f.jsonError(err)
	}
	if report.Brokers == nil {
		return fmt.Errorf("%s: not a report: it has no key brokers", f.name)
	}
	for i, b := range *report.Brokers {
		if len(b.APIs) == 0 {
			f.silent++
			continue
		}
		apis := make([]API, len(b.APIs))
		for j, a := range b.APIs {
			if a.Key == nil || a.Min == nil || a.Max == nil {
				return fmt.Errorf("%s: broker %d: an API lacks key, min or max", f.name, i+1)
			}
			apis[j] = API{Key: *a.Key, Range: Range{Min: *a.Min, Max: *a.Max}}
		}
		if err := f.broker(apis); err != nil {
			return fmt.Errorf("%s: broker %d: %w", f.name, i+1, err)
		}
	}
	return nil
}

// jsonError adds the line number to an error of package json.
func (f *referenceFile) jsonError(err error) error {
	at := int64(0)
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &wrong):
		at = wrong.Offset
		err = fmt.Errorf("%s is a %s, want an integer from 0 to 32767", wrong.Field, wrong.Value)
		if wrong.Type.Kind() != reflect.Int16 {
			err = fmt.Errorf("%s is a %s, which is the wrong type", wrong.Field, wrong.Value)
		}
	}
	return f.fail(1+bytes.Count(f.data[:at], []byte("\n")), "%w", err)
}

var (
	// listingBroker matches the first line of a broker: "localhost:9092 (id: 0 rack: null) ->
	// (". If the broker did not respond, the line ends in "-> ERROR: ..." (Apache Kafka,
	// BrokerApiVersionsCommand).
	listingBroker = regexp.MustCompile(`\) -> (\(|ERROR: )`)
	// listingAPI matches an API: "Fetch(1): 4 to 17 [usable: 17],", "Vote(52): 0 [usable: 0]",
	// "UNKNOWN(93): 0 to 1", "LeaderAndIsr(4): UNSUPPORTED," (Apache Kafka,
	// NodeApiVersions.toString).
	listingAPI = regexp.MustCompile(`^[A-Za-z_0-9]+\(([0-9]{1,5})\): (?:UNSUPPORTED|([0-9]{1,5})(?: to ([0-9]{1,5}))?(?: \[(?:un)?usable: [a-z0-9 ]+\])?),?$`)
)

// maxListingLine is how many characters of a wrong line an error quotes.
const maxListingLine = 60

// readListing reads the output of kafka-broker-api-versions.sh. It skips lines outside the lists
// of brokers, such as log lines.
func (f *referenceFile) readListing() error {
	var apis []API
	inside := 0 // the line in which the list began
	number := 0
	for line := range bytes.Lines(f.data) {
		number++
		text := bytes.TrimSpace(line)
		begins := listingBroker.FindSubmatch(text)
		switch {
		case inside == 0 && begins == nil:
		case begins != nil && inside > 0:
			return f.fail(number, "another broker begins before the list of line %d ends", inside)
		case begins != nil && begins[1][0] == 'E':
			f.silent++
		case begins != nil:
			inside, apis = number, nil
		case string(text) == ")" && len(apis) == 0:
			f.silent++
			inside = 0
		case string(text) == ")":
			if err := f.broker(apis); err != nil {
				return f.fail(number, "%w", err)
			}
			inside = 0
		default:
			api, ok, err := listedAPI(text)
			if err != nil {
				return f.fail(number, "%w", err)
			}
			if ok {
				apis = append(apis, api)
			}
		}
	}
	switch {
	case inside > 0:
		return f.fail(number, "the file ends before the list of line %d does", inside)
	case f.brokers+f.silent == 0:
		return fmt.Errorf("%s: neither the JSON of a report nor the output of kafka-broker-api-versions.sh", f.name)
	}
	return nil
}

func excerpt(line []byte) string {
	text := []rune(strings.ToValidUTF8(string(line[:min(len(line), 4*maxListingLine)]), "?"))
	if len(text) > maxListingLine {
		return string(text[:maxListingLine]) + "…"
	}
	return string(text)
}

// counted returns a number with its regular noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// listedAPI reads the line of an API; ok is false if the API is not supported.
func listedAPI(text []byte) (api API, ok bool, err error) {
	m := listingAPI.FindSubmatch(text)
	if m == nil {
		return api, false, fmt.Errorf(`%q: want an API such as "Fetch(1): 4 to 17 [usable: 17],"`, excerpt(text))
	}
	if m[2] == nil {
		return api, false, nil
	}
	if m[3] == nil {
		m[3] = m[2]
	}
	var numbers [3]int16
	for i := range numbers {
		n, err := strconv.ParseInt(string(m[i+1]), 10, 16)
		if err != nil {
			return api, false, fmt.Errorf("%s is above 32767", m[i+1])
		}
		numbers[i] = int16(n)
	}
	return API{Key: numbers[0], Range: Range{Min: numbers[1], Max: numbers[2]}}, true, nil
}
