package report

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestFineClientsFoldBeforeOthers: new clients replace fine ones, and are always listed.
func TestFineClientsFoldBeforeOthers(t *testing.T) {
	check := newTargetCheck(kafka4(), nil)
	breaking := func(i int) *decode.Exchange {
		return exchangeOf(uint64(i), uint32(i), 8, 1, asked, offering(8, 0, 9), idOf(fmt.Sprintf("breaks-%d", i)))
	}
	fine := func(i int) *decode.Exchange {
		return exchangeOf(uint64(i), uint32(i), 1, 10, asked, idOf(fmt.Sprintf("fine-%d", i)))
	}
	check.exchange(breaking(0))
	for i := range 3 * maxTargetClients {
		check.exchange(fine(i))
	}
	r := check.finish(map[string]uint64{})
	if len(r.Clients) > maxTargetClients || r.Summary.Fine != 3*maxTargetClients || r.Summary.Breaks != 1 || r.Folded.Breaks != 0 || r.Folded.Fine != 3*maxTargetClients-len(r.Clients)+1 {
		t.Errorf("%d rows, %+v, folded %+v", len(r.Clients), r.Summary, r.Folded)
	}
	for i := range 2 * maxTargetClients {
		check.exchange(breaking(i))
	}
	r = check.finish(map[string]uint64{})
	last := fmt.Sprintf("breaks-%d", 2*maxTargetClients-1)
	if len(r.Clients) > maxTargetClients || !slices.ContainsFunc(r.Clients, func(c model.TargetClient) bool { return c.ClientIDs[0] == last }) || r.Folded.Breaks == 0 {
		t.Errorf("%d rows, folded %+v; the last client that breaks must be among them", len(r.Clients), r.Folded)
	}
}

