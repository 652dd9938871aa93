package main

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/write"
)

const (
	// maxTargetSeries bounds the series of kafkavet_target_client, and of its times: each of some
	// 300 bytes. Clients beyond it count as "other"; clients that break come first.
	maxTargetSeries = 1000
	// maxBrokerSeries bounds the series of kafkavet_broker_requests_total: the brokers of some
	// clusters. Brokers beyond the limit count as "other".
	maxBrokerSeries = 500
)

var targetLabels = []string{"client_id", "software", "verdict"}

// The metrics of --target and of the watched brokers.
var (
	targetDesc = prometheus.NewDesc("kafkavet_target",
		"Always 1 with --target; the release that clients are compared with is the label.", []string{"release"}, nil)
	targetClientsDesc = prometheus.NewDesc("kafkavet_target_clients",
		"Clients by what the release of --target makes of them: breaks, likely, unclear, fine.", []string{"verdict"}, nil)
	targetClientDesc = prometheus.NewDesc("kafkavet_target_client",
		"Requests of a client, by what the release of --target makes of the client.", targetLabels, nil)
	targetSeenDesc = prometheus.NewDesc("kafkavet_target_client_seen_timestamp_seconds",
		"Time of the last request of a client.", targetLabels, nil)
	brokerDesc = prometheus.NewDesc("kafkavet_broker_requests_total",
		"Requests to a broker, by its address.", []string{"broker"}, nil)
)

type targetSeries struct {
	requests uint64
	seen     float64 // seconds since 1970
}

func collectTarget(t *model.Target, to chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	put(targetDesc, 1, write.Escape(cmp.Or(t.Release, t.Name)))
	for _, verdict := range model.Verdicts {
		if n := t.Summary.Of(verdict); n != nil {
			put(targetClientsDesc, float64(*n), verdict)
		}
	}
	for labels, s := range seriesOf(t.Clients) {
		put(targetClientDesc, float64(s.requests), labels[:]...)
		put(targetSeenDesc, s.seen, labels[:]...)
	}
}

// seriesOf sums clients by the labels of kafkavet_target_client. Clients that differ only in other
// fields, such as the principal, are one series with the latest of their times.
func seriesOf(clients []model.TargetClient) map[[3]string]targetSeries {
	series := map[[3]string]targetSeries{}
	for i := range clients {
		c := &clients[i]
		if c.Verdict == model.VerdictBrokers {
			continue
		}
		ids := c.ClientIDs
		if len(ids) == 0 {
			ids = []string{""}
		}
		for n, id := range ids {
			labels := [3]string{write.Escape(id), softwareLabel(c.SoftwareName, c.SoftwareVersion), c.Verdict}
			if _, ok := series[labels]; !ok && len(series) >= maxTargetSeries {
				labels[0], labels[1] = other, other
			}
			s := series[labels]
			if n == 0 { // c.Requests counts the requests of all its client ids
				s.requests += c.Requests
			}
			s.seen = max(s.seen, float64(c.LastSeen.UTC().UnixMilli())/1000)
			series[labels] = s
		}
	}
	return series
}

func collectBrokers(brokers []model.Broker, to chan<- prometheus.Metric) {
	requests := map[string]uint64{}
	for i := range brokers {
		b := &brokers[i]
		if b.Requests == 0 {
			continue
		}
		name := b.Address
		if _, ok := requests[name]; !ok && len(requests) >= maxBrokerSeries {
			name = other
		}
		requests[name] += b.Requests
	}
	for name, n := range requests {
		to <- prometheus.MustNewConstMetric(brokerDesc, prometheus.CounterValue, float64(n), name)
	}
}
