package knownissues

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kafkavet/kafkavet/report/model"
)

// isCode replaces the rules: KV and four digits, except one.
func isCode(code string) bool {
	_, err := strconv.ParseUint(strings.TrimPrefix(code, "KV"), 10, 16)
	return err == nil && len(code) == len("KV0000") && strings.HasPrefix(code, "KV") && code != "KV1999"
}

func loadBuiltIn(t testing.TB) *Catalogue {
	t.Helper()
	k := &Catalogue{}
	f, err := builtIn()
	if err := k.add(builtInName, f, isCode, err); err != nil {
		t.Fatal(err)
	}
	return k
}

// closedOnce is the usual outcome.
var closedOnce = map[string]uint64{"closed": 1}

// Mismatch has the properties of a finding that known issues are compared with.
type Mismatch struct {
	// Code is the code of the finding ("KV1001").
	Code string
	// SoftwareName and SoftwareVersion are the announced names (KIP-511); empty for none.
	SoftwareName, SoftwareVersion string
	// ClientID is the client id of the requests; empty for none.
	ClientID string
	// HasAPI says that the finding is about requests of one API and version: APIKey, Version.
	HasAPI          bool
	APIKey, Version int16
	// HasRange reports whether the broker's range for APIKey is known: Min to Max. With IsAhead it
	// is the range of the target release.
	HasRange bool
	Min, Max int16
	// IsAhead: nothing was refused so far, so outcomes have no meaning (model.Finding.IsOnTarget).
	IsAhead bool
	// Outcomes counts the requests by outcome, as the report names it ("closed").
	Outcomes map[string]uint64
	// IsAnswered: the address answered other requests.
	IsAnswered bool
	// ServerName is the host name that the client requested (SNI); empty if unknown.
	ServerName string
}

// match calls Match with the finding that m describes.
func match(k *Catalogue, m Mismatch) (model.KnownIssue, Confidence, bool) {
	f := &model.Finding{
		Code: m.Code, Outcomes: m.Outcomes,
		Client: &model.FindingClient{SoftwareName: m.SoftwareName, SoftwareVersion: m.SoftwareVersion, ClientID: &m.ClientID},
	}
	if m.HasAPI {
		f.APIKey, f.Version = &m.APIKey, &m.Version
	}
	ranges := &f.Advertised
	if m.IsAhead {
		f.Reason, ranges = model.ReasonNotAsked, &f.Target
	}
	if m.HasRange {
		*ranges = &model.Range{Min: m.Min, Max: m.Max}
	}
	return k.Match(f, m.IsAnswered, m.ServerName)
}

// fetch12 returns the finding of confluent-go-2.6.0_fetch-max-7.
func fetch12(change func(*Mismatch)) Mismatch {
	m := Mismatch{
		Code: "KV1001", SoftwareName: "confluent-kafka-go", SoftwareVersion: "2.6.0", ClientID: "orders-svc",
		HasAPI: true, APIKey: 1, Version: 12, HasRange: true, Min: 4, Max: 7, Outcomes: closedOnce,
	}
	if change != nil {
		change(&m)
	}
	return m
}

// announced sets the announced software.
func announced(name, version string) func(*Mismatch) {
	return func(m *Mismatch) { m.SoftwareName, m.SoftwareVersion = name, version }
}

// unannounced sets the client id of a client that announced nothing.
func unannounced(id string) func(*Mismatch) {
	return func(m *Mismatch) { m.SoftwareName, m.SoftwareVersion, m.ClientID = "", "", id }
}

func TestFetch12NamesLibrdkafka4870(t *testing.T) {
	known, confidence, ok := match(loadBuiltIn(t), fetch12(nil))
	if !ok || confidence != Certain || known.Confidence != "certain" || known.FixedIn != "2.6.1" ||
		known.URL != "https://github.com/confluentinc/librdkafka/issues/4870" || !strings.Contains(known.Title, "librdkafka #4870") ||
		!strings.Contains(known.Workaround, "2.5.3") {
		t.Errorf("got %+v, %v, %v", known, confidence, ok)
	}
}

