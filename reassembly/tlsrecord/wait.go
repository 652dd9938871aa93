package tlsrecord

import "github.com/kafkavet/kafkavet/capture"

// maxWaiting bounds the bytes that a direction holds while it waits for
// secrets or for the hello of the other side: some seconds of a client that
// begins (handshake 5 KiB, ApiVersions and Metadata some KiB), or the first of
// several records of 16 KiB. What comes above that is a gap.
const maxWaiting = 64 << 10

// waiting holds what came while a direction was blocked.
type waiting struct {
	data   []byte // from off on
	off    int
	marks  []mark // what data is made of, from first on
	first  int
	since  int64  // packet time of the first wait in nanoseconds
	stamp  uint64 // Session.stamp when it was last found blocked
	secret bool   // secrets are waited for, not a hello
}

// mark is a piece of data from one packet, or a gap.
type mark struct {
	n   int64
	gap bool
	at  capture.Position
}

// stamp is a number that differs when something happened that a blocked
// direction may wait for.
func (s *Session) stamp() uint64 { return s.progress + s.secrets.changes() }

// block holds a record that cannot be read yet, given in two parts, and what follows it.
func (s *Session) block(d *direction, at capture.Position, rec, behind []byte) {
	d.blocked = true
	w := d.queue(at)
	w.stamp = s.stamp()
	w.secret = s.hasClient && s.hasServer
	s.enqueue(d, rec, at)
	s.enqueue(d, behind, at)
}

// enqueue holds bytes of a blocked direction as far as the bounds allow.
func (s *Session) enqueue(d *direction, p []byte, at capture.Position) {
	w := d.queue(at)
	n := s.secrets.reserve(min(len(p), max(maxWaiting-(len(w.data)-w.off), 0)))
	if n > 0 {
		w.data = append(w.data, p[:n]...)
		w.marks = append(w.marks, mark{n: int64(n), at: at})
	}
	if dropped := len(p) - n; dropped > 0 {
		s.info.WaitDropped += uint64(dropped)
		s.info.Undecrypted += uint64(dropped)
		d.enqueueGap(int64(dropped), at)
		if !w.secret {
			// It has had its time.
			if a := s.awaited(); a.helloLost {
				s.loseHello(&s.dirs[a.index^1])
			} else {
				s.loseHello(a)
			}
		}
	}
}

// awaited is the direction whose hello has not come.
func (s *Session) awaited() *direction {
	if !s.hasClient {
		return s.client()
	}
	return s.server()
}

// enqueueGap holds a gap of a blocked direction.
func (d *direction) enqueueGap(n int64, at capture.Position) {
	w := d.queue(at)
	if i := len(w.marks) - 1; i >= w.first && w.marks[i].gap {
		w.marks[i].n += n
		return
	}
	w.marks = append(w.marks, mark{n: n, gap: true, at: at})
}

func (d *direction) queue(at capture.Position) *waiting {
	if d.wait == nil {
		d.wait = &waiting{since: at.Time}
	}
	return d.wait
}

// advance goes on with blocked directions where something they may wait for has happened.
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

// unblocked is the direction to go on with: the one whose next piece is the
// earlier, so that requests come before their answers. nil for none.
func (s *Session) unblocked() (next *direction) {
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

// drain reads the next piece of what a direction held back.
func (s *Session) drain(d *direction) {
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

// unwait drops what a direction held back.
func (s *Session) unwait(d *direction) {
	if w := d.wait; w != nil {
		s.secrets.reserve(-(len(w.data) - w.off))
	}
	d.wait, d.blocked = nil, false
}
