package tlsrecord

import (
	"encoding/hex"
	"fmt"
)

// maxForeign bounds the records in a row that fail because their keys are missing, before those of
// the available keys: the encrypted part of a handshake, less than ten records.
const maxForeign = 16

// action is what to do with a record.
type action uint8

const (
	actionDecrypt action = iota
	actionWait
	actionGiveUp
)

// verdict is an action, and the reason if it is actionGiveUp.
type verdict struct {
	action action
	reason string
}

func never(format string, args ...any) verdict {
	return verdict{actionGiveUp, fmt.Sprintf(format, args...)}
}

// enter begins a phase. Its first record looks up the keys.
func (s *Session) enter(d *side, p phase) {
	s.scratch.drop(d)
	d.phase, d.keyed = p, false
	d.seq, d.opened, d.bytes, d.known = 0, 0, 0, 0
	d.hs.reset()
}

// install sets the keys of a direction.
func (s *Session) install(d *side, k keys) {
	s.scratch.drop(d)
	d.keys, d.keyed = k, true
	d.seq, d.opened, d.bytes = 0, 0, 0
	d.hs.reset()
	switch {
	case k.suite.bulk != cbc || k.version != versionTLS10:
		d.chain = nil
	case d.chain == nil || !d.gapped:
		d.chain = &chain{first: true}
	}
}

func (s *Session) loseHello(d *side) {
	if !d.helloLost {
		d.helloLost = true
		s.progress++
	}
}

// checkHellos reports whether both hellos of the handshake are known. rec is the first protected
// record of d.
func (s *Session) checkHellos(d *side, rec []byte) verdict {
	if !s.hasClient {
		c, v := s.client(), s.server()
		switch {
		case !c.helloLost && !c.closed:
			return verdict{action: actionWait}
		case d == c && v.mode == reading && !v.identified && !v.helloLost && !v.closed:
			return verdict{action: actionWait} // the server's records may identify the session
		case d == c || !s.hasServer || !s.identify(d, rec):
			return never("the handshake is not in the capture")
		}
	}
	if s.hasServer {
		return verdict{}
	}
	if v := s.server(); v != d && !v.helloLost && !v.closed {
		return verdict{action: actionWait}
	}
	if s.guess() {
		return verdict{}
	}
	return never("the ServerHello is not in the capture")
}

// guess derives the version from the key log if the ServerHello is lost. It guesses the suite;
// trials try the others of that size. Older versions than TLS 1.3 need the server's random.
func (s *Session) guess() bool {
	var b [maxSecretSize]byte
	random := &s.info.ClientRandom
	n := s.secrets.get(random, labelServerTraffic, &b)
	if n == 0 {
		n = s.secrets.get(random, labelClientTraffic, &b)
	}
	for _, id := range guesses {
		if g := suiteByID(id); g.size13() == n {
			s.suite, s.suiteID, s.version, s.guessed = g, id, versionTLS13, true
			s.info.Version = versionName(versionTLS13)
			s.hasServer = true
			s.progress++
			return true
		}
	}
	return false
}

// guesses are the suites of TLS 1.3, the most common first.
var guesses = [...]uint16{0x1301, 0x1302, 0x1303}

// setKeys sets the keys of d's phase. rec is its first record.
func (s *Session) setKeys(d *side, rec []byte) verdict {
	if v := s.checkHellos(d, rec); v.action != actionDecrypt {
		return v
	}
	switch {
	case s.suite == nil || s.suite.bulk == unsupported:
		return never("cipher suite %s is not supported", suiteName(s.suiteID))
	case s.version < versionTLS10 || s.version > versionTLS13:
		return never("protocol version 0x%04x is not supported", s.version)
	case s.suite.tls13() != (s.version == versionTLS13):
		return never("cipher suite %s does not belong to %s", s.suite.name, versionName(s.version))
	case d.phase == phaseSealed:
		return s.setKeys12(d, rec)
	}
	return s.setKeys13(d)
}

func (s *Session) setKeys12(d *side, rec []byte) verdict {
	var master [maxSecretSize]byte
	if s.secrets.get(&s.info.ClientRandom, labelMaster, &master) > 0 ||
		s.sessionID != [32]byte{} && s.secrets.get(&s.sessionID, labelSession, &master) > 0 {
		s.install(d, s.keys12(d, &master))
		return verdict{}
	}
	if s.master == nil && !s.findResumed(d, rec) {
		return s.noSecrets()
	}
	s.install(d, s.keys12(d, s.master))
	return verdict{}
}

func (s *Session) setKeys13(d *side) verdict {
	if s.earlyData {
		return never("early data (0-RTT) is not supported")
	}
	handshake, traffic := labelServerHandshake, labelServerTraffic
	if d == s.client() {
		handshake, traffic = labelClientHandshake, labelClientTraffic
	}
	if d.phase == phaseHandshake {
		if s.use13(d, handshake) {
			return verdict{}
		}
		// Some tools write only the traffic secrets. Records of the handshake then fail.
		if !s.secrets.has(&s.info.ClientRandom, traffic) {
			return s.noSecrets()
		}
		s.enter(d, phaseTraffic)
		d.foreign = maxForeign
	}
	if s.use13(d, traffic) {
		return verdict{}
	}
	return s.noSecrets()
}

// use13 sets the keys of a secret. It returns false if there is no such secret.
func (s *Session) use13(d *side, l label) bool {
	k, ok := s.keys13(l)
	if ok {
		s.install(d, k)
	}
	return ok
}

// keys13 derives the keys of a secret. It returns false if there is no such secret.
func (s *Session) keys13(l label) (keys, bool) {
	var b [maxSecretSize]byte
	n := s.secrets.get(&s.info.ClientRandom, l, &b)
	if n != s.suite.size13() {
		return keys{}, false
	}
	return keys13(s.suite, b[:n]), true
}

// noSecrets waits for secrets, or gives up if there is no more time.
func (s *Session) noSecrets() verdict {
	if s.options.Wait > 0 && !s.expired {
		return verdict{action: actionWait, reason: s.secretReason()}
	}
	return verdict{actionGiveUp, s.secretReason()}
}

// secretReason says that the session has no secrets. It names the client random, for which a user
// can search in the key log.
func (s *Session) secretReason() string {
	random := "client random " + hex.EncodeToString(s.info.ClientRandom[:8]) + "..."
	for l := labelClientHandshake; l <= labelServerTraffic; l++ {
		if s.secrets.has(&s.info.ClientRandom, l) {
			return "the key log lacks secrets of " + random
		}
	}
	if s.secrets.Len() > 0 {
		return "the key log has no entry for " + random
	}
	return "no key was given for " + random
}

// waitReason says what blocked directions wait for.
func (s *Session) waitReason() string {
	if s.hasClient && s.hasServer {
		return s.secretReason()
	}
	return "the handshake is not in the capture"
}
