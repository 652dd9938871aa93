package tlsrecord

import (
	"math"
	"slices"
	"time"

	"github.com/kafkavet/kafkavet/capture"
)

const (
	// firstRecords bounds the first records of a connection that an Outline keeps: 10 of a
	// handshake with client certificate and session tickets, 6 of ApiVersions with a retry, 12 of
	// SASL (SCRAM, each message split in two), and 16 of requests. 44 of 16 bytes are 704 bytes.
	firstRecords = 44
	// lastRecords bounds the last records that an Outline keeps: four exchanges with both messages
	// split in two, and the alerts. 20 of 16 bytes are 320 bytes.
	lastRecords = 20
	// maxTicks bounds the time since the first record, in microseconds: 2^40 are 12 days.
	maxTicks = 1<<40 - 1
)

// Outline describes the encrypted records of a TLS connection from their headers, without any key:
// sizes, directions, times and order. It needs the ordered bytes of both directions, as a Session
// does, and no secret.
//
// It keeps the first firstRecords and the last lastRecords records, and counts those between. An
// Outline holds at most 1.2 KiB.
type Outline struct {
	begin   capture.Position
	started bool
	dirs    [2]headerReader // by index: 0 is to the server
	first   []outlined
	last    []outlined // a ring once it is full
	next    int        // index in last of the next record
	// captures are the captures that contain the connection, and its stream number in each.
	captures []inCapture
	total    uint64
}

// outlined is a Record in compact form.
type outlined struct {
	ticks, frame  uint32
	capture, size uint16
	later         uint8 // in 2^32 ticks
	kind          RecordKind
	toServer      bool
	guessed       bool
}

// inCapture is the stream number of a connection in a capture.
type inCapture struct {
	capture uint16
	stream  uint32
}

// headerReader reads the headers of one direction.
type headerReader struct {
	head    [headerSize]byte
	have    uint8
	kind    byte
	pending bool // the body of the current record is incomplete
	sealed  bool // a ChangeCipherSpec was seen: what follows is encrypted
	lost    bool // the beginning of the next record is unknown
	size    uint16
	skip    int // bytes of its body that are still to come
}

// RecordKind is the kind of a record according to its header.
type RecordKind uint8

// The kinds of records. TLS 1.3 shows every encrypted record as application data.
const (
	// DataRecord holds application data; in TLS 1.3 perhaps a handshake message or an alert.
	DataRecord RecordKind = iota
	// HandshakeRecord is an encrypted handshake message of TLS 1.2 and older.
	HandshakeRecord
	// AlertRecord is an alert, encrypted or not.
	AlertRecord
	// MissingRecord represents bytes that the capture lacks. They may contain any number of
	// records.
	MissingRecord
)

type Record struct {
	// At is the packet in which the record ends. Its time is in whole microseconds since
	// the first record.
	At       capture.Position
	Kind     RecordKind
	ToServer bool
	// Size is the length of the record's body in bytes, without the header. For a MissingRecord it
	// is the number of missing bytes, including headers, at most 65,535.
	Size int
	// Guessed: the header is not in the capture. Size is computed from the length of the TCP
	// segment.
	Guessed bool
}

// NewOutline returns the Outline of a connection. If midstream is true, the first bytes need not
// begin a record.
func NewOutline(midstream bool) *Outline {
	o := &Outline{}
	for i := range o.dirs {
		o.dirs[i].lost, o.dirs[i].sealed = midstream, midstream
	}
	return o
}

// Data processes the next bytes of a direction: one TCP segment, or the captured part of one. It
// does not keep p.
func (o *Outline) Data(toServer bool, p []byte, at capture.Position) {
	r := &o.dirs[index01(toServer)]
	if r.lost {
		if len(p) < headerSize || !LooksLikeRecord(p) {
			return
		}
		r.lost = false
	}
	for len(p) > 0 {
		if r.pending {
			n := min(r.skip, len(p))
			r.skip -= n
			p = p[n:]
			if r.skip == 0 {
				o.end(r, toServer, at)
			}
			continue
		}
		n := copy(r.head[r.have:], p)
		r.have += uint8(n)
		p = p[n:]
		if int(r.have) < headerSize {
			return
		}
		r.have = 0
		h, ok := parseHeader(r.head[:])
		if !ok {
			o.miss(r, toServer, headerSize+len(p), at)
			return
		}
		r.kind, r.size, r.skip, r.pending = h.kind, uint16(h.size), h.size, true
		if h.size == 0 {
			o.end(r, toServer, at)
		}
	}
}

// Gap skips n bytes of a direction that the capture lacks.
func (o *Outline) Gap(toServer bool, n int64, at capture.Position) {
	r := &o.dirs[index01(toServer)]
	if r.pending {
		m := min(n, int64(r.skip))
		r.skip -= int(m)
		n -= m
		if r.skip == 0 {
			o.end(r, toServer, at)
		}
	}
	if n <= 0 {
		return
	}
	n += int64(r.have)
	r.have = 0
	if body := n - headerSize; !r.lost && r.sealed && body >= minSealed && body <= maxBody {
		// Usually the end of a segment that a short snapshot length cut: one record.
		o.add(outlined{kind: DataRecord, size: uint16(body), toServer: toServer, guessed: true}, at)
		r.lost = true
		return
	}
	o.miss(r, toServer, int(min(n, math.MaxInt32)), at)
}

