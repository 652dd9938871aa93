package history

import (
	"slices"

	"github.com/kafkavet/kafkavet/decode"
)

// sessionOver reports whether the SASL session of a request was over: its lifetime had passed, or, where
// the broker did not state it, each time that a request was refused was longer after the authentication
// than each time that one was answered, and the broker served the client again at once.
func (v *view) sessionOver(k *Suspect) bool {
	age, ok := v.sessionAgeOf(k)
	switch {
	case !ok:
		return false
	case k.stream.lifetime > 0:
		return age >= int64(k.stream.lifetime)
	}
	// What forgets idle connections resets them.
	return v.sessionsEnd && age > v.sessionAge && (k.Exchange.Outcome == decode.ClosedByBroker || !v.afterPauses(k))
}

// sessionsOver reports whether sessions of which the broker did not state the end seem to have one.
func (v *view) sessionsOver() bool {
	var first int64
	times := 0
	for _, k := range v.culprits {
		if age, ok := v.sessionAgeOf(k); ok && k.stream.lifetime == 0 && age > v.sessionAge {
			if times == 0 {
				first = k.Exchange.Decided.Time
			}
			times++
		}
	}
	_, isBack := v.alive.within(first, first+2*restartTakes)
	return times > 1 && isBack
}

// sessionAgeOf is how long after the authentication a request was sent that the broker ended the
// connection on. ok is false for requests that were never served before on an authenticated connection.
func (v *view) sessionAgeOf(k *Suspect) (age int64, ok bool) {
	x, s := &k.Exchange, k.stream
	if !endedByBroker(x) || int64(x.Took) > prompt ||
		!s.hasSASL || s.isRenewed() || s.worked.Time == 0 || x.Key == keySaslHandshake || x.Key == keySaslAuthenticate {
		return 0, false
	}
	return x.Request.Time - s.authenticated.Time, true
}

// hasOwnCause reports whether something in the request or its connection explains that it was refused.
func (v *view) hasOwnCause(k *Suspect) bool {
	return v.sessionOver(k) || v.othersUseSASL(k) || v.tooLarge(k)
}

// tooLarge reports whether the broker ended the connection because of the size of a request: it had not
// the whole of it, or all requests of the version that it refuses, and there are several, are larger
// than any that it answered.
func (v *view) tooLarge(k *Suspect) bool {
	x := &k.Exchange
	if !endedByBroker(x) || x.Size <= v.largest || v.afterPauses(k) {
		return false
	}
	return x.Partial || x.Size >= largeRequest && v.onlyLarge(version{x.Key, x.Version})
}

// onlyLarge reports whether several requests of a version were refused, and all of them are larger than any
// that was answered.
func (v *view) onlyLarge(key version) bool {
	return memo(&v.large, key, func() bool {
		list := v.refusals[key]
		return len(list) > 1 && !slices.ContainsFunc(list, func(k *Suspect) bool {
			return k.Exchange.Size < largeRequest || k.Exchange.Size <= v.largest
		})
	})
}

// afterPauses reports whether a version was refused only on connections that had been served, and on which
// nothing was sent for idlePause before. A load balancer or firewall that forgets idle connections refuses the
// next request, whatever it is.
func (v *view) afterPauses(k *Suspect) bool {
	key := version{k.Exchange.Key, k.Exchange.Version}
	return memo(&v.paused, key, func() bool {
		list := v.refusals[key]
		return len(list) > 0 && !slices.ContainsFunc(list, func(o *Suspect) bool { return o.pause() < idlePause })
	})
}

// afterSessions reports whether a version was refused only on connections whose SASL session may have been over: its
// lifetime is not known, and no session was seen to last as long.
func (v *view) afterSessions(k *Suspect) bool {
	key := version{k.Exchange.Key, k.Exchange.Version}
	return memo(&v.aged, key, func() bool {
		list := v.refusals[key]
		return len(list) > 0 && !slices.ContainsFunc(list, func(o *Suspect) bool {
			age, ok := v.sessionAgeOf(o)
			return !ok || o.stream.lifetime > 0 || age <= max(v.sessionAge, idlePause)
		})
	})
}

// pause is the time between the latest answer of the connection and the request, 0 or less where none came before it. It
// counts as long where the capture begins in the middle of it.
func (k *Suspect) pause() int64 {
	sent, answered := k.Exchange.Request.Time, k.stream.answered.Time
	switch {
	case answered == 0 && k.stream.midstream:
		return idlePause
	case answered == 0:
		return 0
	}
	return sent - answered
}

// memo returns the result of f for key, which it remembers in m.
func memo[K comparable](m *map[K]bool, key K, f func() bool) bool {
	is, ok := (*m)[key]
	if !ok {
		is = f()
		if *m == nil {
			*m = map[K]bool{}
		}
		(*m)[key] = is
	}
	return is
}

// largeRequest is the least size, in bytes, at which a request may be too large for a broker.
const largeRequest = 64 << 10

// endedByBroker reports whether the broker closed or reset the connection on x.
func endedByBroker(x *decode.Exchange) bool {
	return x.Outcome == decode.ClosedByBroker || x.Outcome == decode.ResetByBroker
}

// withoutSASL reports whether the broker ended a connection that began with something else than SASL,
// and answered no such connection except with ApiVersions.
func (v *view) withoutSASL(k *Suspect) bool {
	x := &k.Exchange
	return !k.stream.hasSASL && !k.stream.midstream && k.stream.missing == 0 && x.Key != keyApiVersions && x.Key != keySaslHandshake &&
		v.open.Time == 0 && endedByBroker(x)
}

// othersUseSASL reports whether a request was refused because the listener wants SASL: other clients
// do authenticate there.
func (v *view) othersUseSASL(k *Suspect) bool { return v.withoutSASL(k) && v.handshake.Time > 0 }

// wantsSASL reports the same where no client authenticates: ApiVersions is answered, and different requests
// behind it are refused alike, or each refusal takes as long as that of an authentication does (KIP-306), or
// each version lies below the advertised max. A proxy that advertises too much refuses the highest versions.
func (v *view) wantsSASL(k *Suspect) bool {
	if !v.withoutSASL(k) || !v.inRange(&k.Exchange) {
		return false
	}
	versions, times, delayed, below := 0, 0, 0, 0
	for key, list := range v.refusals {
		if key.key == keyApiVersions {
			continue
		}
		versions++
		for _, o := range list {
			times++
			if int64(o.Exchange.Took) >= refusedDelay {
				delayed++
			}
			if o.Exchange.Version < o.Exchange.Advertised.Max {
				below++
			}
		}
	}
	return versions > 1 || times > 1 && (delayed == times || below == times)
}
