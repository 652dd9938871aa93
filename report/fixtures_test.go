package report

import (
	"net/netip"
	"time"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
	"github.com/kafkavet/kafkavet/report/model"
)

// The input of Builder tests: a client and a broker at fixed addresses. Times follow from frame
// numbers (1 ms a frame).

var (
	testClient = netip.MustParseAddrPort("127.0.0.1:41000")
	testBroker = netip.MustParseAddrPort("127.0.0.1:19092")
	testEpoch  = time.Date(2026, 5, 9, 15, 35, 1, 0, time.UTC)
)

// at returns the position of a frame.
func at(frame uint64) capture.Position { return within(frame, 0) }

// within returns the position of a packet of a stream.
func within(frame uint64, stream uint32) capture.Position {
	return capture.Position{Frame: frame, Time: testEpoch.UnixNano() + int64(frame)*1e6 + 456, Stream: stream}
}

// oldRanges are ranges of a broker similar to Kafka 2.1, as far as the tests need them.
var oldRanges = &decode.Ranges{APIs: []decode.API{
	{Key: 0, Range: decode.Range{Min: 0, Max: 7}},
	{Key: 1, Range: decode.Range{Min: 4, Max: 10}},
	{Key: 2, Range: decode.Range{Min: 0, Max: 4}},
	{Key: 3, Range: decode.Range{Min: 0, Max: 7}},
	{Key: 18, Range: decode.Range{Min: 0, Max: 2}},
}}

// newRanges are ranges of Kafka 4.0, with minimums that identify it.
var newRanges = &decode.Ranges{APIs: []decode.API{
	{Key: 0, Range: decode.Range{Min: 0, Max: 12}},
	{Key: 1, Range: decode.Range{Min: 4, Max: 17}},
	{Key: 2, Range: decode.Range{Min: 1, Max: 10}},
	{Key: 3, Range: decode.Range{Min: 0, Max: 13}},
	{Key: 8, Range: decode.Range{Min: 2, Max: 9}},
	{Key: 9, Range: decode.Range{Min: 1, Max: 9}},
	{Key: 18, Range: decode.Range{Min: 0, Max: 4}},
	{Key: 19, Range: decode.Range{Min: 2, Max: 7}},
	{Key: 20, Range: decode.Range{Min: 1, Max: 6}},
	{Key: 23, Range: decode.Range{Min: 2, Max: 4}},
	{Key: 29, Range: decode.Range{Min: 1, Max: 3}},
	{Key: 30, Range: decode.Range{Min: 1, Max: 3}},
	{Key: 31, Range: decode.Range{Min: 1, Max: 3}},
}}

// exchangeOf returns an answered request inside oldRanges, with changes.
func exchangeOf(frame uint64, stream uint32, key, version int16, changes ...func(*decode.Exchange)) *decode.Exchange {
	x := &decode.Exchange{
		Stream: stream, Request: within(frame, stream), Decided: within(frame+1, stream), Took: 200 * time.Microsecond,
		Client: testClient, Broker: testBroker,
		ClientID: "orders-svc", HasClientID: true,
		Software:      decode.Software{Name: "confluent-kafka-go", Version: "2.6.0"},
		CorrelationID: int32(frame), Key: key, Version: version,
		Ranges: oldRanges, Evidence: decode.Observed, Verdict: decode.OK, Outcome: decode.Answered, Negotiated: -1,
	}
	for _, change := range changes {
		change(x)
	}
	if r, ok := find(x.Ranges, key); ok && x.Verdict.HasRange() {
		x.Advertised = r
	}
	if key == apiVersionsKey {
		x.Verdict, x.Evidence, x.Ranges = decode.Exempt, decode.None, nil
	}
	return x
}

// find is r.Find for an r that may be nil.
func find(r *decode.Ranges, key int16) (decode.Range, bool) {
	if r == nil {
		return decode.Range{}, false
	}
	return r.Find(key)
}

func verdictOf(v decode.Verdict) func(*decode.Exchange) {
	return func(x *decode.Exchange) { x.Verdict = v }
}

func outcomeOf(o decode.Outcome) func(*decode.Exchange) {
	return func(x *decode.Exchange) { x.Outcome = o }
}

func rangesOf(r *decode.Ranges) func(*decode.Exchange) {
	return func(x *decode.Exchange) { x.Ranges = r }
}

// noRange makes the range of an exchange unknown.
func noRange(x *decode.Exchange) {
	x.Ranges, x.Evidence, x.Verdict = nil, decode.None, decode.Unknown
}

// borrowedRange makes the range of an exchange a borrowed one.
func borrowedRange(x *decode.Exchange) { x.Evidence = decode.Borrowed }

// connectionOf returns a Kafka connection that the client closed after some requests, with
// changes.
func connectionOf(stream uint32, first, last uint64, changes ...func(*decode.Connection)) *decode.Connection {
	c := &decode.Connection{
		Connection: &reassembly.Connection{
			Stream: stream, Client: testClient, Broker: testBroker,
			First: within(first, stream), Last: within(last, stream), Protocol: reassembly.Kafka,
			Seen: [2]bool{true, true}, Bytes: [2]uint64{400, 4000}, Requests: 3, Responses: 3,
			End: reassembly.End{Kind: reassembly.Closed, By: reassembly.ToBroker, At: at(last)}, Oddities: new(reassembly.Oddities),
			LastData: [2]capture.Position{within(last-2, stream), within(last-1, stream)},
		},
		ClientIDs: []string{"orders-svc"}, Software: decode.Software{Name: "confluent-kafka-go", Version: "2.6.0"},
		Advertised: oldRanges, AfterAdvertised: 2, LastAnswer: within(last-1, stream),
	}
	for _, change := range changes {
		change(c)
	}
	return c
}