func TestFetch12HitsAndNearMisses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Mismatch)
		want   Confidence
	}{
		"librdkafka itself, and node-rdkafka":       {announced("librdkafka", "2.6.0"), Certain},
		"dotnet announces librdkafka's version":     {announced("confluent-kafka-dotnet", "2.6.0"), Certain},
		"python appends librdkafka's version":       {announced("confluent-kafka-python", "2.6.0-rdkafka-2.6.0"), Certain},
		"python of another number on librdkafka":    {announced("confluent-kafka-python", "2.9.9-rdkafka-2.6.0"), Certain},
		"javascript appends librdkafka's version":   {announced("confluent-kafka-javascript", "0.5.0-librdkafka-2.6.0"), Certain},
		"karafka appends two versions":              {announced("karafka", "v2.4.13-rdkafka-ruby-v0.17.0-librdkafka-v2.6.0"), Certain},
		"no name, librdkafka's default client id":   {unannounced("rdkafka"), Likely},
		"no name, a client id of one's own":         {unannounced("orders-svc"), Possible},
		"no name, no client id":                     {unannounced(""), Possible},
		"range unknown":                             {func(m *Mismatch) { m.Code, m.HasRange = "KV2001", false }, Likely},
		"left unanswered":                           {func(m *Mismatch) { m.Outcomes = map[string]uint64{"left": 2} }, Certain},
		"the end was not captured":                  {func(m *Mismatch) { m.Outcomes = map[string]uint64{"cut": 1} }, Certain},
		"fixed release":                             {announced("confluent-kafka-go", "2.6.1"), noMatch},
		"release before":                            {announced("confluent-kafka-go", "2.5.3"), noMatch},
		"other release of kcat":                     {announced("librdkafka", "2.0.2"), noMatch},
		"release candidate before":                  {announced("librdkafka", "2.6.0-RC1"), noMatch},
		"development build after":                   {announced("librdkafka", "2.6.0-19-g4ab1a4-devel"), noMatch},
		"python on the fixed librdkafka":            {announced("confluent-kafka-python", "2.6.0-rdkafka-2.6.1"), noMatch},
		"python without librdkafka's version":       {announced("confluent-kafka-python", "2.6.0"), noMatch},
		"no version":                                {announced("confluent-kafka-go", ""), noMatch},
		"four numbers":                              {announced("confluent-kafka-go", "2.6.0.1"), noMatch},
		"a word":                                    {announced("confluent-kafka-go", "dev"), noMatch},
		"a very long version":                       {announced("confluent-kafka-go", "2.6.0+"+strings.Repeat("a", 1<<16)), noMatch},
		"other software of the same version":        {announced("sarama", "2.6.0"), noMatch},
		"the name in other letters":                 {announced("Confluent-Kafka-Go", "2.6.0"), noMatch},
		"a name around it":                          {announced("confluent-kafka-go ", "2.6.0"), noMatch},
		"software without a name but a version":     {func(m *Mismatch) { announced("", "2.6.0")(m); m.ClientID = "kafkajs" }, noMatch},
		"no name, another library's client id":      {unannounced("kafkajs"), noMatch},
		"no name, Java's client id":                 {unannounced("consumer-orders-1"), noMatch},
		"no name, kafka-go's client id":             {unannounced("app@host (github.com/segmentio/kafka-go)"), noMatch},
		"a client id like the default is none":      {unannounced("rdkafka-2"), Possible},
		"other software with librdkafka's id":       {func(m *Mismatch) { announced("ClickHouse", "24.3")(m); m.ClientID = "rdkafka" }, noMatch},
		"fixed release with librdkafka's id":        {func(m *Mismatch) { announced("librdkafka", "2.6.1")(m); m.ClientID = "rdkafka" }, noMatch},
		"other API":                                 {func(m *Mismatch) { m.APIKey = 3 }, noMatch},
		"other version":                             {func(m *Mismatch) { m.Version = 13 }, noMatch},
		"a range that allows the version":           {func(m *Mismatch) { m.Max = 12 }, noMatch},
		"a range that begins above the version":     {func(m *Mismatch) { m.Code, m.Min, m.Max = "KV1002", 13, 17 }, noMatch},
		"other finding":                             {func(m *Mismatch) { m.Code = "KV3001" }, noMatch},
		"a finding about no API":                    {func(m *Mismatch) { m.HasAPI, m.HasRange = false, false }, noMatch},
		"answered after all":                        {func(m *Mismatch) { m.Outcomes = map[string]uint64{"answered": 9, "closed": 0} }, noMatch},
		"answered with an error":                    {func(m *Mismatch) { m.Outcomes = map[string]uint64{"error": 9} }, noMatch},
		"no outcome":                                {func(m *Mismatch) { m.Outcomes = nil }, noMatch},
		"not sent anywhere, only breaks on target":  {func(m *Mismatch) { m.Code, m.IsAhead = "KV4001", true }, noMatch},
		"a server name does not matter to a client": {func(m *Mismatch) { m.ServerName = "kafka.example" }, Certain},
	} {
		t.Run(name, func(t *testing.T) {
			known, got, ok := match(loadBuiltIn(t), fetch12(test.change))
			if got != test.want || ok != (test.want > noMatch) {
				t.Errorf("got %v (%v), want %v", got, known.ID, test.want)
			}
			if ok && (known.ID != "librdkafka-2.6.0-fetch-12" || known.Confidence != test.want.String()) {
				t.Errorf("got %q with confidence %q", known.ID, known.Confidence)
			}
		})
	}
}

