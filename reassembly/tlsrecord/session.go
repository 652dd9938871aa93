package tlsrecord

import (
	"fmt"
	"time"

	"github.com/kafkavet/kafkavet/capture"
)

// Receiver takes the plaintext of one session. All calls come from within
// Session's methods, in order for each direction; where bytes had to wait for
// secrets, or for a packet of the other direction, they come late, with the
// position they had.
type Receiver interface {
	// Plaintext takes application data, never empty. p is valid during the
	// call only; at is the packet in which the record ends.
	Plaintext(toServer bool, p []byte, at capture.Position)
	// PlaintextGap: n bytes of application data are missing before
	// what comes next. n is an estimate, perhaps 0, unless exact is true. at
	// is the packet in which the plaintext goes on, or in which it was given up.
	PlaintextGap(toServer bool, n int64, exact bool, at capture.Position)
}

// Options are what the sessions of one goroutine share. The zero value is for
// files: no waiting for secrets.
type Options struct {
	// Wait is how long, by packet time, encrypted records wait for their
	// secrets to come into the key log. 0: what is there when they are needed counts.
	Wait time.Duration
	// Scratch is working memory for all sessions of one goroutine; nil: each
	// session makes its own.
	Scratch *Scratch
	// Subjects: take the subject of the client's certificate. Without it, certificates are not looked at.
	Subjects bool
}

// noSecrets is the store of sessions without any.
var noSecrets = NewSecrets()

// Session decrypts one TLS connection. It is used by one goroutine at a time.
//
// The side that sends the ClientHello is the client, whichever direction the
// caller calls toServer; the Receiver gets the caller's directions.
type Session struct {
	secrets  *Secrets
	receiver Receiver
	options  *Options
	scratch  *Scratch
	dirs     [2]direction // by index: 0 is toServer
	info     Info

	// What the hellos said.
	hasClient, hasServer    bool // a ClientHello, a ServerHello was read
	clientIndex             uint8
	retried                 bool // by a HelloRetryRequest: this is TLS 1.3
	guessed                 bool // version and suite are a guess: the ServerHello is lost
	etm                     bool
	earlyData               bool // the ClientHello announces early data (0-RTT)
	version, suiteID        uint16
	suite                   *suite // nil for one that is not known
	serverRandom, sessionID [32]byte
	fullHandshake           bool                 // not a resumed session (before TLS 1.3)
	master                  *[maxSecretSize]byte // found for a resumed session, nil for none

	// progress changes when something happened that a direction may wait for.
	progress uint64
	expired  bool // secrets are not waited for any more
	ended    bool
}

// NewSession returns a session at the beginning of its connection. secrets and
// o may be nil; o is shared, not copied.
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

// Format writes "tls session" for every verb: no key material leaves by way of
// a log line or an error.
func (s *Session) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("tls session")) }

func (s *Session) dir(toServer bool) *direction {
	if toServer {
		return &s.dirs[0]
	}
	return &s.dirs[1]
}

func (s *Session) client() *direction { return &s.dirs[s.clientIndex] }
func (s *Session) server() *direction { return &s.dirs[s.clientIndex^1] }

// Data takes the next bytes of a direction. p is not kept, and not changed.
func (s *Session) Data(toServer bool, p []byte, at capture.Position) {
	d := s.dir(toServer)
	if d.mode == counting && !d.blocked {
		s.info.Undecrypted += uint64(len(p))
		return
	}
	s.feed(d, p, at)
	s.advance(at)
}

// Gap takes the place of the next n bytes of a direction, which are not in the capture.
func (s *Session) Gap(toServer bool, n int64, at capture.Position) {
	if n <= 0 {
		return
	}
	s.gap(s.dir(toServer), n, at)
	s.advance(at)
}

// Close ends a direction: a FIN or RST came.
func (s *Session) Close(toServer bool, at capture.Position) {
	s.dir(toServer).closed = true
	s.progress++
	s.advance(at)
}

// Retry looks again for secrets that were missing, and gives up where
// Options.Wait is over at packet time at. It is cheap where nothing waits.
func (s *Session) Retry(at capture.Position) { s.advance(at) }

// End is called once when the connection is over, closed or not. What still
// waits is decrypted as far as it can be, and what the session holds is given back. Only Info
// and Done may be called after it.
func (s *Session) End(at capture.Position) {
	s.expired, s.ended = true, true
	for i := range s.dirs {
		s.dirs[i].closed = true
	}
	s.progress++
	s.advance(at)
	for i := range s.dirs {
		d := &s.dirs[i]
		s.reportUnresolved(d, at)
		s.release(d)
		d.mode = counting
	}
}

// Done reports that no plaintext will come any more and that Info will not
// change but for Undecrypted: further bytes need only be counted, by Data or by the caller.
func (s *Session) Done() bool {
	for i := range s.dirs {
		if d := &s.dirs[i]; d.blocked || d.mode != counting && !(d.mode == watching && s.info.Established) {
			return false
		}
	}
	return true
}

// Waiting reports that records wait for secrets: Retry should be called from time to time.
func (s *Session) Waiting() bool { return s.dirs[0].blocked || s.dirs[1].blocked }

// Info says what is known of the session.
func (s *Session) Info() Info {
	info := s.info
	if s.version == versionTLS13 && info.Alert != "" && info.AlertFromServer && s.server().delivered == 0 {
		// The client's part came to its end, and the server refused it: its certificate, mostly.
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

// searching reports whether a direction ended without a record that could be found.
func (s *Session) searching() bool { return s.dirs[0].searching || s.dirs[1].searching }

// giveUp ends the decryption of a direction. The first reason of a session is kept.
func (s *Session) giveUp(d *direction, reason string, at capture.Position) {
	if s.info.Reason == "" {
		s.info.Reason = reason
	}
	if d.delivered > 0 && d.mode == reading {
		s.info.LostRecords += d.known
		s.receiver.PlaintextGap(d.index == 0, s.estimate(d), false, at)
	}
	s.dropTorn(d)
	d.missing, d.known, d.gapped = 0, 0, false
	d.mode, d.searching = watching, false
	s.progress++
	s.scratch.drop(d)
	d.keys = keys{}
	d.chain = nil
}

func (s *Session) release(d *direction) {
	s.scratch.drop(d)
	s.dropTorn(d)
	s.dropBuffer(d)
	d.keys, d.chain, d.hs = keys{}, nil, assembler{}
	s.unwait(d)
}
