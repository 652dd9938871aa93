package report

import (
	"testing"

	"github.com/kafkavet/kafkavet/decode"
)

func TestIsProducer(t *testing.T) {
	java := decode.Software{Name: "apache-kafka-java", Version: "3.9.2"}
	for _, tt := range []struct {
		id       string
		software decode.Software
		want     bool
	}{
		{"producer-1", java, true},
		{"orders_Producer", java, true},
		{"app-7f3e-StreamThread-1-producer", java, true},
		{"connector-producer-orders-0", java, true},
		{"producer-1", decode.Software{}, true},
		{"producer-1", decode.Software{Name: "apache-kafka-java", Version: "2.8.1"}, false},
		{"producer-1", decode.Software{Name: "apache-kafka-java", Version: "10.0.0"}, true},
		{"orders", java, false},
		{"reproducers", java, false},
		{"consumer-lost-producer-1", java, false},
		{"connector-consumer-producer-audit-0", java, false},
		{"producer-admin", java, false},
	} {
		if got := isProducer(tt.id, tt.software); got != tt.want {
			t.Errorf("%q of %s %s: %t, want %t", tt.id, tt.software.Name, tt.software.Version, got, tt.want)
		}
	}
}

// TestProducerAfterTheRangesChanged: that a producer was served before the broker advertised other
// ranges does not say what it needs now.
func TestProducerAfterTheRangesChanged(t *testing.T) {
	producer := func(x *decode.Exchange) { x.ClientID, x.Software = "producer-1", decode.Software{} }
	for _, tt := range []struct {
		ranges *decode.Ranges
		want   int
	}{{&decode.Ranges{APIs: oldRanges.APIs[:4]}, 1}, {oldRanges, 0}} {
		calls := []any{
			adOf(1, 0, oldRanges), exchangeOf(2, 0, produceKey, 7, producer), connectionOf(0, 1, 9, idIs("producer-1")), adOf(1000, 1, tt.ranges),
			exchangeOf(1002, 1, metadataKey, 7, producer), connectionOf(1, 1000, 1009, idIs("producer-1"), func(c *decode.Connection) {
				c.Software, c.Advertised = decode.Software{}, tt.ranges
			}),
		}
		found := 0
		for _, f := range builderOf(Options{}, calls...).Report().Findings {
			if f.Code == apiMissingRule.Code {
				found++
			}
		}
		if found != tt.want {
			t.Errorf("%d APIs advertised: KV2014 %d times, want %d", len(tt.ranges.APIs), found, tt.want)
		}
	}
}
