package merge

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/write"
)

// TestBrokersThatWereNotCapturedAreNamed: they are nodes of a cluster in Metadata responses.
func TestBrokersThatWereNotCapturedAreNamed(t *testing.T) {
	yes, no := true, false
	node := func(id int32, captured *bool) model.Node {
		return model.Node{Cluster: "c", NodeID: id, Address: fmt.Sprintf("10.9.0.%d:9092", id), Captured: captured, First: 1, Last: 2}
	}
	host := func(seed uint64, nodes ...model.Node) string {
		return save(t, fmt.Sprint(seed, ".json"), reportOf(t, seed, func(r *model.Report) { r.Nodes, r.Brokers[0].Cluster = nodes, nil }))
	}
	elsewhere := node(3, &no)
	elsewhere.Address = reportOf(t, 4).Brokers[0].Address // which b captured
	a := host(1, node(1, &yes), node(2, &no), elsewhere, node(7, &no), node(8, nil))
	b := host(4, node(1, &no), node(2, &yes), node(7, &no), node(9, nil))
	r, err := Files([]string{a, b}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := write.Text(&text, r, write.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(text.String()), " ")
	for _, want := range []string{"broker 7 of 6 was not captured at 10.9.0.7:9092", "6 brokers were named in Metadata responses, 1 broker address was captured: which one has which host name is unknown"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	for _, not := range []string{"broker 1 of", "broker 2 of", "broker 3 of"} {
		if strings.Contains(got, not) {
			t.Errorf("%q is in\n%s", not, text.String())
		}
	}
}

// TestRequestsBetweenBrokersDoNotCapture: a broker is captured if a report has requests of its
// clients.
func TestRequestsBetweenBrokersDoNotCapture(t *testing.T) {
	no := false
	host := func(seed uint64, between bool) string {
		return save(t, fmt.Sprint(seed, ".json"), reportOf(t, seed, func(r *model.Report) {
			r.Brokers = []model.Broker{{Address: "10.9.0.1:9092", Requests: 1, BetweenBrokers: between, Undecided: 1}}
			r.Nodes = []model.Node{{Cluster: "c", NodeID: 1, Address: "10.9.0.1:9092", Captured: &no, First: 1, Last: 2}}
		}))
	}
	peer, own := host(1, true), host(4, false)
	for _, tt := range []struct {
		paths []string
		want  bool
	}{{[]string{peer}, false}, {[]string{own}, true}, {[]string{peer, own}, true}} {
		r, err := Files(tt.paths, nil)
		if err != nil || *r.Nodes[0].Captured != tt.want || r.Brokers[0].BetweenBrokers == tt.want || r.Brokers[0].Undecided != uint64(len(tt.paths)) {
			t.Errorf("%v: captured %v, %+v, %v", tt.paths, *r.Nodes[0].Captured, r.Brokers[0], err)
		}
	}
}
