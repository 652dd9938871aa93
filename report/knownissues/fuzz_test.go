package knownissues

import (
	"testing"
	"time"

	"github.com/kafkavet/kafkavet/decode"
)

func FuzzParseIssues(f *testing.F) {
	f.Add([]byte(issueText("a", "codes: [KV1001]", "pattern: true", "range: max < sent", "sent: [{api: Fetch, versions: 4+}]")))
	f.Add([]byte("issues:\n- - [{a: &b *c !!d ? |\n  - >-\n\t\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		start := time.Now()
		read, err := parseIssues(data, isCode)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%d bytes took %v", len(data), took)
		}
		for _, i := range read.Issues {
			if err == nil && (i.ID.text == "" || i.URL == "" || len(i.Codes) == 0 || i.ID.line == 0) {
				t.Errorf("accepted an incomplete issue: %+v", i)
			}
		}
	})
}

func FuzzMatchNeverTakesOneSoftwareForAnother(f *testing.F) {
	f.Add("confluent-kafka-go", "2.6.0", "rdkafka", "", int16(1), int16(12), int16(4), int16(7))
	f.Add("", "-rdkafka-", "kafka-python-", "x.servicebus.windows.net", int16(18), int16(4), int16(0), int16(0))
	k := loadBuiltIn(f)
	named := make(map[string]bool)
	for _, i := range k.files[0].Issues {
		for _, c := range i.Clients {
			named[string(c.Name)], named[string(c.Library)] = true, true
		}
	}
	f.Fuzz(func(t *testing.T, name, version, id, host string, key, sent, lowest, highest int16) {
		for _, code := range []string{"KV1001", "KV1002", "KV2001", "KV2002", "KV3001", "KV4001"} {
			for _, outcome := range decode.OutcomeNames() {
				known, confidence, ok := match(k, Mismatch{
					Code: code, IsAhead: code == "KV4001", SoftwareName: name, SoftwareVersion: version, ClientID: id, ServerName: host, HasAPI: true, APIKey: key,
					Version: sent, HasRange: true, Min: lowest, Max: highest, Outcomes: map[string]uint64{outcome: 1},
				})
				if ok != (confidence > noMatch) || ok != (known.ID != "") {
					t.Fatalf("%v, %v, %+v", ok, confidence, known)
				}
				if ok && !named[name] && known.ID != "azure-event-hubs-apiversions-4" {
					t.Fatalf("%s for software %q", known.ID, name)
				}
				if ok && known.ID != "azure-event-hubs-apiversions-4" && code != "KV2002" && code != "KV3001" && lowest <= sent && sent <= highest {
					t.Fatalf("%s for v%d inside %d-%d", known.ID, sent, lowest, highest)
				}
			}
		}
	})
}