// TestConnectionsOfClients: each counts once for each client, and is dropped at its end.
func TestConnectionsOfClients(t *testing.T) {
	check := newTargetCheck(kafka4(), nil)
	for i := range 4 {
		for stream := range uint32(3) {
			check.exchange(exchangeOf(uint64(10*i+int(stream)+1), stream, 1, 10, asked, idOf("a")))
		}
		check.exchange(exchangeOf(uint64(10*i+4), 2, 1, 10, asked, idOf("b"))) // two on one connection
	}
	r := check.finish(map[string]uint64{})
	for i, want := range []string{"a 3 15:35:01.001 15:35:01.033", "b 1 15:35:01.004 15:35:01.034"} {
		c := &r.Clients[i]
		clock := func(at model.Time) string { return at.UTC().Format("15:04:05.000") }
		if got := fmt.Sprint(c.ClientIDs[0], " ", c.Connections, " ", clock(c.FirstSeen), " ", clock(c.LastSeen)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for stream := range uint32(3) {
		check.connection(connectionOf(stream, 1, 9))
	}
	if len(check.streams) != 0 {
		t.Errorf("%d connections are remembered", len(check.streams))
	}
	for stream := range uint32(maxTargetStreams + 5) {
		check.exchange(exchangeOf(1, stream, 1, 10, asked, idOf("c")))
	}
	if len(check.streams) > maxTargetStreams || check.limits["target_connections"] != 5 {
		t.Errorf("%d connections are remembered, %d beyond the limit", len(check.streams), check.limits["target_connections"])
	}
}

// TestTargetNamesEveryClient: many services with one library are many rows. Those that break stay.
func TestTargetNamesEveryClient(t *testing.T) {
	c := newTargetCheck(kafka4(), nil)
	for i := range maxTargetClients + 100 {
		version := int16(7)
		if i == 3 || i == maxTargetClients+50 {
			version = 0
		}
		c.exchange(exchangeOf(uint64(i), uint32(i), 2, version, asked, softwareOf("lib", "1.0"), idOf(fmt.Sprintf("svc-%05d", i)), offering(2, 0, 7)))
	}
	hit := map[string]uint64{}
	out := c.finish(hit)
	var breaks []string
	for _, row := range out.Clients {
		if row.Verdict == model.VerdictBreaks {
			breaks = append(breaks, row.ClientIDs...)
		}
	}
	if d := cmp.Diff([]string{"svc-00003", fmt.Sprintf("svc-%05d", maxTargetClients+50)}, breaks); d != "" || out.Summary.Breaks != 2 {
		t.Errorf("breaks (-want +got):\n%s", d)
	}
	if want := maxTargetClients + 98; out.Summary.Fine != want || hit["target_clients"] != 0 {
		t.Errorf("%d fine, want %d; limits %v", out.Summary.Fine, want, hit)
	}
}

// TestTargetJoinsOneProgram: a client that announces itself only on some connections is one row.
func TestTargetJoinsOneProgram(t *testing.T) {
	for _, tt := range []struct {
		name string
		from string
		want int
	}{{"the same address", "192.0.2.1:1", 1}, {"another address", "192.0.2.9:1", 1}} {
		c := newTargetCheck(kafka4(), nil)
		at := func(a string) func(*decode.Exchange) {
			return func(x *decode.Exchange) { x.Client = netip.MustParseAddrPort(a) }
		}
		c.exchange(exchangeOf(1, 1, 1, 10, asked, softwareOf("lib", "1.0"), idOf("svc"), at("192.0.2.1:5")))
		c.exchange(exchangeOf(2, 2, 1, 10, asked, softwareOf("", ""), idOf("svc"), at(tt.from)))
		if got := len(c.finish(map[string]uint64{}).Clients); got != tt.want {
			t.Errorf("%s: %d rows, want %d", tt.name, got, tt.want)
		}
	}
}

// TestTargetBlamesNoSoftware: requests from another host without software, in a version that the
// target refuses, do not count for the announced software of the client id.
func TestTargetBlamesNoSoftware(t *testing.T) {
	for _, tt := range []struct {
		from    string
		version int16
		want    string
	}{{"192.0.2.1:1", 1, "lib breaks [192.0.2.1]"}, {"192.0.2.9:1", 1, " breaks [192.0.2.9]"}, {"192.0.2.9:1", 8, "lib fine []"}} {
		c := newTargetCheck(kafka4(), nil)
		at := func(a string) func(*decode.Exchange) {
			return func(x *decode.Exchange) { x.Client = netip.MustParseAddrPort(a) }
		}
		c.exchange(exchangeOf(1, 1, 8, 8, asked, softwareOf("lib", "1.0"), idOf("svc"), at("192.0.2.1:5")))
		c.exchange(exchangeOf(2, 2, 8, tt.version, offering(8, 0, 9), softwareOf("", ""), idOf("svc"), at(tt.from)))
		rows := c.finish(map[string]uint64{}).Clients
		got := fmt.Sprint(rows[0].SoftwareName, " ", rows[0].Verdict, " ", rows[0].BreakingAddresses)
		if len(rows) != 1 || got != tt.want {
			t.Errorf("from %s v%d: %d rows, %s, want %s", tt.from, tt.version, len(rows), got, tt.want)
		}
	}
}

// TestTargetNamesBreakingHosts: of the hosts of a client id, with the time of the last refused
// request.
func TestTargetNamesBreakingHosts(t *testing.T) {
	c := newTargetCheck(kafka4(), nil)
	send := func(frame uint64, host int, version int16) {
		c.exchange(exchangeOf(frame, uint32(host), 8, version, asked, offering(8, 0, 9), func(x *decode.Exchange) {
			x.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(host >> 8), byte(host)}), 1)
		}))
	}
	const hosts = 3000
	for host := range hosts {
		version := int16(8)
		if host == 7 || host == 2999 {
			version = 1
		}
		send(uint64(host), host, version)
		send(uint64(host), host, 8)
	}
	row := c.finish(map[string]uint64{}).Clients[0]
	if got := fmt.Sprint(row.BreakingAddresses, len(row.Addresses), row.AddressesOmitted, len(row.AskingAddresses)); got != "[10.1.0.7 10.1.11.183] 64 2936 64" {
		t.Errorf("breaking addresses, listed, others and asking ones: %s", got)
	}
	send(hosts+1, 1, 8)
	if row = c.finish(map[string]uint64{}).Clients[0]; row.APIs[0].LastSeen != model.Time(within(hosts-1, 0).Time) || row.LastSeen <= row.APIs[0].LastSeen {
		t.Errorf("last seen %s, last refused request %s", row.LastSeen, row.APIs[0].LastSeen)
	}
	c.more = maxTargetAddresses - 1
	send(1, hosts, 8)
	send(1, hosts+1, 8)
	if row = c.finish(map[string]uint64{}).Clients[0]; row.AddressesOmitted != 2937 {
		t.Errorf("%d addresses beyond the limit", row.AddressesOmitted)
	}
}

