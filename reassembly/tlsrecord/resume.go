package tlsrecord

// maxMasters bounds the secrets to try for a session that the key log does not name, or whose
// random is lost. Deriving keys and decrypting one record takes about 10 µs: 10 ms in all.
const maxMasters = 1024

// helloDone ends the server's part of a full handshake before TLS 1.3 (RFC 5246 7.4.5).
const helloDone = 14

// masters returns up to limit master secrets, the newest first.
func (s *Secrets) masters(limit int) (out [][maxSecretSize]byte) {
	s.complete()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, pool := range [][]secret{s.cur.pool, s.old.pool} {
		for i := len(pool) - 1; i >= 0 && len(out) < limit; i-- {
			if pool[i].label == labelMaster || pool[i].label == labelSession {
				out = append(out, pool[i].bytes)
			}
		}
	}
	return out
}

// randoms returns the client randoms of all sessions, in no order. It returns none if there are
// more than limit.
func (s *Secrets) randoms(limit int) (out [][32]byte) {
	s.complete()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.cur.heads)+len(s.old.heads) > limit {
		return nil
	}
	for _, heads := range []map[[32]byte]uint32{s.cur.heads, s.old.heads} {
		for r := range heads {
			out = append(out, r)
		}
	}
	return out
}

// findResumed finds the master secret of a resumed session whose client random is not in the key
// log. Such a session has the master secret of the session that it resumes. crypto/tls, for one,
// does not log it again. The first protected record, a Finished, shows which secret is right.
// Other connections are not used: the result would depend on which one was read first.
func (s *Session) findResumed(d *side, rec []byte) bool {
	if s.fullHandshake || d.gapped {
		return false
	}
	for _, master := range s.secrets.masters(maxMasters) {
		if k := s.keys12(d, &master); s.opens(&k, rec) {
			s.master = &master
			return true
		}
	}
	return false
}

// identify finds the client random of a session whose ClientHello is lost: its secrets decrypt the
// server's first protected record. It tries all secrets or none, so their order does not matter.
func (s *Session) identify(d *side, rec []byte) bool {
	if d.identified || d.gapped || d.opened > 0 || s.suite == nil || s.suite.bulk == unsupported ||
		s.suite.tls13() != (s.version == versionTLS13) {
		return false
	}
	d.identified = true
	for _, random := range s.secrets.randoms(maxMasters) {
		s.info.ClientRandom = random
		k, ok := keys{}, false
		if d.phase == phaseSealed {
			var master [maxSecretSize]byte
			s.secrets.get(&random, labelMaster, &master)
			k, ok = s.keys12(d, &master), true
		} else {
			k, ok = s.keys13(labelServerHandshake)
		}
		if ok && s.opens(&k, rec) {
			s.info.HasClientRandom = true
			s.hasClient = true
			s.progress++
			return true
		}
	}
	s.info.ClientRandom = [32]byte{}
	s.progress++
	return false
}

// opens reports whether keys decrypt a record as their first one.
func (s *Session) opens(k *keys, rec []byte) bool {
	o, ok := newRecordCipher(k)
	if !ok {
		return false
	}
	_, _, ok = o.open(s.scratch, rec, 0, k.iv[:])
	return ok
}

// keys12 derives a direction's keys from a master secret.
func (s *Session) keys12(d *side, master *[maxSecretSize]byte) keys {
	k := keys12(s.suite, s.version, s.etm && s.suite.bulk == cbc, master[:], &s.info.ClientRandom, &s.serverRandom)
	if d == s.client() {
		return k[0]
	}
	return k[1]
}
