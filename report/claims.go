package report

import (
	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report/evidence"
	"github.com/kafkavet/kafkavet/report/history"
)

// maxClaims bounds the ids of suspects and departures: 4,096 of some 150 bytes. Further ones count as
// "evidence_occurrences": evidence keeps no packets of them.
const maxClaims = 4096

func (f *findings) newID() evidence.ID {
	f.numbered++
	return f.numbered
}

// claimID returns the id for a key. It creates it if necessary; ok is false at the limit.
func (f *findings) claimID(key findingKey) (id evidence.ID, ok bool) {
	if id, ok = f.claims[key]; ok {
		return id, true
	}
	if len(f.claims) >= maxClaims {
		f.unclaimed++
		return 0, false
	}
	key.clientID = ownText(key.clientID)
	f.claims[key] = f.newID()
	return f.claims[key], true
}

// claimKey returns the key of the id that equal suspects share.
func (f *findings) claimKey(x *decode.Exchange) findingKey {
	return findingKey{
		rule: undecided, broker: x.Endpoint(), hasAPI: true, api: x.Key, version: x.Version,
		hasClient: true, hasClientID: x.HasClientID, clientID: truncate(x.ClientID),
	}
}

func (f *findings) claim(x *decode.Exchange) {
	if f.evidence == nil {
		return
	}
	if id, ok := f.claimID(f.claimKey(x)); ok {
		f.evidence.Exchange(id, x)
	}
}

// claimAfter keeps x with the refused requests after which it shows what the client did.
func (f *findings) claimAfter(x *decode.Exchange) {
	if f.evidence == nil {
		return
	}
	for _, k := range f.history.After(x) {
		if id, ok := f.claims[f.claimKey(&k.Exchange)]; ok {
			f.evidence.After(id, &k.Exchange, x)
		}
	}
}

// unservedKey returns the key of the id that the connections without a request share that an
// address did not serve.
func unservedKey(at decode.Endpoint) findingKey {
	return findingKey{rule: undecided, detail: "unserved", broker: at}
}

// addClaim adds to a group the id that its suspects share.
func (f *findings) addClaim(g *group, k *history.Suspect) {
	if f.evidence == nil {
		return
	}
	if id, ok := f.claims[f.claimKey(&k.Exchange)]; ok {
		g.share(id, k.Exchange.Request, k.Exchange.Stream)
	}
}

// claimed returns the current findings for which evidence needs proofs.
func (f *findings) claimed() []evidence.Claim {
	decided := f.history.Decide()
	groups, _ := f.ruledGroups(&decided, 0)
	claims := make([]evidence.Claim, 0, len(groups))
	for _, g := range groups {
		claims = append(claims, evidence.Claim{
			IDs: g.ids, Shared: g.shared, Occurrences: g.places, Code: g.rule.Code, Broker: g.key.broker,
			WithTLS: g.rule.Code != rules[g.key.rule].Code, WithClear: g.key.detail == tlsClosed || len(g.shared) > 0,
		})
	}
	return claims
}
