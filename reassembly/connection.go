package reassembly

import (
	"net/netip"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

// Direction is a direction of a connection.
type Direction uint8

// The two directions of a connection. Until it is known who the broker is,
// ToBroker is the direction away from the side that sent the SYN, or, where
// none was seen, the first packet.
const (
	ToBroker Direction = iota
	ToClient
)

// Reverse returns the other direction.
func (d Direction) Reverse() Direction { return d ^ 1 }

// Protocol is the protocol of a connection.
type Protocol uint8

// The protocols.
const (
	// Undecided: too few bytes were captured to decide.
	Undecided Protocol = iota
	// Kafka in the clear, or inside TLS that could be decrypted (then Connection.TLS is set).
	Kafka
	// TLS that could not be decrypted, or that held something else than Kafka.
	TLS
	// HTTP/1 requests or responses, or the HTTP/2 preface.
	HTTP
	// Other is anything else.
	Other
)

// EndKind says how a connection ended.
type EndKind uint8

// How a connection can end.
const (
	// Cut: the capture ended while the connection was open.
	Cut EndKind = iota
	// Closed by a FIN.
	Closed
	// Reset by a RST.
	Reset
	// Expired: nothing was seen of it for longer than the idle timeout.
	Expired
	// Replaced by a new connection between the same ports, its end unseen.
	Replaced
)

// End is how, when and by whom a connection was ended.
type End struct {
	Kind EndKind
	// By is the direction in which the first FIN or RST travelled: ToClient
	// means that the broker ended the connection. Only for Closed and Reset.
	By Direction
	// HasAcked is false where Acked is unknown: the packet acknowledges nothing, or was not
	// captured.
	HasAcked bool
	// At is the packet that ended it.
	At capture.Position
	// Acked is the number of stream bytes (as Connection.Bytes counts them) that the side which
	// ended the connection had received from the other side by then, as its FIN or RST
	// acknowledges them. A request that begins behind them arrived later, so the end is not the
	// answer to it (Frame.Offset).
	Acked int64
}

// Span is a range of offsets in a stream, From included, To not.
type Span struct{ From, To int64 }

// Has reports whether the range has one of the n bytes from an offset on.
func (s Span) Has(offset, n int64) bool { return offset < s.To && offset+n > s.From }

// Connection describes one TCP connection, apart from the Kafka messages in it. The Shard gets it
// when the connection speaks Kafka (it still changes), and for every connection when it is over.
type Connection struct {
	// Domain is capture.Segment.Domain of the connection.
	Domain uint64
	// Client and Broker are the two sides. Where Protocol is not Kafka,
	// Client is the side that sent the SYN, or else the first packet.
	Client, Broker netip.AddrPort
	// First and Last are the first and last packets seen.
	First, Last capture.Position
	// Now is the current packet. It orders events: a message that waited for a missing segment is
	// passed on at a later packet than its own.
	Now capture.Position
	// Stream is Wireshark's tcp.stream.
	Stream uint32
	// Protocol is what the connection speaks.
	Protocol Protocol
	// Confusion says that one side spoke TLS and the other something else (KV2007).
	Confusion Confusion
	// Initial are the initial sequence numbers of the sides that sent the SYN and that answered
	// it, if HasInitial: both were captured.
	Initial    [2]uint32
	HasInitial bool
	// Midstream: the connection was open before its first packet here.
	Midstream bool
	// Refused: the broker's side answered the SYN with a RST: nothing listens there.
	Refused bool
	// Seen reports for each direction whether any segment of it was captured.
	Seen [2]bool
	// Bytes counts the payload bytes of each direction, those missing included.
	Bytes [2]uint64
	// LastData are the packets with the latest payload byte of each direction; the zero value
	// without any.
	LastData [2]capture.Position
	// TLS describes the TLS session, nil without any. It is set when the connection is over; with
	// Options.Subjects, a Handler inside TLS has it as it was at its opening.
	TLS *tlsrecord.Info
	// Outline is what the record headers of a TLS connection show of which nothing
	// was decrypted, nil for all others.
	Outline *tlsrecord.Outline
	// Oddities are nil for most connections. Odd reads them.
	Oddities *Oddities
	// End is how the connection ended.
	End End
	// Requests and Responses count the Kafka frames handed to the Handler.
	Requests, Responses uint64
}

// Oddities are what few connections have. They are kept apart because 100,000 connections may be
// open.
type Oddities struct {
	// Missing counts payload bytes that the capture lacks, Gaps the places.
	Missing, Gaps uint64
	// Resyncs counts how often the next Kafka frame had to be searched for.
	Resyncs uint64
	// Incomplete counts requests that had begun when the connection or the capture ended. Those
	// with a header are also handed to the Handler (Frame.Lacking).
	Incomplete uint64
	// Conflicts counts payload bytes that came again and differed from the first copy. A
	// difference is found only where the first copy is still known: in segments that wait for
	// earlier ones, and in the last few short segments of each direction.
	Conflicts uint64
	// Contested is for each direction where the capture has two versions of bytes and nothing
	// shows which of them the receiver has, as offsets in the stream (Connection.Bytes): from the
	// first place to the last.
	Contested [2]Span
	// Behind are further addresses of the broker's side, where the connection was captured before
	// and after address translation: Broker is the one that was seen first.
	Behind []netip.AddrPort
	// Spoke names the protocol of the broker's side where that is not Kafka: one of the constants
	// Spoke... It is empty where nothing is known.
	Spoke string
	// Greeting is what the broker's side sent first, where Spoke is set and not TLS: the first
	// line of a text, or at most maxGreeting bytes of anything else. They are wire bytes and have
	// to be escaped.
	Greeting []byte
	// Opening is what the client's side sent first, at most maxGreeting bytes of it, where that
	// could be a Kafka request and the connection was not taken for Kafka. Other bytes are not
	// kept: they may hold secrets.
	Opening []byte
	// Prefaces are what a proxy or its client sent before all else, in order. Client and Broker
	// are the addresses that they carry; a host name is part of Domain.
	Prefaces []Preface

	behind []sides // the addresses behind address translation
}

var noOddities Oddities

// Odd returns the Oddities, empty ones where c has none. They must not be changed.
func (c *Connection) Odd() *Oddities {
	if c.Oddities == nil {
		return &noOddities
	}
	return c.Oddities
}

// odd returns the Oddities of c for a change.
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
	// SpokeText is a line of text of no protocol that is known here.
	SpokeText = "text"
	// SpokeUnknown is anything else that cannot be Kafka.
	SpokeUnknown = "unknown"
)

