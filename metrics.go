package main

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kafkavet/kafkavet/decode"
	"github.com/kafkavet/kafkavet/report"
	"github.com/kafkavet/kafkavet/report/model"
	"github.com/kafkavet/kafkavet/report/write"
)

const (
	// maxSoftware bounds the values of the label client_software. A site has a few dozen.
	// Further values are "other".
	maxSoftware = 100
	// maxRequestSeries bounds the series of kafkavet_requests_total: 90 APIs in one or two
	// versions for about twenty clients, each of about 300 bytes. Further requests count with
	// api, version and client_software "other".
	maxRequestSeries = 4000
	// maxFindingSeries bounds the series of kafkavet_findings_total in the same way.
	maxFindingSeries = 1000
	// maxScrapes bounds the scrapes at once. Further ones are refused while they are prepared.
	// While they are sent, a new one cuts off the oldest.
	maxScrapes = 4
)

// other is the label value beyond a limit.
const other = "other"

var requestLabels = []string{"api", "version", "verdict", "client_software"}

type requestKey struct {
	software     decode.Software
	key, version int16
	verdict      decode.Verdict
}

// requestMetrics counts requests. It belongs to the collecting goroutine; any goroutine may read
// the counters. Counting allocates nothing in the steady state.
type requestMetrics struct {
	vec      *prometheus.CounterVec
	counters map[requestKey]prometheus.Counter
	software map[decode.Software]string
	lastKey  requestKey
	last     prometheus.Counter
	// beyond counts requests without a series of their own.
	beyond prometheus.Counter
}

func newRequestMetrics() *requestMetrics {
	return &requestMetrics{
		vec: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kafkavet_requests_total",
			Help: "Kafka requests by API, version, verdict and client software.",
		}, requestLabels),
		counters: map[requestKey]prometheus.Counter{},
		software: map[decode.Software]string{},
		beyond: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "kafkavet_series_limit_requests_total",
			Help: "Requests counted under \"other\" because there were too many series or clients.",
		}),
	}
}

func (m *requestMetrics) count(x *decode.Exchange) {
	key := requestKey{x.Software, x.Key, x.Version, x.Verdict}
	if m.last == nil || key != m.lastKey {
		m.last, m.lastKey = m.counter(key), key
	}
	m.last.Inc()
}

func (m *requestMetrics) counter(key requestKey) prometheus.Counter {
	if c := m.counters[key]; c != nil {
		return c
	}
	software, ok := m.software[key.software]
	if len(m.counters) >= maxRequestSeries || !ok && len(m.software) >= maxSoftware {
		m.beyond.Inc()
		return m.vec.WithLabelValues(other, other, key.verdict.String(), other)
	}
	if !ok {
		software = softwareLabel(key.software.Name, key.software.Version)
		m.software[key.software] = software
	}
	c := m.vec.WithLabelValues(decode.APIName(key.key), strconv.Itoa(int(key.version)), key.verdict.String(), software)
	m.counters[key] = c
	return c
}

func softwareLabel(name, version string) string {
	text := strings.TrimSpace(name + " " + version)
	if text == "" {
		return "unknown"
	}
	return write.Escape(text)
}

// countedSink counts requests and passes them to the report.
type countedSink struct {
	*report.Builder
	metrics *requestMetrics
}

// Exchange implements decode.Sink.
func (s *countedSink) Exchange(x *decode.Exchange) {
	s.metrics.count(x)
	s.Builder.Exchange(x)
}

