package tlsrecord

// maxMasters bounds the master secrets that are tried for one resumed session.
// Deriving keys and opening one record takes about 10 µs: 10 ms.
const maxMasters = 1024

// helloDone ends the server's part of a full handshake before TLS 1.3 (RFC 5246 7.4.5).
const helloDone = 14

// masters returns up to limit master secrets, the newest first.
func (s *Secrets) masters(limit int) (out [][maxSecretSize]byte) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, pool := range [][]secret{s.cur.pool, s.old.pool} {
		for i := len(pool) - 1; i >= 0 && len(out) < limit; i-- {
			if pool[i].label == labelMaster {
				out = append(out, pool[i].bytes)
			}
		}
	}
	return out
}

// resumed finds the master secret of a resumed session whose client random is
// not in the key log. Such a session has the master secret of the one that it
// resumes, and crypto/tls, for one, does not log it again. Which one that is
// shows in the first protected record, a Finished. What other connections did
// is not asked for: the answer would depend on which was read first.
func (s *Session) resumed(d *direction, rec []byte) bool {
	if s.fullHandshake || s.clientRound != 1 || d.gapped {
		return false
	}
	for _, master := range s.secrets.masters(maxMasters) {
		k := s.keys12(d, &master)
		o, ok := newOpener(&k)
		if !ok {
			return false
		}
		if _, _, ok := o.open(s.scratch, rec, 0, k.iv[:]); ok {
			s.master = &master
			return true
		}
	}
	return false
}

// keys12 derives a direction's keys from a master secret.
func (s *Session) keys12(d *direction, master *[maxSecretSize]byte) keys {
	k := keys12(s.suite, s.version, s.etm && s.suite.bulk == cbc, master[:], &s.info.ClientRandom, &s.serverRandom)
	if d == s.client() {
		return k[0]
	}
	return k[1]
}
