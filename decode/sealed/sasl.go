package sealed

import "slices"

// mechanisms are the lengths of the names of SASL mechanisms: PLAIN, GSSAPI, OAUTHBEARER and
// AWS_MSK_IAM, SCRAM-SHA-256 and SCRAM-SHA-512.
var mechanisms = [...]int{5, 6, 11, 13}

// Sizes of SASL frames in bytes, including the size field.
const (
	// handshakeRequest is the size of SaslHandshake without client id and mechanism.
	handshakeRequest = minRequest + 2
	// handshakeAnswer is the size of its response without mechanisms: size, correlation id, error,
	// array size.
	handshakeAnswer = 4 + 4 + 2 + 4
	// maxEnabled bounds the length of a broker's mechanisms, with 2 bytes of size each: all of the
	// five above take 58.
	maxEnabled = 7 + 8 + 13 + 15 + 15
	// smallTokenAnswer bounds the response to SaslAuthenticate without a token (smallTokens).
	smallTokenAnswer = 28
	// maxTokens bounds the exchanges of tokens: SCRAM takes two, GSSAPI three.
	maxTokens = 3
)

// smallTokens are the sizes of the response to SaslAuthenticate v0, v1 and v2 without a token.
var smallTokens = [...]int{16, 24, 22}

// enabled are the possible total lengths of a broker's enabled mechanisms, with 2 bytes of size
// each.
var enabled = func() (sums [maxEnabled + 1]bool) {
	sums[0] = true
	for _, n := range [...]int{7, 8, 13, 15, 15} {
		for s := maxEnabled; s >= n; s-- {
			sums[s] = sums[s] || sums[s-n]
		}
	}
	return sums
}()

// isHandshake reports whether a turn can be a SaslHandshake. sure: no other request is likely.
func (r *Reading) isHandshake(t *turn) (can, sure bool) {
	if len(t.requests) != 1 || len(t.answers) != 1 {
		return false, false
	}
	q, a := &t.requests[0], &t.answers[0]
	if q.guessed || a.guessed {
		return true, false
	}
	answer := false
	for n := max(a.size-a.slack, handshakeAnswer+1); n <= a.size; n++ {
		answer = answer || n-handshakeAnswer <= maxEnabled && enabled[n-handshakeAnswer]
	}
	if !answer {
		return false, false
	}
	for _, m := range mechanisms {
		id := q.size - handshakeRequest - m
		switch {
		case id < 0:
		case q.slack > 0 || r.ClientID < 0:
			can = true
		case id == r.ClientID:
			can, sure = true, true
		}
	}
	return can, sure
}

// isEmptyToken reports whether a response ends an authentication after SaslHandshake v0: a size
// field of 0 and nothing after it. No response with a header is that short.
func (m *message) isEmptyToken() bool { return m.size == sizePrefix && m.slack == 0 && !m.guessed }

// isSmallToken reports whether a response has the size of one to SaslAuthenticate without a token.
// A challenge is longer, and so is the message of a refusal.
func (m *message) isSmallToken() bool {
	return !m.guessed && slices.ContainsFunc(smallTokens[:], func(n int) bool { return m.size-m.slack <= n && n <= m.size })
}

// readSASL reads a SASL exchange at the beginning of all and returns how many turns it takes.
// It counts the turns also if it is not sure that they are SASL.
func (r *Reading) readSASL(all []turn) int {
	if len(all) == 0 {
		return 0
	}
	can, sure := r.isHandshake(&all[0])
	if !can {
		r.Authentication = NoSASL
		return 0
	}
	r.Authentication = MaybeSASL
	done := false
	n := 1
	for ; n < len(all) && n <= maxTokens && !done; n++ {
		t := &all[n]
		if len(t.answers) == 0 {
			break
		}
		// The response to the last token contains none. Or it contains the server's signature (46
		// or 90 bytes), after the challenge, which PLAIN does not have.
		done = t.answers[0].size <= smallTokenAnswer || n == 2
		sure = sure || t.answers[0].isEmptyToken() || n == 1 && r.Answer == nil && t.answers[0].isSmallToken()
	}
	if sure {
		r.Authentication = SASLOpen
		if done {
			r.Authentication = SASLDone
		}
	}
	return n
}