// mismatch returns a mismatch of one request.
func mismatch(code string, key, version, lowest, highest int16, change func(*Mismatch)) Mismatch {
	m := Mismatch{Code: code, IsAhead: code == "KV4001", HasAPI: true, APIKey: key, Version: version, HasRange: true, Min: lowest, Max: highest, Outcomes: closedOnce}
	change(&m)
	return m
}

// resetUnranged sets the outcome to a reset, without a known range.
func resetUnranged(change func(*Mismatch)) func(*Mismatch) {
	return func(m *Mismatch) {
		change(m)
		m.HasRange, m.Outcomes = false, map[string]uint64{"reset": 3}
	}
}

func TestBuiltInIssuesAndTheirNearMisses(t *testing.T) {
	const kafkaGo = "consumer@host-1 (github.com/segmentio/kafka-go)"
	erred := func(change func(*Mismatch)) func(*Mismatch) {
		return func(m *Mismatch) { change(m); m.Outcomes = map[string]uint64{"error": 1} }
	}
	answering := func(change func(*Mismatch)) func(*Mismatch) {
		return func(m *Mismatch) { change(m); m.IsAnswered = true }
	}
	eventHubs := func(m *Mismatch) { m.ServerName = "Orders.ServiceBus.Windows.net" }
	for name, test := range map[string]struct {
		m    Mismatch
		id   string
		want Confidence
	}{
		"kafka-python 2.1.3":                    {mismatch("KV2002", 18, 4, 0, 0, resetUnranged(announced("kafka-python", "2.1.3"))), "kafka-python-2.1.3-apiversions-4", Certain},
		"kafka-python 2.2.0 by its client id":   {mismatch("KV2002", 18, 4, 0, 0, resetUnranged(unannounced("kafka-python-2.2.0"))), "kafka-python-2.1.3-apiversions-4", Likely},
		"kafka-python 2.2.1 falls back":         {mismatch("KV2002", 18, 4, 0, 0, resetUnranged(announced("kafka-python", "2.2.1"))), "", noMatch},
		"kafka-python 2.2.1 by its client id":   {mismatch("KV2002", 18, 4, 0, 0, resetUnranged(unannounced("kafka-python-2.2.1"))), "", noMatch},
		"kafka-python with a client id":         {mismatch("KV2002", 18, 4, 0, 0, resetUnranged(unannounced("kafka-python-app"))), "", noMatch},
		"kafka-python 2.1.2 begins lower":       {mismatch("KV2002", 18, 2, 0, 0, resetUnranged(announced("kafka-python", "2.1.2"))), "", noMatch},
		"kafka-python, ApiVersions v3":          {mismatch("KV2002", 18, 3, 0, 0, resetUnranged(announced("kafka-python", "2.1.3"))), "", noMatch},
		"kafka-python's retry answered":         {mismatch("KV2003", 18, 4, 0, 0, announced("kafka-python", "2.1.3")), "", noMatch},
		"franz-go 1.19.3":                       {mismatch("KV2002", 18, 4, 0, 0, resetUnranged(announced("kgo", "v1.19.3"))), "franz-go-1.19.0-apiversions-4", Certain},
		"franz-go 1.19.4 retries":               {mismatch("KV2002", 18, 4, 0, 0, resetUnranged(announced("kgo", "v1.19.4"))), "", noMatch},
		"franz-go 1.18.1 begins lower":          {mismatch("KV2002", 18, 3, 0, 0, resetUnranged(announced("kgo", "v1.18.1"))), "", noMatch},
		"franz-go 1.19.0, error 35":             {mismatch("KV2002", 18, 4, 0, 0, erred(announced("kgo", "v1.19.0"))), "franz-go-1.19.0-refusal-as-ranges", Certain},
		"franz-go 1.19.0, Metadata v13":         {mismatch("KV1001", 3, 13, 0, 12, announced("kgo", "v1.19.0")), "franz-go-1.19.0-refusal-as-ranges", Certain},
		"franz-go 1.19.1, Metadata v13":         {mismatch("KV1001", 3, 13, 0, 12, announced("kgo", "v1.19.1")), "", noMatch},
		"franz-go of unknown version":           {mismatch("KV2002", 18, 4, 0, 0, resetUnranged(announced("kgo", "unknown"))), "", noMatch},
		"franz-go 1.20 at Event Hubs":           {mismatch("KV2002", 18, 4, 0, 0, resetUnranged(func(m *Mismatch) { announced("kgo", "v1.20.0")(m); eventHubs(m) })), "azure-event-hubs-apiversions-4", Certain},
		"franz-go 1.19.1 at Event Hubs":         {mismatch("KV2002", 18, 4, 0, 0, resetUnranged(func(m *Mismatch) { announced("kgo", "v1.19.1")(m); eventHubs(m) })), "franz-go-1.19.0-apiversions-4", Certain},
		"sarama built from a checkout":          {mismatch("KV2011", 18, 3, 0, 0, announced("sarama", "(devel)")), "sarama-devel-version", Certain},
		"sarama 1.35 announces a fit version":   {mismatch("KV2011", 18, 3, 0, 0, announced("sarama", "v1.35.0")), "", noMatch},
		"kafka-clients 3.9 behind a proxy":      {mismatch("KV2002", 18, 4, 0, 0, answering(resetUnranged(announced("apache-kafka-java", "3.9.2")))), "kroxylicious-apiversions-4", Possible},
		"kafka-clients 3.9, nothing answered":   {mismatch("KV2002", 18, 4, 0, 0, resetUnranged(announced("apache-kafka-java", "3.9.2"))), "", noMatch},
		"Redpanda Console's name":               {mismatch("KV2011", 18, 3, 0, 0, announced("RP Console", "1.0")), "redpanda-console-software-name", Certain},
		"another name with a blank":             {mismatch("KV2011", 18, 3, 0, 0, announced("My Console", "1.0")), "", noMatch},
		"franz-go with a name of its own":       {mismatch("KV2011", 18, 3, 0, 0, func(m *Mismatch) { announced("My App", "1.0")(m); m.ClientID = "kgo" }), "franz-go-hidden-refusal", Possible},
		"lua-resty-kafka":                       {mismatch("KV2002", 18, 2, 0, 0, erred(unannounced("worker4242"))), "lua-resty-kafka-apiversions-2", Possible},
		"lua-resty-kafka's id, ApiVersions v1":  {mismatch("KV2002", 18, 1, 0, 0, erred(unannounced("worker4242"))), "", noMatch},
		"kafkajs asks with ApiVersions v2":      {mismatch("KV2002", 18, 2, 0, 0, erred(unannounced("kafkajs"))), "", noMatch},
		"kafka_ex joins":                        {mismatch("KV1002", 11, 0, 2, 9, unannounced("kafka_ex")), "kafka-ex-joingroup-0", Likely},
		"kafka_ex joins, range unknown":         {mismatch("KV2001", 11, 0, 0, 0, resetUnranged(unannounced("kafka_ex"))), "kafka-ex-joingroup-0", Possible},
		"kafka_ex on a broker that accepts it":  {mismatch("KV4001", 11, 0, 0, 9, unannounced("kafka_ex")), "", noMatch},
		"ruby-kafka produces":                   {mismatch("KV1001", 0, 3, 0, 2, unannounced("ruby-kafka")), "ruby-kafka-0.7-kafka-0.10", Likely},
		"ruby-kafka fetches":                    {mismatch("KV2001", 1, 4, 0, 0, resetUnranged(unannounced("ruby-kafka"))), "ruby-kafka-0.7-kafka-0.10", Possible},
		"ruby-kafka before 0.7":                 {mismatch("KV1002", 0, 2, 3, 12, unannounced("ruby-kafka")), "", noMatch},
		"kafka-go at MSK Serverless":            {mismatch("KV2009", 3, 1, 0, 12, unannounced(kafkaGo)), "kafka-go-metadata-1-msk-serverless", Possible},
		"kafka-go asks with Metadata v6":        {mismatch("KV2009", 3, 6, 0, 12, unannounced(kafkaGo)), "", noMatch},
		"kafka-clients 3.8 begins lower":        {mismatch("KV2002", 18, 3, 0, 0, answering(resetUnranged(announced("apache-kafka-java", "3.8.0")))), "", noMatch},
		"a replica fetcher":                     {mismatch("KV1001", 1, 12, 4, 11, unannounced("broker-2-fetcher-0")), "", noMatch},
		"any client at Event Hubs":              {mismatch("KV2002", 18, 5, 0, 0, resetUnranged(eventHubs)), "azure-event-hubs-apiversions-4", Certain},
		"ApiVersions v3 at Event Hubs":          {mismatch("KV2002", 18, 3, 0, 0, resetUnranged(eventHubs)), "", noMatch},
		"a host that only looks like it":        {mismatch("KV2002", 18, 4, 0, 0, resetUnranged(func(m *Mismatch) { m.ServerName = "servicebus.windows.net.example" })), "", noMatch},
		"transactional Produce v12":             {mismatch("KV3001", 0, 12, 0, 12, func(m *Mismatch) { announced("kgo", "v1.19.1")(m); m.Outcomes = map[string]uint64{"error": 1} }), "franz-go-1.19.0-produce-12", Certain},
		"transactional Produce v12, fixed":      {mismatch("KV3001", 0, 12, 0, 12, func(m *Mismatch) { announced("kgo", "v1.19.3")(m); m.Outcomes = map[string]uint64{"error": 1} }), "", noMatch},
		"Produce v12 above the max":             {mismatch("KV1001", 0, 12, 0, 11, announced("kgo", "v1.19.1")), "", noMatch},
		"platformatic, not announced":           {mismatch("KV1001", 36, 2, 0, 0, unannounced("app")), "platformatic-kafka-saslauthenticate-2", Possible},
		"platformatic, announced":               {mismatch("KV1001", 36, 2, 0, 1, announced("platformatic-kafka", "1.35.0")), "platformatic-kafka-saslauthenticate-2", Certain},
		"platformatic, fixed":                   {mismatch("KV1001", 36, 2, 0, 1, announced("platformatic-kafka", "2.11.0")), "", noMatch},
		"SaslAuthenticate v2, range unknown":    {mismatch("KV2001", 36, 2, 0, 0, resetUnranged(unannounced("app"))), "platformatic-kafka-saslauthenticate-2", Possible},
		"SaslAuthenticate v1, range unknown":    {mismatch("KV2001", 36, 1, 0, 0, resetUnranged(unannounced("app"))), "", noMatch},
		"SaslAuthenticate v2, librdkafka's id":  {mismatch("KV1001", 36, 2, 0, 1, unannounced("rdkafka")), "", noMatch},
		"kafka-go joins":                        {mismatch("KV1002", 11, 1, 2, 9, unannounced(kafkaGo)), "kafka-go-0.4.47-old-versions", Likely},
		"kafka-go joins, range unknown":         {mismatch("KV2001", 11, 1, 0, 0, resetUnranged(unannounced(kafkaGo))), "kafka-go-0.4.47-old-versions", Possible},
		"kafka-go creates topics":               {mismatch("KV1002", 19, 0, 2, 7, unannounced(kafkaGo)), "kafka-go-0.4.47-old-versions", Likely},
		"kafka-go would break on the target":    {mismatch("KV4001", 20, 0, 1, 6, func(m *Mismatch) { unannounced(kafkaGo)(m); m.Outcomes = map[string]uint64{"answered": 5} }), "kafka-go-0.4.47-old-versions", Likely},
		"kafka-go on a broker that takes it":    {mismatch("KV4001", 11, 1, 0, 9, unannounced(kafkaGo)), "", noMatch},
		"kafka-go fetches":                      {mismatch("KV1002", 1, 2, 4, 17, unannounced(kafkaGo)), "", noMatch},
		"terraform announces sarama":            {mismatch("KV1002", 19, 0, 2, 7, func(m *Mismatch) { announced("sarama", "dev")(m); m.ClientID = "terraform-provider-kafka" }), "terraform-provider-kafka-topic-v0", Likely},
		"terraform announces nothing":           {mismatch("KV1002", 20, 0, 1, 6, unannounced("terraform-provider-kafka")), "terraform-provider-kafka-topic-v0", Likely},
		"terraform's client id, other library":  {mismatch("KV1002", 19, 0, 2, 7, func(m *Mismatch) { announced("kgo", "v1.19.1")(m); m.ClientID = "terraform-provider-kafka" }), "", noMatch},
		"Burrow":                                {mismatch("KV1002", 2, 0, 1, 10, unannounced("burrow-lagchecker")), "burrow-listoffsets-0", Likely},
		"Burrow, other API":                     {mismatch("KV1002", 8, 0, 2, 9, unannounced("burrow-lagchecker")), "", noMatch},
		"Metricbeat":                            {mismatch("KV1002", 2, 0, 1, 10, func(m *Mismatch) { announced("sarama", "v0.1.0")(m); m.ClientID = "metricbeat" }), "metricbeat-listoffsets-0", Likely},
		"any application on sarama":             {mismatch("KV1002", 2, 0, 1, 10, func(m *Mismatch) { announced("sarama", "v1.61.1")(m); m.ClientID = "app" }), "sarama-request-without-version", Likely},
		"ListOffsets v0 of nobody known":        {mismatch("KV1002", 2, 0, 1, 10, unannounced("app")), "", noMatch},
		"sarama commits with v1":                {mismatch("KV1002", 8, 1, 2, 9, unannounced("sarama")), "sarama-1.40-group-versions", Likely},
		"sarama joins with v1":                  {mismatch("KV1002", 11, 1, 2, 9, announced("sarama", "dev")), "sarama-1.40-group-versions", Likely},
		"an application's version is no proof":  {mismatch("KV1002", 8, 1, 2, 9, announced("sarama", "v0.34.1")), "sarama-1.40-group-versions", Likely},
		"a pseudo-version of an application":    {mismatch("KV1002", 8, 1, 2, 9, announced("sarama", "v0.0.0-20250901120000-0123456789ab+dirty")), "sarama-1.40-group-versions", Likely},
		"sarama that announces its own version": {mismatch("KV1002", 8, 1, 2, 9, announced("sarama", "v1.47.0")), "", noMatch},
		"sarama commits with v0":                {mismatch("KV1002", 8, 0, 2, 9, unannounced("sarama")), "", noMatch},
		"sarama's SaslHandshake":                {mismatch("KV1001", 17, 1, 0, 0, unannounced("sarama")), "sarama-1.41-saslhandshake-1", Likely},
		"sarama's SaslHandshake, no range":      {mismatch("KV2001", 17, 1, 0, 0, resetUnranged(unannounced("sarama"))), "sarama-1.41-saslhandshake-1", Possible},
		"sarama's Metadata":                     {mismatch("KV1001", 3, 10, 0, 8, announced("sarama", "dev")), "sarama-1.45-no-negotiation", Likely},
		"sarama 1.61.1 negotiates":              {mismatch("KV1001", 3, 10, 0, 8, announced("sarama", "v1.61.1")), "", noMatch},
		"sarama's Metadata, ranges refused":     {mismatch("KV2001", 3, 10, 0, 0, resetUnranged(announced("sarama", "dev"))), "sarama-1.45-no-negotiation-refused", Likely},
		"sarama that did not ask, no range":     {mismatch("KV2001", 3, 10, 0, 0, resetUnranged(unannounced("sarama"))), "", noMatch},
		"sarama joins with v1, no range":        {mismatch("KV2001", 11, 1, 0, 0, resetUnranged(unannounced("sarama"))), "sarama-1.40-group-versions", Possible},
		"sarama without negotiation, no range":  {mismatch("KV2001", 3, 11, 0, 0, resetUnranged(unannounced("inventory-sync"))), "", noMatch},
		"sarama inside the range":               {mismatch("KV3001", 3, 8, 0, 8, announced("sarama", "dev")), "", noMatch},
		"Kafka 0.9 does not answer": {mismatch("KV2002", 18, 0, 0, 0, func(m *Mismatch) {
			unannounced("rdkafka")(m)
			m.HasRange = false
			m.Outcomes = map[string]uint64{"left": 1}
		}), "librdkafka-kafka-0.9-apiversions", Possible},
		"a newer librdkafka announces itself": {mismatch("KV2002", 18, 3, 0, 0, func(m *Mismatch) { announced("librdkafka", "2.0.2")(m); m.Outcomes = map[string]uint64{"left": 1} }), "", noMatch},
		"ApiVersions v0 closed":               {mismatch("KV2002", 18, 0, 0, 0, unannounced("rdkafka")), "", noMatch},
		"librdkafka retries lower (no fault)": {mismatch("KV2003", 18, 3, 0, 0, announced("librdkafka", "2.0.2")), "", noMatch},
		"librdkafka joins with v0":            {mismatch("KV1002", 11, 0, 2, 9, announced("librdkafka", "2.10.1")), "", noMatch},
		"a finding without anything":          {Mismatch{Code: "KV2004"}, "", noMatch},
		"nothing at all":                      {Mismatch{}, "", noMatch},
	} {
		t.Run(name, func(t *testing.T) {
			known, got, ok := match(loadBuiltIn(t), test.m)
			if ok && (known.ConfidenceReason == "") != (got == Certain) {
				t.Errorf("%s: the reason is %q", got, known.ConfidenceReason)
			}
			if known.ID != test.id || got != test.want || ok != (test.id != "") {
				t.Errorf("got %q %v %v, want %q %v", known.ID, got, ok, test.id, test.want)
			}
		})
	}
}

