package report

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/model"
)

// TestProcessesOfClients: clients, findings and the rows of a target have the processes of their
// connections: those that are over, and the latest one.
func TestProcessesOfClients(t *testing.T) {
	known := map[uint32]model.Process{}
	at := func(stream uint32, end netip.AddrPort) (model.Process, bool) {
		p, ok := known[stream]
		return p, ok && end == testClient
	}
	b := NewBuilder(Options{Target: kafka4(), ProcessAt: at})
	above := func(x *decode.Exchange) { x.Verdict, x.Outcome = decode.AboveMax, decode.ClosedByBroker }
	for stream := range uint32(4) {
		b.Exchange(exchangeOf(uint64(10*stream+1), stream, 1, 12, above))
	}
	other := func(x *decode.Exchange) {
		x.Client, x.ClientID, x.Software = netip.MustParseAddrPort("10.0.0.99:1"), "other", decode.Software{}
	}
	b.Exchange(exchangeOf(50, 9, 1, 12, above, other))
	known[9] = model.Process{PID: 9}
	known[0] = model.Process{PID: 20, Command: "b", Pod: "p"} // found later than the request
	b.Connection(connectionOf(0, 1, 5))
	b.Connection(connectionOf(1, 1, 5)) // without a known process
	delete(known, 0)
	known[3] = model.Process{PID: 3, Command: "a"}
	check := func(want []model.Process) {
		t.Helper()
		r := b.Report()
		for _, c := range r.Clients {
			expected := want
			if c.SoftwareName == "" {
				expected = nil
			}
			if diff := cmp.Diff(expected, c.Processes); diff != "" {
				t.Errorf("client %v: %s", c.ClientIDs, diff)
			}
		}
		for _, c := range r.Target.Clients {
			if diff := cmp.Diff(want, c.Processes); c.SoftwareName != "" && diff != "" {
				t.Errorf("row %v: %s", c.ClientIDs, diff)
			}
		}
	}
	check([]model.Process{{PID: 3, Command: "a"}, {PID: 20, Command: "b", Pod: "p"}})
	for _, f := range b.Report().Findings {
		want := []model.Process{{PID: 3, Command: "a"}}
		if f.Client == nil {
			continue
		}
		if f.Client.SoftwareName == "" {
			want = nil
		}
		if diff := cmp.Diff(want, f.Client.Processes); diff != "" {
			t.Errorf("%s: %s", f.Code, diff)
		}
	}
	clear(known) // known processes stay
	check([]model.Process{{PID: 3, Command: "a"}, {PID: 20, Command: "b", Pod: "p"}})
}

func TestProcessesOfAClientAreBounded(t *testing.T) {
	b := NewBuilder(Options{ProcessAt: func(stream uint32, _ netip.AddrPort) (model.Process, bool) {
		return model.Process{PID: int(stream) + 1}, true
	}})
	for stream := range uint32(2 * maxClientMembers) {
		b.Exchange(exchangeOf(uint64(stream)+1, stream, 1, 4))
		b.Connection(connectionOf(stream, 1, 5))
	}
	const most = 16 // of model.UnionProcesses
	if got := b.Report().Clients[0].Processes; len(got) != most {
		t.Errorf("%d processes, want %d", len(got), most)
	}
}

// TestPrincipalsOfClients: each principal is a row of the target, with its connections. Requests
// before authentication are no row of their own.
func TestPrincipalsOfClients(t *testing.T) {
	b := NewBuilder(Options{Target: kafka4()})
	for stream, name := range []string{"alice", "bob", "alice", ""} {
		stream := uint32(stream)
		b.Exchange(exchangeOf(uint64(10*stream+1), stream, apiVersionsKey, 3))
		b.Exchange(exchangeOf(uint64(10*stream+2), stream, 3, 9, func(x *decode.Exchange) { x.Principal = name }))
	}
	r := b.Report()
	if diff := cmp.Diff([]string{"alice", "bob"}, r.Clients[0].Principals); diff != "" {
		t.Error(diff)
	}
	type row struct {
		Principal             string
		Connections, Requests uint64
	}
	var got []row
	for _, c := range r.Target.Clients {
		got = append(got, row{c.Principal, c.Connections, c.Requests})
	}
	if diff := cmp.Diff([]row{{"", 1, 5}, {"alice", 2, 2}, {"bob", 1, 1}}, got); diff != "" {
		t.Errorf("with a connection that did not authenticate: %s", diff)
	}
	b = NewBuilder(Options{Target: kafka4()})
	var requests uint64
	for stream, name := range []string{"alice", "bob"} {
		stream := uint32(stream)
		b.Exchange(exchangeOf(uint64(10*stream+1), stream, apiVersionsKey, 3))
		b.Exchange(exchangeOf(uint64(10*stream+2), stream, 3, 9, func(x *decode.Exchange) { x.Principal = name }))
	}
	got = nil
	for _, c := range b.Report().Target.Clients {
		got = append(got, row{c.Principal, c.Connections, 0})
		requests += c.Requests
	}
	if diff := cmp.Diff([]row{{"alice", 1, 0}, {"bob", 1, 0}}, got); diff != "" || requests != 4 {
		t.Errorf("%d requests, %s", requests, diff)
	}
}

// TestPrincipalsInsideTLS: the certificates of clients are known even if nothing else about the
// clients is.
func TestPrincipalsInsideTLS(t *testing.T) {
	var calls []any
	for i, subject := range []string{"CN=b", "CN=a", "", "CN=b"} {
		begin := uint64(100*i + 1)
		calls = append(calls, connectionOf(uint32(i), begin, begin+30, sealedOf(begin, 48, -14, 21, -272, 30, -157, 92), func(c *decode.Connection) {
			c.TLS.Subject = subject
		}))
	}
	r := builderOf(Options{}, calls...).Report()
	want := []string{"CN=a", "CN=b"}
	if len(r.Clients) != 1 || !slices.Equal(r.Clients[0].Principals, want) {
		t.Errorf("clients %+v", r.Clients)
	}
	i := slices.IndexFunc(r.Findings, func(f model.Finding) bool { return f.Code == sealedRule.Code })
	if i < 0 || !slices.Equal(r.Findings[i].Client.Principals, want) {
		t.Errorf("findings %+v", r.Findings)
	}
}
