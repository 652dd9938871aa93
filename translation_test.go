package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/capture/capturetest"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestAddressesBeforeAndAfterTranslation has one connection before and after the translation of the
// addresses of both sides. It is one connection, and the report has all its addresses, also if the
// capture begins with a packet of the broker.
func TestAddressesBeforeAndAfterTranslation(t *testing.T) {
	place := func(client, broker string) []capturetest.Packet {
		r := capturetest.NewRecorder()
		c := r.Between(netip.MustParseAddrPort(client), netip.MustParseAddrPort(broker))
		c.Seq, c.Silent = [2]uint32{1<<28 + 5, 1<<29 + 7}, true
		c.Syn(capturetest.ToBroker)
		c.Syn(capturetest.ToClient)
		for id := range int32(3) {
			c.Exchange(capturetest.ApiVersionsRequest(0, id, "orders-svc", "", ""), capturetest.ApiVersionsResponse(0, id, 0, capturetest.API{Key: 18, Max: 2}))
		}
		c.Close(capturetest.ToBroker)
		return r.Packets
	}
	near, far := place("192.0.2.10:40000", "10.96.3.7:9092"), place("10.96.3.99:55555", "192.0.2.20:9092")
	for i := range far { // requests come later to the broker's side, responses earlier
		delay := int64(10 * time.Microsecond)
		if bytes.Contains(far[i].Data, []byte{192, 0, 2, 20, 10, 96, 3, 99}) {
			delay = -delay
		}
		far[i].Time += delay
	}
	both := capturetest.Merge(near, far)
	for from, requests := range map[int]uint64{0: 3, 6: 2} {
		var r model.Report
		if err := json.Unmarshal([]byte(standardOutput(t, capturetest.Pcapng{}.Encode(both[from:]), []string{"analyze", "--format", "json", "-"})), &r); err != nil {
			t.Fatal(err)
		}
		if r.Summary.Requests != requests || len(r.Clients) != 1 || len(r.Brokers) != 1 {
			t.Fatalf("from packet %d on: %d requests, %d clients, %d brokers, want %d, 1 and 1", from+1, r.Summary.Requests, len(r.Clients), len(r.Brokers), requests)
		}
		if got := r.Clients[0].Addresses; !slices.Equal(got, []string{"10.96.3.99", "192.0.2.10"}) {
			t.Errorf("from packet %d on: addresses of the client %q", from+1, got)
		}
		if b := r.Brokers[0]; b.Address != "192.0.2.20:9092" || !slices.Equal(b.Behind, []string{"10.96.3.7:9092"}) {
			t.Errorf("from packet %d on: broker %s behind %q", from+1, b.Address, b.Behind)
		}
	}
}