func TestEveryBuiltInIssueIsReachedByATestAndComplete(t *testing.T) {
	source, err := os.ReadFile("catalogue_test.go")
	if err != nil {
		t.Fatal(err)
	}
	k := loadBuiltIn(t)
	if n := len(k.files[0].Issues); n < 10 {
		t.Fatalf("only %d built-in issues", n)
	}
	for n := range k.files[0].Issues {
		entry := &k.files[0].Issues[n]
		i := entry.known()
		if !strings.Contains(string(source), `"`+i.ID+`"`) {
			t.Errorf("%s has no test", i.ID)
		}
		if i.FixedIn == "" && i.Workaround == "" {
			t.Errorf("%s says neither which release fixes it nor what to do", i.ID)
		}
		if !strings.Contains(i.Workaround, i.FixedIn) {
			t.Errorf("%s: what to do begins with the release that fixes it, %s: %s", i.ID, i.FixedIn, i.Workaround)
		}
		if !strings.HasPrefix(i.URL, "https://github.com/") {
			t.Errorf("%s: %s is no thread", i.ID, i.URL)
		}
		if strings.HasPrefix(string(entry.Reproduced), "no: ") {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", "..", "testdata", "captures", string(entry.Reproduced)+".pcap")); entry.Reproduced == "" || err != nil {
			t.Errorf("%s: reproduced in %q: %v", i.ID, entry.Reproduced, err)
		}
	}
}

