package reassembly

import (
	"net/netip"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// Direction is a direction of a connection.
type Direction uint8

// The two directions of a connection. While the broker is unknown, ToBroker is the direction away
// from the side that sent the SYN, or without a SYN, the first packet.
const (
	ToBroker Direction = iota
	ToClient
)

// Reverse returns the other direction.
func (d Direction) Reverse() Direction { return d ^ 1 }

// Protocol is the application protocol of a connection.
type Protocol uint8

// The protocols of a connection.
const (
	// Undecided: too few bytes were captured to decide.
	Undecided Protocol = iota
	// Kafka in plaintext, or inside decrypted TLS (then Connection.TLS is set).
	Kafka
	// TLS that could not be decrypted, or whose plaintext is not Kafka.
	TLS
	// HTTP/1 requests or responses, or the HTTP/2 preface.
	HTTP
	// Other is anything else.
	Other
)

// EndKind says how a connection ended.
type EndKind uint8

// The ways a connection ends.
const (
	// Cut: the capture ended while the connection was open.
	Cut EndKind = iota
	// Closed by a FIN.
	Closed
	// Reset by a RST.
	Reset
	// Expired: it was silent for longer than the idle timeout.
	Expired
	// Replaced by a new connection between the same ports. Its end was not captured.
	Replaced
)

// End says how, when and by whom a connection was ended.
type End struct {
	Kind EndKind
	// By is the direction of the first FIN or RST. ToClient means that the broker ended the
	// connection. It is set for Closed and Reset only.
	By Direction
	// HasAcked is false if Acked is unknown: the packet acknowledges nothing, or was not captured.
	HasAcked bool
	// Overrun: the side that closed then sent a RST. More bytes had arrived, which it did not read.
	Overrun bool
	// Unacked is how many of the client's last bytes the broker had not acknowledged when the
	// connection was over.
	Unacked uint32
	// At is the packet that ended it.
	At capture.Position
	// Acked is the number of stream bytes that the side which ended the connection had received by
	// then. Its FIN or RST acknowledges them; Connection.Bytes counts the same way. A request
	// behind them arrived later, so the end is not the answer to it (Frame.Offset).
	Acked int64
}

// Span is a range of stream offsets, from From up to but not including To.
type Span struct{ From, To int64 }

// Has reports whether the range contains any of the n bytes from offset on.
func (s Span) Has(offset, n int64) bool { return offset < s.To && offset+n > s.From }

// Connection describes one TCP connection without its Kafka frames. The Shard gets it when the
// connection proves to be Kafka (its fields still change), and gets every connection when it is
// over.
type Connection struct {
	// Domain is capture.Segment.Domain of the connection: of the copy that was captured nearest to the
	// broker.
	Domain uint64
	// Client and Broker are the two sides. Unless Protocol is Kafka, Client is the side that sent
	// the SYN, or without a SYN, the first packet.
	Client, Broker netip.AddrPort
	// First and Last are the first and last captured packets.
	First, Last capture.Position
	// Now is the current packet. It orders events: a frame that waited for a missing segment is
	// passed on at a later packet than its own.
	Now capture.Position
	// Stream is Wireshark's tcp.stream.
	Stream uint32
	// Protocol is the application protocol, as far as it is known.
	Protocol Protocol
	// Confusion says that one side spoke TLS and the other did not (KV2007).
	Confusion Confusion
	// Initial are the initial sequence numbers of the side that sent the SYN and of the side that
	// answered it. HasInitial says that both were captured.
	Initial    [2]uint32
	HasInitial bool
	// Midstream: the connection was open before its first captured packet.
	Midstream bool
	// Refused: the broker's side answered the SYN with a RST. Nothing listens on that port.
	Refused bool
	// Seen reports for each direction whether any segment of it was captured.
	Seen [2]bool
	// Bytes counts the payload bytes of each direction, including missing ones.
	Bytes [2]uint64
	// LastData are the packets with the latest payload byte of each direction; the zero value for
	// none.
	LastData [2]capture.Position
	// TLS describes the TLS session; nil for none. It is complete when the connection is over. With
	// Options.Subjects, Shard.Open also gets it, with what is known then.
	TLS *tlsrecord.Info
	// Outline describes the record headers of a TLS connection of which nothing was decrypted. It
	// is nil for all others.
	Outline *tlsrecord.Outline
	// Oddities are nil for most connections. Read them with Odd.
	Oddities *Oddities
	// End is how the connection ended.
	End End
	// Requests and Responses count the Kafka frames passed to the Handler.
	Requests, Responses uint64
}

// Oddities are properties that few connections have. They are separate to save memory: 100,000
// connections may be open.
type Oddities struct {
	// Missing counts payload bytes that the capture lacks. Gaps counts the places.
	Missing, Gaps uint64
	// Resyncs counts the searches that found the next Kafka frame.
	Resyncs uint64
	// Incomplete counts requests that had begun when the connection or the capture ended. The
	// Handler also gets those with a header (Frame.Lacking).
	Incomplete uint64
	// Conflicts counts retransmitted payload bytes that differ from the first copy. It needs the
	// first copy: segments that wait for earlier ones, and the last few short segments of each
	// direction.
	Conflicts uint64
	// Contested is a range of offsets for each direction. From its first to its last place, the
	// capture has two versions of bytes, and it is unknown which one the receiver accepted.
	// Offsets count as in Connection.Bytes.
	Contested [2]Span
	// Behind and Before are further addresses of the broker's side and of the client's side, if the
	// connection was captured before and after address translation. Broker and Client are those
	// captured nearest to the broker and to the client.
	Behind, Before []netip.AddrPort
	// domains is what Domain and the domain of the client's side differ in.
	domains uint64
	// Spoke is the protocol of the broker's side if it is not Kafka: a Spoke constant. It is empty
	// if unknown.
	Spoke string
	// Greeting is the first data from the broker's side: the first line of text, or at most
	// maxGreeting other bytes. It is set if Spoke is set and not TLS. Escape it: it comes from the
	// wire.
	Greeting []byte
	// Opening is the client's first data, at most maxGreeting bytes. It is set if that could be a
	// Kafka request but the connection is not accepted as Kafka. Other bytes are not kept: they
	// may contain secrets.
	Opening []byte
	// Prefaces are what a proxy or its client sent before everything else, in order. Client and
	// Broker are the addresses that they carry. A host name is part of Domain.
	Prefaces []Preface
}

var noOddities Oddities

// Odd returns the Oddities, or empty ones if c has none. They must not be changed.
func (c *Connection) Odd() *Oddities {
	if c.Oddities == nil {
		return &noOddities
	}
	return c.Oddities
}

// odd returns the Oddities of c for writing.
func (c *conn) odd() *Oddities {
	if c.info.Oddities == nil {
		c.info.Oddities = new(Oddities)
	}
	return c.info.Oddities
}

// The values of Oddities.Spoke.
const (
	SpokeHTTP       = "HTTP"
	SpokeHTTP2      = "HTTP/2"
	SpokeSSH        = "SSH"
	SpokeSMTP       = "SMTP"
	SpokeFTP        = "FTP"
	SpokeRedis      = "Redis"
	SpokeMySQL      = "MySQL"
	SpokePostgreSQL = "PostgreSQL"
	SpokeZooKeeper  = "ZooKeeper"
	SpokeAMQP       = "AMQP"
	SpokeMQTT       = "MQTT"
	SpokeTLS        = "TLS"
	// SpokeText is a line of text of an unknown protocol.
	SpokeText = "text"
	// SpokeUnknown is anything else that cannot be Kafka.
	SpokeUnknown = "unknown"
)

// maxGreeting bounds Oddities.Opening and Greeting, in bytes.
const maxGreeting = 64

// Confusion says how the two sides of a connection disagree about TLS.
type Confusion uint8

// The values of Confusion.
const (
	// NoConfusion: both sides spoke the same protocol.
	NoConfusion Confusion = iota
	// ClearToTLS: the client sent Kafka in plaintext and the broker answered with a TLS record.
	ClearToTLS
	// TLSToClear: the client sent a TLS ClientHello. The broker answered without TLS, or closed
	// the connection without sending a byte.
	TLSToClear
)

// Frame is one Kafka request or response without its 4-byte size field.
type Frame struct {
	Direction Direction
	// Size is the length of the frame in bytes, without the 4-byte size field.
	Size int64
	// Head holds the first bytes of the frame: as many as Handler.Want requested, or all of a
	// shorter frame. It holds fewer if the capture lacks them. It is valid during the call only.
	Head []byte
	// First and Last are the packets of the first and the last byte. A response is passed on as
	// soon as Head is complete: Last is then the packet that completed Head.
	First, Last capture.Position
	// Offset is the stream offset of the first byte, as Connection.Bytes counts. Inside TLS it is
	// the offset of the segment that completed its record. -1 if unknown.
	Offset int64
	// Lacking is how many bytes of the frame had not arrived when the connection ended. It is
	// above 0 only for the last request. Its Last is the last packet with client data.
	Lacking int64
	// Resynced: this is the first frame that a search found after a loss.
	Resynced bool
}

// Handler receives the Kafka frames of one connection. The goroutine of the connection's shard
// makes all calls, in order for each direction. A response may precede its request if the
// request's packet was captured late.
type Handler interface {
	// Want returns how many bytes Frame.Head should hold. It is called once per frame with the
	// first bytes in head: at least 8, or all of a shorter frame. If ok is false, no frame can
	// begin with head. The next frame is then searched for.
	Want(d Direction, size int64, head []byte) (n int, ok bool)
	// Plausible is stricter than Want and checks offsets found by searching. It reports whether
	// head can begin a frame here: up to 300 bytes, or all of a shorter frame. A request needs a
	// known API key, a plausible version, the same client id and the next correlation id. A
	// response needs the correlation id of an open request.
	Plausible(d Direction, size int64, head []byte) bool
	// Anchor returns byte strings. The next frame in direction d must contain one of them, offset
	// bytes after the beginning of the size field. For requests that is the length-prefixed client
	// id (12), for responses the open correlation ids (4). The search after a loss uses them. The
	// slice is valid until the next call.
	Anchor(d Direction) (anchors [][]byte, offset int)
	// Expect is the first call if the beginning of the connection was not captured. head holds up
	// to 300 bytes of a request of this connection. Message receives that request later, possibly
	// after others.
	Expect(size int64, head []byte)
	// Message receives a frame: a request when its last byte has arrived or the connection is
	// over, a response when its head has arrived.
	Message(f *Frame)
	// Lost reports that the capture may lack frames in direction d, in packets up to and including
	// at.
	Lost(d Direction, at capture.Position)
	// Size returns about how many bytes the Handler takes.
	Size() int
	// End is the last call; c.End says how the connection ended.
	End()
	// Drop is the last call instead of End if nothing of the connection is reported.
	Drop()
}

// Shard makes the handlers of the connections of one worker and gathers their results.
type Shard[R any] interface {
	// Open returns the handler for a connection that speaks Kafka.
	Open(c *Connection) Handler
	// Closed is called once for every connection, Kafka or not, after its Handler's End, but not
	// after Drop. c must not be changed. The shard may keep c until the results of the next Take were
	// collected.
	Closed(c *Connection)
	// Take returns the results since the last call. old is the result of an earlier call that is
	// no longer in use, or the zero value; its memory can be reused.
	Take(old R) R
}
