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