func TestNoCatalogueMatchesNothing(t *testing.T) {
	if _, _, ok := match(nil, fetch12(nil)); ok {
		t.Error("a nil catalogue matched")
	}
}

func TestUsersIssueGoesBeforeABetterBuiltInOne(t *testing.T) {
	path := writeIssues(t, "mine.yaml", issueText("mine", "codes: [KV1001]", "pattern: true", "clients: [{client_ids: [orders-*], library: confluent-kafka-go}]", "fixed_in: 7.5"))
	k, err := Load(isCode, path)
	if err != nil {
		t.Fatal(err)
	}
	known, confidence, _ := match(k, fetch12(nil))
	want := model.KnownIssue{ID: "mine", Title: "A title", URL: "https://example.org/1", FixedIn: "7.5", Confidence: "likely", ConfidenceReason: "the client id fits, and the announced software does not name the library"}
	if diff := cmp.Diff(want, known); diff != "" || confidence != Likely {
		t.Errorf("confidence %v, issue (-want +got):\n%s", confidence, diff)
	}
	if known, _, _ := match(k, fetch12(func(m *Mismatch) { m.ClientID = "stock" })); known.ID != "librdkafka-2.6.0-fetch-12" {
		t.Errorf("another client id got %q, want the built-in issue", known.ID)
	}
}

