package history

import (
	"slices"

	"github.com/kafkavet/kafkavet/decode"
)

// sessionOver reports whether the SASL session of a request had expired. Either its lifetime had
// passed, or the broker did not state the lifetime. In that case this and at least one other
// refused request were later after the authentication than each answered one, and the broker
// answered again at once.
func (v *view) sessionOver(k *Suspect) bool {
	age, ok := v.sessionAgeOf(k)
	switch {
	case !ok:
		return false
	case k.stream.lifetime > 0:
		return age >= int64(k.stream.lifetime)
	}
	// A device that drops idle connections resets them.
	return v.sessionsEnd && age > v.sessionAge && (k.Exchange.Outcome == decode.ClosedByBroker || !v.afterPauses(k))
}

// sessionsOver reports whether sessions without a stated lifetime seem to expire.
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

// sessionAgeOf returns the time from the authentication to a request on which the broker ended the
// connection. ok is false if the connection was not authenticated, had not served a request
// before, or served one after its session was over.
func (v *view) sessionAgeOf(k *Suspect) (age int64, ok bool) {
	x, s := &k.Exchange, k.stream
	if !endedByBroker(x) || int64(x.Took) > prompt ||
		!s.hasSASL || s.outlived || s.isRenewed() || s.worked.Time == 0 || x.Key == keySaslHandshake || x.Key == keySaslAuthenticate {
		return 0, false
	}
	return x.Request.Time - s.authenticated.Time, true
}

// hasOwnCause reports whether the request or its connection explains the refusal.
func (v *view) hasOwnCause(k *Suspect) bool {
	return k.isOutOfOrder() || v.sessionOver(k) || v.mayBeOver(k) || v.othersUseSASL(k) || v.tooLarge(k)
}

// isOutOfOrder reports whether the broker ended the connection on another request between
// SaslHandshake and the end of the authentication. It accepts only SaslAuthenticate there, or
// tokens (Apache Kafka, SaslServerAuthenticator).
func (k *Suspect) isOutOfOrder() bool {
	x, s := &k.Exchange, k.stream
	return (s.stage == keySaslHandshake || s.stage == Challenged) && x.Key != keySaslHandshake && x.Key != keySaslAuthenticate && s.missing == 0 &&
		!(s.handshakeV0 && s.sentMore) && endedByBroker(x) && int64(x.Took) <= prompt && s.authenticated.Before(x.Request)
}

// mayBeOver reports whether the broker ended a connection whose SASL session began before the
// capture, and sessions expire at this address.
func (v *view) mayBeOver(k *Suspect) bool {
	s := k.stream
	return (v.hasLimit || v.sessionsEnd) && s.midstream && !s.hasSASL && s.worked.Time > 0 &&
		endedByBroker(&k.Exchange) && int64(k.Exchange.Took) <= prompt
}

// onlyTo reports whether the address refuses a version to one client, again and again and without
// exception, while it answers it to others. ApiVersions is often the first request of a connection,
// which a proxy may end for another reason, so there the request must be malformed.
func (v *view) onlyTo(k *Suspect) bool {
	key := k.version()
	from, to := v.life(k.Exchange.Request.Time)
	return memo(&v.facts, fact{"onlyTo", key, from, k.stream.client}, func() bool {
		list, refused := v.answers[key], v.refusedTo(k)
		if list == nil || k.stream.client.isFull || !isAgain(refused) || key.key == keyApiVersions && !refused[0].Exchange.Malformed {
			return false
		}
		first, last := refused[0].Exchange.Request.Time, refused[len(refused)-1].Exchange.Decided.Time
		return list.during(first, last) &&
			!slices.ContainsFunc(k.stream.client.answers, func(a answerTo) bool {
				return a.from == v.address && a.version == key && a.first < to && a.latest.Time >= from
			})
	})
}

// refusedTo returns the refusals of the version of k to the client of k, in one life.
func (v *view) refusedTo(k *Suspect) (list []*Suspect) {
	for _, o := range v.refusedLike(k) {
		if o.stream.client == k.stream.client {
			list = append(list, o)
		}
	}
	return list
}

// refusedLike returns the refusals of the version of k in one life.
func (v *view) refusedLike(k *Suspect) []*Suspect {
	return v.inLife(v.refusals[k.version()], k.Exchange.Request.Time)
}

// isAgain reports whether the broker ended connections again and again, at once after a request,
// and not only after a pause.
func isAgain(refusals []*Suspect) bool {
	n, atOnce := moments{}, false
	for _, k := range refusals {
		x := &k.Exchange
		if !endedByBroker(x) || int64(x.Took) > prompt {
			return false
		}
		atOnce = atOnce || k.pause() < idlePause
		n.add(x.Decided.Time)
	}
	return n.count >= againAndAgain && atOnce
}

// isMixed reports whether the address refuses a version again and again that it also answers, and
// a table that it advertised forbids it. Brokers of several releases may stand behind it.
func (v *view) isMixed(k *Suspect) bool {
	x := &k.Exchange
	if !x.Verdict.IsOutside() || x.Evidence != decode.Borrowed {
		return false
	}
	from, to := v.life(x.Request.Time)
	if _, inLife := find(v.adverts, x.Ranges, from, to); !inLife {
		return false
	}
	return memo(&v.facts, fact{"isMixed", k.version(), from, k.stream.client}, func() bool { return isAgain(v.refusedTo(k)) })
}

