package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/reassembly"
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
