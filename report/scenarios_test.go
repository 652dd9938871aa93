package report

import (
	"time"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report/model"
)

// scenario is an input with golden files of its outputs.
type scenario struct {
	name  string
	input Input
	calls []any
	// target and supplied are the fields of Options.
	target, supplied *decode.Reference
}

// scenarios cover every rule and every line of the quality section.
func scenarios() []scenario {
	return []scenario{
		{name: "fetch-bug", input: oneCapture(), calls: fetchBug()},
		{name: "clean", input: oneCapture(), calls: cleanCalls()},
		{name: "empty", input: Input{}},
		{name: "everything", input: troubledInput(), calls: everythingCalls()},
		{name: "causes", input: oneCapture(), calls: causesCalls()},
		{name: "target", input: oneCapture(), calls: targetCalls(), target: kafka4(), supplied: referenceFromFile()},
	}
}

// cleanCalls return the calls of a connection without findings.
func cleanCalls() []any {
	return []any{
		exchangeOf(4, 0, apiVersionsKey, 0), adOf(5, 0, oldRanges),
		exchangeOf(6, 0, 3, 7), exchangeOf(8, 0, 1, 10),
		connectionOf(0, 1, 12),
	}
}

// troubledInput returns an Input with every kind of problem.
func troubledInput() Input {
	day := model.Time(testEpoch.UnixNano())
	return Input{
		Interrupted: 1,
		Captures: []model.Capture{
			{Path: "a.pcap", Format: "pcap+gzip", LinkTypes: []uint32{276}, Packets: 100, Bytes: 1000, First: &day, Last: pointer(day + model.Time(time.Hour)), Truncated: 7},
			{Path: "b.pcap", Format: "pcap", LinkTypes: []uint32{1}, Packets: 1, Bytes: 60, First: pointer(day + model.Time(26*time.Hour)), Last: pointer(day + model.Time(26*time.Hour)),
				Torn: true, Problem: "read capture b.pcap: offset 1040: 12 bytes of a record header, want 16", Dropped: 12},
			{Path: "c.txt", Problem: "read capture c.txt: not a capture"},
		},
		UnparsedPackets: []model.Count{{Name: "IPv4 header: bad length", Count: 2}, {Name: "TCP header: cut off by the snapshot length", Count: 32}, {Name: "unused", Count: 0}},
		LimitsHit:       map[string]uint64{"open_connections": 3, "unused": 0},
	}
}

// everythingCalls return calls for which every rule fires.
func everythingCalls() []any {
	late := *newRanges
	late.APIs = append([]decode.API{}, newRanges.APIs...)
	late.APIs[1].Max = 18
	unnamed := func(x *decode.Exchange) { x.Software = decode.Software{}; x.HasClientID, x.ClientID = false, "" }
	other := func(x *decode.Exchange) { x.Broker = mustAddrPort("[2001:db8::7]:9092") }
	fourth := func(x *decode.Exchange) { x.Broker = mustAddrPort("10.0.0.4:9092") }
	third := func(x *decode.Exchange) { x.Broker = mustAddrPort("10.0.0.3:9092") }
	calls := fetchBug()
	return append(calls,
		exchangeOf(200, 10, 1, 12, verdictOf(decode.AboveMax), outcomeOf(decode.Unanswered), borrowedRange, unnamed),
		exchangeOf(202, 10, 2, 0, rangesOf(newRanges), verdictOf(decode.BelowMin), outcomeOf(decode.ResetByBroker), other),
		exchangeOf(204, 10, 60, 0, verdictOf(decode.NotAdvertised), outcomeOf(decode.CutOff)),
		exchangeOf(206, 10, 0, 2, rangesOf(newRanges), outcomeOf(decode.ClosedByBroker), other),
		exchangeOf(208, 11, 3, 11, noRange, outcomeOf(decode.ClosedByBroker), third),
		exchangeOf(210, 12, apiVersionsKey, 4, outcomeOf(decode.ResetByBroker), fourth), exchangeOf(211, 28, apiVersionsKey, 4, outcomeOf(decode.ResetByBroker), fourth),
		exchangeOf(212, 13, 0, 7, outcomeOf(decode.Error), func(x *decode.Exchange) { x.ErrorCode = 35 }),
		exchangeOf(214, 13, 3, 1, noRange, func(x *decode.Exchange) { x.BeforeNegotiation = true }),
		exchangeOf(216, 13, 17, 1, verdictOf(decode.NotAdvertised), func(x *decode.Exchange) {
			x.Verdict, x.ErrorCode, x.Mechanism, x.Enabled = decode.OK, 33, "SCRAM-SHA-256", []string{"PLAIN", "GSSAPI"}
		}),
		exchangeOf(218, 14, 3, 7, outcomeOf(decode.ClosedByBroker)),
		adOf(220, 15, newRanges), adOf(222, 16, &late), adOf(224, 17, newRanges),
		connectionOf(15, 219, 230, leaves, func(c *decode.Connection) { c.Client = mustAddrPort("127.0.0.2:41000") }),
		connectionOf(29, 225, 229, leaves, func(c *decode.Connection) { c.Client = mustAddrPort("127.0.0.2:41000") }),
		connectionOf(16, 221, 231, func(c *decode.Connection) {
			c.Oddities.Missing, c.Oddities.Gaps, c.Oddities.Resyncs, c.Oddities.Incomplete = 1448, 2, 1, 1
		}),
		connectionOf(17, 223, 232, func(c *decode.Connection) { c.Midstream, c.Seen[1], c.Oddities.Conflicts = true, false, 17 }),
		connectionOf(18, 233, 240, tlsOf()), connectionOf(19, 234, 241, tlsOf()),
		connectionOf(20, 235, 242, tlsOf(func(i *tlsrecord.Info) {
			i.Established, i.Undecrypted, i.Reason, i.Alert, i.AlertFromServer = false, 0, "", "unknown_ca", false
		})),
		connectionOf(21, 236, 243, func(c *decode.Connection) { c.Protocol, c.Confusion = reassembly.Undecided, reassembly.ClearToTLS }),
		connectionOf(22, 237, 244, func(c *decode.Connection) { c.Protocol = reassembly.HTTP }),
		connectionOf(27, 239, 246, func(c *decode.Connection) {
			c.Oddities.Prefaces = []reassembly.Preface{
				{Kind: reassembly.ProxyV2, Source: mustAddrPort("203.0.113.7:40000"), Target: "203.0.113.8:9092"},
				{Kind: reassembly.Connect, Target: "kafka-1.example:9092", Problem: "the proxy refused it"},
			}
		}),
		connectionOf(23, 238, 245, func(c *decode.Connection) { c.Protocol = reassembly.Undecided }),
		connectionOf(24, 246, 330, sealedOf(246, 48, -14, 21, -272, 92)),
		connectionOf(25, 262, 331, sealedOf(262, 48, -14, 21, -272, 30, -157, 92)),
		connectionOf(26, 280, 400, sealedOf(280, 48, -14, 21, -272, 30, -157, 30, -157), func(c *decode.Connection) { c.Last = at(900) }),
	)
}

