package tlsrecord

import (
	"fmt"
	"time"

	"github.com/kafkavet/kafkavet/capture"
)

// Receiver receives the plaintext of one session. Session's methods make all calls, in order for
// each direction. Bytes that waited for secrets, or for a packet of the other direction, come
// late, with their original position.
type Receiver interface {
	// Plaintext receives application data, never empty. p is valid during the call only. at is the
	// packet in which the record ends.
	Plaintext(toServer bool, p []byte, at capture.Position)
	// PlaintextGap reports that n bytes of application data are missing before the next Plaintext.
	// n is an estimate, perhaps 0, unless exact is true. at is the packet in which the plaintext
	// continues or was given up.
	PlaintextGap(toServer bool, n int64, exact bool, at capture.Position)
}

// Options are shared by the sessions of one goroutine. The zero value is for files: it does not
// wait for secrets.
type Options struct {
	// Wait is how long encrypted records wait for their secrets, by packet time. If 0, they do not
	// wait.
	Wait time.Duration
	// Scratch is working memory for all sessions of one goroutine. If nil, each session makes its
	// own.
	Scratch *Scratch
	// Subjects requests the subject of the client's certificate. Otherwise certificates are not
	// read.
	Subjects bool
}

var noSecrets = NewSecrets()

// Session decrypts one TLS connection. One goroutine at a time may use it.
//
// The client is the side that sends the ClientHello, whichever direction the caller names
// toServer. The Receiver gets the caller's directions.
type Session struct {
	secrets  *Secrets
	receiver Receiver
	options  *Options
	scratch  *Scratch
	dirs     [2]side // by index: 0 is toServer
	info     Info

	// From the hellos.
	hasClient, hasServer    bool // a ClientHello, a ServerHello was read
	clientIndex             uint8
	retried                 bool // by a HelloRetryRequest: this is TLS 1.3
	guessed                 bool // version and suite are guessed: the ServerHello is lost
	etm                     bool
	earlyData               bool // the ClientHello announces early data (0-RTT)
	version, suiteID        uint16
	suite                   *suite // nil for an unknown one
	serverRandom, sessionID [32]byte
	fullHandshake           bool                 // not a resumed session (before TLS 1.3)
	master                  *[maxSecretSize]byte // found for a resumed session; nil for none

	// progress changes with every event that a direction may wait for.
	progress uint64
	expired  bool // there is no more time to wait for secrets
}

// NewSession returns a session at the beginning of its connection. secrets and o may be nil. o is
// shared, not copied.
func NewSession(secrets *Secrets, r Receiver, o *Options) *Session {
	s := &Session{secrets: secrets, receiver: r, options: o}
	if secrets == nil {
		s.secrets = noSecrets
	}
	if o == nil {
		s.options = &Options{}
	}
	if s.scratch = s.options.Scratch; s.scratch == nil {
		s.scratch = NewScratch()
	}
	s.dirs[1].index = 1
	return s
}

// Format writes "tls session" for every verb, so logs and errors contain no key material.
func (s *Session) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("tls session")) }

func (s *Session) dir(toServer bool) *side {
	if toServer {
		return &s.dirs[0]
	}
	return &s.dirs[1]
}

func (s *Session) client() *side { return &s.dirs[s.clientIndex] }
func (s *Session) server() *side { return &s.dirs[s.clientIndex^1] }

// Data processes the next bytes of a direction. It does not keep or change p.
func (s *Session) Data(toServer bool, p []byte, at capture.Position) {
	d := s.dir(toServer)
	if d.mode == counting && !d.blocked {
		s.info.Undecrypted += uint64(len(p))
		return
	}
	s.feed(d, p, at)
	s.advance(at)
}

// Gap skips the next n bytes of a direction, which the capture lacks.
func (s *Session) Gap(toServer bool, n int64, at capture.Position) {
	if n <= 0 {
		return
	}
	s.gap(s.dir(toServer), n, at)
	s.advance(at)
}

