package write

import (
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/report/model"
)

// TestMalformedRangesAreNamed: a range that is none is named with its broker, others are not.
func TestMalformedRangesAreNamed(t *testing.T) {
	r := &model.Report{Brokers: []model.Broker{
		{Address: "10.0.0.1:9092", APIs: []model.API{
			{Name: "Produce", Range: model.Range{Min: 9, Max: 3}}, {Name: "Fetch", Range: model.Range{Min: -2, Max: 3}}, {Name: "Metadata", Range: model.Range{Min: 4, Max: 4}},
		}},
		{Address: "10.0.0.2:9092", APIs: []model.API{{Name: "Metadata", Range: model.Range{Max: 12}}}},
	}}
	const want = "malformed ranges: 10.0.0.1:9092 advertises Produce (v9 to v3) and Fetch (v-2 to v3); requests of them cannot be checked"
	var got []string
	for _, n := range qualityNotes(r) {
		got = append(got, n.What+": "+textPhrase(n.Text))
	}
	if strings.Join(got, "\n") != want {
		t.Errorf("notes %q, want %q", got, want)
	}
}
