package decode

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listing is the output of kafka-broker-api-versions.sh for three brokers, one of which did not
// respond.
const listing = `[2026-01-02 03:04:05,678] WARN something of the client (org.apache.kafka.clients.NetworkClient)
kafka-1.example:9092 (id: 1 rack: null isFenced: false) -> (
	Produce(0): 0 to 12 [usable: 12],
	Fetch(1): 4 to 17 [usable: 17],
	LeaderAndIsr(4): UNSUPPORTED,
	DescribeCluster(60): 0 [usable: 0],
	UNKNOWN(93): 0 to 1,
	Old(94): 7 to 9 [unusable: node too new]
)
kafka-2.example:9092 (id: 2 rack: eu-west-1a) -> (
	Produce(0): 0 to 11 [usable: 11],
	Fetch(1): 6 to 18 [usable: 17],
	UNKNOWN(93): 2 to 3
)
kafka-3.example:9092 (id: 3 rack: null) -> ERROR: org.apache.kafka.common.errors.DisconnectException
`

// rangesIn returns the ranges of a reference as text.
func rangesIn(r *Reference) []string {
	var out []string
	for _, a := range r.Table.Ranges.APIs {
		out = append(out, fmt.Sprintf("%d: %d-%d", a.Key, a.Min, a.Max))
	}
	return out
}

func TestReferenceFromAListing(t *testing.T) {
	r, err := parseReference("brokers.txt", []byte(strings.ReplaceAll(listing, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	// 93 has no version that both support.
	if diff := cmp.Diff([]string{"0: 0-11", "1: 6-17", "93: 2-1"}, rangesIn(r)); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
	want := []string{
		"the brokers in the file differ in 5 APIs: what all of them take counts",
		"1 broker in the file without ranges, which is not counted",
	}
	if diff := cmp.Diff(want, r.Notes); diff != "" || r.Name != "2 brokers" || r.File != "brokers.txt" {
		t.Errorf("%+v, notes (-want +got):\n%s", r, diff)
	}
}

// TestReferenceFromAReport: a report in JSON is a valid input.
func TestReferenceFromAReport(t *testing.T) {
	path := filepath.Join("..", "report", "testdata", "fetch-bug.json")
	r, err := LoadReference(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"0: 0-7", "1: 4-10", "2: 0-4", "3: 0-7", "18: 0-2"}
	if diff := cmp.Diff(want, rangesIn(r)); diff != "" || r.File != path || r.Name != "1 broker" || len(r.Notes) > 0 {
		t.Errorf("%+v, ranges (-want +got):\n%s", r, diff)
	}
}

func TestReferenceToARelease(t *testing.T) {
	for name, want := range map[string]string{
		"kafka-2.1": "Kafka 2.1.1", "4.0.0": "Kafka 4.0.0", "3.9-zookeeper": "Kafka 3.9.2 (ZooKeeper)", "3.9": "Kafka 3.9.2 (KRaft)",
	} {
		r, err := LoadReference(name)
		if err != nil || r.Name != want || r.File != "" || !strings.Contains(r.Table.Source, "ApiVersions") {
			t.Errorf("%s: %+v, %v; want %s", name, r, err, want)
		}
		if again, err := LoadReference(r.Release()); err != nil || again.Table != r.Table {
			t.Errorf("%s is not found again by %s: %v", name, r.Release(), err)
		}
	}
}

func TestReferenceRefuses(t *testing.T) {
	broker := func(apis string) string { return `{"schema":"x","brokers":[` + "\n" + `{"apis":[` + apis + "]}\n]}" }
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "f: neither the JSON of a report nor the output of kafka-broker-api-versions.sh"},
		{"a capture", "\xd4\xc3\xb2\xa1\x02\x00", "f: neither the JSON"},
		{"no broker", `{"schema":"kafkavet/report/v1"}`, "f: not a report: it has no key brokers"},
		{"no ranges", `{"brokers":[{"address":"x","apis":[]}]}`, "f: no broker with ranges in it"},
		{"brokers of another kind", "{\n\"brokers\": 7}", "f: line 2: brokers is a number, which is the wrong type"},
		{"a broken bracket", "{\"a\": [1,\n2}, \"brokers\":[]}", "f: line 2: invalid character '}'"},
		{"cut off", "{\"brokers\":[\n{\"apis\":[{\"key\":1", "f: line 2: unexpected end of JSON input"},
		{"a text for a number", broker("\n" + `{"key":1,"min":0,"max":"nine"}`), "f: line 3: brokers.apis.max is a string, want an integer from 0 to 32767"},
		{"too large a number", broker("\n\n" + `{"key":1,"min":0,"max":70000}`), "f: line 4: brokers.apis.max is a number 70000, want an integer from 0 to 32767"},
		{"no max", broker(`{"key":1,"min":0}`), "f: broker 1: an API lacks key, min or max"},
		{"negative", broker(`{"key":1,"min":-1,"max":3}`), "f: broker 1: API key 1 from -1 to 3: negative"},
		{"twice", broker(`{"key":1,"min":0,"max":3},{"key":1,"min":0,"max":3}`), "f: broker 1: API key 1 is listed twice"},
		{"too many APIs", broker(`{"key":1,"min":0,"max":3}` + strings.Repeat(`,{"key":1,"min":0,"max":3}`, maxReferenceAPIs)), "f: broker 1: 1025 APIs of one broker, more than 1024"},
		{"nested", `{"a":` + strings.Repeat("[", 1000), "f: line 1: unexpected end of JSON input"},
		{"a line that is none", "h:1 (id: 0 rack: null) -> (\n\tProduce(0): 0 to 12 [usable: 12],\nFetch 4 to 17\n)", `f: line 3: "Fetch 4 to 17": want an API such as "Fetch(1): 4 to 17 [usable: 17],"`},
		{"a hostile line", "h:1 (id: 0 rack: null) -> (\n\x1b[2J" + strings.Repeat("\xff", 1<<20), `f: line 2: "\x1b[2J?"`},
		{"a large version", "h:1 (id: 0 rack: null) -> (\nProduce(0): 0 to 40000\n)", "f: line 2: 40000 is above 32767"},
		{"no end", "h:1 (id: 0 rack: null) -> (\nProduce(0): 0 to 4\n", "f: line 2: the file ends before the list of line 1 does"},
		{"one in another", "h:1 (id: 0 rack: null) -> (\nh:2 (id: 1 rack: null) -> (\n", "f: line 2: another broker begins before the list of line 1 ends"},
		{"only brokers that did not answer", "h:1 (id: 0 rack: null) -> ERROR: timeout\n", "f: no broker with ranges in it"},
	} {
		r, err := parseReference("f", []byte(tt.text))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %+v, error %v; want %s", tt.name, r, err, tt.want)
		}
	}
}

func TestLoadReferenceSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ name, want string }{
		{"kafka-4.0.9", `"kafka-4.0.9" is an unknown release; the nearest are kafka-4.0.1, kafka-4.0.2 and kafka-4.1.2; a file of that name is ./kafka-4.0.9`},
		{"kafka4", `"kafka4" is not a release; the nearest are kafka-3.9.2, kafka-4.0.0 and kafka-4.0.1; there is also no file of that name`},
		{filepath.Join(dir, "none.json"), "read " + filepath.Join(dir, "none.json") + ": no such file or directory"},
		{dir, "read " + dir + ": is a directory"},
	} {
		if _, err := LoadReference(tt.name); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// FuzzReference: any file is read in bounded time, and the result is ordered.
func FuzzReference(f *testing.F) {
	f.Add([]byte(listing))
	f.Add([]byte(`{"brokers":[{"apis":[{"key":1,"min":0,"max":3}]},{"apis":[]}],"quality":{}}`))
	f.Add([]byte("{\"a\": [1,\n2}, \"brokers\":[]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		began := time.Now()
		r, err := parseReference("f", data)
		// A file of 64 MiB may take some seconds, a mutated one far less.
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("%d bytes took %v", len(data), took)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f: ") || strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Fatalf("error %q", err)
			}
			return
		}
		apis := r.Table.Ranges.APIs
		if len(apis) > maxReferenceAPIs {
			t.Fatalf("%d APIs", len(apis))
		}
		for i, a := range apis {
			if a.Key < 0 || a.Min < 0 || a.Max < 0 || i > 0 && apis[i-1].Key >= a.Key {
				t.Fatalf("APIs %v", apis)
			}
		}
		if _, err := json.Marshal(r.Notes); err != nil {
			t.Fatal(err)
		}
	})
}
