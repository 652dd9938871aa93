package sealed

import (
	"slices"

	"github.com/kafkavet/kafkavet/capture"
	"github.com/kafkavet/kafkavet/reassembly/tlsrecord"
)

const (
	// sizePrefix is the size of a Kafka frame's size field. Java brokers and clients up to 2.6
	// write it as a separate record.
	sizePrefix = 4
	// minMessage is the smallest Kafka frame: size and correlation id.
	minMessage = 8
	// minRequest is the smallest request frame: size, header v1 with an empty client id.
	minRequest = 4 + 8 + 2
	alertSize  = 2
	// fullRecord is the size from which on the next record is assumed to continue a record. A
	// record holds at most 16,384 bytes. Java fills them up to some hundred bytes less.
	fullRecord = 16<<10 - 512
)

// message is one Kafka frame, as inferred from records.
type message struct {
	toServer bool
	// size is the size of the frame in bytes, including its size field. It may be up to slack
	// bytes less (CBC).
	size, slack int
	first, at   capture.Position // packets in which its first and its last record end
	records     int
	guessed     bool
}

// end is how the records end a connection.
type end struct {
	// alert: a side sent an alert, as before a close. byServer says which side was first.
	alert, byServer bool
	at              capture.Position
}

// messageJoiner joins the records after a handshake to messages.
type messageJoiner struct {
	over     [2]overhead
	messages []message
	end      end
	prefixed [2]bool
	prefixes int  // of the broker
	alerted  bool // by the broker
	full     [2]bool
	// frame is the packet of the latest record. displaced is Reading.displaced.
	frame     [2]uint64
	displaced bool
}

func (r *messageJoiner) record(rec *tlsrecord.Record) {
	d := directionIndex(rec.ToServer)
	over := r.over[d]
	size := over.size(rec.Size)
	// A short snapshot length cuts headers in the packet of the record before. Lost bytes are
	// noticed in a later packet.
	isLost := rec.Guessed || rec.Kind == tlsrecord.MissingRecord
	r.displaced = r.displaced || isLost && rec.At.Frame != r.frame[d]
	r.frame[d] = rec.At.Frame
	switch {
	case rec.Kind == tlsrecord.MissingRecord:
		r.messages = append(r.messages, message{toServer: rec.ToServer, first: rec.At, at: rec.At, guessed: true})
		r.prefixed[d], r.full[d] = false, false
		return
	case rec.Kind == tlsrecord.AlertRecord, rec.Kind == tlsrecord.DataRecord && over.slack == 0 && size == alertSize:
		r.alerted = r.alerted || !rec.ToServer
		if !r.end.alert {
			r.end = end{alert: true, byServer: !rec.ToServer, at: rec.At}
		}
		return
	case rec.Kind != tlsrecord.DataRecord || size <= 0:
		return
	}
	if n := len(r.messages) - 1; n >= 0 && r.messages[n].toServer == rec.ToServer && (r.prefixed[d] || r.full[d]) {
		m := &r.messages[n]
		m.size += size
		m.slack += over.slack
		m.at = rec.At
		m.records++
		m.guessed = m.guessed || rec.Guessed
	} else {
		r.messages = append(r.messages, message{
			toServer: rec.ToServer, size: size, slack: over.slack,
			first: rec.At, at: rec.At, records: 1, guessed: rec.Guessed,
		})
	}
	prefix := over.isPrefix(size) && !r.prefixed[d] && !r.full[d]
	if prefix {
		if !rec.ToServer {
			r.prefixes++
		}
		// The size of the size field is known, whatever the padding.
		m := &r.messages[len(r.messages)-1]
		m.size, m.slack = sizePrefix, 0
	}
	r.prefixed[d], r.full[d] = prefix, size >= fullRecord
}

// isPrefix reports whether a record with that content can contain only the size field of a frame.
func (o overhead) isPrefix(size int) bool {
	if o.slack == 0 {
		return size == sizePrefix
	}
	return size >= sizePrefix && size < minMessage+sizePrefix
}

// turn is a run of messages to the server, and the following run of messages from it.
type turn struct {
	requests, answers []message
}

// isTorn reports whether bytes with unknown content are missing in a turn.
func (t *turn) isTorn() bool {
	isMissing := func(m message) bool { return m.records == 0 }
	return slices.ContainsFunc(t.requests, isMissing) || slices.ContainsFunc(t.answers, isMissing)
}

// hasGuess reports whether the size of a message is guessed. Its order can be wrong, too.
func (t *turn) hasGuess() bool {
	isGuess := func(m message) bool { return m.guessed }
	return slices.ContainsFunc(t.requests, isGuess) || slices.ContainsFunc(t.answers, isGuess)
}

// turns groups messages. A turn ends where a request follows a response.
func turns(messages []message) (all []turn) {
	for i := range messages {
		m := messages[i]
		n := len(all)
		if n == 0 || m.toServer && len(all[n-1].answers) > 0 {
			all = append(all, turn{})
			n++
		}
		t := &all[n-1]
		if m.toServer {
			t.requests = append(t.requests, m)
		} else {
			t.answers = append(t.answers, m)
		}
	}
	return all
}