// tooLarge reports whether the broker ended the connection because of the size of a request. Either
// the broker did not have the complete request; a small one must be refused again. Or several
// requests of the version were refused, and all of them are larger than any answered one.
func (v *view) tooLarge(k *Suspect) bool {
	x := &k.Exchange
	if !endedByBroker(x) || x.Size <= v.largest || v.afterPauses(k) {
		return false
	}
	if x.Size < largeRequest {
		return x.Partial && v.refusedAgain(k)
	}
	return x.Partial || v.onlyLarge(k)
}

// onlyLarge reports whether several requests of a version were refused, all larger than any
// answered.
func (v *view) onlyLarge(k *Suspect) bool {
	return len(v.refusals[k.version()]) > 1 && v.all("onlyLarge", k, func(o *Suspect) bool {
		return o.Exchange.Size >= largeRequest && o.Exchange.Size > v.largest
	})
}

// afterPauses reports whether all refusals of a version were on connections that had been served
// and then idle for idlePause. A load balancer or firewall that drops idle connections refuses the
// next request with any version.
func (v *view) afterPauses(k *Suspect) bool {
	return v.all("afterPauses", k, func(o *Suspect) bool { return o.pause() >= idlePause })
}

// afterSessions reports whether all refusals of a version were on connections whose SASL session
// may have expired: its lifetime is unknown, and no captured session lasted as long.
func (v *view) afterSessions(k *Suspect) bool {
	return v.all("afterSessions", k, func(o *Suspect) bool {
		age, ok := v.sessionAgeOf(o)
		return ok && o.stream.lifetime == 0 && age > max(v.sessionAge, idlePause)
	})
}

// all reports whether something is true of all refusals of the version of k, and caches that under
// a name.
func (v *view) all(name string, k *Suspect, is func(*Suspect) bool) bool {
	return memo(&v.facts, fact{name: name, version: k.version()}, func() bool {
		list := v.refusals[k.version()]
		return !slices.ContainsFunc(list, func(o *Suspect) bool { return !is(o) })
	})
}

// pause returns the time from the latest answer of the connection to the request; 0 or less if no
// answer came before it. A connection joined midstream without an answer counts as idle for
// idlePause.
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

// memo returns the result of f for key, and caches it in m.
func memo[K comparable, V any](m *map[K]V, key K, f func() V) V {
	v, ok := (*m)[key]
	if !ok {
		v = f()
		if *m == nil {
			*m = map[K]V{}
		}
		(*m)[key] = v
	}
	return v
}

// largeRequest is the smallest size, in bytes, at which a request may be too large for a broker.
const largeRequest = 64 << 10

// endedByBroker reports whether the broker closed or reset the connection on x.
func endedByBroker(x *decode.Exchange) bool {
	return x.Outcome == decode.ClosedByBroker || x.Outcome == decode.ResetByBroker
}

// withoutSASL reports whether the broker ended a connection that began without SASL, and never
// answered more than ApiVersions on this one, nor on such a connection of the same life.
func (v *view) withoutSASL(k *Suspect) bool {
	x := &k.Exchange
	return !k.stream.hasSASL && k.stream.worked.Time == 0 && !k.stream.midstream && k.stream.missing == 0 && x.Key != keyApiVersions && x.Key != keySaslHandshake &&
		!v.isOpenTo(k) && endedByBroker(x)
}

// isOpenTo reports whether the broker answered clients without SASL in the life of k.
func (v *view) isOpenTo(k *Suspect) bool {
	_, is := v.open.in(v.life(k.Exchange.Request.Time))
	return is
}

// othersUseSASL reports whether a request was refused because the listener requires SASL: other
// clients authenticate there.
func (v *view) othersUseSASL(k *Suspect) bool {
	_, do := v.handshake.in(v.life(k.Exchange.Request.Time))
	return do && v.withoutSASL(k)
}

// wantsSASL reports the same if no client authenticates. ApiVersions must be answered. Then
// different later requests are refused alike, or each refusal takes as long as the refusal of an
// authentication (KIP-306), or each version is below the advertised max, or the table is not that
// of Apache Kafka. A proxy that advertises too much passes on the table of a broker, and refuses
// the highest versions.
func (v *view) wantsSASL(k *Suspect) bool {
	if !v.withoutSASL(k) || !v.inRange(&k.Exchange) {
		return false
	}
	versions, times, delayed, below := 0, 0, 0, 0
	for key, list := range v.refusals {
		list = v.inLife(list, k.Exchange.Request.Time)
		if key.key == keyApiVersions || len(list) == 0 {
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
	return versions > 1 || times > 1 && (delayed == times || below == times) || v.refusedAgain(k) && v.isOwn(k)
}

// isOwn reports whether the table of the first refusal like k, without the requested API, is that
// of no release of Apache Kafka: another server made it, and no proxy that only adds versions of
// this API.
func (v *view) isOwn(k *Suspect) bool {
	x := &v.refusedLike(k)[0].Exchange
	return x.Ranges != nil && memo(&v.own, tableAPI{x.Ranges, x.Key}, func() bool {
		rest := slices.DeleteFunc(slices.Clone(x.Ranges.APIs), func(a decode.API) bool { return a.Key == x.Key })
		guess := decode.GuessRelease(&decode.Ranges{APIs: rest})
		return len(guess.Names) == 0 && len(guess.RunnersUp) > 0
	})
}

type tableAPI struct {
	ranges *decode.Ranges
	key    int16
}
