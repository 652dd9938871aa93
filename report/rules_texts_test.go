package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
	"github.com/kafkavet/kafkavet/report/history"
	"github.com/kafkavet/kafkavet/report/model"
)

func TestTextsOfFindingsNameNoOne(t *testing.T) {
	for _, s := range scenarios() {
		for _, f := range reportOf(s).Findings {
			for _, text := range []string{f.Message, f.Why, f.Advice} {
				for _, secret := range []string{"127.0.0.1", "2001:db8", "10.0.0.3", "orders-svc", "kafka-1.example"} {
					if strings.Contains(text, secret) {
						t.Errorf("%s: %q names %s", f.Code, text, secret)
					}
				}
			}
		}
	}
}

// TestAdviceOnEncryptedFitsTheReason: the advice asks for a key log only if it helps.
func TestAdviceOnEncryptedFitsTheReason(t *testing.T) {
	for reason, want := range map[string]string{
		"":                        "--tls-keylog",
		"no key was given for it": "--tls-keylog",
		"cipher suite TLS_RSA_WITH_CAMELLIA_128_CBC_SHA is not supported":      "AES-GCM",
		"the key log has no entry for it":                                      "begun after these connections",
		"the key log lacks secrets of it":                                      "Copy the key log again",
		"renegotiation is not supported":                                       "switch this off",
		"the broker's side is not in the capture":                              "both directions",
		"the handshake is not in the capture":                                  "before the client connects",
		"the ServerHello is not in the capture":                                "before the client connects",
		"the place in the stream was not found again after bytes were missing": "without loss",
		"a record could not be authenticated (wrong secrets?)":                 "--tls-keylog",
	} {
		g := &group{}
		g.key.detail = reason
		if got := encryptedRule.advice(&subject{group: g, unexplained: func() int { return 0 }}); !strings.Contains(got, want) {
			t.Errorf("%q: advice %q, want %q in it", reason, got, want)
		}
		if got := encryptedRule.advice(&subject{group: g, unexplained: func() int { return 3 }}); !strings.HasPrefix(got, "The other side closed 3 connections") || !strings.Contains(got, want) {
			t.Errorf("%q with closed connections: advice %q", reason, got)
		}
	}
}