// The metrics from a snapshot.
var (
	findingsDesc = prometheus.NewDesc("kafkavet_findings_total",
		"How often findings happened, by code, API, version and client software.",
		[]string{"code", "severity", "api", "version", "client_software"}, nil)
	limitsDesc    = prometheus.NewDesc("kafkavet_limit_hits_total", "How often a limit of memory or time was exceeded, by its name.", []string{"limit"}, nil)
	unparsedDesc  = prometheus.NewDesc("kafkavet_unparsed_packets_total", "Packets that could not be parsed, by reason.", []string{"reason"}, nil)
	packetsDesc   = prometheus.NewDesc("kafkavet_packets_total", "Packets captured.", nil, nil)
	bytesDesc     = prometheus.NewDesc("kafkavet_captured_bytes_total", "Bytes captured.", nil, nil)
	droppedDesc   = prometheus.NewDesc("kafkavet_dropped_packets_total", "Packets dropped because they were not read in time.", nil, nil)
	streamsDesc   = prometheus.NewDesc("kafkavet_connections_total", "TCP connections captured.", nil, nil)
	openDesc      = prometheus.NewDesc("kafkavet_connections", "Open TCP connections.", nil, nil)
	endedDesc     = prometheus.NewDesc("kafkavet_ended_connections_total", "Ended TCP connections by protocol: kafka, encrypted or other.", []string{"protocol"}, nil)
	gapsDesc      = prometheus.NewDesc("kafkavet_gaps_total", "Gaps in TCP connections.", nil, nil)
	missingDesc   = prometheus.NewDesc("kafkavet_missing_bytes_total", "Missing bytes of TCP connections.", nil, nil)
	responsesDesc = prometheus.NewDesc("kafkavet_responses_total", "Kafka responses.", nil, nil)
)

// snapshotMetrics reads metrics from a snapshot of the report. Any goroutine may call it.
type snapshotMetrics struct {
	served   *httpServer
	findings *findingSeries
}

// Describe implements prometheus.Collector. Without descriptions, the metrics are checked when they
// are collected.
func (m snapshotMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m snapshotMetrics) Collect(to chan<- prometheus.Metric) {
	c, err := m.served.snapshot(context.Background())
	if err != nil {
		to <- prometheus.NewInvalidMetric(packetsDesc, err)
		return
	}
	put := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	put(packetsDesc, c.counts.Packets)
	put(bytesDesc, c.counts.Bytes)
	put(droppedDesc, c.counts.Dropped)
	put(streamsDesc, c.counts.Connections)
	put(gapsDesc, c.counts.Gaps)
	put(missingDesc, c.counts.MissingBytes)
	put(responsesDesc, c.counts.Responses)
	to <- prometheus.MustNewConstMetric(openDesc, prometheus.GaugeValue, float64(c.counts.Open))
	s := &c.report.Summary
	put(endedDesc, s.KafkaStreams, "kafka")
	put(endedDesc, s.EncryptedStreams, "encrypted")
	put(endedDesc, s.Streams-min(s.Streams, s.KafkaStreams+s.EncryptedStreams), "other")
	for name, n := range c.report.Quality.LimitsHit {
		put(limitsDesc, n, name)
	}
	for _, r := range c.report.Quality.UnparsedReasons {
		put(unparsedDesc, r.Count, r.Name)
	}
	for labels, n := range m.findings.counts(c.report.Findings) {
		put(findingsDesc, n, labels[:]...)
	}
	collectBrokers(c.report.Brokers, to)
	if c.report.Target != nil {
		collectTarget(c.report.Target, to)
	}
}

// findingSeries are the series of kafkavet_findings_total. A series is never removed, because a
// counter must not decrease when the order of the findings changes.
type findingSeries struct {
	mu    sync.Mutex
	known map[[5]string]struct{}
}

// counts sums findings by the labels of kafkavet_findings_total.
func (s *findingSeries) counts(findings []model.Finding) map[[5]string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[[5]string]uint64{}
	for i := range findings {
		f := &findings[i]
		labels := [5]string{f.Code, f.Severity.String(), "", "", ""}
		if f.APIKey != nil && f.Version != nil {
			labels[2], labels[3] = f.API, strconv.Itoa(int(*f.Version))
		}
		if f.Client != nil {
			labels[4] = softwareLabel(f.Client.SoftwareName, f.Client.SoftwareVersion)
		}
		if _, ok := s.known[labels]; !ok && len(s.known) < maxFindingSeries {
			s.known[labels] = struct{}{}
		} else if !ok {
			labels[2], labels[3], labels[4] = other, other, other
		}
		counts[labels] += f.Count
	}
	return counts
}

func newMetrics(s *httpServer, requests *requestMetrics) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(
		requests.vec, requests.beyond, snapshotMetrics{s, &findingSeries{known: map[[5]string]struct{}{}}},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "kafkavet_build_info", Help: "Always 1; the version of kafkavet is the label.",
			ConstLabels: prometheus.Labels{"version": toolVersion()},
		}, func() float64 { return 1 }),
	)
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		Registry: r, MaxRequestsInFlight: maxScrapes, Timeout: writeTimeout / 2, EnableOpenMetrics: false,
	})
}

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
