package tlsrecord

import "github.com/kafkavet/kafkavet/capture"

// maxWaiting bounds the bytes that a direction holds while it waits for secrets or for the hello
// of the other side. It holds some seconds of a starting client (handshake 5 KiB, ApiVersions and
// Metadata some KiB), or the first of several records of 16 KiB. Bytes above it are a gap.
const maxWaiting = 64 << 10

// waiting holds what arrived while a direction was blocked.
type waiting struct {
	data   []byte // from off on
	off    int
	marks  []packetBytes // the parts of data, from first on
	first  int
	since  int64  // packet time of the first wait in nanoseconds
	stamp  uint64 // Session.stamp when it was last found blocked
	secret bool   // it waits for secrets, not for a hello
}

// packetBytes is the bytes of data from one packet, or a gap.
type packetBytes struct {
	n   int64
	gap bool
	at  capture.Position
}

// stamp returns a number that changes with every event that a blocked direction may wait for.
func (s *Session) stamp() uint64 { return s.progress + s.secrets.changes() }

// block holds a record that cannot be read yet, and behind, the bytes that follow it.
func (s *Session) block(d *side, at capture.Position, rec, behind []byte) {
	d.blocked = true
	w := d.queue(at)
	w.stamp = s.stamp()
	w.secret = s.hasClient && s.hasServer
	s.enqueue(d, rec, at)
	s.enqueue(d, behind, at)
}

// enqueue holds bytes of a blocked direction, as far as the limits allow.
func (s *Session) enqueue(d *side, p []byte, at capture.Position) {
	w := d.queue(at)
	n := s.secrets.reserve(min(len(p), max(maxWaiting-(len(w.data)-w.off), 0)))
	if n > 0 {
		w.data = append(w.data, p[:n]...)
		w.marks = append(w.marks, packetBytes{n: int64(n), at: at})
	}
	if dropped := len(p) - n; dropped > 0 {
		s.info.Undecrypted += uint64(dropped)
		d.enqueueGap(int64(dropped), at)
		if !w.secret {
			// The hello is too late: give it up.
			if a := s.awaited(); a.helloLost {
				s.loseHello(&s.dirs[a.index^1])
			} else {
				s.loseHello(a)
			}
		}
	}
}

// awaited returns the direction whose hello is missing.
func (s *Session) awaited() *side {
	if !s.hasClient {
		return s.client()
	}
	return s.server()
}

// enqueueGap holds a gap of a blocked direction.
func (d *side) enqueueGap(n int64, at capture.Position) {
	w := d.queue(at)
	if i := len(w.marks) - 1; i >= w.first && w.marks[i].gap {
		w.marks[i].n += n
		return
	}
	w.marks = append(w.marks, packetBytes{n: n, gap: true, at: at})
}

func (d *side) queue(at capture.Position) *waiting {
	if d.wait == nil {
		d.wait = &waiting{since: at.Time}
	}
	return d.wait
}

// advance continues with blocked directions after an event that they may wait for.
func (s *Session) advance(at capture.Position) {
	if !s.Waiting() {
		return
	}
	for i := range s.dirs {
		if d := &s.dirs[i]; d.blocked && d.wait.secret && !s.expired && at.Time-d.wait.since > int64(s.options.Wait) {
			s.expired = true
			s.progress++
		}
	}
	for {
		d := s.unblocked()
		if d == nil {
			return
		}
		s.drain(d)
	}
}

// unblocked returns the direction to continue with, nil for none. It is the one whose next bytes
// have the earlier packet, so requests come before their responses.
func (s *Session) unblocked() (next *side) {
	stamp := s.stamp()
	for i := range s.dirs {
		d := &s.dirs[i]
		if d.wait == nil || d.blocked && d.wait.stamp == stamp {
			continue
		}
		if next == nil || d.wait.marks[d.wait.first].at.Before(next.wait.marks[next.wait.first].at) {
			next = d
		}
	}
	return next
}

// drain processes the next part of what a direction holds.
func (s *Session) drain(d *side) {
	w := d.wait
	d.wait, d.blocked = nil, false
	m := w.marks[w.first]
	w.first++
	if m.gap {
		s.gap(d, m.n, m.at)
	} else {
		p := w.data[w.off : w.off+int(m.n)]
		w.off += int(m.n)
		s.secrets.reserve(-len(p))
		s.feed(d, p, m.at)
	}
	switch {
	case d.wait != nil: // blocked again: what was held comes first
		d.wait.since = w.since
		d.wait.data = append(d.wait.data, w.data[w.off:]...)
		d.wait.marks = append(d.wait.marks, w.marks[w.first:]...)
	case w.first < len(w.marks):
		d.wait = w
	}
}

// dropWaiting drops what a direction holds.
func (s *Session) dropWaiting(d *side) {
	if w := d.wait; w != nil {
		s.secrets.reserve(-(len(w.data) - w.off))
	}
	d.wait, d.blocked = nil, false
}