// leaves removes the requests after the ApiVersions answer.
func leaves(c *decode.Connection) { c.AfterAdvertised = 0 }

// tlsOf makes a connection TLS that was not decrypted, with changes.
func tlsOf(changes ...func(*tlsrecord.Info)) func(*decode.Connection) {
	return func(c *decode.Connection) {
		c.Protocol = reassembly.TLS
		c.Requests, c.Responses, c.Advertised, c.AfterAdvertised = 0, 0, nil, 0
		c.ClientIDs, c.Software = nil, decode.Software{}
		c.TLS = &tlsrecord.Info{
			Version: "TLS 1.3", Suite: "TLS_AES_128_GCM_SHA256", ServerName: "kafka-1.example",
			ClientRandom: [32]byte{0x3f, 0xa9, 0xc1, 0xd2, 0xe4, 0xb5, 0x06, 0x17, 0x28}, HasClientRandom: true,
			Undecrypted: 2000, Reason: "no key was given for client random 3fa9c1d2e4b50617...", Established: true,
		}
		for _, change := range changes {
			change(c.TLS)
		}
	}
}

// sealedOf makes a connection TLS 1.2 with known records. say are the sizes of requests, and the
// negative sizes of answers, one frame apart. The broker closes after a last request. After a last
// answer the connection stays open.
func sealedOf(frame uint64, say ...int) func(*decode.Connection) {
	const (
		changeCipher, alert, handshake, data = 20, 21, 22, 23
		gcm                                  = 24
	)
	return func(c *decode.Connection) {
		tlsOf(func(i *tlsrecord.Info) {
			i.Version, i.Suite = "TLS 1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
			i.Hello = &tlsrecord.Hello{Extensions: []uint16{22}}
		})(c)
		c.Broker = mustAddrPort("10.0.0.4:9093")
		o := tlsrecord.NewOutline(false)
		record := func(kind byte, toServer bool, size int) {
			o.Data(toServer, append([]byte{kind, 3, 3, byte(size >> 8), byte(size)}, make([]byte, size)...), within(frame, c.Stream))
			frame++
		}
		for _, toServer := range []bool{true, false} {
			record(changeCipher, toServer, 1)
			record(handshake, toServer, 16+gcm)
		}
		for _, size := range say {
			record(data, size > 0, max(size, -size)+gcm)
		}
		c.Outline, c.End = o, reassembly.End{}
		if say[len(say)-1] > 0 {
			c.End = reassembly.End{Kind: reassembly.Closed, By: reassembly.ToClient, At: within(frame, c.Stream)}
			record(alert, false, 2+gcm)
		}
	}
}

func adOf(frame uint64, stream uint32, r *decode.Ranges) *decode.Advertisement {
	return &decode.Advertisement{Stream: stream, At: within(frame, stream), Client: testClient, Broker: testBroker, Ranges: r}
}

// builderOf returns a Builder after these calls.
func builderOf(opt Options, calls ...any) *Builder {
	b := NewBuilder(opt)
	feed(b, calls...)
	return b
}

// feed calls the method of sink for the type of each value.
func feed(sink decode.Sink, calls ...any) {
	for _, c := range calls {
		switch c := c.(type) {
		case *decode.Exchange:
			sink.Exchange(c)
		case *decode.Advertisement:
			sink.Advertisement(c)
		case *decode.Connection:
			sink.Connection(c)
		case []any:
			feed(sink, c...)
		default:
			panic("feed: what is this?")
		}
	}
}

// pointer returns a pointer to v.
func pointer[T any](v T) *T { return &v }

// fetchBug is the case for which the program was written: six connections. On each of them
// ApiVersions is refused and retried, and a Fetch v12 is closed.
func fetchBug() []any {
	var calls []any
	for i := range uint32(6) {
		f := uint64(10 + 20*i)
		calls = append(calls,
			exchangeOf(f, i, apiVersionsKey, 3, outcomeOf(decode.Error), func(x *decode.Exchange) { x.Negotiated = 0; x.ErrorCode = 35 }),
			exchangeOf(f+2, i, apiVersionsKey, 0),
			adOf(f+3, i, oldRanges),
			exchangeOf(f+4, i, 3, 7),
			exchangeOf(f+6, i, 1, 12, verdictOf(decode.AboveMax), outcomeOf(decode.ClosedByBroker), func(x *decode.Exchange) {
				x.Took = time.Duration(180+10*i) * time.Microsecond
			}),
			connectionOf(i, f-3, f+8, func(c *decode.Connection) {
				c.End.By = reassembly.ToClient
			}),
		)
	}
	return calls
}

// oneCapture returns the Input of a single capture.
func oneCapture() Input {
	return Input{Captures: []model.Capture{{
		Path: "capture.pcap", Format: "pcap", LinkTypes: []uint32{1}, Packets: 162, Bytes: 30123,
		First: pointer(model.Time(testEpoch.UnixNano())), Last: pointer(model.Time(testEpoch.Add(42 * time.Second).UnixNano())),
	}}}
}

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// idIs returns a change of the client id of a connection.
func idIs(id string) func(*decode.Connection) {
	return func(c *decode.Connection) { c.ClientIDs = []string{id} }
}