// causesCalls return requests that were not served, each at its own address, and their causes.
func causesCalls() []any {
	closed, left := outcomeOf(decode.ClosedByBroker), outcomeOf(decode.Left)
	refused := func(x *decode.Exchange) { x.Outcome, x.ErrorCode = decode.Error, 35 }
	var calls []any
	next := uint64(10)
	stream := uint32(0)
	// on adds calls at one address: connections with one or more requests.
	on := func(broker string, requests ...[]*decode.Exchange) {
		for _, list := range requests {
			for _, x := range list {
				waited := x.Took
				x.Stream, x.Broker = stream, mustAddrPort(broker)
				x.Request, x.Decided = at(next), at(next+1)
				x.Request.Stream = stream
				x.Decided.Time += int64(waited)
				calls = append(calls, x)
				next += 2 + uint64(waited.Milliseconds())
			}
			stream++
			next += 500 // milliseconds
		}
	}
	one := func(key, version int16, changes ...func(*decode.Exchange)) *decode.Exchange {
		return exchangeOf(1, 0, key, version, changes...)
	}
	list := func(x ...*decode.Exchange) []*decode.Exchange { return x }
	asked := func() *decode.Exchange { return one(apiVersionsKey, 0) }
	long := func(d time.Duration) func(*decode.Exchange) { return func(x *decode.Exchange) { x.Took = d } }
	sized := func(n int64) func(*decode.Exchange) { return func(x *decode.Exchange) { x.Size, x.Received = n, n } }

	on("10.0.0.9:9092", list(asked(), one(3, 7, closed)), list(asked(), one(3, 7, closed)), list(asked()))
	on("10.0.0.10:9092", list(asked(), one(3, 7, closed)), list(asked(), one(10, 1, closed)))
	on("10.0.0.11:9092", list(one(apiVersionsKey, 3, func(x *decode.Exchange) { x.ErrorCode = 42; x.Software.Version = "(devel)" })))
	on("10.0.0.12:2181", list(one(apiVersionsKey, 0, closed)), list(one(3, 0, noRange, closed)))
	on("10.0.0.13:9092", list(one(apiVersionsKey, 3)), list(one(apiVersionsKey, 3, left, long(10*time.Second))), list(one(apiVersionsKey, 3, left, long(10*time.Second))), list(one(apiVersionsKey, 3)))
	on("10.0.0.15:9094",
		list(one(17, 1), one(0, 7), one(0, 7, closed, func(x *decode.Exchange) { x.Took = 6 * time.Millisecond })),
		list(one(17, 1), one(0, 7)))
	on("10.0.0.16:9092", list(asked(), one(0, 7, closed, sized(200<<20), func(x *decode.Exchange) { x.Partial, x.Received = true, 1000 })), list(asked()))
	on("10.0.0.17:9092", list(one(apiVersionsKey, 4, refused, func(x *decode.Exchange) { x.WrongRefusal = true })))
	on("10.0.0.18:9092", list(one(0, 2, func(x *decode.Exchange) { x.ErrorCode = 43 })))
	on("10.0.0.19:9092", list(one(69, 0, refused), one(15, 5)))
	on("10.0.0.20:9092", list(one(0, 7, refused)))
	for i := range calls {
		if x := calls[i].(*decode.Exchange); x.Key == 17 {
			x.SessionLifetime = time.Millisecond
		}
	}
	return append(calls, exchangeOf(next, 900, 3, 7, producer), connectionOf(900, next-1, next+9, func(c *decode.Connection) {
		c.AfterAdvertised, c.ClientIDs = 1, []string{"producer-7"}
	}))
}

// producer makes x a request of an idempotent producer at an address of its own.
func producer(x *decode.Exchange) {
	x.ClientID, x.Software = "producer-7", decode.Software{Name: "apache-kafka-java", Version: "3.9.2"}
}
