package decode

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly"
)

// stepTime is the time between two packets of a driver, in nanoseconds.
const stepTime = 1_000_000

// network numbers the packets of several connections, as a capture does.
type network struct {
	shard  *Shard
	frame  uint64
	stream uint32
}

func newNetwork() *network { return &network{shard: NewShard(ShardOptions{})} }

// next returns the position of the next packet.
func (n *network) next() capture.Position {
	n.frame++
	return capture.Position{Frame: n.frame, Time: int64(n.frame) * stepTime}
}

// driver passes messages to a Handler as package reassembly does, one packet each.
type driver struct {
	t    testing.TB
	net  *network
	conn *reassembly.Connection
	h    reassembly.Handler
	id   int32
	// first is how many bytes Want gets.
	first int
}

const testBroker = "10.0.0.9:9092"

func (n *network) open(t testing.TB) *driver { return n.openTo(t, testBroker) }

func (n *network) openTo(t testing.TB, broker string) *driver {
	at := n.next()
	c := &reassembly.Connection{
		Stream: n.stream, Client: netip.MustParseAddrPort("10.0.0.1:40000"), Broker: netip.MustParseAddrPort(broker),
		First: at, Last: at, Now: at, Protocol: reassembly.Kafka, Seen: [2]bool{true, true},
	}
	n.stream++
	return &driver{t: t, net: n, conn: c, h: n.shard.Open(c), first: 8}
}

// message sends one message in one packet, and reports whether Want accepted it.
func (d *driver) message(dir reassembly.Direction, msg []byte) bool {
	return d.messageAt(dir, msg, d.net.next())
}

func (d *driver) messageAt(dir reassembly.Direction, msg []byte, at capture.Position) bool {
	d.conn.Now, d.conn.Last = capture.Later(d.conn.Now, at), capture.Later(d.conn.Last, at)
	n, ok := d.h.Want(dir, int64(len(msg)), msg[:min(d.first, len(msg))])
	if !ok {
		return false
	}
	if n > len(msg) || n < 0 {
		d.t.Fatalf("Want asks for %d of %d bytes", n, len(msg))
	}
	d.h.Message(&reassembly.Frame{Direction: dir, Size: int64(len(msg)), Head: msg[:n:n], First: at, Last: at})
	return true
}

// frameOf returns a response of which only the first bytes were captured.
func frameOf(d *driver, msg []byte, there int) *reassembly.Frame {
	at := d.net.next()
	d.conn.Now, d.conn.Last = at, at
	return &reassembly.Frame{Direction: reassembly.ToClient, Size: int64(len(msg)), Head: msg[:there], First: at, Last: at}
}

// end ends the connection and returns all events since the last call.
func (d *driver) end(kind reassembly.EndKind, by reassembly.Direction) []Event {
	at := d.net.next()
	d.conn.Now, d.conn.Last = at, at
	d.conn.End = reassembly.End{Kind: kind, By: by, At: at}
	d.h.End()
	d.net.shard.Closed(d.conn)
	return d.net.shard.Take(nil)
}

// request sends a request of kmsg and returns its correlation id, the next one.
func (d *driver) request(r kmsg.Request) int32 {
	d.t.Helper()
	d.id++
	if !d.message(reassembly.ToBroker, requestBytes(r, d.id, "app")) {
		d.t.Fatalf("%s v%d refused by Want", APIName(r.Key()), r.GetVersion())
	}
	return d.id
}

func (d *driver) respond(id int32, r kmsg.Response) {
	d.t.Helper()
	if !d.message(reassembly.ToClient, responseBytes(r, id)) {
		d.t.Fatalf("response to %s v%d refused by Want", APIName(r.Key()), r.GetVersion())
	}
}

// requestBytes returns a request without its size.
func requestBytes(r kmsg.Request, id int32, client string) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID(client)).AppendRequest(nil, r, id)[4:]
}

// responseBytes returns a response without its size.
func responseBytes(r kmsg.Response, id int32) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(id))
	if r.IsFlexible() && r.Key() != keyApiVersions {
		b = append(b, 0)
	}
	return r.AppendTo(b)
}

// requestOf returns an empty request of an API in a version.
func requestOf(key, version int16) kmsg.Request {
	r := kmsg.RequestForKey(key)
	r.SetVersion(version)
	return r
}

// responseOf returns an empty response of an API in a version.
func responseOf(key, version int16) kmsg.Response {
	r := kmsg.ResponseForKey(key)
	r.SetVersion(version)
	return r
}

func hello(version int16) kmsg.Request {
	r := kmsg.NewPtrApiVersionsRequest()
	r.Version = version
	r.ClientSoftwareName, r.ClientSoftwareVersion = "lib", "1.2.3"
	return r
}

// ranges returns an ApiVersions response that advertises key, min, max triples.
func ranges(version, code int16, triples ...int16) *kmsg.ApiVersionsResponse {
	r := kmsg.NewPtrApiVersionsResponse()
	r.Version, r.ErrorCode = version, code
	for i := 0; i < len(triples); i += 3 {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = triples[i], triples[i+1], triples[i+2]
		r.ApiKeys = append(r.ApiKeys, k)
	}
	return r
}

// usual are ranges for most tests.
var usual = []int16{0, 0, 7, 1, 4, 10, 3, 0, 7, 17, 0, 1, 18, 0, 2, 36, 0, 1}

// negotiate sends ApiVersions and its response.
func (d *driver) negotiate() {
	d.t.Helper()
	d.respond(d.request(hello(2)), ranges(2, 0, usual...))
}

func exchanges(events []Event) (list []*Exchange) {
	for _, e := range events {
		if e.Exchange != nil {
			list = append(list, e.Exchange)
		}
	}
	return list
}