func TestHigherConfidenceAndThenOrderWinWithinAFile(t *testing.T) {
	item := func(id, more string) string {
		return fmt.Sprintf("  - {id: %s, title: t, url: \"https://example.org\", source: s, codes: [KV1001], %s}\n", id, more)
	}
	path := writeIssues(t, "mine.yaml", "issues:\n"+
		item("weak", "pattern: true, clients: [{name: a, at_most: possible}]")+
		item("first", "clients: [{name: a, versions: \">=1\"}]")+
		item("second", "clients: [{name: a}]"))
	k, err := Load(isCode, path)
	if err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{"1.0.0": "first", "0.9": "second"} {
		if known, _, _ := match(k, Mismatch{Code: "KV1001", SoftwareName: "a", SoftwareVersion: version}); known.ID != want {
			t.Errorf("version %s: got %q, want %q", version, known.ID, want)
		}
	}
}

func TestConditionsCompareBothEndsOfTheRange(t *testing.T) {
	for text, holds := range map[string]bool{
		"max < 12": true, "max < 7": false, "max <= 7": true, "max = 7": true, "max >= 8": false, "max > 6": true,
		"min > sent": false, "max < sent": true, "min = 4, max < sent": true, "min = 4, max > sent": false,
	} {
		path := writeIssues(t, "mine.yaml", issueText("mine", "codes: [KV1001]", "pattern: true", "range: "+text))
		k, err := Load(isCode, path)
		if err != nil {
			t.Fatal(err)
		}
		if known, _, _ := match(k, fetch12(unannounced("x"))); (known.ID == "mine") != holds {
			t.Errorf("%q for range 4-7 and version 12: got %q", text, known.ID)
		}
	}
}

// TestTheReasonOfALowConfidence: the entry gives the reason, or the catalogue has a default.
func TestTheReasonOfALowConfidence(t *testing.T) {
	for because, want := range map[string]string{"": "the catalogue of known issues allows no more for this client", ", because: it is a guess": "it is a guess"} {
		path := writeIssues(t, "mine.yaml", issueText("mine", "codes: [KV1001]", "clients: [{name: confluent-kafka-go, at_most: possible"+because+"}]"))
		k, err := Load(isCode, path)
		if err != nil {
			t.Fatal(err)
		}
		if known, _, _ := match(k, fetch12(nil)); known.ConfidenceReason != want {
			t.Errorf("the reason is %q, want %q", known.ConfidenceReason, want)
		}
	}
	for _, file := range loadBuiltIn(t).files {
		for _, i := range file.Issues {
			for _, c := range i.Clients {
				if c.AtMost < Certain && strings.HasPrefix(string(c.Because), "the catalogue") {
					t.Errorf("%s: at_most without because", i.ID.text)
				}
			}
		}
	}
}