// TestTextsOfFindingsHoldNoNames: the texts of every rule, made from an input with recognisable
// names, contain none of them.
func TestTextsOfFindingsHoldNoNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios() {
		r := builderOf(Options{Target: s.target}, s.calls...).Report()
		for _, f := range r.Findings {
			seen[f.Code] = true
			for _, text := range []string{f.Message, f.Why, f.Advice, f.Title} {
				for _, leak := range []string{"orders-svc", "127.0.0.1", "kafka-1.example", testClient.String(), testBroker.String()} {
					if strings.Contains(text, leak) {
						t.Errorf("%s, %s: %q holds %q", s.name, f.Code, text, leak)
					}
				}
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d rules fired", len(seen))
	}
}

// TestAdviceNamesTheFeature: the advice names the setting that a request needs, if known.
func TestAdviceNamesTheFeature(t *testing.T) {
	for _, c := range []struct {
		key, version int16
		want         string
	}{
		{68, 0, "group.version=1. Or set group.protocol=classic"}, {76, 1, "share.version=1"}, {88, 0, "streams.version=1"}, {82, 0, "kraft.version=1"},
		{0, 12, "transaction.version=2"}, {0, 11, "metadata.version"}, {28, 5, "transaction.version=2"}, {60, 1, "metadata.version"},
	} {
		f := builderOf(Options{}, exchangeOf(1, 0, c.key, c.version, outcomeOf(decode.Error), rangesOf(&decode.Ranges{APIs: []decode.API{{Key: updateFeaturesKey}}})), connectionOf(0, 1, 9)).Report().Findings[0]
		if !strings.Contains(f.Advice, c.want) {
			t.Errorf("API %d v%d: advice %q, want %q in it", c.key, c.version, f.Advice, c.want)
		}
	}
}

// TestAlertsAreExplained: the sender of an alert decides whose certificate it is about.
func TestAlertsAreExplained(t *testing.T) {
	for detail, want := range map[string]string{
		"alert unknown_ca from the client":        "does not trust the CA of the broker's certificate",
		"alert unknown_ca from the broker":        "does not trust the CA of the client's certificate",
		"alert protocol_version from the broker":  "no TLS version in common",
		"alert alert 99 from the broker":          "no meaning that is known",
		"alert handshake_failure from the client": "no cipher suite",
	} {
		s := &subject{group: &group{key: findingKey{detail: detail}}}
		if why := handshakeFailedRule.why(s); !strings.Contains(why, want) {
			t.Errorf("%s: %q, want %q in it", detail, why, want)
		}
		if handshakeFailedRule.advice(s) == "" {
			t.Errorf("%s: no advice", detail)
		}
	}
	if _, ok := alertOf("closed by the client"); ok {
		t.Error("a close is an alert")
	}
}

// TestWarningsSayWhatIsRuledOut: findings that blame someone list the other possible causes,
// without those that they state themselves or that cannot look alike.
func TestWarningsSayWhatIsRuledOut(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios() {
		for _, f := range reportOf(s).Findings {
			rule := rules[ruleIndex(f.Code)]
			if !rule.explains || f.Severity < model.Warning {
				continue
			}
			seen[f.Code] = true
			if len(f.RuledOut) == 0 {
				t.Errorf("%s: %s: nothing is ruled out", s.name, f.Code)
			}
			for _, e := range slices.Concat(f.RuledOut, f.NotRuledOut) {
				if slices.Contains(rule.omits, e.Cause) {
					t.Errorf("%s: %s: %s is listed", s.name, f.Code, e.Cause)
				}
			}
		}
	}
	for _, code := range []string{"KV2004", "KV2005", "KV2007", "KV2008", "KV2011", "KV2012", "KV2014", "KV2016", "KV2017", "KV2018", "KV2020"} {
		if !seen[code] {
			t.Errorf("%s is at warning in no scenario", code)
		}
	}
}

// TestLostPacketsOfAnyOccurrence: they are excluded only if no connection of the finding lacks
// bytes, also for requests that are decided at the end.
func TestLostPacketsOfAnyOccurrence(t *testing.T) {
	for code, change := range map[string]func(*decode.Exchange){"KV1001": verdictOf(decode.AboveMax), "KV2001": noRange} {
		for lacks, want := range map[int]bool{-1: true, 0: false, 1: false, 2: false} {
			calls := []any{exchangeOf(2, 9, 3, 7)} // the listener needs no SASL
			for i := range 3 {
				frame, stream := uint64(10+1000*i), uint32(i)
				calls = append(calls, exchangeOf(frame, stream, 3, 12, change, outcomeOf(decode.ClosedByBroker)),
					connectionOf(stream, frame-1, frame+5, func(c *decode.Connection) {
						c.End.By = reassembly.ToClient
						if i == lacks {
							c.Oddities.Missing = 10
						}
					}))
			}
			r := builderOf(Options{}, calls...).Report()
			i := slices.IndexFunc(r.Findings, func(f model.Finding) bool { return f.Code == code })
			if i < 0 {
				t.Fatalf("%s: %v", code, r.Findings)
			}
			excluded := slices.ContainsFunc(r.Findings[i].RuledOut, func(e model.Explanation) bool { return e.Cause == "lost packets" })
			if excluded != want {
				t.Errorf("%s, connection %d lacks bytes: excluded %v, want %v", code, lacks, excluded, want)
			}
		}
	}
}

// TestTextsOfRules: each text contains only what is true for its case.
func TestTextsOfRules(t *testing.T) {
	mute := func(detail string, handshakes bool) string {
		s := &subject{group: &group{key: findingKey{detail: detail}}, handshakes: handshakes}
		return handshakeFailedRule.why(s) + " " + handshakeFailedRule.advice(s)
	}
	tried := func(list ...usageKey) string {
		g := &group{count: 1}
		g.outcomes[decode.ClosedByBroker] = 1
		g.tried.list = list
		return notKafkaRule.why(&subject{group: g})
	}
	dropped := func(malformed bool) string {
		s := &subject{group: &group{sample: &history.Suspect{Exchange: decode.Exchange{Malformed: malformed}}}}
		return droppedRule.why(s)
	}
	const proxy, nothing, lost = "A proxy that does not support the version of ApiVersions", "nothing runs behind the address", "MTU"
	for _, c := range []struct{ name, text, has, lacks string }{
		{"no byte", mute(noByte, false), nothing, lost},
		{"closed without a byte", mute(tlsClosed, false), nothing, lost},
		{"no byte, and others got through", mute(noByte, true), lost, nothing},
		{"closed inside the handshake", mute("closed by the broker", true), "whether the listener speaks TLS", nothing},
		{"a new ApiVersions", tried(usageKey{apiVersionsKey, 4}), proxy, "hangs"},
		{"an old ApiVersions, too", tried(usageKey{apiVersionsKey, 4}, usageKey{apiVersionsKey, 2}), "A broker before Kafka 0.10", proxy},
		{"another API, too", tried(usageKey{apiVersionsKey, 4}, usageKey{3, 12}), "A broker before Kafka 0.10", proxy},
		{"a malformed Produce", dropped(true), "do not have the layout", "proxy"},
		{"a Produce", dropped(false), "proxy", "do not have the layout"},
		{"one direction", encryptedAdvice("the broker's side is not in the capture"), "One direction", "--tls-keylog"},
	} {
		if !strings.Contains(c.text, c.has) || strings.Contains(c.text, c.lacks) {
			t.Errorf("%s: %q, want %q and not %q in it", c.name, c.text, c.has, c.lacks)
		}
	}
	for unsure, want := range []string{"is", "looks like"} {
		if got := (&subject{group: &group{unsure: uint64(unsure)}}).is(); got != want {
			t.Errorf("%d requests that something else can explain: %q, want %q", unsure, got, want)
		}
	}
}

// TestIdleConnectionsInTheText: a load balancer is named if all connections had been quiet.
func TestIdleConnectionsInTheText(t *testing.T) {
	for idle, want := range []bool{false, false, true} {
		s := &subject{group: &group{count: 2, idle: uint64(idle)}}
		if got := strings.Contains(awayRule.message(s), "load balancer"); got != want {
			t.Errorf("%d of 2 connections were quiet: %q", idle, awayRule.message(s))
		}
	}
	for unsure, want := range []bool{false, true} {
		s := &subject{group: &group{count: 2, others: true, unsure: uint64(unsure)}}
		if got := strings.Contains(awayRule.message(s), "a version that it does not support"); got != want {
			t.Errorf("%d unsure: the version is named %v, want %v", unsure, got, want)
		}
	}
}

// TestTextsThatDependOnOneFact: a text changes with each fact that it names.
func TestTextsThatDependOnOneFact(t *testing.T) {
	text := func(rule *Rule, s *subject) string { return rule.why(s) + " " + rule.advice(s) }
	detailed := func(detail string) *group { return &group{key: findingKey{detail: detail}} }
	closings := func(api, version int16, closed, count uint64) *group {
		g := &group{key: findingKey{api: api, version: version, hasAPI: true}, count: count}
		g.outcomes[decode.ClosedByBroker] = closed
		return g
	}
	tried := func(version int16) *group {
		g := closings(apiVersionsKey, version, 1, 1)
		g.tried.list = []usageKey{{apiVersionsKey, version}}
		return g
	}
	answered := detailed("closed by the broker")
	answered.ended.Answered = at(5)
	zstd := func(api, version int16) *subject {
		return &subject{group: &group{key: findingKey{detail: compression, api: api, version: version}}}
	}
	illegal := func(api int16) *group {
		g := detailed(saslErrors[illegalSASLState])
		g.key.hasAPI, g.key.api = true, api
		return g
	}
	left := detailed("InitProducerId")
	left.left = 1
	const disagree, clientHello, plaintext, ssl = "disagree about TLS", "reads a ClientHello", "to PLAINTEXT", "to SSL or"
	for _, c := range []struct{ name, text, has, lacks string }{
		{"closed, and no answer in the clear", text(&tlsConfusionRule, &subject{group: detailed(tlsClosed)}), clientHello, disagree},
		{"closed where others are answered in the clear", text(&tlsConfusionRule, &subject{group: detailed(tlsClosed), clear: true}), disagree, clientHello},
		{"answered in the clear", text(&tlsConfusionRule, &subject{group: detailed(tlsToClear)}), disagree, clientHello},
		{"TLS to a listener in the clear", text(&tlsConfusionRule, &subject{group: detailed(tlsToClear)}), plaintext, ssl},
		{"TLS closed by a listener in the clear", text(&tlsConfusionRule, &subject{group: detailed(tlsClosed)}), plaintext, ssl},
		{"Kafka to a TLS listener", text(&tlsConfusionRule, &subject{group: detailed(clearToTLS)}), ssl, plaintext},
		{"a handshake with an answer", text(&handshakeFailedRule, &subject{group: answered}), "trust, names, dates", "speaks TLS"},
		{"a handshake without one", text(&handshakeFailedRule, &subject{group: detailed("closed by the broker")}), "speaks TLS", "trust, names, dates"},
		{"a handshake without one, too", text(&handshakeFailedRule, &subject{group: detailed("closed by the broker")}), "speaks TLS", "other's certificate"},
		{"a token in the wrong state", authenticationRule.advice(&subject{group: illegal(36)}), "credentials", "has no SASL"},
		{"a handshake in the wrong state", authenticationRule.advice(&subject{group: illegal(saslHandshakeKey)}), "has no SASL", "credentials"},
		{"no byte where others got through", handshakeFailedRule.advice(&subject{group: detailed(noByte), handshakes: true}), "MTU", "speaks TLS"},
		{"closed where others got through", handshakeFailedRule.advice(&subject{group: detailed(tlsClosed), handshakes: true}), "SNI", "MTU"},
		{"requests out of order", authenticationRule.advice(&subject{group: detailed(outOfOrder)}), "that sends SaslHandshake", "credentials"},
		{"no handshake", authenticationRule.advice(&subject{group: detailed(noHandshake)}), "that sends SaslHandshake", "credentials"},
		{"a refused mechanism", authenticationRule.advice(&subject{group: closings(saslHandshakeKey, 1, 0, 1)}), "sasl.mechanism", "credentials"},
		{"a refused token", authenticationRule.advice(&subject{group: closings(36, 1, 0, 1)}), "credentials", "sasl.mechanism"},
		{"no request", authenticationRule.advice(&subject{group: &group{key: findingKey{api: saslHandshakeKey}}}), "credentials", "sasl.mechanism"},
		{"zstd in Produce v6", text(&messageFormatRule, zstd(produceKey, 6)), "KIP-110", "(none, gzip)"},
		{"zstd in Produce v7", text(&messageFormatRule, zstd(produceKey, 7)), "(none, gzip)", "KIP-110"},
		{"zstd in Fetch v9", text(&messageFormatRule, zstd(1, 9)), "KIP-110", "(none, gzip)"},
		{"zstd in Fetch v10", text(&messageFormatRule, zstd(1, 10)), "(none, gzip)", "KIP-110"},
		{"ApiVersions v3", text(&notKafkaRule, &subject{group: tried(3)}), "A proxy that does not support", "MTU"},
		{"ApiVersions v2", text(&notKafkaRule, &subject{group: tried(2)}), "A broker before Kafka 0.10", "A proxy that does not support"},
		{"the client left", apiMissingRule.why(&subject{group: left}), "closed the connection", "was not seen"},
		{"the client may go on", apiMissingRule.why(&subject{group: detailed("InitProducerId")}), "was not seen", "closed the connection"},
		{"all closed", closingText(closings(1, 1, 2, 2)), "were closed", "ignored"},
		{"some closed", closingText(closings(1, 1, 1, 2)), "were closed or ignored", "MTU"},
		{"none closed", closingText(closings(1, 1, 0, 2)), "were ignored", "closed"},
	} {
		if !strings.Contains(c.text, c.has) || strings.Contains(c.text, c.lacks) {
			t.Errorf("%s: %q, want %q and not %q in it", c.name, c.text, c.has, c.lacks)
		}
	}
	for _, c := range []struct {
		never   bool
		refused uint64
		want    bool
	}{{true, 2, true}, {true, 1, false}, {false, 2, false}} {
		if got := (&subject{group: &group{never: c.never, refused: c.refused, count: 2}}).nothingListens(); got != c.want {
			t.Errorf("never answered %v, %d of 2 without a request: nothing listens %v, want %v", c.never, c.refused, got, c.want)
		}
	}
	for _, c := range []struct{ clear, answers, sasl, want bool }{{true, true, false, true}, {false, true, false, false}, {true, false, false, false}, {true, true, true, false}} {
		if got := (&subject{clear: c.clear, answers: c.answers, mayLackSASL: c.sasl}).isInTheClear(); got != c.want {
			t.Errorf("%+v: in the clear %v", c, got)
		}
	}
}

func closingText(g *group) string { return (&subject{group: g}).ends() }