// maxGreeting bounds Oddities.Opening and Greeting, in bytes.
const maxGreeting = 64

// Confusion says which sides of a connection disagree about TLS.
type Confusion uint8

// Who spoke TLS to whom.
const (
	// NoConfusion: both sides spoke the same.
	NoConfusion Confusion = iota
	// ClearToTLS: the client sent Kafka in the clear and the broker answered with a TLS record.
	ClearToTLS
	// TLSToClear: the client sent a TLS ClientHello and the broker answered with something that is
	// no TLS, or closed the connection without a byte.
	TLSToClear
)

// Frame is one Kafka message: what follows its 4-byte size.
type Frame struct {
	Direction Direction
	// Size is the length of the message in bytes, the 4 bytes of the size
	// itself not counted.
	Size int64
	// Head holds the first bytes of the message: as many as Handler.Want asked
	// for, or all of a shorter one. Fewer where the capture lacks them. It is
	// valid during the call only.
	Head []byte
	// First and Last are the packets of its first and its last byte. A response is
	// passed on as soon as Head is complete: then Last is the packet in which
	// Head was completed.
	First, Last capture.Position
	// Offset is the place of its first byte in the stream of its direction, as Connection.Bytes
	// counts it; inside TLS that of the segment in which the first byte was decrypted. -1 where
	// unknown.
	Offset int64
	// Lacking is how many bytes of the message did not come before the connection ended. It is
	// above 0 only for the last request of a connection, whose Last is then the last packet with
	// bytes of it.
	Lacking int64
	// Resynced: it is the first frame found again after bytes were missing.
	Resynced bool
}

// Handler takes the Kafka messages of one connection. All calls come from the
// goroutine of the connection's shard, each direction's in order. A response
// can come before its request where the request's packet was captured late.
type Handler interface {
	// Want is asked once per message, with its first bytes in head (at least
	// 8, or all of a shorter message): how many of its bytes should Frame.Head hold? ok is
	// false when this cannot be the beginning of a message here; the place of
	// the next one is then searched for.
	Want(d Direction, size int64, head []byte) (n int, ok bool)
	// Plausible is stricter than Want, for places found by searching: could head (up to 300 bytes,
	// or all of a shorter message) begin a message in this connection at this point? For a
	// request: known API key, plausible version, the same client id, a correlation id that goes on
	// from the last. For a response: a correlation id that is awaited.
	Plausible(d Direction, size int64, head []byte) bool
	// Anchor returns byte strings of which one must stand in the next message in
	// direction d, and how many bytes after the beginning of the size field: for requests the
	// length-prefixed client id (12), for responses the correlation ids that
	// are awaited (4). Search goes by them after a loss. The slice is valid until the next call.
	Anchor(d Direction) (anchors [][]byte, offset int)
	// Expect is called before all others where the beginning of the conversation was not captured:
	// head is the beginning, up to 300 bytes, of a request of this connection. Message takes it
	// later, possibly after others.
	Expect(size int64, head []byte)
	// Message takes a message. A request is passed on when its last byte has come or the connection
	// is over, a response when its head has come.
	Message(f *Frame)
	// Lost reports that the capture may lack messages in direction d, in packets before the given
	// one or in it.
	Lost(d Direction, at capture.Position)
	// End ends the connection; c.End says how. No call follows.
	End()
}

// Shard makes the handlers of the connections that fall to one worker, and
// gathers what they produce.
type Shard[R any] interface {
	// Open returns the handler for a connection that speaks Kafka.
	Open(c *Connection) Handler
	// Closed is called once for every connection, Kafka or not, when it is over, after its
	// Handler's End. c must not be changed, and may be kept until what the next Take returns was
	// collected.
	Closed(c *Connection)
	// Take returns what was produced since the last call. old is what an earlier call returned and
	// that is no longer in use, the zero value if there is none. Its memory can be reused.
	Take(old R) R
}