// TestTargetNamesTheUserOfEachConnection: the first requests of a connection belong to the user
// that authenticates on it, also if others have the same client id.
func TestTargetNamesTheUserOfEachConnection(t *testing.T) {
	b := NewBuilder(Options{Target: kafka4(), Principals: true})
	for stream, user := range []string{"alice", "bob", "bob", ""} {
		send := func(frame uint64, key int16, principal string) {
			b.Exchange(exchangeOf(10*uint64(stream)+frame, uint32(stream), key, 10, idOf("app"), func(x *decode.Exchange) {
				x.Client, x.Principal = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(stream)}), 1), principal
			}))
		}
		send(1, apiVersionsKey, "")
		send(2, 17, "")
		if user != "" {
			send(3, 36, user)
			send(4, 1, user)
		}
		b.Connection(connectionOf(uint32(stream), 10*uint64(stream)+1, 10*uint64(stream)+9, func(c *decode.Connection) {
			c.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(stream)}), 1)
		}))
	}
	var rows []string
	for _, r := range b.Report().Target.Clients {
		rows = append(rows, fmt.Sprint(r.Principal, " ", r.Addresses, " ", r.Connections, " ", r.Requests))
	}
	slices.Sort(rows)
	want := []string{" [10.0.0.3] 1 2", "alice [10.0.0.0] 1 4", "bob [10.0.0.1 10.0.0.2] 2 8"}
	if d := cmp.Diff(want, rows); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if n := len(b.target.before); n > 0 {
		t.Errorf("%d connections are kept", n)
	}
}

// TestTargetNamesWhoAuthenticates: older Java clients authenticate without a client id, some again
// later. These requests belong to the client on the connection.
func TestTargetNamesWhoAuthenticates(t *testing.T) {
	for _, principal := range []string{"", "alice"} {
		c := newTargetCheck(kafka4(), nil)
		c.namesUsers = principal != ""
		send := func(stream uint32, key int16, id string) {
			c.exchange(exchangeOf(1, stream, key, 1, softwareOf("", ""), idOf(id), func(x *decode.Exchange) {
				x.HasClientID = true
				if key != 17 {
					x.Principal = principal
				}
			}))
		}
		for stream, id := range []string{"producer-1", "consumer-1", "producer-1"} {
			send(uint32(stream), 17, "")
			send(uint32(stream), 36, "")
			send(uint32(stream), 3, id)
			send(uint32(stream), 17, "")
			send(uint32(stream), 3, id)
		}
		var rows []string
		for _, r := range c.finish(map[string]uint64{}).Clients {
			rows = append(rows, fmt.Sprint(r.ClientIDs, r.Principal, " ", r.Connections, " ", r.Requests))
		}
		slices.Sort(rows)
		want := []string{"[consumer-1] 1 2", "[producer-1] 2 13"}
		if principal != "" { // then it is known who authenticates
			want = []string{"[consumer-1]alice 1 5", "[producer-1]alice 2 10"}
		}
		if d := cmp.Diff(want, rows); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	}
}