// Close ends a direction: a FIN or RST arrived.
func (s *Session) Close(toServer bool, at capture.Position) {
	s.dir(toServer).closed = true
	s.progress++
	s.advance(at)
}

// Retry looks for missing secrets again. It gives up if at is later than Options.Wait allows. It
// is cheap if nothing waits.
func (s *Session) Retry(at capture.Position) { s.advance(at) }

// End is called once when the connection is over, closed or not. It decrypts as much as possible
// of what still waits, and releases what the session holds. Only Info and Done may be called after
// it.
func (s *Session) End(at capture.Position) {
	s.expired = true
	for i := range s.dirs {
		s.dirs[i].closed = true
	}
	s.progress++
	s.advance(at)
	for i := range s.dirs {
		d := &s.dirs[i]
		s.reportUnresolved(d, at)
		if d.mode != reading && s.dirs[d.index^1].delivered > 0 {
			s.receiver.PlaintextGap(d.index == 0, 0, false, at) // given up, and the other side went on
		}
		s.release(d)
		d.mode = counting
	}
}

// Done reports that no more plaintext will come and that Info will change only in Undecrypted.
// Further bytes need only be counted, by Data or by the caller.
func (s *Session) Done() bool {
	for i := range s.dirs {
		if d := &s.dirs[i]; d.blocked || d.mode != counting && !(d.mode == watching && s.info.Established) {
			return false
		}
	}
	return true
}

// The bytes of a Session, of a Hello and of a mark.
const sessionBytes, helloBytes, markBytes = 1152, 192, 40

// Size returns about how many bytes the session takes.
func (s *Session) Size() int {
	n := sessionBytes
	if s.info.Hello != nil {
		n += helloBytes
	}
	for i := range s.dirs {
		d := &s.dirs[i]
		n += cap(d.buf) + cap(d.hs.held)
		if d.wait != nil {
			n += cap(d.wait.data) + cap(d.wait.marks)*markBytes
		}
	}
	return n
}

// Waiting reports that records wait for secrets. Call Retry from time to time.
func (s *Session) Waiting() bool { return s.dirs[0].blocked || s.dirs[1].blocked }

// Info returns what is known about the session so far.
func (s *Session) Info() Info {
	info := s.info
	if s.version == versionTLS13 && info.Alert != "" && info.AlertFromServer && s.server().delivered == 0 {
		// The client finished, and the server refused it, usually because of its certificate.
		info.Established = false
	}
	for i := range s.dirs {
		if d := &s.dirs[i]; d.blocked {
			info.Undecrypted += uint64(len(d.wait.data))
		}
	}
	switch {
	case info.Reason != "":
	case s.Waiting():
		info.Reason = s.waitReason()
	case info.Decrypted == 0 && s.searching() && (!s.hasClient || !s.hasServer):
		info.Reason = "the handshake is not in the capture"
	case info.Decrypted == 0 && (s.searching() || info.LostRecords > 0):
		info.Reason = "no record is complete in the capture"
	}
	return info
}

// searching reports whether a direction is searching for a record.
func (s *Session) searching() bool { return s.dirs[0].searching || s.dirs[1].searching }

// giveUp ends the decryption of a direction. The first reason of a session is kept.
func (s *Session) giveUp(d *side, reason string, at capture.Position) {
	if s.info.Reason == "" {
		s.info.Reason = reason
	}
	if d.delivered > 0 && d.mode == reading {
		s.info.LostRecords += d.known
		s.receiver.PlaintextGap(d.index == 0, s.estimate(d), false, at)
	}
	s.dropPatched(d)
	d.missing, d.known, d.gapped = 0, 0, false
	d.mode, d.searching = watching, false
	s.progress++
	s.scratch.drop(d)
	d.keys = keys{}
	d.chain = nil
}

func (s *Session) release(d *side) {
	s.scratch.drop(d)
	s.dropPatched(d)
	s.dropBuffer(d)
	d.keys, d.chain, d.hs = keys{}, nil, assembler{}
	s.dropWaiting(d)
}