// minSealed is the size of the smallest encrypted record: a byte, its type and a tag of 16 bytes.
const minSealed = 18

// end adds a record whose bytes have all arrived.
func (o *Outline) end(r *headerReader, toServer bool, at capture.Position) {
	r.pending = false
	rec := outlined{kind: DataRecord, size: r.size, toServer: toServer}
	switch r.kind {
	case typeChangeCipher:
		r.sealed = true
		return
	case typeHandshake:
		if !r.sealed {
			return
		}
		rec.kind = HandshakeRecord
	case typeAlert:
		rec.kind = AlertRecord
	case typeData:
		r.sealed = true
	default:
		return
	}
	o.add(rec, at)
}

// miss adds n bytes with an unknown number of records.
func (o *Outline) miss(r *headerReader, toServer bool, n int, at capture.Position) {
	r.lost, r.pending, r.have = true, false, 0
	o.add(outlined{kind: MissingRecord, size: uint16(min(n, math.MaxUint16)), toServer: toServer}, at)
}

func (o *Outline) add(rec outlined, at capture.Position) {
	if !o.started {
		o.started, o.begin = true, at
	}
	ticks := min(max(at.Time-o.begin.Time, 0)/int64(time.Microsecond), maxTicks)
	rec.ticks, rec.later = uint32(ticks), uint8(ticks>>32)
	rec.frame = uint32(min(at.Frame, math.MaxUint32))
	rec.capture = uint16(min(at.Capture, math.MaxUint16))
	if n := len(o.captures); n == 0 || o.captures[n-1].capture != rec.capture {
		o.captures = append(o.captures, inCapture{rec.capture, at.Stream})
	}
	o.total++
	switch {
	case len(o.first) < firstRecords:
		if n := len(o.first); n == cap(o.first) {
			o.first = append(make([]outlined, 0, min(max(2*n, 8), firstRecords)), o.first...)
		}
		o.first = append(o.first, rec)
	case len(o.last) < lastRecords:
		if o.last == nil {
			o.last = make([]outlined, 0, lastRecords)
		}
		o.last = append(o.last, rec)
	default:
		o.last[o.next] = rec
		o.next = (o.next + 1) % lastRecords
	}
}

// Records returns the records kept, in the order of their packets. omitted is how many records are
// left out after the first firstRecords.
func (o *Outline) Records() (records []Record, omitted uint64) {
	records = make([]Record, 0, len(o.first)+len(o.last))
	var latest [2]capture.Position // a record cannot end before the one that it follows
	for _, part := range [][]outlined{o.first, o.last[o.next:], o.last[:o.next]} {
		for i := range part {
			r := o.record(&part[i])
			d := index01(r.ToServer)
			if r.At.Before(latest[d]) {
				r.At = latest[d]
			}
			latest[d] = r.At
			records = append(records, r)
		}
	}
	omitted = o.total - uint64(len(records))
	// A direction that waits for a lost segment adds its records after later ones of the other.
	if omitted == 0 {
		slices.SortStableFunc(records, byPacket)
	} else {
		slices.SortStableFunc(records[:len(o.first)], byPacket)
		slices.SortStableFunc(records[len(o.first):], byPacket)
	}
	return records, omitted
}

// byPacket orders records by packet. Missing bytes of one direction come before the packet of the
// other direction that acknowledges them.
func byPacket(x, y Record) int {
	c := x.At.Compare(y.At)
	if c != 0 || x.ToServer == y.ToServer || x.isLost() == y.isLost() {
		return c
	}
	if x.isLost() {
		return -1
	}
	return 1
}

// isLost reports whether the header of a record is not in the capture.
func (r *Record) isLost() bool { return r.Kind == MissingRecord || r.Guessed }

// FirstRecords returns how many of the records that Records returns precede the omitted ones.
func (o *Outline) FirstRecords() int { return len(o.first) }

func (o *Outline) record(r *outlined) Record {
	stream := uint32(0)
	for _, in := range o.captures {
		if in.capture == r.capture {
			stream = in.stream
		}
	}
	return Record{
		At: capture.Position{
			Frame: uint64(r.frame), Capture: uint32(r.capture), Stream: stream,
			Time: o.begin.Time + (int64(r.later)<<32|int64(r.ticks))*int64(time.Microsecond),
		},
		Kind: r.kind, ToServer: r.toServer, Size: int(r.size), Guessed: r.guessed,
	}
}

// Unfinished returns the size of a direction's record that had not ended when the connection
// ended, and how many of its bytes are missing. It returns 0, 0 if there is none.
func (o *Outline) Unfinished(toServer bool) (size, missing int) {
	r := &o.dirs[index01(toServer)]
	if !r.pending {
		return 0, 0
	}
	return int(r.size), r.skip
}

func index01(toServer bool) int {
	if toServer {
		return 0
	}
	return 1
}
